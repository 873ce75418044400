from __future__ import annotations

import math
import re

import pytest
import torch
from torch import nn

import archbench
from archbench.analyze.explain.explain import explain
from archbench.models.address import find, model_names
from archbench.models.inputs import InputSpec
from archbench.reporting.tables.explain import to_data
from archbench.reporting.tables.layer_notes import remark_sentences
from archbench.trace.costs import count, registry
from archbench.trace.tracer import trace

# Which field of the row each figure is held against.
FIELDS = {
    "parameters": "params",
    "neurons": "neurons",
    "MACs": "macs",
    "FLOPs": "flops",
    "parameter memory": "param_bytes",
    "output memory": "output_bytes",
}
PLACES = {"output width": -1, "output height": -2, "output depth": -3, "output length": -1}


def explained(model, *shape):
    return explain(trace(model, torch.empty(shape, device="meta")))


def figures(layer):
    return {derivation.symbol: derivation.result for derivation in layer.derivations}


def remarks(layer):
    return {remark.kind: remark.values for remark in layer.remarks}


def lines(layer):
    (data,) = to_data([layer])
    return {one["symbol"]: f"{one['substituted']} = {one['result']:,}" for one in data["derivations"]}


def layer_of(explanation, name):
    return next(layer for layer in explanation.layers if layer.row.name == name)


def assert_follows(layer):
    """Every result shown is the row's figure, and the arithmetic of every line's text gives that result."""
    row = layer.row
    for derivation in layer.derivations:
        if derivation.symbol in FIELDS:
            assert derivation.result == getattr(row, FIELDS[derivation.symbol]), (row.name, derivation)
        elif derivation.symbol in PLACES:
            assert derivation.result == row.output_shape[PLACES[derivation.symbol]], (row.name, derivation)
    (data,) = to_data([layer])
    for one in data["derivations"]:
        assert evaluated(one["substituted"]) == one["result"], (row.name, one)


def evaluated(text):
    """Do the arithmetic of a line: words stand behind their numbers, half brackets round."""
    python = re.sub(r" ?\b(?!max\()[A-Za-z_]\w*", "", text)
    python = re.sub(r"(?<=\d),(?=\d)", "", python).translate(str.maketrans("·−", "*-"))
    python = python.replace("⌊", "math.floor(").replace("⌈", "math.ceil(").translate(str.maketrans("⌋⌉", "))"))
    return eval(python, {"math": math})


@pytest.mark.parametrize("name", model_names())
def test_every_figure_of_the_zoo_is_derived(zoo_trace, name):
    explanation = explain(zoo_trace(name, 1, "eval"))
    assert explanation.gap is None
    for layer in explanation.layers:
        assert "unlike" not in remarks(layer), layer.row.name
        assert_follows(layer)
        shown = figures(layer)
        wanted = {symbol for symbol, field in FIELDS.items() if getattr(layer.row, field)} - {"parameters"}
        assert wanted <= set(shown)
        assert not layer.row.params or shown.get("parameters", shown.get("weights")) == layer.row.params


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vit_b_16", "densenet121", "shufflenet_v2_x1_0"])
@pytest.mark.parametrize("batch", [1, 3])
def test_every_figure_of_other_models_follows_or_is_not_shown(name, batch):
    model = find(f"torchvision:{name}").build()
    for layer in explain(trace(model, InputSpec((3, 224, 224)).tensor(batch))).layers:
        assert_follows(layer)


def test_alexnets_first_layer_by_hand(zoo_trace):
    shown = lines(layer_of(explain(zoo_trace("alexnet", 1, "eval")), "conv1"))
    assert shown["output width"] == shown["output height"] == "⌊(227 − 11 + 2·0)/4⌋ + 1 = 55"
    assert shown["weights"] == "11·11·3·96 = 34,848"
    assert shown["parameters"] == "34,848 weights + 96 biases = 34,944"
    assert shown["MACs"] == "34,848·55·55 = 105,415,200"
    assert shown["neurons"] == "96·55·55 = 290,400"
    assert shown["FLOPs"] == "2·105,415,200 + 290,400 additions = 211,120,800"
    assert shown["parameter memory"] == "34,944·4 bytes = 139,776"


def test_towers_see_half_the_maps(zoo_trace):
    layer = layer_of(explain(zoo_trace("alexnet", 1, "eval")), "conv2")
    assert remarks(layer)["groups"] == {"groups": 2, "seen": 48, "maps": 96}
    assert lines(layer)["weights"] == "5·5·48·256 = 307,200"


@pytest.mark.parametrize(
    ("model", "layer", "filters", "size", "weights"),
    [
        ("alexnet", "fc6", 4096, (6, 6, 256), 37_748_736),
        ("alexnet", "fc7", 4096, (1, 1, 4096), 16_777_216),
        ("alexnet_nopad", "fc6", 4096, (2, 2, 256), 4_194_304),
        ("vgg16", "fc6", 4096, (7, 7, 512), 102_760_448),
        ("lenet5", "f6", 84, (1, 1, 120), 10_080),
    ],
)
def test_a_fully_connected_layer_is_a_convolution(zoo_trace, model, layer, filters, size, weights):
    found = layer_of(explain(zoo_trace(model, 1, "eval")), layer)
    assert remarks(found)["convolution"] == {"filters": filters, "size": size}
    assert figures(found)["weights"] == filters * math.prod(size) == weights


