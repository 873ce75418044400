"""Format numbers as text, and parse them: records hold raw numbers in base units."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from archbench.errors import InputError

# Control characters, line and paragraph separators, marks that change the direction of text, and what is not text.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
# Of these a terminal may get ends of lines and styles, which change no more than how text looks.
_UNPRINTABLE_ON_TERMINALS = re.compile(rf"(\x1b\[[0-9;]*m)|[\n\t]|{_UNPRINTABLE.pattern}")

_SI = ("", "K", "M", "G", "T", "P", "E")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")

# No other digits than 0 to 9, and no more of them than Python converts to a number.
_WHOLE_NUMBER = re.compile(r"0*[1-9][0-9]{0,999}")

TIME_UNITS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
"""Units of time with their seconds, the longest first."""


def format_text(value: object) -> str:
    r"""Return text on one line, with control characters as escapes: ESC becomes `\x1b`, as in a Python literal."""
    return _UNPRINTABLE.sub(lambda match: _escaped(match[0]), str(value))


def printable(text: str, *, has_styles: bool = False) -> str:
    """Return lines of text with control characters as escapes; with `has_styles`, the text's styles stay."""
    return _UNPRINTABLE_ON_TERMINALS.sub(
        lambda match: match[0] if match[0] in "\n\t" or (match[1] and has_styles) else _escaped(match[0]), text
    )


def _escaped(characters: str) -> str:
    return repr(characters)[1:-1]


def format_integer(value: int) -> str:
    """Return all digits in groups of three: `60965224` -> `60,965,224`."""
    return f"{value:,}"


def format_count(value: float) -> str:
    """Return four significant digits with a decimal prefix: `724406816` -> `724.4M`."""
    return _scaled(value, 1000, _SI)


def format_change(value: float) -> str:
    """Return a difference of counts with its sign: `1399040` -> `+1.399M`, `0` -> `0`."""
    return _signed(value, format_count)


def format_bytes_change(value: float) -> str:
    """Return a difference of bytes with its sign: `-1024` -> `-1.000 KiB`, `0` -> `0`."""
    return _signed(value, format_bytes)


def _signed(value: float, text: Callable[[float], str]) -> str:
    return "0" if value == 0 else f"{'+' if value > 0 else '-'}{text(abs(value))}"


def format_bytes(value: float) -> str:
    """Return four significant digits with a binary prefix: `243860896` -> `232.6 MiB`."""
    return _scaled(value, 1024, tuple(f" {unit}" for unit in _BINARY))


def binary_unit(value: float) -> tuple[str, float]:
    """Return the largest binary unit not above a number of bytes, with its bytes: `5000` -> `("KiB", 1024.0)`."""
    power = max((power for power in range(len(_BINARY)) if 1024**power <= value), default=0)
    return _BINARY[power], 1024.0**power


def format_ratio(value: float) -> str:
    """Return a ratio with three significant digits: `2.2711` -> `2.27×`, `21.35` -> `21.4×`."""
    if 0 < value < 0.001:
        return "<0.001×"
    decimals = 3 if value < 0.1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{decimals}f}×"


def format_float(value: float) -> str:
    """Return a number with one decimal: `14.96` -> `15.0`."""
    return f"{value:,.1f}"


def format_time(value_s: float) -> str:
    """Return three significant digits with the largest fitting unit: `0.01385` -> `13.9 ms`, `7200` -> `2.00 h`."""
    if value_s < 0:
        return f"-{format_time(-value_s)}"
    for unit, seconds in TIME_UNITS:
        if value_s >= 0.9995 * seconds:
            return f"{_three_digits(value_s / seconds)} {unit}"
    return "0" if value_s == 0 else f"{value_s / 1e-9:.0f} ns"


def format_rate(value_per_s: float) -> str:
    """Return a rate of bytes with a decimal prefix: `450e9` -> `450.0 GB/s`."""
    number = format_count(value_per_s)
    return f"{number[:-1]} {number[-1]}B/s" if number[-1].isalpha() else f"{number} B/s"


def format_percent(value: float) -> str:
    """Return a fraction as a percentage with one decimal: `0.914` -> `91.4%`."""
    return f"{100 * value:.1f}%"


def format_loss(value: float) -> str:
    """Return a training loss with three decimals: `2.302585` -> `2.303`."""
    return f"{value:.3f}"


def format_measure(value: float) -> str:
    """Return at least three significant digits: `13904.2` -> `13,904`, `2.166` -> `2.17`."""
    return _three_digits(value)


