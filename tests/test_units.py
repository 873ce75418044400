from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbench import units
from archbench.errors import InputError
from archbench.units import parse_percent, parse_range


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1.5, "1.5"), (999, "999"), (1000, "1.000K"), (999_949, "999.9K"), (999_951, "1.000M"),
        (60_965_224, "60.97M"), (724_406_816, "724.4M"), (15_470_264_320, "15.47G"),
    ],
)  # fmt: skip
def test_counts_have_four_digits_and_a_decimal_prefix(value, text):
    assert units.format_count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1.000 KiB"), (243_860_896, "232.6 MiB"), (1 << 30, "1.000 GiB")],
)
def test_bytes_have_a_binary_prefix(value, text):
    assert units.format_bytes(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1.00×"), (2.2695, "2.27×"), (21.355, "21.4×"), (250.2, "250×"), (0.0102, "0.010×"), (1e-4, "<0.001×")],
)
def test_ratios_have_three_digits(value, text):
    assert units.format_ratio(value) == text


def test_sizes_are_written_as_they_are_typed():
    assert units.format_dimensions((3, 227, 227)) == "3x227x227"
    assert units.format_step((2, 2)) == "2"
    assert units.format_step((2, 1)) == "2x1"
    assert units.format_integer(60_965_224) == "60,965,224"


@given(st.integers(0, 10**20))
def test_the_number_shown_is_the_number_within_its_digits(value):
    prefixes = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
    text = units.format_count(value)
    number, prefix = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "")
    assert float(number.replace(",", "")) * prefixes[prefix] == pytest.approx(value, rel=6e-4)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5M", 5_000_000),
        ("0.1G", 100_000_000),
        ("61,100,840", 61_100_840),
        ("1e6", 1_000_000),
        ("1.5 k", 1500),
        ("7", 7),
    ],
)
def test_counts_are_read(text, value):
    assert units.parse_count(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("2GiB", 2 << 30), ("500MB", 500_000_000), ("1.5 KiB", 1536), ("64 B", 64), ("3B", 3)]
)
def test_sizes_are_read(text, value):
    assert units.parse_bytes(text) == value


@pytest.mark.parametrize("text", ["", "M", "five", "-5M", "5MM", "5GiB", "1,5.5.5"])
def test_what_is_no_count_is_refused(text):
    with pytest.raises(InputError, match="is not a count"):
        units.parse_count(text)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("32", [32]), ("1,8,32,8", [1, 8, 32]), ("1..8", [1, 2, 4, 8]), ("3..20", [3, 6, 12, 20]), ("5..5", [5])],
)
def test_parse_range_reads_numbers_lists_and_doubling_ranges(text, numbers):
    assert parse_range(text, "batch size") == numbers


def test_parse_percent_reads_percentages_alone():
    assert (parse_percent("2%"), parse_percent("0.5 %")) == (0.02, 0.005)
    for text in ("2", "%", "-1%", "2%%", "two%", "1e3%"):
        with pytest.raises(InputError, match="is not a percentage such as 2%"):
            parse_percent(text)


@pytest.mark.parametrize("text", ["", "0", "a", "1..", "1,,2", "-1", "1.5", "²"])
def test_parse_range_refuses_anything_else(text):
    with pytest.raises(InputError, match="is not a valid batch size; write whole numbers from 1"):
        parse_range(text, "batch size")


def test_parse_range_proposes_the_reverse_of_a_falling_range():
    with pytest.raises(InputError, match=r"'8\.\.1' is an empty range of batch sizes; did you mean 1\.\.8\?"):
        parse_range("8..1", "batch size")
