from __future__ import annotations

from dataclasses import replace
from math import exp, hypot, log

import pytest

from archbench.analyze.performance.kernel_table import PRODUCT_KINDS
from archbench.analyze.performance.rate_basis import RateBasis, joined, rate_basis
from archbench.analyze.performance.rate_evidence import Evidence
from archbench.analyze.performance.roofline import Conditions, time_s
from archbench.hardware.catalogue import published_devices
from archbench.hardware.device import Device
from archbench.hardware.fit.coefficients import COEFFICIENTS, completed, plausible
from archbench.hardware.fit.tables import fitted_coefficients, intervals, rate_tables
from archbench.precision import find_precision

DEVICES = published_devices()
INFERENCE = {"mode": "eval", "dtype": "amp-fp16", "layout": "nhwc", "is_compiled": False}


def basis(name: str, **changes: object) -> RateBasis:
    return rate_basis(DEVICES[name], **(INFERENCE | changes))


def fitted(ending: str) -> dict[str, float]:
    (name,) = [table.name for table in rate_tables() if table.name.endswith(ending)]
    return completed(fitted_coefficients()[name])


def test_a_device_with_rates_of_the_run_has_its_own_coefficients_and_interval():
    own = basis("rtx4090")
    (table,) = [table for table in rate_tables() if table.name.endswith("nhwc-pt240-cu124-rtx4090")]
    assert own.coefficients == completed(fitted_coefficients()[table.name])
    assert own.factor == intervals()[table.name].factor
    known = intervals()[table.name]
    assert own.evidence == Evidence("own rates", models=known.models, families=known.families)


def test_the_newest_of_a_device_s_tables_counts():
    assert basis("rtx4090", layout="nchw").coefficients == fitted("nchw-pt291-cu128-4090")


def test_another_device_gets_the_geometric_means_over_devices():
    # An RTX 4080 has no rates; of RTX 3090 and 4090 each coefficient is the root of the product.
    first, second = fitted("nhwc-pt240-cu124-rtx3090"), fitted("nhwc-pt240-cu124-rtx4090")
    found = basis("rtx4080")
    assert found.coefficients == pytest.approx({name: (first[name] * second[name]) ** 0.5 for name in first})
    assert found.evidence == Evidence("other devices")
    assert found.factor >= intervals()["other devices"].factor


def test_rates_of_another_layout_on_the_device_count():
    # An RTX 5090 has no nhwc rates. How it differs in nchw from RTX 3090 and 4090 (newest tables) it keeps in nhwc.
    own = fitted("nchw-pt291-cu130-5090")
    nchw = [fitted("nchw-pt240-cu124-rtx3090"), fitted("nchw-pt291-cu128-4090")]
    nhwc = [fitted("nhwc-pt240-cu124-rtx3090"), fitted("nhwc-pt240-cu124-rtx4090")]
    found = basis("rtx5090")
    expected = {
        name: own[name] * (nhwc[0][name] * nhwc[1][name] / (nchw[0][name] * nchw[1][name])) ** 0.5 for name in own
    }
    assert found.coefficients == pytest.approx(plausible(expected))
    assert found.evidence == Evidence("own rates of another form", lacking="nhwc", layout="nchw")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("rtx5090", {}),
        ("rtx3090", {"is_compiled": True}),
        ("rtx4080", {}),
        ("rtx4080", {"layout": "nchw"}),
        ("rtx4090", {"mode": "train"}),
    ],
)
def test_a_device_without_rates_of_the_run_is_not_predicted_better_than_those_with_them(name, changes):
    with_rates = [basis(table.device, **changes) for table in rate_tables() if table.dtype != "fp32"]
    known = [each.factor for each in with_rates if each.evidence.origin == "own rates"]
    assert known
    assert basis(name, **changes).factor >= max(known)


@pytest.mark.parametrize("name", ["rtx3090", "rtx4090", "rtx5090", "rtx4080", "h200", "i9_10940x", "cpu"])
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("is_compiled", [False, True])
def test_coefficients_from_other_tables_are_plausible(name, mode, layout, is_compiled):
    found = basis(name, mode=mode, layout=layout, is_compiled=is_compiled).coefficients
    for coefficient, known in COEFFICIENTS.items():
        assert known.low <= found[coefficient] <= known.high, coefficient