def _three_digits(value: float) -> str:
    decimals = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:,.{decimals}f}"


def format_figure(value: float | str) -> str:
    """Return a figure: text on one line, integers with all digits, floats with six significant digits."""
    return f"{value:.6g}" if isinstance(value, float) else format_text(value)


def format_dimensions(dimensions: Sequence[int]) -> str:
    """Return sizes joined by `x`: `(3, 227, 227)` -> `3x227x227`."""
    return "x".join(str(size) for size in dimensions)


def format_step(values: Sequence[int]) -> str:
    """Return a stride or padding: one number if all dimensions agree, else joined by `x`."""
    return str(values[0]) if len(set(values)) == 1 else format_dimensions(values)


def parse_count(text: str) -> int:
    """Parse a count such as `5M`, `1.5G`, `61100840` or `1e6`. Raises InputError for anything else."""
    return _parse(text, {unit: 1000**power for power, unit in enumerate(_SI)}, "a count such as 600M or 61,100,840")


def parse_bytes(text: str) -> int:
    """Parse a size such as `2GiB`, `500MB` or `1.5 GiB` to bytes. Raises InputError for anything else, or no unit."""
    units = {unit: 1024**power for power, unit in enumerate(_BINARY)}
    units |= {f"{unit}B": 1000**power for power, unit in enumerate(_SI)}
    if re.fullmatch(r"[0-9][0-9_,.]*", text.strip()):
        raise InputError(
            f"'{text}' has no unit; write {text.strip()}GiB, {text.strip()}MiB or {text.strip()}B for bytes"
        )
    return _parse(text, units, "a size such as 2GiB or 500MB")


def parse_percent(text: str) -> float:
    """Parse a percentage such as `2%` to a fraction. Raises InputError for anything else."""
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*%", text.strip(), re.ASCII)
    if match is None:
        raise InputError(f"'{text}' is not a percentage such as 2%")
    return float(match[1]) / 100


def _parse(text: str, units: dict[str, int], expected: str) -> int:
    match = re.fullmatch(r"([0-9][0-9_,]*(?:\.[0-9]+)?(?:[eE][+]?[0-9]{1,2})?)\s*([A-Za-z]*)", text.strip(), re.ASCII)
    by_lower_case = {unit.lower(): factor for unit, factor in units.items()}
    if match is None or match[2].lower() not in by_lower_case:
        raise InputError(f"'{text}' is not {expected}")
    # Fractions keep 0.1G exact.
    return round(Fraction(match[1].replace(",", "").replace("_", "")) * by_lower_case[match[2].lower()])


def parse_range(text: str, noun: str) -> list[int]:
    """Parse whole numbers from 1: `32`, `1,8,32`, or `1..512`, which doubles from its first number to its last.

    `noun` names them in errors. Raises InputError for anything else.
    """
    first, dots, last = text.partition("..")
    parts = [first, last] if dots else text.split(",")
    if not all(map(is_whole_number, parts)):
        raise InputError(f"'{text}' is not a valid {noun}; write whole numbers from 1, such as 32, 1,8,32 or 1..512")
    numbers = [int(part) for part in parts]
    if not dots:
        return list(dict.fromkeys(numbers))
    start, end = numbers
    if start > end:
        raise InputError(f"'{text}' is an empty range of {noun}s; did you mean {end}..{start}?")
    doubled = [start]
    while 2 * doubled[-1] < end:
        doubled.append(2 * doubled[-1])
    return list(dict.fromkeys([*doubled, end]))


def is_whole_number(text: str) -> bool:
    """Return whether text is a whole number from 1, in the digits 0 to 9."""
    return _WHOLE_NUMBER.fullmatch(text) is not None


def _scaled(value: float, base: int, units: Sequence[str]) -> str:
    """Return `value` divided by the largest power of `base` below it, with that power's unit."""
    scaled, power = float(value), 0
    # 999.95 would be printed as "1000.0", so the next prefix starts there.
    while abs(scaled) >= base - 0.05 * (base / 1000) and power < len(units) - 1:
        scaled /= base
        power += 1
    if power == 0:
        return f"{value:,.0f}{units[0]}" if float(value).is_integer() else f"{value:,.4g}{units[0]}"
    decimals = 3 if abs(scaled) < 9.9995 else 2 if abs(scaled) < 99.995 else 1
    return f"{scaled:,.{decimals}f}{units[power]}"
