from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import archbench
from cli.main import run


@pytest.fixture
def net():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())


def test_a_layer_of_a_module_is_explained(net):
    explanation = archbench.explain(net, "0", inputs="3x10x10", batch=2)
    # (3·3·3)·8 weights, each used at 8·8 positions of 2 samples.
    assert "MACs = 216·8·8·2 samples = 27,648" in str(explanation)
    (layer,) = explanation.to_dict()
    assert (layer["name"], layer["output_shape"]) == ("0", (2, 8, 8, 8))
    frame = explanation.to_frame().set_index("symbol")
    assert frame.loc["weights", "substituted"] == "3·3·3·8"
    assert frame.loc["parameters", "result"] == 216 + 8


def test_an_explanation_shows_itself_everywhere(net):
    explanation = archbench.explain(net, inputs="3x10x10")
    # Of the convolution 2 sizes, 3 figures of the receptive field and 7 of cost; of ReLU FLOPs and output memory.
    assert repr(explanation) == "<Explanation of Sequential, 2 layers: 14 derivations>"
    assert repr(explanation.trace) == "<TraceExplanation of 2 layers, batch 1>"
    assert str(explanation).startswith("Sequential, batch 1\n")
    assert "3·3·3·8" in explanation._repr_html_()
    assert "- weights = 3·3·3·8 = 216" in explanation._repr_markdown_()
    latex = explanation._repr_latex_()
    assert latex.startswith("\\begin{align*}")
    assert r"\text{weights} &= 3 \cdot 3 \cdot 3 \cdot 8 = 216 \\" in latex
    assert "documentclass" not in latex  # a notebook renders the equations alone


@pytest.mark.parametrize(("ending", "begin"), [("tex", "\\documentclass"), ("md", "## lenet"), ("csv", "layer,symbol")])
def test_an_explanation_is_saved_by_the_ending(tmp_path, ending, begin):
    path = tmp_path / f"lenet.{ending}"
    archbench.explain("lenet").save(path)
    assert path.read_text().startswith(begin)


def test_dict_and_text_are_what_the_command_prints(capsys):
    explanation = archbench.explain("lenet", "conv1")
    assert run(["explain", "lenet", "conv1", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(explanation.to_dict()))
    assert run(["explain", "lenet", "conv1"]) == 0
    assert capsys.readouterr().out == f"{explanation}\n"


def test_what_was_not_counted_is_a_caveat():
    class Bessel(nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(x)

    explanation = archbench.explain(Bessel(), inputs=torch.empty(1, 4))
    assert "aten.special_bessel_j0 (1×)" in explanation.caveats[0]
    assert explanation.caveats[0] in str(explanation)


def test_a_layer_that_is_not_there_is_named_with_the_nearest(net):
    with pytest.raises(archbench.UsageError, match="alexnet has no layer 'con1'; did you mean 'conv1'"):
        archbench.explain("alexnet", "con1")


@pytest.fixture(scope="module")
def stack():
    blocks = [nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(3)]
    return archbench.explain(nn.Sequential(nn.Linear(3, 4), *blocks), inputs=torch.empty(1, 3))


def test_repeated_blocks_are_explained_once_after_their_sums(stack):
    lines = [line.strip() for line in stack.render("table").splitlines()]
    start = lines.index("1 … 3 ×3  Sequential")
    assert lines[start + 1 : start + 6] == [
        "3 equal blocks, of which the first follows",
        "parameters = 3·20 = 60",
        "neurons = 3·4 = 12",
        "MACs = 3·16 = 48",
        "FLOPs = 3·40 = 120",  # 2 for each of 16 MACs, 4 biases, 4 activations
    ]
    heads = [line.split()[0] for line in stack.render("markdown").splitlines() if line.startswith("### ")]
    assert len(heads) == 4  # the first layer, the blocks, and the two layers of one block
    assert "### 1.0\n" in stack.render("markdown")
    assert "### 2.0\n" not in stack.render("markdown")
    assert r"\paragraph{1 \dots{} 3 $\times$3}" in stack.render("latex")
    assert r"\text{MACs} &= 3 \cdot 16 = 48" in stack._repr_latex_()


def test_data_explains_every_repeated_block(stack):
    names = ["0", "1.0", "1.1", "2.0", "2.1", "3.0", "3.1"]
    assert [layer["name"] for layer in stack.to_dict()] == names
    assert list(dict.fromkeys(stack.to_frame().layer)) == names


def test_blocks_with_different_receptive_fields_are_all_explained():
    blocks = [nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()) for _ in range(2)]
    text = str(archbench.explain(nn.Sequential(*blocks), inputs="4x8x8"))
    assert "×2" not in text
    assert "1.0  Conv2d" in text


class Skip(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        return x + self.conv(x)


def test_equal_blocks_with_branches_are_explained_once_although_receptive_fields_grow():
    explanation = archbench.explain(nn.Sequential(Skip(), Skip(), nn.Conv2d(4, 4, 1)), inputs="4x8x8")
    text = " ".join(str(explanation).split())
    assert "2 equal blocks, of which the first follows; receptive fields grow from each to the next" in text
    assert "1.conv" not in text
    # The data has both blocks, each with its own field.
    fields = {layer["name"]: layer["derivations"][-1]["result"] for layer in explanation.to_dict()}
    assert (fields["0/add"], fields["1/add"]) == (3, 5)


def test_groups_are_called_groups_and_shapes_written_as_in_tables():
    net = nn.Sequential(nn.Conv2d(32, 64, 3, padding=1, groups=2))
    lines = str(archbench.explain(net, inputs="32x8x8")).splitlines()
    assert "0  Conv2d  32x8x8 -> 64x8x8" in lines
    assert "  64 filters of 16x3x3" in lines
    assert "  2 groups: each filter sees 16 of 32 maps" in lines


@pytest.fixture(scope="module")
def encoder():
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


def test_a_module_is_explained_with_its_parts(encoder):
    explanation = archbench.explain(encoder, "self_attn", inputs="5x8")
    names = [layer["name"] for layer in explanation.to_dict()]
    assert names[0] == "self_attn"
    assert names[-1] == "self_attn.out_proj"
    assert all(name.startswith("self_attn") for name in names)
    text = str(explanation)
    assert "queries, keys and values: one product of 8 by 24 features" in text
    assert "Total" not in text  # which would be that of the whole model


def test_the_figures_of_attention_sum_to_those_of_the_module(encoder):
    frame = archbench.explain(encoder, "self_attn", inputs="5x8").to_frame()
    macs = frame[frame.symbol == "MACs"].result
    # Four projections of 8 by 8, and 5 queries that meet 5 keys and 5 values.
    assert macs.sum() == 4 * 5 * 8 * 8 + 2 * 5 * 5 * 8


def test_latex_has_the_formulas_of_recurrent_layers():
    net = nn.Sequential(nn.GRU(4, 3, 2, batch_first=True))
    latex = archbench.explain(net, "0", inputs="5x4").render("latex")
    # Three gates of 3 units, from 4 inputs and from 3 states.
    assert r"3 \cdot 3 \cdot (4 + 3) + 3 \cdot 3 \cdot (3 + 3) = 117" in latex
    assert r"5$\times$4 $\to$ 5$\times$3" in latex
