"""Our output shapes against torch's own meta kernels, which decide wherever ours do not apply."""

from __future__ import annotations

from math import prod

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archbench.trace.shapes import find_shape_rule

aten = torch.ops.aten
sizes = st.integers(1, 9)
small = st.integers(1, 3)


def meta(*shape, dtype=torch.float32):
    return torch.empty(shape, dtype=dtype, device="meta")


def layout(tensors):
    tensors = [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)
    # The stride of a dimension of size 1 addresses nothing.
    return [
        None if t is None else (t.shape, [s for n, s in zip(t.shape, t.stride(), strict=True) if n > 1], t.dtype)
        for t in tensors
    ]


def agree(operator, *args, **kwargs):
    """Both refuse, or ours leaves it to torch's, or both give the same shapes, strides and dtypes."""
    ours = find_shape_rule(str(operator))(*args, **kwargs)
    try:
        theirs = operator(*args, **kwargs)
    except RuntimeError:
        assert ours is None
        return
    assert ours is None or layout(ours) == layout(theirs)


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(small, sizes, sizes, sizes), small, st.integers(1, 4), small, st.integers(0, 3), small, st.integers(1, 2),
    st.booleans(),
)  # fmt: skip
def test_convolutions(shape, filters, kernel, stride, padding, dilation, groups, has_bias):
    weight = meta(filters * groups, max(shape[1] // groups, 1), kernel, kernel)
    bias = meta(filters * groups) if has_bias else None
    agree(
        aten.convolution.default, meta(*shape), weight, bias,
        [stride], [padding, padding], [dilation, dilation], False, [0, 0], groups,
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.lists(sizes, min_size=3, max_size=5), st.integers(1, 4), st.integers(0, 3), st.integers(0, 2), st.booleans(),
    st.sampled_from([aten.max_pool2d_with_indices.default, aten.avg_pool2d.default, aten.avg_pool3d.default]),
)  # fmt: skip
def test_pooling(shape, kernel, stride, padding, ceil_mode, operator):
    strides = [stride] if stride else []
    options = ([1], ceil_mode) if operator is aten.max_pool2d_with_indices.default else (ceil_mode,)
    agree(operator, meta(*shape), [kernel], strides, [padding], *options)


@settings(max_examples=100, deadline=None)
@given(st.lists(sizes, max_size=4), st.sampled_from([torch.float32, torch.bfloat16, torch.int64]), st.booleans())
def test_elementwise(shape, dtype, transposed):
    x = meta(*shape, dtype=dtype)
    x = x.transpose(0, -1) if transposed and shape else x
    for operator in (aten.relu.default, aten.tanh.default, aten.neg.default):
        agree(operator, x)
    agree(aten.pow.Tensor_Scalar, x, 2)
    for operator in (aten.sigmoid_backward.default, aten.tanh_backward.default, aten.silu_backward.default):
        agree(operator, x, x)
        agree(operator, x, meta(*shape[1:], dtype=dtype))
    agree(aten.threshold_backward.default, x, x, 0)
    for operator in (aten.add.Tensor, aten.mul.Tensor, aten.div.Tensor):
        agree(operator, x, x)
        agree(operator, x, 2.5)
        agree(operator, x, meta(*shape, dtype=torch.float64))
        agree(operator, x, meta(*shape[1:], dtype=dtype))
        agree(operator, meta(*(1 if i % 2 else n for i, n in enumerate(shape)), dtype=dtype), x)
        agree(operator, x, meta(2, 1, *shape[2:], dtype=dtype))


@settings(max_examples=100, deadline=None)
@given(st.lists(small, min_size=2, max_size=3), st.lists(small, min_size=2, max_size=3))
def test_matrix_products(a, b):
    for operator in (aten.mm.default, aten.bmm.default):
        agree(operator, meta(*a), meta(*b))
    agree(aten.addmm.default, meta(b[-1]), meta(*a), meta(*b))
    agree(aten.addmm.default, meta(a[0], b[-1]), meta(*a), meta(*b))


@settings(max_examples=100, deadline=None)
@given(st.lists(sizes, min_size=2, max_size=5), sizes, st.booleans(), st.booleans(), st.booleans())
def test_batch_norm(shape, channels, affine, running, training):
    channels = shape[1] if channels > 3 else channels
    weight, bias = (meta(channels), meta(channels)) if affine else (None, None)
    mean, variance = (meta(channels), meta(channels)) if running or not training else (None, None)
    arguments = meta(*shape), weight, bias, mean, variance, training, 0.1, 1e-5
    if training:
        assume(prod(shape) > shape[1])  # torch's kernel divides by the number of samples a channel, less one
        agree(aten.native_batch_norm.default, *arguments)
        return
    # Outside training the CPU kernel saves no statistics; the meta kernel pretends that it does.
    ours = find_shape_rule("aten.native_batch_norm.default")(*arguments)
    assert ours is None or [t.shape for t in ours] == [torch.Size(shape), (0,), (0,)]
    on_cpu = (None if t is None else torch.zeros(t.shape) for t in arguments[:5])
    assert ours is None or layout(ours) == layout(aten.native_batch_norm.default(*on_cpu, False, 0.1, 1e-5))


@settings(max_examples=100, deadline=None)
@given(st.lists(sizes, min_size=1, max_size=4), st.integers(1, 2), st.booleans())
def test_layer_norm(shape, normalised, affine):
    inner = shape[-normalised:]
    weight, bias = (meta(*inner), meta(*inner)) if affine else (None, None)
    agree(aten.native_layer_norm.default, meta(*shape), inner, weight, bias, 1e-5)


@settings(max_examples=100, deadline=None)
@given(st.lists(sizes, min_size=1, max_size=4), st.integers(-5, 5), st.booleans(), sizes)
def test_softmax_reductions_and_concatenation(shape, dim, keepdim, other):
    x = meta(*shape)
    for operator, args in (
        (aten._softmax.default, (x, dim, False)),
        (aten.mean.dim, (x, [dim], keepdim)),
        (aten.sum.dim_IntList, (x, [dim], keepdim)),
        (aten.cat.default, ([x, x, meta(*shape[:-1], other)], dim)),
    ):
        try:
            agree(operator, *args)
        except IndexError:  # torch's answer to a dimension that is not there
            assert find_shape_rule(str(operator))(*args) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(sizes, max_size=3), min_size=1, max_size=3), st.booleans())