def test_lenets_own_layers(zoo_trace):
    explanation = explain(zoo_trace("lenet5", 1, "eval"))
    # Table I: 6 maps of 3 inputs, 9 of 4, 1 of 6; 5·5·60 weights.
    c3 = layer_of(explanation, "c3")
    assert lines(c3)["weights"] == "5·5·3·6 + 5·5·4·9 + 5·5·6·1 = 1,500"
    assert remarks(c3)["partial"] == {"filters": (6, 9, 1), "seen": (3, 4, 6), "maps": 6}
    # A coefficient and a bias a map; 4 additions, a product and an addition an output.
    s2 = lines(layer_of(explanation, "s2"))
    assert s2["parameters"] == "6 weights + 6 biases = 12"
    assert s2["FLOPs"] == "(2·2 + 2)·6·14·14 = 7,056"
    output = layer_of(explanation, "output")
    assert lines(output)["MACs"] == "84·10 = 840"
    assert "foreign" in remarks(output)


def test_normalisation_and_pooling(zoo_trace):
    explanation = explain(zoo_trace("alexnet", 1, "eval"))
    # Square, sum of 5, scale, shift, power, quotient.
    assert lines(layer_of(explanation, "norm1"))["FLOPs"] == "(5 + 5)·96·55·55 = 2,904,000"
    assert lines(layer_of(explanation, "pool1"))["FLOPs"] == "(3·3 − 1)·96·27·27 = 559,872"
    norm = lines(explained(nn.BatchNorm2d(8), 1, 8, 4, 4).layers[0])
    assert norm["parameters"] == "8 scales + 8 shifts = 16"
    assert norm["FLOPs"] == "2·8·4·4 + 5·8 = 296"


@pytest.mark.parametrize(
    ("layer", "shape", "line"),
    [
        (nn.Conv1d(2, 4, 3, dilation=2), (1, 2, 20), "⌊(20 − (2·(3 − 1) + 1) + 2·0)/1⌋ + 1 = 16"),
        (nn.Conv3d(1, 2, 3, stride=2, padding=1), (1, 1, 8, 8, 8), "⌊(8 − 3 + 2·1)/2⌋ + 1 = 4"),
        (nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1), (1, 2, 7, 7), "(7 − 1)·2 − 2·1 + 4 + 0 = 14"),
        (
            nn.ConvTranspose1d(2, 2, 3, 2, output_padding=1, dilation=2),
            (1, 2, 5),
            "(5 − 1)·2 − 2·0 + (2·(3 − 1) + 1) + 1 = 14",
        ),
        (nn.MaxPool2d(3, 2, ceil_mode=True), (1, 1, 112, 112), "⌈(112 − 3 + 2·0)/2⌉ + 1 = 56"),
        # The fourth window would begin at 6, behind the five inputs and the padding of one.
        (nn.AvgPool2d(2, 2, padding=1, ceil_mode=True), (1, 1, 5, 5), "⌈(5 − 2 + 2·1)/2⌉ = 3"),
        (nn.MaxPool1d(3, dilation=2), (1, 1, 20), "⌊(20 − (2·(3 − 1) + 1) + 2·0)/3⌋ + 1 = 6"),
    ],
)
def test_output_sizes(layer, shape, line):
    (found,) = explained(nn.Sequential(layer), *shape).layers
    assert_follows(found)
    assert next(iter(lines(found).values())) == line


@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d])
@pytest.mark.parametrize("how", [{}, {"groups": 2, "bias": False}, {"stride": 2, "padding": 1}, {"dilation": 2}])
def test_any_convolution_is_derived(kind, how):
    rank = int(kind.__name__[-2])
    (layer,) = explained(nn.Sequential(kind(4, 6, 3, **how)), 2, 4, *(9 + place for place in range(rank))).layers
    assert_follows(layer)
    assert "unlike" not in remarks(layer)
    assert figures(layer)["MACs"] == layer.row.macs


def test_a_depthwise_convolution_sees_one_map():
    (layer,) = explained(nn.Sequential(nn.Conv2d(8, 8, 3, groups=8)), 1, 8, 9, 9).layers
    assert remarks(layer)["groups"] == {"groups": 8, "seen": 1, "maps": 8}


def test_a_rule_without_a_formula_is_shown_in_words():
    (layer,) = explained(nn.Sequential(nn.AdaptiveAvgPool2d(4)), 1, 1, 11, 11).layers
    # Windows 0-2, 2-5, 5-8, 8-10 along each dimension: (3+4+4+3)² additions and divisions.
    assert (remarks(layer)["rule"]["quantity"], remarks(layer)["rule"]["traced"]) == ("FLOPs", 196)
    assert "FLOPs as traced: 196, by the rule: elements of each output's own window, summed" in remark_sentences(layer)
    assert "FLOPs" not in figures(layer)


