"""`python -m archbench`."""

from archbench.models.user_context import load_own_package

load_own_package("cli")  # `python -m` searches the working directory first, which may have a `cli`, too

from cli.main import main  # noqa: E402  # see above

main()
