"""Weights stored in another form than their values: what they count as, and that the model runs without data."""

from importlib import import_module

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._pytree import tree_map

import archbench
from archbench.trace.records import Trace
from archbench.trace.tracer import trace

# Linear(128, 256) and Linear(256, 128), with biases: 2 * 128 * 256 = 65,536 weights and 384 biases.
WEIGHTS, BIASES = 65_536, 384


class ScaledInt8(Tensor):
    """A weight of 8 bits with a scale per row, as a wrapper subclass in the manner of torchao."""

    @staticmethod
    def __new__(cls, data: Tensor, scale: Tensor) -> Tensor:
        return Tensor._make_wrapper_subclass(cls, data.shape, dtype=scale.dtype, device=data.device)

    def __init__(self, data: Tensor, scale: Tensor) -> None:
        self.data8, self.scale = data, scale

    def __tensor_flatten__(self):
        return ["data8", "scale"], None

    @classmethod
    def __tensor_unflatten__(cls, inner, _context, _size, _stride):
        return cls(inner["data8"], inner["scale"])

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.detach.default:
            return cls(args[0].data8, args[0].scale)
        return func(*tree_map(lambda a: a.data8 * a.scale if isinstance(a, cls) else a, args), **(kwargs or {}))


class QuantState:
    def __init__(self, shape: torch.Size, absmax: Tensor) -> None:
        self.shape, self.absmax = shape, absmax


