from __future__ import annotations

from archbench.analyze.performance.layer_times import ProfileRow
from archbench.measure.profile.profile import LayerProfile
from archbench.reporting.export.text import to_text
from archbench.reporting.tables.profile import ProfiledModel, profile_document, profile_table
from tests.helpers.measurements import configuration

CONFIGURATION = configuration(kind="cuda", device="a GPU", batch=1)
ROWS = (
    ProfileRow(0, "conv", "Conv2d", 1, 0.012, 1.2, flops=24_000_000, moved_bytes=6_000_000, flop_per_s=2e9),
    ProfileRow(None, "gaps", "no operator", None, -0.002, -0.2),
)


def found(plain_s, step_gaps_s=-0.002):
    profile = LayerProfile(ROWS, 10, 0.010, plain_s, step_gaps_s, ("noise: much",), None)
    return ProfiledModel("net", profile, CONFIGURATION, None)


def test_negative_gaps_are_shown_and_explained():
    text = to_text(profile_table(found(0.010), ROWS), width=160)
    assert "-2.00 ms  -20.0%" in text
    assert "Gaps are negative: kernels overlapped" in text
    # The total is the step's: 24 MFLOPs in 10 ms.
    assert "10.0 ms  100.0%  2.400G" in text


def test_a_reader_is_warned_where_profiling_cost_more_than_a_twentieth():
    assert profile_table(found(0.0096), ROWS).caveats == ("profiled steps: noise: much",)
    assert profile_table(found(0.0090), ROWS).caveats[0].startswith("the step took 11.1% longer")


def test_a_reader_is_warned_where_gaps_are_noise():
    # -2 ms, but -3 ms in a single step: a tenth of the step is between steps.
    said = profile_table(found(0.010, step_gaps_s=-0.003), ROWS).caveats[-1]
    assert said == "the gaps hold 1.00 ms of noise between steps; those of a single step are -3.00 ms (median)"


def test_the_document_has_the_step_with_and_without_the_profiler():
    document = profile_document(found(0.009), ROWS)
    assert (document["step_s"], document["unprofiled_step_s"], document["steps"]) == (0.010, 0.009, 10)
    assert (document["device"], document["kind"], document["ceilings"]) == ("a GPU", "cuda", None)
    assert sum(row["time_s"] for row in document["layers"]) == document["step_s"]
    assert "backward_s" not in document["layers"][0]
