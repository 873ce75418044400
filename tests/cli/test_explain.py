from __future__ import annotations

import csv
import json
import re

import pytest

from cli.main import run


@pytest.fixture
def explain(capsys):
    def call(*arguments):
        code = run(["explain", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_layer_reads_like_a_lecture(explain):
    code, out, err = explain("alexnet", "conv2")
    assert (code, err) == (0, "")
    for line in (
        "output width = output height = ⌊(27 − 5 + 2·2)/1⌋ + 1 = 27",
        "2 groups: each filter sees 48 of 96 maps",
        "parameters = 307,200 weights + 256 biases = 307,456",
        "MACs = 307,200·27·27 = 223,948,800",
        "output memory = 256·27·27·4 bytes = 746,496 bytes (729.0 KiB)",
        "receptive field = 19 + (5 − 1)·8 = 51",
        "receptive field stride = 1·8 = 8",
    ):
        assert f"  {line}\n" in out


def test_a_walk_has_every_layer_and_the_totals_in_80_columns(explain):
    code, out, _ = explain("alexnet")
    assert code == 0
    assert "relu1  ReLU  96x55x55; FLOPs = 96·55·55 = 290,400\n" in out
    assert "as a convolution: 4,096 filters of 256x6x6" in out
    assert "Total: 8 weight layers, 60,965,224 parameters, 724,406,816 MACs" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_vectors_layer_is_written_without_windows(explain):
    _, out, _ = explain("alexnet", "fc7")
    for line in (
        "as a convolution: 4,096 filters of 4096x1x1",
        "one unit sees 355x355, the whole input of 227x227",
        "neurons = 4,096",
        "MACs = 4,096·4,096 = 16,777,216",
        "receptive field = 355 + (1 − 1)·32 = 355",
    ):
        assert f"  {line}\n" in out


def test_where_receptive_fields_end_is_said(explain):
    _, out, _ = explain("torchvision:vit_b_16", "encoder.layers.encoder_layer_0.mlp.0")
    assert "weights = 768·3,072 = 2,359,296" in out
    assert "Receptive fields end before ./cat, which is not a sliding window." in out


def test_a_join_says_whose_receptive_field_counts(explain):
    _, out, _ = explain("torchvision:resnet18", "layer1.0/add_")
    # The max pooling sees 11 inputs, two 3x3 convolutions of units 4 apart 16 more.
    assert "  receptive field = max(27, 11) = 27\n" in out
    assert "those of the largest path. The effective" in out
    assert "smaller (Luo et al. 2016)" in out
    assert "Luo" not in explain("torchvision:resnet18", "layer1.0.conv1")[1]


def test_latex_keeps_the_arguments_of_a_maximum_apart(explain):
    _, out, _ = explain("torchvision:resnet18", "layer1.0/add_", "--format", "latex")
    assert r"\text{receptive field} &= \text{max}(27,\ 11) = 27" in out


def test_json_has_derivations_as_data(explain):
    (layer,) = json.loads(explain("alexnet", "conv1", "--format", "json")[1])
    assert (layer["name"], layer["output_shape"]) == ("conv1", [1, 96, 55, 55])
    weights = next(one for one in layer["derivations"] if one["symbol"] == "weights")
    assert weights == {
        "symbol": "weights",
        "formula": "k·c·f",
        "values": {"k": [11, 11], "c": 3, "f": 96},
        "substituted": "11·11·3·96",
        "result": 34848,
    }
    assert len(json.loads(explain("alexnet", "--format", "json")[1])) == 23


def test_csv_has_one_row_a_derivation(explain, tmp_path):
    path = tmp_path / "fc6.csv"
    assert explain("alexnet", "fc6", "--csv", str(path))[:2] == (0, "")
    rows = {row["symbol"]: row["result"] for row in csv.DictReader(path.open())}
    assert rows["weights"] == rows["MACs"] == "37748736"


def test_latex_is_a_document_with_aligned_equations(explain, tmp_path):
    path = tmp_path / "walk.tex"
    assert explain("vgg11_bn", "--output", str(path))[:2] == (0, "")
    text = path.read_text()
    assert text == explain("vgg11_bn", "--format", "latex")[1]
    assert text.startswith("\\documentclass{article}\n")
    assert text.count("\\begin{align*}") == text.count("\\end{align*}")
    assert "\\paragraph{conv1\\_1}" in text or "\\paragraph{conv1}" in text
    assert r"\text{weights} &= 3 \cdot 3 \cdot 3 \cdot 64 = 1{,}728 \\" in text
    body = text.partition("\\begin{document}")[2]
    assert r"3$\times$224$\times$224 $\to$ 64$\times$224$\times$224" in body
    assert not re.search(r"\dx\d|->", body)
    assert not any(character in body for character in "×→·−⌊⌋")
    assert "_" not in body.replace("\\_", "")


def test_markdown_is_a_list_a_layer(explain, tmp_path):
    path = tmp_path / "conv1.md"
    assert explain("alexnet", "conv1", "--output", str(path))[0] == 0
    assert "### conv1\n\nConv2d" in path.read_text()
    assert "- weights = 11·11·3·96 = 34,848\n" in path.read_text()


def test_batch_and_input_are_taken(explain):
    _, out, _ = explain("torchvision:vgg11", "features.0", "--input", "3x64x64", "--batch", "2")
    assert "MACs = 1,728·64·64·2 samples = 14,155,776" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["alexnet", "con1"], "alexnet has no layer 'con1'; did you mean 'conv1'?"),
        (["alexnet", "Ω"], "alexnet has no layer 'Ω'; archbench summary alexnet lists them"),
        (["alexnte"], "did you mean 'alexnet'"),
        (["alexnet", "--output", "x.pdf"], "has none of the endings"),
        (["alexnet", "--format", "latex", "--csv", "x.csv"], "is short for --format csv"),
        (["alexnet", "--format", "html"], "'html' is not one of"),
        (["alexnet", "--input", "3x5x5"], "fails on input"),
    ],
)
def test_bad_use_is_one_line(explain, arguments, message):
    code, out, err = explain(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