def test_optimizer_operators_on_lists(shapes, is_odd):
    tensors, others = ([meta(*shape) for shape in shapes] for _ in range(2))
    if is_odd:
        others[-1] = meta(*shapes[-1], 2)
    for operator, args in (
        (aten._foreach_add.List, (tensors, others)),
        (aten._foreach_sqrt.default, (tensors,)),
        (aten._foreach_add_.List, (tensors, others)),
        (aten._foreach_lerp_.Scalar, (tensors, others, 0.1)),
    ):
        ours = find_shape_rule(str(operator))(*args)
        if operator is aten._foreach_add.List and is_odd:
            continue  # broadcast; the optimizers never do
        if ours is not None:
            theirs = operator(*args)
            assert layout(ours) == layout(theirs or ())
    agree(aten.add_.Tensor, tensors[-1], others[-1], alpha=2)


@settings(max_examples=50, deadline=None)
@given(st.lists(sizes, max_size=4), st.sampled_from([torch.float32, torch.bfloat16, torch.float64, None]))
def test_casts(shape, dtype):
    agree(aten._to_copy.default, meta(*shape), dtype=dtype)
    agree(aten._to_copy.default, meta(*shape, dtype=torch.bfloat16).transpose(0, -1) if shape else meta(), dtype=dtype)


@settings(max_examples=200, deadline=None)
@given(st.lists(sizes, min_size=1, max_size=4), st.randoms(), st.randoms())
def test_elementwise_results_lie_in_memory_like_the_first_operand(shape, first, second):
    def permuted(random):
        order = list(range(len(shape)))
        random.shuffle(order)
        return torch.empty_permuted(shape, order, device="meta")

    x, y = permuted(first), permuted(second)
    for operator in (aten.relu.default, aten.silu_.default, aten.div_.Scalar, aten.mul.Scalar):
        agree(operator, x, *([2.0] if "Scalar" in str(operator) else []))
    for operator in (aten.add.Tensor, aten.sigmoid_backward.default, aten.gelu_backward.default):
        agree(operator, x, y)
    agree(aten.mul.Tensor, x, meta(shape[-1]))
    agree(aten.add.Tensor, x[..., :-1], y[..., :-1])


@settings(max_examples=100, deadline=None)
@given(st.lists(sizes, min_size=2, max_size=4), st.integers(1, 2), st.lists(st.booleans(), min_size=3, max_size=3))
def test_backward_passes_of_normalisations(shape, normalised, wanted):
    x, inner = meta(*shape), shape[-normalised:]
    statistics = meta(*shape[:-normalised], *([1] * normalised))
    layer_norm = aten.native_layer_norm_backward.default
    agree(layer_norm, x, x, inner, statistics, statistics, meta(*inner), meta(*inner), wanted)
    channels = [meta(shape[1])] * 5
    agree(aten.native_batch_norm_backward.default, x, x, *channels, True, 1e-5, wanted)


@settings(max_examples=100, deadline=None)
@given(st.tuples(small, sizes, sizes, sizes), small, st.integers(1, 3), st.lists(st.booleans(), min_size=3, max_size=3))
def test_backward_passes_of_convolutions(shape, filters, kernel, wanted):
    x, weight = meta(*shape), meta(filters, shape[1], kernel, kernel)
    assume(kernel <= min(shape[2:]))
    options = ([filters], [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
    grad = aten.convolution.default(x, weight, None, *options[1:])
    agree(aten.convolution_backward.default, grad, x, weight, *options, wanted)


@settings(max_examples=50, deadline=None)
@given(st.lists(sizes, min_size=1, max_size=4))
def test_backward_passes_of_softmax_and_selection(shape):
    x = meta(*shape)
    agree(aten._softmax_backward_data.default, x, x, 0, torch.float32)
    agree(aten.select_backward.default, meta(*shape[1:]), shape, 0, 0)
    agree(aten.slice_backward.default, x, [shape[0] + 3, *shape[1:]], 0, 1, shape[0] + 1, 1)


@settings(max_examples=50, deadline=None)
@given(st.lists(sizes, min_size=1, max_size=4))
def test_rolling_and_filling(shape):
    agree(aten.roll.default, meta(*shape), [1], [0])
    agree(aten.masked_fill.Scalar, meta(*shape), meta(*shape, dtype=torch.bool), 0.0)
    agree(aten.masked_fill.Scalar, meta(*shape), meta(*shape[1:], dtype=torch.bool), 0.0)
