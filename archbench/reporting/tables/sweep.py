"""The table of a sweep: the swept value as a column, and the polynomials that the totals follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from archbench.analyze.growth import Growth, Sweep
from archbench.analyze.polynomial import Polynomial
from archbench.reporting.table import Column, Table
from archbench.units import format_integer

_SYMBOLS = {"length": "T", "size": "S", "image_size": "S", "img_size": "S"}
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
# The totals that have a sentence, where they are polynomials.
_NAMES = {
    "macs": "MACs",
    "params": "params",
    "training_macs": "training MACs",
    "peak_inference_bytes": "peak memory in bytes",
    "peak_training_bytes": "peak memory in bytes",
}


def with_sweep(table: Table, sweep: Sweep) -> Table:
    """Return a comparison with one row per model and swept value, and a sentence per model on how it grows."""
    first, *others = table.columns
    swept = Column("swept", "Swept"), Column("swept_value", heading_of(sweep.name), "integer", 1)
    rows = [
        {**row, "swept": sweep.name, "swept_value": value} for row, value in zip(table.rows, sweep.values, strict=True)
    ]
    baseline = next((i for i, row in enumerate(table.rows) if row is table.baseline), None)
    at = "" if baseline is None else f" at {sweep.name} {format_integer(sweep.values[baseline])}"
    return replace(
        table,
        columns=(first, *swept, *others),
        rows=rows,
        title=table.title + at,
        notes=(*sentences(sweep), *table.notes),
        caveats=tuple(dict.fromkeys((*sweep.left_out, *table.caveats))),
    )


def sentences(sweep: Sweep) -> Iterator[str]:
    """Yield how each model's totals grow: `MACs = 1,024·T² + 3,145,728·T (T: length)`."""
    symbol = symbol_of(sweep.name)
    meaning = "" if symbol == sweep.name else f" ({symbol}: {sweep.name})"
    for model, growth in sweep.growth.items():
        prefix = f"{model}: " if len(sweep.growth) > 1 else ""
        if "macs" in growth:
            crossing = _crossing(growth["macs"].polynomial, symbol, min(sweep.values))
            yield f"{prefix}{_equations(growth, symbol)}{crossing}{meaning}"
        elif growth:
            yield f"{prefix}MACs are not a polynomial in {sweep.name} at these values."


def heading_of(name: str) -> str:
    """Return how a column or an axis of what is swept is headed: `Length`, but `image_size`."""
    return name.capitalize() if name.isalpha() else name


def symbol_of(name: str) -> str:
    """Return the symbol of what is swept in equations."""
    return _SYMBOLS.get(name, name)


def _equations(growth: Mapping[str, Growth], symbol: str) -> str:
    """Return an equation for the MACs and for each other total that varies, and at which values they hold."""
    shown = [total for total in _NAMES if total in growth and (total == "macs" or growth[total].polynomial.degree)]
    equations = [f"{_NAMES[total]} = {polynomial_text(growth[total].polynomial, symbol)}" for total in shown]
    places = [where(growth[total]) for total in shown]
    if len(shown) > 1 and len(set(places)) == 1 and places[0]:
        return f"{'; '.join(equations)}; all{places[0]}"
    return "; ".join(map("".join, zip(equations, places, strict=True)))


def _crossing(polynomial: Polynomial, symbol: str, least: int) -> str:
    """Return from which value on the leading term is larger than all others, if that is not so at the least value."""
    value = polynomial.leads_from()
    if value is None or value <= least:
        return ""
    return f"; {power_text(symbol, polynomial.degree)} exceeds the rest from {symbol} = {format_integer(value)}"


def where(growth: Growth) -> str:
    """Return at which values a polynomial holds, empty for all."""
    if growth.step == 1:
        return ""
    step = format_integer(growth.step)
    return f" at multiples of {step}" if growth.start == 0 else f" at {growth.start} + multiples of {step}"


def polynomial_text(polynomial: Polynomial, symbol: str) -> str:
    """Return a polynomial with its largest exponent first: `1,024·T² + 3,145,728·T − 5`."""
    terms = [(each, degree) for degree, each in enumerate(polynomial.coefficients) if each][::-1]
    if not terms:
        return "0"
    first, *others = terms
    text = ("−" if first[0] < 0 else "") + _term(*first, symbol)
    return text + "".join(f" {'−' if each < 0 else '+'} {_term(each, degree, symbol)}" for each, degree in others)


def term_text(polynomial: Polynomial, degree: int, symbol: str) -> str:
    """Return the term of a degree without its sign: `1,024·T²`."""
    return _term(polynomial.coefficients[degree], degree, symbol)


def _term(coefficient: Fraction, degree: int, symbol: str) -> str:
    """Return one term without its sign."""
    size = abs(coefficient)
    number = format_integer(size.numerator) + (f"/{format_integer(size.denominator)}" if size.denominator > 1 else "")
    power = power_text(symbol, degree)
    return number if not power else power if size == 1 else f"{number}·{power}"


def power_text(symbol: str, degree: int) -> str:
    """Return a power of the swept value: `T²`, `T`, or nothing for the constant."""
    return "" if degree == 0 else symbol + (str(degree).translate(_SUPERSCRIPTS) if degree > 1 else "")


def growth_records(growth: Mapping[str, Growth]) -> dict[str, Any]:
    """Return the polynomials as plain data: coefficients from the constant up, fractions as text such as `1/2`."""
    return {
        total: {
            "coefficients": [int(c) if c.denominator == 1 else str(c) for c in each.polynomial.coefficients],
            "start": each.start,
            "step": each.step,
        }
        for total, each in growth.items()
    }
