"""The timeline of a measured step, and its layers under the roofline."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbench.analyze.performance.layer_times import ProfileRow
from archbench.hardware.find import find_device
from archbench.reporting.charts.profile import profile_chart, timeline
from tests.helpers.chart_specs import records, subtitle

EVAL = (
    ProfileRow(0, "conv", "Conv2d", 1, 0.006, 0.6, flops=600, moved_bytes=100, flop_per_s=1e5, intensity=6.0,
               predicted_s=0.003, ratio=2.0),
    ProfileRow(1, "relu", "ReLU", 1, 0.003, 0.3, flops=0, moved_bytes=100, predicted_s=0.001, ratio=3.0),
    ProfileRow(None, "gaps", "no operator", None, 0.001, 0.1),
)  # fmt: skip
TRAIN = (
    ProfileRow(0, "conv", "Conv2d", 1, 0.006, 0.3, forward_s=0.002, backward_s=0.004),
    ProfileRow(1, "fc", "Linear", 1, 0.008, 0.4, forward_s=0.003, backward_s=0.005),
    ProfileRow(None, "loss", "no layer", None, 0.002, 0.1, forward_s=0.001, backward_s=0.001),
    ProfileRow(None, "update", "momentum", None, 0.003, 0.15),
    ProfileRow(None, "gaps", "no operator", None, 0.001, 0.05),
)


def test_a_step_is_its_layers_end_to_end_then_the_gaps():
    pieces = [piece for piece in timeline(EVAL) if piece["lane"] == "measured"]
    assert [(piece["layer"], piece["phase"]) for piece in pieces] == [
        ("conv", "forward"), ("relu", "forward"), ("gaps", "gaps"),
    ]  # fmt: skip
    assert [piece["end_s"] for piece in pieces] == pytest.approx([0.006, 0.009, 0.010])
    predicted = [(piece["layer"], piece["end_s"]) for piece in timeline(EVAL) if piece["lane"] == "roofline"]
    assert predicted == [("conv", 0.003), ("relu", pytest.approx(0.004))]


def test_the_backward_pass_goes_through_the_layers_in_reverse():
    assert [(piece["layer"], piece["phase"]) for piece in timeline(TRAIN)] == [
        ("conv", "forward"), ("fc", "forward"), ("loss", "forward"),
        ("loss", "backward"), ("fc", "backward"), ("conv", "backward"),
        ("update", "update"), ("gaps", "gaps"),
    ]  # fmt: skip


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_pieces_follow_each_other_and_sum_to_the_step(times):
    rows = [
        ProfileRow(i, f"l{i}", "Linear", 1, forward + backward, 0.0, forward_s=forward, backward_s=backward)
        for i, (forward, backward) in enumerate(times)
    ]
    pieces = list(timeline(rows))
    assert all(a["end_s"] == b["start_s"] for a, b in itertools.pairwise(pieces))
    assert (pieces[-1]["end_s"] if pieces else 0.0) == pytest.approx(sum(map(sum, times)))


def test_the_roofline_has_the_measured_rate_and_the_predicted_one():
    spec = profile_chart(EVAL, (find_device("h200"), "fp32"), title="net", subject="here").to_dict()
    (point,) = records(spec, "predicted_flop_per_s")  # ReLU does no arithmetic that is counted
    # 600 FLOPs in the 3 ms that are predicted
    assert (point["layer"], point["flop_per_s"], point["predicted_flop_per_s"]) == ("conv", 1e5, pytest.approx(2e5))
    assert spec["title"]["text"] == "net: conv takes 60.0% of a step"
    assert "end to end in the order of execution" in subtitle(spec)


def test_without_ceilings_there_is_only_the_timeline():
    spec = profile_chart(TRAIN, None, title="net", subject="here").to_dict()
    assert len(spec["vconcat"]) == 1
    # 2 + 3 + 1 ms forward, 4 + 5 + 1 ms backward
    assert {row["phase"] for row in records(spec, "phase")} == {"forward", "backward", "update"}
