from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import fsum
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.autograd import DeviceType

from archbench.analyze.layers import layer_table
from archbench.analyze.performance.layer_times import PassTimes, Times, profile_rows, top_rows
from archbench.analyze.performance.roofline import Conditions
from archbench.errors import MeasurementError
from archbench.hardware.device import Device
from archbench.hardware.fit.coefficients import plain_coefficients
from archbench.measure.profile import profile as profiling
from archbench.measure.profile.annotate import annotated
from archbench.measure.profile.attribution import attribute, places_of
from archbench.measure.profile.events import Event, Places, Spent
from archbench.measure.profile.profile import median_times
from archbench.precision import find_precision
from archbench.trace.tracer import trace
from tests.helpers.measurements import configuration

# A model with the leaves conv and fc in a root that adds, and multiplies by a matrix.
PLACES = Places(frozenset({"conv", "fc"}), frozenset({"./add", "./addmm", "./select"}), frozenset({"./view", "./t"}))


def operator(name, start, end, **changes):
    return Event(f"aten::{name}", "operator", start, end, **changes)


def within(name, start, end, **changes):
    return Event(name, "range", start, end, **changes)


def node(start, end, sequence, **changes):
    return Event("Backward0", "node", start, end, sequence=sequence, forward_thread=1, **changes)


def times_of(*events, on_gpu=False):
    (step,) = attribute([within("step 1", 0, 1000), *events], PLACES, on_gpu=on_gpu)
    return step


def gaps(step):
    rows = sum(spent.forward_ns + spent.backward_ns for spent in step.rows.values())
    return step.total_ns - rows - step.update_ns - step.outside.forward_ns - step.outside.backward_ns


def test_operators_belong_to_the_leaf_around_them_with_all_that_is_inside_them():
    step = times_of(
        within("layer .", 10, 500),
        within("layer conv", 20, 200),
        operator("conv2d", 30, 130),
        operator("convolution", 40, 120),
        within("layer fc", 210, 400),
        operator("linear", 220, 250),
    )
    # 130 - 30, of which 80 in the inner operator, and 250 - 220; the rest of the ranges is Python.
    assert step.rows == {"conv": Spent(100), "fc": Spent(30)}
    assert gaps(step) == 1000 - 130


def test_a_module_that_is_called_again_is_one_row():
    step = times_of(
        within("layer conv", 0, 100),
        operator("conv2d", 10, 60),
        within("layer conv", 100, 200),
        operator("conv2d", 110, 140),
    )
    assert step.rows == {"conv": Spent(80)}


def test_operators_outside_all_modules_are_separate_and_operators_outside_all_steps_are_ignored():
    step = times_of(operator("mul", 10, 30), operator("mul", 1010, 1030))
    assert (step.rows, step.outside) == ({}, Spent(20))
    assert gaps(step) == 980


def test_each_step_has_its_own_times_in_order():
    found = attribute(
        [
            within("step 2", 1000, 1500),
            within("layer conv", 1000, 1400),
            operator("conv2d", 1100, 1107),
            within("step 1", 0, 1000),
            within("layer conv", 0, 400),
            operator("conv2d", 100, 105),
        ],
        PLACES,
        on_gpu=False,
    )
    assert [(step.total_ns, step.rows["conv"].forward_ns) for step in found] == [(1000, 5), (500, 7)]


def test_an_operator_in_a_module_with_children_has_the_row_of_the_outermost_known_operator():
    root = within("layer .", 0, 900)
    step = times_of(root, operator("add", 0, 50), operator("add_", 10, 20))
    assert step.rows == {"./add": Spent(50)}
    # A composite one that is not in the table, with a view and a product inside: all of it is the product's.
    step = times_of(root, operator("linear", 100, 200), operator("t", 110, 120), operator("addmm", 130, 190))
    assert step.rows == {"./addmm": Spent(100)}


def test_views_and_operators_that_compute_nothing_are_gaps():
    step = times_of(
        within("layer .", 0, 900),
        operator("reshape", 0, 50, is_composite=True),
        operator("view", 10, 40),
        operator("dropout", 100, 120, is_composite=True),
    )
    assert step.rows == {}
    assert gaps(step) == 1000


def test_an_operator_that_the_table_does_not_have_gets_a_row_of_its_own():
    step = times_of(within("layer .", 0, 900), operator("fused_attention", 0, 50), operator("empty", 10, 20))
    assert step.rows == {"./fused_attention": Spent(50)}


def test_a_range_of_the_models_own_changes_nothing():
    step = times_of(within("layer .", 0, 900), within("mine", 0, 100), operator("add", 0, 50))
    assert step.rows == {"./add": Spent(50)}


