"""`python -m archbench`."""

from cli.main import main

main()