class Linear4bit(nn.Module):
    """A layer with two weights in each byte, in the manner of bitsandbytes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(inputs * outputs // 2, 1, dtype=torch.uint8), requires_grad=False)
        self.weight.quant_state = QuantState(torch.Size([outputs, inputs]), torch.ones(inputs * outputs // 64))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        state = self.weight.quant_state
        halves = torch.stack([self.weight & 15, self.weight >> 4], dim=1).reshape(-1, 64)
        return functional.linear(x, (halves * state.absmax[:, None]).reshape(state.shape), self.bias)


def _net(linear=nn.Linear) -> nn.Module:
    return nn.Sequential(linear(128, 256), nn.ReLU(), linear(256, 128))


def _wrapped() -> nn.Module:
    net = _net()
    for layer in (net[0], net[2]):
        rows = layer.weight.shape[0]
        weight = ScaledInt8(torch.zeros(layer.weight.shape, dtype=torch.int8), torch.ones(rows, 1))
        layer.weight = nn.Parameter(weight, requires_grad=False)
    return net


def _sums(record: Trace) -> tuple[int, int, int, str | None]:
    parameters = [parameter for layer in record.layers for parameter in layer.parameters]
    assert all(parameter.was_read for parameter in parameters)
    return (
        sum(operation.macs for operation in record.operations),
        sum(parameter.numel for parameter in parameters),
        sum(parameter.size_bytes for parameter in parameters),
        record.real_data_reason,
    )


def test_a_wrapper_subclass_counts_its_values_and_the_bytes_of_its_inner_tensors():
    net = _wrapped()
    record = trace(net, torch.randn(2, 128))
    # A byte a weight, 4 bytes a bias, and a scale of 4 bytes for each of 256 + 128 rows.
    stored = WEIGHTS + 4 * BIASES + 4 * 384
    assert _sums(record) == (2 * WEIGHTS, WEIGHTS + BIASES, stored, None)
    assert sum(storage.size_bytes for storage in record.storages if storage.kind == "parameter") == stored
    assert type(net[0].weight) is ScaledInt8
    assert net[0].weight.data8.device.type == "cpu"


def test_the_products_of_a_wrapper_subclass_multiply_by_weights():
    record = trace(_wrapped(), torch.randn(2, 128))
    products = [operation for operation in record.operations if operation.macs]
    assert [any(operation.weights) for operation in products] == [True, True]


def test_a_wrapper_subclass_trains_what_stands_beside_it():
    record = trace(_wrapped(), torch.randn(2, 128), mode="train")
    # Forward, and the gradient of the hidden layer; the frozen weights get none.
    assert sum(operation.macs for operation in record.operations) == 2 * WEIGHTS + WEIGHTS


def test_a_wrapper_subclass_runs_on_real_data_if_it_must():
    class ReadsValues(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = _wrapped()

        def forward(self, x):
            y = self.net(x)
            return y if y.sum() > 0 else -y

    macs, params, _, reason = _sums(trace(ReadsValues(), torch.randn(2, 128)))
    assert (macs, params) == (2 * WEIGHTS, WEIGHTS + BIASES)
    assert reason


def test_a_packed_parameter_counts_the_shape_in_its_quant_state():
    net = _net(Linear4bit)
    record = trace(net, torch.randn(2, 128))
    # Half a byte a weight, 4 bytes a bias and for each of 1,024 groups of 64 weights.
    stored = WEIGHTS // 2 + 4 * BIASES + 4 * WEIGHTS // 64
    assert _sums(record) == (2 * WEIGHTS, WEIGHTS + BIASES, stored, None)
    assert [parameter.shape for layer in record.layers for parameter in layer.parameters] == [
        (256, 128), (256,), (128, 256), (128,),
    ]  # fmt: skip
    assert [any(operation.weights) for operation in record.operations if operation.macs] == [True, True]


def test_the_data_of_a_parameter_under_another_name_is_still_the_parameter():
    class Kept(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(8, 4, dtype=torch.int8), requires_grad=False)
            self.state = {"codes": self.weight.data}

        def forward(self, x):
            return functional.linear(x, self.state["codes"].float())

    record = trace(Kept(), torch.randn(2, 4))
    assert _sums(record) == (64, 32, 32, None)
    assert sum(storage.size_bytes for storage in record.storages if storage.kind in ("parameter", "buffer")) == 32


@pytest.mark.filterwarnings("ignore:.*quantize_per_tensor:UserWarning")
def test_a_model_with_quantised_buffers_runs_on_real_data():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("table", torch.quantize_per_tensor(torch.ones(4, 4), 0.1, 0, torch.quint8))

        def forward(self, x):
            return x @ self.table.dequantize()

    record = trace(Table(), torch.randn(2, 4))
    assert record.real_data_reason == "its quantised tensors have no kernels without data"
    # In another dtype the table stays as it is, and its values float: the model's own error, in one line.
    with pytest.raises(archbench.ForwardError, match="the same dtype"):
        archbench.memory(Table(), torch.randn(2, 4), dtype="bf16")
    assert sum(operation.macs for operation in record.operations) == 2 * 4 * 4


@pytest.mark.parametrize(
    ("scheme", "scale_bytes"),
    [
        ("Int8WeightOnlyConfig", 5),  # a scale of 4 bytes and a zero point for each row
        ("Int8DynamicActivationInt8WeightConfig", 5),
        ("Float8WeightOnlyConfig", 4),
    ],
)
def test_torchaos_weights_count_like_the_original_with_the_bytes_that_they_store(scheme, scale_bytes):
    quantization = pytest.importorskip("torchao.quantization")
    net = _net().bfloat16()
    quantization.quantize_(net, getattr(quantization, scheme)())
    stored = WEIGHTS + 2 * BIASES + scale_bytes * 384
    assert _sums(trace(net, torch.randn(2, 128).bfloat16())) == (2 * WEIGHTS, WEIGHTS + BIASES, stored, None)


def test_torchaos_weights_of_4_bits_multiply_without_data():
    pytest.importorskip("torchao.quantization")
    tensors = import_module("torchao.quantization.quantize_.workflows")
    # 256 x 1,024 weights of half a byte, and for each group of 64 a scale and a zero point of 2 bytes.
    packed = torch.zeros(256 // 8, 1024 // 64, 32, 2, dtype=torch.int32)
    scales = torch.zeros(1024 // 64, 256, 2, dtype=torch.bfloat16)
    weight = tensors.Int4TilePackedTo4dTensor(packed, scales, [1, 64], torch.Size([256, 1024]))
    layer = nn.Linear(1024, 256, bias=False).bfloat16()
    layer.weight = nn.Parameter(weight, requires_grad=False)
    record = trace(layer, torch.randn(2, 1024).bfloat16())
    assert [operation.name for operation in record.operations if operation.macs] == ["aten._weight_int4pack_mm"]
    assert _sums(record) == (2 * 256 * 1024, 256 * 1024, 256 * 1024 // 2 + 4 * 256 * 1024 // 64, None)


def test_torchaos_products_of_8_bit_floats_count_as_the_original():
    quantization = pytest.importorskip("torchao.quantization")
    tensors = import_module("torchao.quantization.quantize_.workflows")
    layer = nn.Linear(128, 256, bias=False).bfloat16()
    per_row = quantization.PerRow()
    weight = tensors.Float8Tensor.from_hp(
        layer.weight.data,
        granularity=per_row,
        mm_config=quantization.Float8MMConfig(use_fast_accum=True),
        act_quant_kwargs=tensors.QuantizeTensorToFloat8Kwargs(granularity=per_row),
    )
    layer.weight = nn.Parameter(weight, requires_grad=False)
    record = trace(layer, torch.randn(2, 128).bfloat16())
    assert [operation.name for operation in record.operations if operation.macs] == ["aten._scaled_mm"]
    macs, params, _, reason = _sums(record)
    assert (macs, params, reason) == (2 * 256 * 128, 256 * 128, None)


def test_explain_derives_the_memory_of_quantised_weights_from_what_is_stored():
    text = str(archbench.explain(_wrapped(), "0", inputs=torch.randn(2, 128)))
    # A byte a weight and 4 bytes a scale: 128 * 256 + 4 * 256; 256 biases of 4 bytes.
    assert "parameter memory = 33,792 weight + 1,024 bias = 34,816 bytes" in text