def test_a_node_belongs_to_the_operator_that_made_it():
    step = times_of(
        within("layer .", 0, 400),
        within("layer conv", 0, 100),
        # Makes no node, so that the number does not go on.
        operator("relu", 0, 10, sequence=7),
        within("layer fc", 100, 200),
        operator("linear", 100, 160, sequence=7),
        operator("t", 100, 110, sequence=7),
        operator("addmm", 120, 160, sequence=8),
        # Writes into a view: it makes nodes 9 to 11.
        operator("add", 210, 240, sequence=9),
        operator("mul", 410, 420, sequence=12),
        node(500, 520, sequence=12),
        node(520, 530, sequence=11),
        node(530, 590, sequence=8),
        operator("mm", 540, 580),
        node(590, 600, sequence=7),
    )
    assert step.rows == {"conv": Spent(10), "fc": Spent(60, 70), "./add": Spent(30, 10)}
    assert step.outside == Spent(10, 20)


def test_adding_up_gradients_belongs_to_the_node_before():
    step = times_of(
        within("layer conv", 0, 100),
        operator("conv2d", 0, 10, sequence=0),
        node(500, 520, sequence=0),
        replace(node(520, 550, sequence=-1), forward_thread=0),
        operator("add_", 530, 540),
    )
    assert step.rows == {"conv": Spent(10, 50)}


def test_nodes_run_on_a_thread_of_their_own_and_those_of_unknown_origin_belong_nowhere():
    step = times_of(
        within("layer conv", 0, 100),
        operator("conv2d", 0, 10, sequence=5),
        node(500, 520, sequence=5, thread=2),
        node(600, 640, sequence=4, thread=2),
    )
    assert step.rows == {"conv": Spent(10, 20)}
    assert step.outside == Spent(0, 40)


def test_recomputation_of_a_checkpoint_is_backward_time_of_its_layer():
    step = times_of(
        within("layer .", 0, 400),
        operator("add", 0, 10, sequence=3),
        node(500, 800, sequence=3),
        within("layer conv", 510, 600),
        operator("conv2d", 520, 560, sequence=20),
        # The backward pass of what was computed again, inside the node.
        node(620, 700, sequence=20),
    )
    # The node's own time is 300 less the 90 of the range and the 80 of the node inside.
    assert step.rows == {"./add": Spent(10, 130), "conv": Spent(0, 120)}


def test_the_optimizer_is_separate():
    step = times_of(within("Optimizer.step#SGD.step", 800, 900), operator("mul_", 810, 850), operator("to", 820, 830))
    assert step.update_ns == 40
    assert step.rows == {}


def test_on_a_gpu_the_time_is_that_of_the_kernels_that_were_launched():
    step = times_of(
        within("layer conv", 0, 100),
        operator("conv2d", 0, 90, sequence=0),
        operator("convolution", 10, 80, kernel_ns=300),
        node(200, 300, sequence=0, thread=2),
        operator("convolution_backward", 210, 290, thread=2, kernel_ns=500),
        on_gpu=True,
    )
    assert step.rows == {"conv": Spent(300, 500)}
    assert gaps(step) == 200


def test_kernels_that_overlap_make_the_gaps_negative():
    step = times_of(within("layer conv", 0, 100), operator("conv2d", 0, 90, kernel_ns=1300), on_gpu=True)
    assert gaps(step) == -300


@dataclass
class Tree:
    """Something that lasts so long by itself, and then what is inside it, one after the other."""

    name: str
    own: int
    inside: list[Tree] = field(default_factory=list)

    def events(self, start):
        """Return the events, and with them whose each nanosecond of the operators is."""
        found, at = [], start + self.own
        for child in self.inside:
            events, at = child.events(at)
            found += events
        kind = "range" if self.name.startswith("layer ") else "operator"
        return [Event(self.name, kind, start, at), *found], at


trees = st.recursive(
    st.builds(Tree, st.sampled_from(["aten::a", "aten::add"]), st.integers(1, 5)),
    lambda below: st.builds(
        Tree, st.sampled_from(["layer conv", "layer fc", "aten::b"]), st.integers(1, 5), st.lists(below, max_size=3)
    ),
    max_leaves=12,
)


