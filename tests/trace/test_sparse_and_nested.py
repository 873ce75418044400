"""Sparse and jagged tensors that a model holds or makes are counted; what cannot be traced is named in one line."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import archbench
from archbench.errors import InputError, UsageError
from archbench.trace.records import TensorInfo
from archbench.trace.tensor_records import tensor_info
from archbench.trace.tracer import trace

pytestmark = pytest.mark.filterwarnings("ignore:Sparse|.*prototype stage")

LINEAR = 8 * 8 * 8


class Model(nn.Module):
    """Calls `function(module, x)`; the module has a layer from 8 to 8 features and holds the tensor `held`."""

    def __init__(self, function, held=None, kind="attribute"):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.function = function
        if kind == "buffer":
            self.register_buffer("held", held)
        elif kind == "parameter":
            self.held = nn.Parameter(held)
        else:
            self.held = held

    def forward(self, x):
        return self.function(self, x)


def macs(*model, mode="train"):
    totals = archbench.summarize(Model(*model), torch.ones(8, 8), mode=mode).totals
    return totals.macs, totals.training_macs


LAYOUTS = {
    "coo": lambda dense: dense.to_sparse(),
    "csr": lambda dense: dense.to_sparse_csr(),
    "bsr": lambda dense: dense.to_sparse_bsr((2, 2)),
}


def of_held(module, x):
    return module.held @ module.linear(x)


@pytest.mark.parametrize("kind", ["attribute", "buffer"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_product_with_a_sparse_tensor_that_the_model_holds_counts_the_stored_elements(name, kind):
    # The diagonal of 8: as 4 blocks of 2 x 2 it stores 16 elements. Each meets 8 columns.
    product = (16 if name == "bsr" else 8) * 8
    # The gradients of the layer's weights and of the dense factor.
    assert macs(of_held, LAYOUTS[name](torch.eye(8)), kind) == (LINEAR + product, 2 * (LINEAR + product))


def test_a_sparse_parameter_has_a_gradient():
    # Only its 8 stored elements are computed, each a sum over 8 columns.
    def function(module, x):
        return torch.sparse.mm(module.held, module.linear(x))

    assert macs(function, torch.eye(8).to_sparse_csr(), "parameter") == (LINEAR + 64, 2 * (LINEAR + 64) + 64)


@pytest.mark.parametrize("name", ["coo", "csr"])
def test_a_product_with_a_sparse_tensor_that_forward_makes_is_counted(name):
    def function(module, x):
        return torch.sparse.mm(LAYOUTS[name](torch.eye(8)), module.linear(x))

    assert macs(function) == (LINEAR + 64, 2 * (LINEAR + 64))


def test_the_record_of_a_sparse_tensor_has_the_size_of_what_it_stores():
    # 8 values of 4 bytes; COO has two indices of 8 bytes for each, CSR a column for each and 9 starts of rows.
    assert tensor_info(torch.eye(8).to_sparse()) == TensorInfo((8, 8), torch.float32, 8 * (4 + 2 * 8))
    assert tensor_info(torch.eye(8).to_sparse_csr()).size_bytes == 8 * (4 + 8) + 9 * 8
    assert tensor_info(torch.eye(8).to_sparse_csc()).size_bytes == 8 * (4 + 8) + 9 * 8


JAGGED = {
    "nested_tensor": lambda x: torch.nested.nested_tensor([x[:3], x[3:]], layout=torch.jagged),
    "as_nested_tensor": lambda x: torch.nested.as_nested_tensor([x[:3], x[3:]], layout=torch.jagged),
    "from_jagged": lambda x: torch.nested.nested_tensor_from_jagged(x, torch.tensor([0, 3, 8])),
}


@pytest.mark.parametrize("make", JAGGED.values(), ids=JAGGED)
def test_a_layer_on_a_jagged_tensor_counts_its_values(make):
    # Sequences of 3 and 5 rows.
    assert macs(lambda module, x: module.linear(make(x)).values()) == (LINEAR, 2 * LINEAR)


def test_the_record_of_a_jagged_tensor_is_that_of_its_values():
    jagged = JAGGED["nested_tensor"](torch.ones(8, 4))
    assert tensor_info(jagged) == TensorInfo((8, 4), torch.float32, 8 * 4 * 4)


def test_nested_tensors_of_the_strided_layout_are_refused_in_one_line():
    def function(module, x):
        return module.linear(torch.nested.as_nested_tensor([x[:3], x[3:]])).to_padded_tensor(0.0)

    with pytest.raises(UsageError, match="a nested tensor of the strided layout cannot be traced; make it with"):
        trace(Model(function), torch.ones(8, 8))


def test_a_nested_buffer_is_refused_by_its_name():
    model = Model(lambda module, x: module.linear(module.held), JAGGED["nested_tensor"](torch.ones(8, 8)), "buffer")
    with pytest.raises(InputError, match="held is a nested tensor, which cannot be traced; make it inside forward"):
        trace(model, torch.ones(8, 8))
