"""Count a model with archbench and with other tools; name what each tool misses or adds, and which figure is right.

    pip install ".[peers]"
    python benchmarks/peers.py ADDRESS [--input SHAPE] [--batch N] [--format text|markdown|json]
    python benchmarks/peers.py --page [docs/peers.md]

ADDRESS is any that `archbench summary` takes. The tools are torch's FlopCounterMode, fvcore, torchinfo, ptflops, thop
and calflops, as far as they are installed. Each is converted to multiply-accumulates of the whole batch by its
documentation: torch's FlopCounterMode calls one two FLOPs, fvcore one flop, ptflops divides the MACs of modules by the
batch.
`--page` writes the page about three models and twenty small modules; it needs every tool.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path

from peer_comparison import compare
from peer_page import page
from peer_tables import to_markdown, to_text
from peer_tools import TOOLS, is_installed

from archbench.errors import ArchbenchError, UsageError
from archbench.files import write_whole
from cli.errors import message

PAGE = Path(__file__).parent.parent / "docs" / "peers.md"


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison of a model, or write the page; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", nargs="?", metavar="ADDRESS")
    parser.add_argument("--input", action="append", default=[], metavar="SHAPE", help="such as 3x224x224; repeatable")
    parser.add_argument("--batch", type=int, default=1, metavar="N")
    parser.add_argument("--format", choices=["text", "markdown", "json"], default="text")
    parser.add_argument("--page", type=Path, nargs="?", const=PAGE, metavar="PATH", help="Default: docs/peers.md.")
    options = parser.parse_args(arguments)
    if (options.address is None) == (options.page is None):
        parser.error("give an ADDRESS, such as torchvision:vit_b_16, or --page")
    try:
        if options.page is not None:
            _write_page(options.page)
        else:
            print(_report(options), end="")
    except ArchbenchError as error:
        print(f"error: {message(error, 'summary')}", file=sys.stderr)
        return error.exit_code
    return 0


def _report(options: argparse.Namespace) -> str:
    with contextlib.redirect_stdout(sys.stderr):  # what the model prints
        comparison = compare(options.address, options.input, batch=options.batch)
    if options.format == "json":
        return json.dumps(comparison.to_dict(), indent=2, ensure_ascii=False) + "\n"
    return to_markdown(comparison) if options.format == "markdown" else to_text(comparison)


def _write_page(path: Path) -> None:
    missing = [tool for tool in TOOLS if not is_installed(tool)]
    if missing:
        raise UsageError(f"--page needs every tool: pip install {' '.join(missing)}")
    write_whole(path, page())
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