@given(st.lists(trees, max_size=4))
def test_every_nanosecond_belongs_to_the_innermost_event(roots):
    events, end = Tree("layer conv", 3, roots).events(0)
    (step,) = attribute([within("step 1", 0, end), *events], PLACES, on_gpu=False)
    expected = {"conv": 0, "fc": 0}
    for moment in range(end):
        around = [event for event in events if event.start_ns <= moment < event.end_ns]
        if around[-1].kind == "operator":
            path = [event.name for event in around if event.kind == "range"][-1].removeprefix("layer ")
            expected[path] += 1
    assert {name: spent.forward_ns for name, spent in step.rows.items()} == {k: v for k, v in expected.items() if v}
    assert gaps(step) == end - sum(expected.values())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.again = self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        x = self.conv(x)
        x = x + self.again(self.conv2(x))
        return self.fc(x.mean((2, 3)))


def traced(mode):
    return trace(Net(), torch.empty(2, 3, 8, 8, device="meta"), mode=mode)


def test_places_are_the_rows_of_the_layer_table():
    places = places_of(traced("eval"))
    assert places.leaves == {"conv", "again", "fc"}
    assert places.operators == {"./add", "./mean"}
    assert Places.from_json(places.to_json()) == places


class Attends(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(8, 2)

    def forward(self, x):
        return self.attn(x, x, x)[0]


def test_places_have_the_rows_of_calls_that_stand_on_other_rows():
    places = places_of(trace(Attends(), torch.empty(5, 2, 8, device="meta")))
    assert places.rows == {"attn/addmm": ["attn", "attn.out_proj"]}
    assert Places.from_json(places.to_json()) == places


ATTENDING = Places(
    frozenset({"attn.out_proj"}),
    frozenset({"attn/addmm", "attn/mul"}),
    frozenset({"attn/t"}),
    {"attn/addmm": ["attn", "attn.out_proj"]},
)


def linear_in_attention(step, start):
    """Return the events of a linear layer, 50 ns long, in a step."""
    start += 1000 * step
    return [
        operator("linear", start, start + 50),
        operator("t", start + 1, start + 5),
        operator("addmm", start + 10, start + 40),
    ]


def rows_in_attention(*linears):
    steps = [
        event
        for i in range(2)
        for event in (within("step 1", 1000 * i, 1000 * i + 1000), within("layer attn", 1000 * i, 1000 * i + 999))
    ]
    events = [*steps, *(event for step, start in linears for event in linear_in_attention(step, start))]
    return [
        {name: spent.forward_ns for name, spent in step.rows.items()}
        for step in attribute(events, ATTENDING, on_gpu=False)
    ]


def test_calls_have_the_rows_of_the_traces_calls_in_every_step():
    steps = rows_in_attention((0, 100), (0, 300), (1, 100), (1, 300))
    assert steps == [{"attn": 50, "attn.out_proj": 50}] * 2


def test_calls_that_the_trace_does_not_have_stand_on_their_operators_row():
    steps = rows_in_attention((0, 100), (0, 300), (0, 500))
    assert steps == [{"attn/addmm": 150}, {}]


TIMES = Times(
    step_s=1.0,
    rows={
        "conv": PassTimes(0.1, 0.2),
        "again": PassTimes(0.01, 0.02),
        "./add": PassTimes(0.001, 0.0),
        "./fused": PassTimes(0.003, 0.0),
    },
    update_s=0.05,
    outside=PassTimes(0.01, 0.03),
)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_rows_sum_to_the_step(mode):
    rows = profile_rows(TIMES, traced(mode), None)
    assert fsum(row.time_s for row in rows) == pytest.approx(1.0, rel=1e-15)
    assert fsum(row.share for row in rows) == pytest.approx(1.0, rel=1e-12)
    assert rows[-1].name == "gaps"
    # What ran outside every module is a row of its own in training only.
    assert [row.name for row in rows if row.index is None] == (
        ["./fused", "loss", "update", "gaps"] if mode == "train" else ["./fused", "gaps"]
    )


def test_a_row_has_the_figures_of_the_layer_table_over_its_time():
    record = traced("train")
    by_name = {row.name: row for row in profile_rows(TIMES, record, None)}
    for layer in layer_table(record).rows:
        row = by_name[layer.name]
        assert (row.index, row.type, row.calls) == (layer.index, layer.type, layer.calls)
        assert row.flops == layer.flops + layer.backward_flops
        assert row.moved_bytes >= layer.read_bytes + layer.written_bytes
    again = by_name["again"]
    assert (again.calls, again.time_s, again.forward_s, again.backward_s) == (2, 0.03, 0.01, 0.02)
    assert again.flop_per_s == again.flops / 0.03
    assert (by_name["./fused"].flops, by_name["loss"].moved_bytes) == (None, None)
    # SGD with momentum: two operations for the momentum and two for the step, of each parameter.
    assert by_name["update"].flops == 4 * sum(p.numel() for p in Net().parameters())
    assert by_name["fc"].flop_per_s is None, "it took no time"


def test_without_ceilings_there_is_no_roofline_and_with_them_its_times_are_those_of_an_estimate():
    record = traced("train")
    assert {row.predicted_s for row in profile_rows(TIMES, record, None)} == {None}
    device = Device("slow", "slow", 2026, 2**30, bandwidth_bytes_per_s=1e15, peak_flop_per_s={"fp32": 1e3}, kind="cpu")
    rows = profile_rows(TIMES, record, Conditions(device, find_precision("fp32"), plain_coefficients(0.5)))
    conv = next(row for row in rows if row.name == "conv")
    # Half of 1000 FLOP/s; launches of 2.5 µs do not show beside that.
    assert conv.predicted_s == pytest.approx(conv.flops / 500, rel=1e-6)
    assert conv.bound == "compute"
    assert conv.ratio == pytest.approx(0.3 / conv.predicted_s)
    assert next(row for row in rows if row.name == "update").predicted_s is not None
    assert (rows[-1].predicted_s, rows[-1].bound) == (None, None)


def test_the_top_rows_come_first_and_the_sum_stays():
    rows = profile_rows(TIMES, traced("eval"), None)
    top = top_rows(rows, 2)
    assert [row.name for row in top] == ["conv", "again", "others", "gaps"]
    assert fsum(row.time_s for row in top) == pytest.approx(1.0, rel=1e-15)
    assert len(top_rows(rows, 100)) == len(rows)


def test_the_median_is_of_each_row_and_pass():
    def step(total, **rows):
        spent = {name: {"forward_ns": one, "backward_ns": 10 * one} for name, one in rows.items()}
        return {"total_ns": total, "rows": spent, "update_ns": 7, "outside": {"forward_ns": 1, "backward_ns": 0}}

    times = median_times([step(100, conv=5), step(300, conv=1, fc=2), step(200, conv=3)])
    assert times.step_s == 200e-9
    assert times.rows == {"conv": PassTimes(3e-9, 30e-9), "fc": PassTimes(0.0, 0.0)}
    assert (times.update_s, times.outside) == (7e-9, PassTimes(1e-9, 0.0))


@pytest.mark.parametrize(
    ("name", "scope", "is_counted"),
    [
        ("aten::conv2d", 0, True),
        ("mine::op", 0, True),
        ("autograd::engine::evaluate_function: AddmmBackward0", 0, True),
        ("AddmmBackward0", 1, True),
        ("layer conv", 7, True),
        ("cudaLaunchKernel", 0, False),
        ("cuKernelGetFunction", 0, False),
        ("hipLaunchKernel", 0, False),
        ("Activity Buffer Request", 0, False),
    ],
)
def test_calls_of_the_driver_are_no_operators(name, scope, is_counted):
    from archbench.measure.profile.profiler import _is_on_host

    record = SimpleNamespace(name=name, scope=scope, device_type=DeviceType.CPU, is_async=False)
    assert _is_on_host(record) == is_counted


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_profile_without_kernels_of_the_gpu_is_an_error(monkeypatch, mode):
    none = {"forward_ns": 0, "backward_ns": 0}
    steps = [{"total_ns": 1000, "rows": {}, "update_ns": 0, "outside": none}] * 2
    monkeypatch.setattr(profiling, "run_request", lambda *_: {"steps": steps, "plain_s": [1e-6]})
    on_gpu = configuration(kind="cuda", mode=mode)
    with pytest.raises(MeasurementError, match="lenet: the profiler recorded no kernel"):
        profiling.profile_layers(on_gpu, traced(mode), None, 1.0, print)
    # On a CPU an empty model has no operators either.
    assert profiling.profile_layers(configuration(mode=mode), traced(mode), None, 1.0, print).step_s == 1e-6
    steps[1] = {**steps[1], "rows": {"conv": {"forward_ns": 1, "backward_ns": 0}}}
    assert profiling.profile_layers(on_gpu, traced(mode), None, 1.0, print).steps == 2


def test_an_annotated_model_is_given_back_as_it_was_also_when_it_raises():
    model = Net()
    model.fc.forward = own = model.fc.forward
    before = [dict(module.__dict__) for module in model.modules()]
    with annotated(model):
        assert model.fc.forward is not own
    with pytest.raises(RuntimeError), annotated(model):
        model(torch.empty(1))
    assert [dict(module.__dict__) for module in model.modules()] == before
