"""Sweeps: a row per size, length or argument, and polynomials that agree with formulas worked out by hand."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from torch import nn

import archbench
from archbench.errors import ForwardError, InputError, UsageError

NET = """
import torch
from torch import nn

def net(width=8, depth=2):
    return nn.Sequential(*(nn.Linear(width, width) for _ in range(depth)))

class Tokens(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.embedding = nn.Embedding(100, dim)
        self.head = nn.Linear(dim, 100)

    def forward(self, tokens, mask):
        return self.head(self.embedding(tokens)) * mask.unsqueeze(-1)
"""
EXAMPLE = """
def example_inputs(batch):
    return torch.zeros(batch, 12, dtype=torch.int64), torch.ones(batch, 12)
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(NET)
    return path


def polynomial(model, sweep, inputs=None, total="macs", **options):
    """Return the coefficients of a total, from the constant up, with the step at which they hold."""
    (growth,) = archbench.compare(model, inputs, sweep=sweep, **options).sweep.growth.values()
    assert all(type(each) is Fraction for each in growth[total].polynomial.coefficients)
    return list(growth[total].polynomial.coefficients), growth[total].step


def test_a_sweep_has_a_row_per_model_and_size_equal_to_comparisons_at_each_size():
    swept = archbench.compare(["torchvision:resnet18", "torchvision:vgg11"], sweep="size=64,96")
    assert [row.model for row in swept.rows] == ["torchvision:resnet18"] * 2 + ["torchvision:vgg11"] * 2
    assert [row.input_shape for row in swept.rows] == [(1, 3, 64, 64), (1, 3, 96, 96)] * 2
    assert swept.sweep.values == (64, 96, 64, 96)
    for row, size in zip(swept.rows, swept.sweep.values, strict=True):
        (alone,) = archbench.compare([row.model], f"3x{size}x{size}").rows
        assert alone == row


def test_a_transformer_layer_grows_as_its_formula_says():
    # d = 64, 4 d hidden features. Projections 3 d² + d², hidden layers 2 · 4 d²: 12 d² a token; scores and their
    # product with the values d each a pair of tokens: 2 d T².
    layer = nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)
    assert polynomial(layer, "length=128..8192", "16x64") == ([0, 12 * 64**2, 2 * 64], 1)
    # Backward does each product twice but for the input's, which needs no gradient: 3 · 3 d² - 3 d² of projections.
    assert polynomial(layer, "length=128..512", "16x64", "training_macs", mode="train") == (
        [0, 3 * 12 * 64**2 - 3 * 64**2, 3 * 2 * 64],
        1,
    )


def test_an_lstm_is_linear_in_the_length():
    # Four gates of 48 inputs and hidden values to 32 each.
    assert polynomial(nn.LSTM(16, 32, batch_first=True), "length=5,11,100", "7x16") == ([0, 4 * 32 * (16 + 32)], 1)


def test_a_convolution_that_keeps_the_size_is_quadratic_at_every_size():
    # 3 x 3 x 3 products for each of 8 outputs.
    assert polynomial(nn.Conv2d(3, 8, 3, padding=1), "size=7,8,9", "3x16x16") == ([0, 0, 27 * 8], 1)


def test_a_convolution_of_a_border_less_is_quadratic_in_the_smaller_size():
    # Outputs are (S - 2)².
    assert polynomial(nn.Conv2d(3, 8, 3), "size=7..20", "3x16x16") == ([4 * 216, -4 * 216, 216], 1)


def test_a_strided_convolution_is_a_polynomial_at_even_sizes_only():
    strided = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    assert polynomial(strided, "size=64..256", "3x16x16") == ([0, 0, Fraction(216, 4)], 2)
    mixed = archbench.compare(strided, "3x16x16", sweep="size=5,6,7,8,9,10,11")
    assert "macs" not in mixed.sweep.growth["Conv2d"]
    assert "MACs are not a polynomial in size at these values." in mixed.to_table().notes


def test_vgg16_is_quadratic_with_its_adaptive_pool_as_a_constant():
    stages = [(3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512)]
    # Stage i runs at S / 2^i.
    square = sum(
        Fraction(9 * inputs * outputs, 4**i) for i, widths in enumerate(stages) for inputs, outputs in pairwise(widths)
    )
    assert square.denominator == 1
    model = archbench.load("torchvision:vgg16")
    assert polynomial(model.features, "size=32..256", "3x32x32") == ([0, 0, square], 16)
    linear = 512 * 7 * 7 * 4096 + 4096 * 4096 + 4096 * 1000
    assert polynomial("torchvision:vgg16", "size=32..256") == ([linear, 0, square], 16)
    # The zoo's builder takes the size, and pools alike.
    assert polynomial("vgg16", "size=32..256") == ([linear, 0, square], 16)


def test_lenet_is_a_polynomial_at_even_sizes():
    # 5x5 convolutions to 6 and 16 channels at S - 4 and (S - 4) / 2 - 4 = (S - 12) / 2, pooling to 5x5 for 400, 120
    # and 84 inputs: 150 (S - 4)² + 2,400 (S - 12)² / 4 + 48,000 + 10,080 + 840. Only the first pooling, of S - 4,
    # has a convolution after it.
    constant = 150 * 16 + 600 * 144 + 58_920
    assert polynomial("lenet", "size=32..128") == ([constant, -150 * 8 - 600 * 24, 750], 2)