def test_what_follows_no_formula_is_not_shown():
    class Parts(nn.Module):
        def forward(self, x):
            return x.exp(), *x.unbind(1)

    (layer,) = explained(nn.Sequential(Parts()), 1, 7).layers
    # 14 values of 4 bytes in 8 tensors, which are too many for a sum that is still readable.
    assert "output memory as traced: 56, which follows no usual formula" in remark_sentences(layer)
    assert "output memory" not in figures(layer)


def test_a_recurrent_layer_is_derived_from_its_steps_and_weights():
    (layer,) = explained(nn.Sequential(nn.LSTM(4, 3)), 7, 1, 4).layers
    # Per step 4·3 gates from 4 inputs and 3 states.
    assert figures(layer)["MACs"] == 7 * 12 * (4 + 3)


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        (nn.BatchNorm2d(6), "(2·6·4·4 + 5·6)·2 calls = 444"),
        (nn.LayerNorm(4), "(8·6·4·4 + 2·24)·2 calls = 1,632"),
    ],
)
def test_a_formula_of_several_terms_is_multiplied_by_the_calls(layer, line):
    (found,) = explained(nn.Sequential(layer, layer), 1, 6, 4, 4).layers
    assert_follows(found)
    assert lines(found)["FLOPs"] == line


def test_a_projection_that_ran_in_a_function_of_its_module_is_explained_as_a_linear_layer():
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x)[0]

    explanation = explained(Attends(), 1, 3, 8)
    layer = layer_of(explanation, "attention")
    assert_follows(layer)
    assert lines(layer)["weights"] == "8·24 = 192"
    assert lines(layer)["parameters"] == "192 weights + 24 biases = 216"
    assert lines(layer)["MACs"] == "192·3 positions = 576"


def test_the_flops_of_generated_values_are_a_term_of_their_readers():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.proj = nn.Linear(8, 8)

        def forward(self, x):
            return self.proj(x + torch.arange(8.0).sin())

    layer = layer_of(explained(Positions(), 1, 3, 8), "./add")
    assert lines(layer)["FLOPs"] == "8 sin + 24 add = 32"


def test_the_formula_of_a_rule_of_ones_own_is_shown(monkeypatch):
    class Sort(nn.Module):
        def forward(self, x):
            return x.sort().values

    def sorting(x, *args, out, **kwargs):
        return archbench.Cost(flops=count("{symbol}·{o} − {calls}", symbol=7, o=x.shape, calls=len(x)))

    monkeypatch.setattr(registry, "_RULES", dict(registry._RULES))
    archbench.register_cost(torch.ops.aten.sort, sorting)
    (layer,) = explained(nn.Sequential(Sort()), 2, 5, 3).layers
    # 7 for each of 2·5·3 elements, less one for each of 2 samples. The names may be any, also those of the library.
    assert lines(layer)["FLOPs"] == "7 symbol·2·5·3 − 2 calls = 208"
    assert layer.row.flops == 208
    sort = Sort()
    (layer,) = explained(nn.Sequential(sort, sort), 2, 5, 3).layers
    assert figures(layer)["FLOPs"] == layer.row.flops == 2 * 208


def test_shared_weights_are_said_to_stand_elsewhere():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight, model[1].bias = model[0].weight, model[0].bias
    _, second = explained(model, 1, 4).layers
    assert "foreign" in remarks(second)
    assert not {"weights", "parameters"} & set(figures(second))


def test_batch_and_calls_are_factors():
    relu = nn.ReLU()
    explanation = explained(nn.Sequential(nn.Conv2d(1, 2, 3), relu, nn.Conv2d(2, 2, 3), relu), 5, 1, 8, 8)
    assert lines(layer_of(explanation, "0"))["MACs"] == "18·6·6·5 samples = 3,240"
    again = explained(nn.Sequential(relu, relu), 1, 7).layers[0]
    assert lines(again)["FLOPs"] == "7·2 calls = 14"
    assert figures(layer_of(explanation, "0"))["neurons"] == 72  # of one sample


def test_functions_called_by_the_model_are_summed_over_calls():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, x):
            return torch.relu(self.conv(torch.relu(x)))

    layer = layer_of(explained(Twice(), 1, 1, 8, 8), "./relu")
    assert lines(layer)["FLOPs"] == "1·8·8 + 2·6·6 = 136"


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        # Mean 1, variance 3, normalisation 2, and two products for scale and shift; 2 a group.
        (nn.LayerNorm(4), "8·6·4·4 + 2·24 = 816"),
        (nn.GroupNorm(2, 6), "8·6·4·4 + 2·2 = 772"),
        (nn.InstanceNorm2d(6, affine=True), "6·6·4·4 + 5·6 = 606"),
        (nn.Softmax(1), "5·6·4·4 − 2·16 = 448"),
        (nn.AdaptiveAvgPool2d(1), "6·4·4 = 96"),
    ],
)
def test_other_layers_follow_the_published_rules(layer, line):
    (found,) = explained(nn.Sequential(layer), 1, 6, 4, 4).layers
    assert_follows(found)
    assert lines(found)["FLOPs"] == line
