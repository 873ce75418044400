"""ASCII fallbacks for characters the output encoding cannot represent.

Piped output on Windows has a code page such as 1252, 437 or 850. The toolkit's own characters get a readable fallback;
any other character is written as a JSON escape, so that names stay exact and JSON stays valid.
"""

from __future__ import annotations

import codecs
import json

ASCII_FALLBACKS = "archbench.ascii_fallbacks"
"""The name of the error handler: `stream.reconfigure(errors=ASCII_FALLBACKS)`."""

_FALLBACKS = {
    "×": "x",
    "·": "*",
    "−": "-",
    "±": "+-",
    "²": "^2",
    "³": "^3",
    "⁴": "^4",
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
    """Return a text as it reads after encoding, with fallbacks."""
    return text.encode(encoding, ASCII_FALLBACKS).decode(encoding)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_FALLBACKS.get(character) or json.dumps(character)[1:-1] for character in characters), error.end


codecs.register_error(ASCII_FALLBACKS, _replace)
