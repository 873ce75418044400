"""Signs that not every terminal or file can show, and what stands for them there.

Output that is piped on Windows has a code page such as 1252, 437 or 850, each with other signs. What is ours gets a
stand-in that says the same, never a question mark; any other character is written as JSON escapes it, so that names
stay exact and JSON stays JSON.
"""

from __future__ import annotations

import codecs
import json

STAND_INS = "archbench.stand_ins"
"""The name of the error handler: `stream.reconfigure(errors=STAND_INS)`."""

_STAND_INS = {
    "×": "x",
    "·": "*",
    "−": "-",
    "±": "+-",
    "²": "^2",
    "Σ": "sum",
    "⌊": "floor(",
    "⌋": ")",
    "⌈": "ceil(",
    "⌉": ")",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "µ": "u",
    "α": "alpha",
    "β": "beta",
    "…": "...",
    "–": "-",
    "—": "-",
    "─": "-",
    "�": "?",
}


def as_shown(text: str, encoding: str) -> str:
    """Return a text as it comes out in an encoding."""
    return text.encode(encoding, STAND_INS).decode(encoding)


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_STAND_INS.get(sign) or json.dumps(sign)[1:-1] for sign in signs), error.end


codecs.register_error(STAND_INS, _stand_in)
