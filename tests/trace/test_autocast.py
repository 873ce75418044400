from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archbench.analyze.peak_memory import peak_bytes
from archbench.models.address import find, model_names
from archbench.trace import autocast
from archbench.trace.tracer import trace
from tests.helpers.mem_tracker import tracked_peak
from tests.helpers.models import Call

HEADER = Path(torch.__file__).parent / "include" / "ATen" / "autocast_mode.h"


def listed(macro):
    """Return the operators that torch's header lists under a macro."""
    text = HEADER.read_text().split(f"#define {macro}(_)", 1)[1].split("\n\n", 1)[0]
    return set(re.findall(r"_\((\w+)", text))


@pytest.mark.parametrize(
    ("macro", "names"),
    [
        ("AT_FORALL_LOWER_PRECISION_FP", autocast.LOWER),
        ("AT_FORALL_FP32", autocast.FULL),
        ("AT_FORALL_FP32_SET_OPT_DTYPE", autocast.FULL_BY_DTYPE),
        ("AT_FORALL_PROMOTE", autocast.PROMOTED),
    ],
)
def test_the_policy_covers_torchs(macro, names):
    # An older torch may list fewer; none that it lists may be missing.
    assert listed(macro) <= names


def dtypes(function, *shapes, dtype=torch.bfloat16):
    """Return operator and input dtypes of what ran under autocast, casts and views left out."""
    inputs = tuple(torch.empty(shape, device="meta") for shape in shapes)
    operations = trace(Call(function), inputs, autocast_dtype=dtype).operations
    return [(op.name, op.inputs[0].dtype) for op in operations if not op.is_free and op.name != "aten._to_copy"]


def test_products_run_in_the_lower_precision_and_exponentials_in_the_full():
    assert dtypes(lambda a, b: (a @ b).relu().exp(), (2, 3), (3, 4)) == [
        ("aten.mm", torch.bfloat16),
        ("aten.relu", torch.bfloat16),
        ("aten.exp", torch.float32),
    ]
    assert dtypes(lambda a, b: (a @ b).softmax(-1), (2, 3), (3, 4), dtype=torch.float16)[-1][0] == "aten._softmax"


def test_functions_written_in_python_are_looked_into():
    # Local response normalisation raises to a power, which is done in 32 bits.
    ran = dict(dtypes(lambda x, w: F.local_response_norm(F.conv2d(x, w), 3), (1, 3, 8, 8), (4, 3, 3, 3)))
    assert ran["aten.convolution"] is torch.bfloat16
    assert ran["aten.pow"] is torch.float32


def test_a_norm_is_full_precision_and_a_chosen_dtype_is_kept():
    ran = dict(dtypes(lambda a, b: F.normalize(a @ b), (2, 3), (3, 4)))
    assert ran["aten.linalg_vector_norm"] is torch.float32
    assert dtypes(lambda a, b: torch.softmax(a @ b, -1, torch.float32), (2, 3), (3, 4))[-1][0] == "aten._softmax"


def test_a_parameter_is_cast_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4, bias=False)

        def forward(self, x):
            return self.layer(self.layer(x))

    operations = trace(Twice(), torch.empty(2, 4), autocast_dtype=torch.bfloat16).operations
    # The input and the weight; the first result is in the lower precision already.
    assert [op.inputs[0].shape for op in operations if op.name == "aten._to_copy"] == [(2, 4), (4, 4)]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*model_names(), "torchvision:resnet18"])
def test_the_peak_under_autocast_is_torchs_own_trackers_on_a_gpu(name):
    source = find(name)
    record = trace(source.build(), torch.empty(32, *source.input_shape), autocast_dtype=torch.bfloat16)
    expected = tracked_peak(source, 32, "eval", autocast_dtype=torch.bfloat16, device="cuda")
    # The tracker counts every tensor in blocks of 512 bytes there.
    assert expected - 512 * len(record.storages) <= peak_bytes(record) <= expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet", "vgg11_bn", "vgg16", "torchvision:resnet18"])
def test_the_peak_of_training_under_autocast_is_torchs_own_trackers(name):
    # On the CPU, where these models' operators have the same policy; a backward pass on a GPU's FakeTensors needs one.
    source = find(name)
    inputs = torch.empty(32, *source.input_shape)
    record = trace(source.build(), inputs, mode="train", autocast_dtype=torch.bfloat16)
    expected = tracked_peak(source, 32, "train", autocast_dtype=torch.bfloat16)
    assert peak_bytes(record) == pytest.approx(expected, rel=0.001)