def test_training_with_fused_attention_has_the_coefficients_of_inference():
    # Training was published with attention as separate products, so its tables decide none.
    for layout in ("nchw", "nhwc"):
        trained, inferred = (basis("rtx3090", mode=mode, layout=layout).coefficients for mode in ("train", "eval"))
        assert trained["attention"] == inferred["attention"]
        assert trained["masked_attention"] == inferred["masked_attention"]
        assert trained["product"] != inferred["product"]


def test_compiled_training_has_the_grouped_convolutions_of_nchw():
    # In NHWC those of 2022 reach 0.06 of the peak in backward; compiled, odd widths count as others do in NCHW.
    compiled = basis("rtx3090", mode="train", is_compiled=True).coefficients
    nchw = fitted("train-amp-nchw-pt112-cu113-rtx3090")
    assert compiled["grouped_backward"] == nchw["grouped_backward"]


def test_eager_rates_of_a_device_count_for_compiled_runs():
    found = basis("rtx3090", is_compiled=True)
    assert found.evidence == Evidence("own rates of another form", lacking="compiled", layout="nhwc")


def test_a_card_with_rates_of_inference_alone_is_said_to_have_no_training_rates():
    found = basis("rtx4090", mode="train")
    assert found.evidence == Evidence("other devices", lacking="training")
    assert found.factor > basis("rtx3090", mode="train").factor


@pytest.mark.parametrize(
    ("changes", "assumed", "unseen"),
    [
        ({"dtype": "fp32"}, [1.2], ("fp32",)),
        ({"mode": "train", "is_compiled": True}, [1.25], ("compiled runs",)),
        ({"mode": "train", "is_compiled": True, "dtype": "fp32"}, [1.25, 1.2], ("compiled runs", "fp32")),
    ],
)
def test_a_run_that_no_table_has_widens_the_interval(changes, assumed, unseen):
    # Independent errors: the squares of the logarithms of the factors add up.
    # Compiled training rests on the table in NCHW.
    layout = "nchw" if "is_compiled" in changes else "nhwc"
    known = basis("rtx3090", mode=changes.get("mode", "eval"), layout=layout)
    wider = basis("rtx3090", **changes)
    assert log(wider.factor) == pytest.approx(hypot(log(known.factor), *map(log, assumed)))
    assert wider.evidence.unseen == unseen


def test_a_data_center_card_has_an_interval_of_at_least_one_and_a_half():
    assert basis("h200").factor == 1.5
    assert basis("h200").evidence == Evidence("other devices", card="data-center card")


def test_another_cpu_has_a_wider_interval_than_the_fitted_one():
    settings = {"dtype": "fp32", "layout": "nchw", "is_compiled": True}
    own, other = basis("i9_10940x", **settings), basis("cpu", **settings)
    assert other.factor == pytest.approx(joined(own.factor, 1.4))
    assert other.evidence == Evidence("another CPU")


def measured(**rates: dict[str, float]) -> Device:
    # No published card, so its ceilings stand for themselves.
    return replace(DEVICES["rtx4080"], name="this_cuda", title="A card", is_measured=True, **rates)


CONVOLUTIONS = {"convolution_flop_per_s": {"fp32": 8e12}, "depthwise_flop_per_s": {"fp32": 1e12}}


def test_what_was_measured_on_a_device_is_what_large_products_and_copies_reach():
    found = rate_basis(measured(**CONVOLUTIONS), **INFERENCE).coefficients
    usual = basis("rtx4080").coefficients
    assert [found[name] for name in ("product", "convolution", "depthwise", "pointwise_bytes")] == [1, 1, 1, 1]
    # What was not measured keeps its ratio to what resembles it most.
    assert found["grouped"] == pytest.approx(usual["grouped"] / usual["convolution"])
    assert found["attention"] == pytest.approx(usual["attention"] / usual["product"])
    assert found["copy_bytes"] == pytest.approx(usual["copy_bytes"] / usual["pointwise_bytes"])
    assert found["launch_s"] == usual["launch_s"]


