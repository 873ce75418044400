"""The units that one unit sees, back to the input."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbench.analyze.receptive_field import Field, Step, field_after, receptive_fields
from archbench.analyze.receptive_growth import receptive_growth
from archbench.trace.records import Window

WINDOWS = st.builds(
    lambda k, s, p, d: Window((k,), (s,), (p,), None, (d,)),
    st.integers(2, 5),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 3),
)


def _steps(windows):
    field, steps = Field((1,), (1,), (Fraction(0),)), {}
    for number, window in enumerate(windows):
        after = field_after(field, window)
        steps[str(number)] = Step(field, window, after)
        field = after
    return steps


@given(st.lists(WINDOWS, min_size=1, max_size=5), st.integers(0, 9))
def test_the_units_seen_are_those_that_the_windows_reach(windows, unit):
    seen = receptive_growth(_steps(windows), str(len(windows) - 1), None, (unit,))
    reached = {unit}  # each unit of a layer reads the inputs s*i - p + d*j for j below k
    for units, window in zip(seen[::-1], windows[::-1], strict=False):
        (k,), (s,), (p,), (d,) = window.kernel, window.stride, window.padding, window.dilation
        assert (units.first[0], units.first[0] + units.count[0] - 1) == (min(reached), max(reached))
        reached = {s * i - p + d * j for i in reached for j in range(k)}
    assert (seen[0].first[0], seen[0].count[0]) == (min(reached), max(reached) - min(reached) + 1)
    # What the whole path reaches is the field of the unit, from its first input on.
    assert seen[-1].field.size == (max(reached) - min(reached) + 1,)
    assert seen[-1].begin((unit,)) == (min(reached),)


@given(st.lists(WINDOWS, min_size=1, max_size=5), st.integers(0, 9))
def test_the_field_of_the_middle_unit_lies_in_that_of_the_layer_above(windows, unit):
    seen = receptive_growth(_steps(windows), str(len(windows) - 1), None, (unit,))
    edges = [(units.begin(units.middle())[0], units.begin(units.middle())[0] + units.field.size[0]) for units in seen]
    last = edges[-1]
    assert all(last[0] <= begin and end <= last[1] for begin, end in edges)


def test_three_3x3_layers_see_what_one_7x7_layer_sees(zoo_trace):
    steps = receptive_fields(zoo_trace("vgg16", 1, "eval")).steps
    seen = receptive_growth(steps, "conv3_3", "conv3_1", (28, 28))
    assert [(units.name, units.count, units.field.size) for units in seen] == [
        ("input of conv3_1", (7, 7), (1, 1)),
        ("conv3_1", (5, 5), (3, 3)),
        ("conv3_2", (3, 3), (5, 5)),
        ("conv3_3", (1, 1), (7, 7)),
    ]
    assert receptive_growth(steps, "conv3_1", "conv3_3", (28, 28)) is None


@pytest.mark.parametrize(("model", "size"), [("vgg16", 212), ("googlenet", 651), ("resnet20", 109)])
def test_of_branches_the_largest_path_is_followed(zoo_trace, model, size):
    fields = receptive_fields(zoo_trace(model, 1, "eval"))
    last = next(name for name, step in fields.steps.items() if step.after.size == (size, size))
    seen = receptive_growth(fields.steps, last, None, (0, 0))
    sizes = [units.field.size[0] for units in seen]
    assert sizes[0] == 1
    assert sizes[-1] == size
    assert sizes == sorted(sizes)
    # each layer's window widens the field of the one before it by (k - 1) strides
    for below, above in itertools.pairwise(seen):
        assert above.field.size[0] == below.field.size[0] + (above.window.kernel[0] - 1) * below.field.stride[0]
