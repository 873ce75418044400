"""The zoo against hand arithmetic: tests/golden holds figures that no framework had a part in."""

from __future__ import annotations

import pytest

from archbench.units import format_dimensions, format_step
from tests.helpers import golden_figures as golden

TOTALS = golden.totals()
KINDS = {"Conv2d": "conv", "MaxPool2d": "pool", "AvgPool2d": "pool", "Linear": "fc"}


def as_golden(model, row):
    """Write a row of ours the way the golden file is written."""
    kind = KINDS[row.type]
    return {
        "model": model,
        "layer": row.name,
        "kind": kind,
        "input_shape": format_dimensions(row.input_shape[1:]),
        "output_shape": format_dimensions(row.output_shape[1:]),
        "kernel": format_dimensions(row.kernel) if row.kernel else "",
        "stride": format_step(row.stride) if row.stride else "",
        "padding": format_step(row.padding) if row.padding else "",
        "groups": str(row.groups) if kind == "conv" else "",
        "params": "" if kind == "pool" else str(row.params),
        "macs": str(row.macs),
        "neurons": str(row.neurons),
    }


@pytest.mark.parametrize("model", golden.models_with_layers())
def test_every_weight_and_pooling_layer_equals_hand_arithmetic(model, zoo_summary):
    ours = [as_golden(model, row) for row in zoo_summary(model).rows if row.type in KINDS]
    expected = golden.layers_of(model)
    for row in expected:
        # The golden file leaves parameters of pooling empty or 0; both say that there are none.
        row["params"] = row["params"] if row["kind"] != "pool" else ""
    assert ours == expected


@pytest.mark.parametrize("model", TOTALS)
def test_totals_equal_hand_arithmetic(model, zoo_summary):
    summary = zoo_summary(model)
    convolutions = sum(row.params for row in summary.rows if row.type == "Conv2d")
    computed = {
        "weight_layers": summary.totals.weight_layers,
        "params": summary.totals.params,
        "conv_params": convolutions,
        "macs": summary.totals.macs,
        "neurons": summary.totals.neurons,
    }
    assert computed == TOTALS[model]


def test_ten_classes_give_the_published_57_044_810_parameters(zoo_summary):
    assert zoo_summary("alexnet_owt@10").totals.params == 57_044_810


# Figures of the 1998 paper, section II.B: trainable parameters by layer, sum 60,000.
LENET5_PARAMS = {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48120, "f6": 10164}


def test_lenet5_has_the_published_parameters(zoo_summary):
    summary = zoo_summary("lenet5")
    assert {row.name: row.params for row in summary.rows if row.params} == LENET5_PARAMS
    assert summary.totals.trainable_params == 60_000


def test_lenet5_has_the_published_connections(zoo_summary):
    # Connections as the paper counts them: multiplications and biases of C and F layers, four inputs and a
    # bias for each unit of S layers, one for each fixed weight of the output.
    rows = {row.name: row for row in zoo_summary("lenet5").rows}
    connections = {
        name: row.macs + row.neurons if name[0] in "cf" else 5 * row.output_shape[1] * row.output_shape[2] ** 2
        for name, row in rows.items()
        if name in LENET5_PARAMS
    }
    assert connections == {"c1": 122_304, "s2": 5_880, "c3": 151_600, "s4": 2_000, "c5": 48_120, "f6": 10_164}
    assert rows["output"].macs == 840
    assert sum(connections.values()) + rows["output"].macs == 340_908


def test_lenet5_counts_its_output_as_a_weight_layer_and_its_subsampling_not(zoo_summary):
    assert zoo_summary("lenet5").totals.weight_layers == 5  # C1, C3, C5, F6, output