def test_a_device_measured_without_convolutions_has_all_relative_to_products():
    found, usual = rate_basis(measured(), **INFERENCE).coefficients, basis("rtx4080").coefficients
    assert all(found[kind] == pytest.approx(usual[kind] / usual["product"]) for kind in PRODUCT_KINDS)


def test_a_large_measured_convolution_is_predicted_at_its_measured_rate(zoo_trace):
    # Without the terms of size, and with memory and launches taking no time.
    device = measured(**CONVOLUTIONS)
    coefficients = dict(rate_basis(device, **INFERENCE).coefficients) | {"half_depth": 0.0, "half_columns": 0.0}
    coefficients |= {name: 1e9 for name in coefficients if name.endswith("_bytes")} | {"launch_s": 0.0}
    trace = zoo_trace("vgg11", 8, "eval")
    slow = time_s(trace, Conditions(device, find_precision("fp32"), coefficients, "nhwc"))
    twice = replace(device, convolution_flop_per_s={"fp32": 16e12})
    fast = time_s(trace, Conditions(twice, find_precision("fp32"), coefficients, "nhwc"))
    # MACs of vgg11's convolutions from its table, the first being a stem; 2 FLOPs per MAC, biases add less than 0.1%.
    sizes = [(3, 64, 224), (64, 128, 112), (128, 256, 56), (256, 256, 56), (256, 512, 28), (512, 512, 28)]
    sizes += [(512, 512, 14)] * 2
    weights = [9 * inputs * outputs * side**2 for inputs, outputs, side in sizes]
    stem = coefficients["stem"]
    expected = 2 * 8 * (sum(weights[1:]) + weights[0] / stem) * (1 / 8e12 - 1 / 16e12)
    assert slow - fast == pytest.approx(expected, rel=1e-3)


def test_factors_of_independent_errors_join_by_the_squares_of_their_logarithms():
    assert joined(exp(0.3), exp(0.4)) == pytest.approx(exp(0.5))


@pytest.mark.parametrize("name", ["m1", "gtx1080ti", "rtx_a6000"])
def test_a_gpu_of_another_kind_than_geforce_rtx_has_an_interval_of_at_least_one_and_a_half(name):
    # All published rates of GPUs are those of GeForce RTX cards.
    found = basis(name)
    assert found.factor == 1.5
    assert found.evidence == Evidence("other devices", card="GPU of another kind")


def test_tensor_cores_that_add_at_full_rate_reach_four_fifths_of_their_peak():
    # fp16 over fp32, published: 989/67 (H200) and 148/44 (H20) at full rate, 181/90.5 (L40) and 2 (RTX 4080) at half
    # rate, 2.6/2.6 (M1) and 21.2/10.6 (P100) without tensor cores.
    full, others = ("h200", "h20", "a100", "rtx_a6000"), ("l40", "a10g", "rtx2080ti", "rtx4080", "m1", "p100")
    assert [basis(name).coefficients.get("tensor_cores") for name in full] == [790 / 989] * 4
    assert not any("tensor_cores" in basis(name).coefficients for name in others)


def test_tf32_is_never_slower_than_fp32_and_convolutions_alone_in_tf32_are_in_between(zoo_trace):
    trace = zoo_trace("vgg11", 8, "eval")
    for device in (device for device in DEVICES.values() if "tf32" in device.peak_flop_per_s):
        known = basis(device.name, dtype="fp32").coefficients
        single = Conditions(device, find_precision("fp32"), known, "nhwc")
        times = [
            time_s(trace, single),
            time_s(trace, replace(single, has_tf32_convolutions=True)),
            time_s(trace, replace(single, precision=find_precision("tf32"))),
        ]
        assert times == sorted(times, reverse=True), device.name


def test_training_on_a_cpu_is_said_to_have_no_rates():
    assert basis("cpu", mode="train", dtype="fp32").evidence.unseen == ("training", "eager runs")


def test_the_old_torch_of_training_rates_is_named_where_they_are_training_rates():
    assert basis("rtx3090", mode="train").evidence.torch == "1.12"
    # The i9's rates are those of inference.
    known = basis("i9_10940x", mode="train", dtype="fp32", is_compiled=True).evidence
    assert (known.torch, known.unseen) == ("", ("training",))