def test_sizes_off_the_stride_leave_the_polynomial_of_the_others():
    assert polynomial("torchvision:vgg16", "size=64,100,128,227") == polynomial("torchvision:vgg16", "size=64,128")


def test_an_argument_of_the_builder_is_swept(file):
    address = f"{file}:net"
    # Two layers of width² weights; MACs need an input of the width, which a sweep does not change.
    assert polynomial(f"{address}?width=16", "depth=1..8", "16", "macs") == ([0, 256], 1)
    assert polynomial("torchvision:resnet50", "width_per_group=32..128", total="params")[0][2] > 0
    # A patch of 16 pixels a side is a token of the 256; its embedding has 768 parameters.
    params, step = polynomial("torchvision:vit_b_16", "image_size=64,96", total="params")
    assert (params[1:], step) == ([0, Fraction(768, 256)], 16)


def test_example_inputs_are_resized_together(file):
    file.write_text(NET + EXAMPLE)
    swept = archbench.compare(f"{file}:Tokens", sweep="length=4..32", batch=3)
    assert [row.input_shape for row in swept.rows] == [(3, 4), (3, 8), (3, 16), (3, 32)]
    assert polynomial(f"{file}:Tokens", "length=4..32", batch=3) == ([0, 3 * 16 * 100], 1)


def test_tensors_give_the_other_dimensions():
    assert polynomial(nn.Linear(6, 2), "length=2..16", torch.empty(5, 9, 6)) == ([0, 5 * 12], 1)


def test_a_value_with_which_a_model_does_not_run_is_left_out_with_the_first_reason():
    swept = archbench.compare("torchvision:vgg16", sweep="size=8,16,32,64")
    assert swept.sweep.values == (32, 64)
    (caveat,) = swept.caveats
    assert caveat.startswith("torchvision:vgg16 does not run with size 8 and 16: layer features.")
    assert caveat in str(swept).replace("\n", " ")
    with pytest.raises(ForwardError, match=r"^torchvision:vgg16 does not run with size 8 and 16: layer features"):
        archbench.compare("torchvision:vgg16", sweep="size=8,16")


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("size", "sweep='size' is not NAME=VALUES, such as size=64..512 or length=128,512,2048"),
        ("=64", "sweep='=64' is not NAME=VALUES"),
        (
            "num_clases=10",
            "vgg16 has no 'num_clases' for sweep; choose from size, length, num_classes, .*'num_classes'",
        ),
        ("length=8", "sweep='length' does not suit vgg16: it takes no sequences, .* but 3x224x224"),
    ],
)
def test_what_cannot_be_swept_is_refused(sweep, message):
    with pytest.raises(UsageError, match=message):
        archbench.compare("vgg16", sweep=sweep)


def test_a_module_and_malformed_values_are_refused():
    with pytest.raises(UsageError, match="sweep='width' requires the address of a model"):
        archbench.compare(nn.Linear(3, 4), "3", sweep="width=1..4")
    with pytest.raises(InputError, match=r"'512\.\.64' is an empty range of sizes; did you mean 64..512"):
        archbench.compare("vgg16", sweep="size=512..64")
    with pytest.raises(InputError, match="'' is not a valid size; write whole numbers from 1"):
        archbench.compare("vgg16", sweep="size=")
    with pytest.raises(UsageError, match="measured=True has no effect with sweep"):
        archbench.compare("vgg16", sweep="size=64", measured=True)


def test_csv_and_json_name_what_was_swept_and_json_has_the_coefficients(archbench):
    arguments = ("compare", "torchvision:vgg11", "--sweep", "size=64,128")
    code, out, err = archbench(*arguments, "--format", "csv")
    assert (code, err) == (0, "")
    header, *rows = out.splitlines()
    assert header.startswith("model,swept,swept_value,")
    assert [row.split(",")[:3] for row in rows] == [["torchvision:vgg11", "size", size] for size in ("64", "128")]
    records = json.loads(archbench(*arguments, "--format", "json")[1])
    assert [record["swept_value"] for record in records] == [64, 128]
    linear = 512 * 7 * 7 * 4096 + 4096 * 4096 + 4096 * 1000
    assert records[0]["growth"]["macs"]["coefficients"][:2] == [linear, 0]
    assert records[0]["growth"]["macs"]["step"] == 16
    assert records[0]["growth"]["params"]["coefficients"] == [132_863_336]


def test_the_table_states_the_polynomial_and_where_the_leading_term_takes_over(archbench, file, monkeypatch):
    file.write_text(
        "from torch import nn\ndef layer():\n    return nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)\n"
    )
    monkeypatch.chdir(file.parent)
    code, out, _ = archbench("compare", "net.py:layer", "--input", "9x64", "--sweep", "length=16..1024")
    assert code == 0
    # 49,152 T = 128 T² at T = 384.
    assert "MACs = 128·T² + 49,152·T; peak memory in bytes = " in out
    assert "T² exceeds the rest from T = 385 (T: length)" in " ".join(out.split())
    assert out.startswith("eval, batch 1, ratios to net.py:layer at length 16\n")


def test_a_command_exits_with_2_if_no_size_runs(archbench):
    code, out, err = archbench("compare", "torchvision:vgg16", "--sweep", "size=8")
    assert (code, out) == (2, "")
    assert err.startswith("archbench: torchvision:vgg16 does not run with size 8: layer features")
    assert err.count("\n") == 1
