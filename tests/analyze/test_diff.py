from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from archbench.analyze.diff import align, difference
from archbench.analyze.layers import layer_table
from archbench.api.summary import summarize


def rows(*layers, shape=(1, 3, 16, 16)):
    return summarize(nn.Sequential(*layers), torch.empty(shape)).rows


def conv(channels_in, channels_out, kernel=3, **options):
    return nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, **options)


def kinds(found):
    return [(row.change, row.a and row.a.name, row.b and row.b.name) for row in found]


def test_an_inserted_layer_is_an_insertion_though_the_names_after_it_shift():
    a = rows(conv(3, 8), nn.ReLU(), conv(8, 16), nn.ReLU())
    b = rows(conv(3, 8), nn.ReLU(), conv(8, 8), nn.ReLU(), conv(8, 16), nn.ReLU())
    found = difference(a, b)
    assert [row.change for row in found].count("only_b") == 2
    assert [row.change for row in found].count("same") == 4
    # 8 * 8 * 9 weights and 8 biases, at each of 16 * 16 places.
    assert sum(row.params_difference for row in found) == 584
    assert sum(row.macs_difference for row in found) == 576 * 256


def test_a_changed_layer_says_which_fields():
    (row,) = difference(rows(conv(3, 8, 5)), rows(conv(3, 8, 3, stride=2)))
    assert row.change == "changed"
    assert {change.field: (change.before, change.after) for change in row.changes} == {
        "kernel": ((5, 5), (3, 3)),
        "stride": ((1, 1), (2, 2)),
        "padding": ((2, 2), (1, 1)),
        "output_shape": ((8, 16, 16), (8, 8, 8)),
    }


def test_an_exchanged_activation_is_a_change_and_another_kind_of_layer_is_not():
    assert kinds(difference(rows(nn.ReLU()), rows(nn.Tanh()))) == [("changed", "0", "0")]
    found = difference(rows(conv(3, 8)), rows(nn.MaxPool2d(2)))
    assert sorted(row.change for row in found) == ["only_a", "only_b"]


def test_alexnet_to_zfnet_reads_like_the_lecture(zoo_summary):
    found = {row.a.name: row for row in difference(zoo_summary("alexnet").rows, zoo_summary("zfnet").rows) if row.a}
    first = {change.field: (change.before, change.after) for change in found["conv1"].changes}
    assert first["kernel"] == ((11, 11), (7, 7))
    assert first["stride"] == ((4, 4), (2, 2))
    # 7*7*3*96*110*110 - 11*11*3*96*55*55
    assert found["conv1"].macs_difference == 170_755_200 - 105_415_200
    assert found["conv3"].change == "same"


@pytest.mark.parametrize(("a", "b"), [("alexnet", "zfnet"), ("vgg11", "vgg19_bn"), ("lenet5", "vgg16")])
def test_differences_sum_to_that_of_the_totals_and_every_layer_is_there_once(zoo_summary, a, b):
    first, second = zoo_summary(a), zoo_summary(b)
    found = difference(first.rows, second.rows)
    assert [row.a for row in found if row.a] == list(first.rows)
    assert [row.b for row in found if row.b] == list(second.rows)
    for field in ("params", "macs"):
        expected = getattr(second.totals, field) - getattr(first.totals, field)
        assert sum(getattr(row, f"{field}_difference") for row in found) == expected
    bytes_of = [sum(row.output_bytes for row in summary.rows) for summary in (first, second)]
    assert sum(row.output_bytes_difference for row in found) == bytes_of[1] - bytes_of[0]


@pytest.fixture(scope="module")
def letters():
    """Rows that are told apart by type alone."""
    (row,) = rows(nn.Identity())
    return {letter: replace(row, type=letter, name=letter, params=ord(letter)) for letter in "abcd"}


def longest_common(a, b):
    """The textbook's recursion, as the second opinion: pairs of equal letters, in order."""
    if not a or not b:
        return 0
    if a[0] == b[0]:
        return 1 + longest_common(a[1:], b[1:])
    return max(longest_common(a[1:], b), longest_common(a, b[1:]))


@settings(max_examples=150, deadline=None)
@given(a=st.text("abcd", max_size=7), b=st.text("abcd", max_size=7))
def test_as_many_equal_layers_as_possible_are_paired(letters, a, b):
    # Different letters differ in type, name and parameters, which costs 1.95: less than two layers alone, so that they
    # pair too; equal letters must still be paired as often as that does not cost more.
    pairs = align([letters[x] for x in a], [letters[x] for x in b])
    cost = sum(1.0 if None in pair else 0.0 if pair[0] == pair[1] else 1.95 for pair in pairs)
    assert "".join(x.type for x, _ in pairs if x) == a
    assert "".join(y.type for _, y in pairs if y) == b
    assert cost <= len(a) + len(b) - 2 * longest_common(a, b) + 1e-9


def test_a_model_against_itself_is_the_same(zoo_trace):
    table = layer_table(zoo_trace("vgg11", 2, "train")).rows
    assert {row.change for row in difference(table, table)} == {"same"}
