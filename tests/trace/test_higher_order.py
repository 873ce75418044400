"""Higher-order operators are followed: the operators of the functions that they take are counted."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.map import map as map_over
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import archbench
from archbench.errors import UsageError
from archbench.trace.tracer import trace
from tests.helpers.models import Call

# Of a layer from 8 to 8 features, for each of 4 rows.
LINEAR = 4 * 8 * 8


class Model(nn.Module):
    """Calls `function(linear, x)` with a layer from 8 to 8 features."""

    def __init__(self, function):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.function = function

    def forward(self, x):
        return self.function(self.linear, x)


def totals(function, mode="train"):
    return archbench.summarize(Model(function), torch.empty(4, 8), mode=mode).totals


def linear_if(predicate):
    return lambda linear, x: torch.cond(predicate(x), linear, lambda x: x * 1.0, (x,))


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_the_first_branch_of_cond_is_counted_where_the_predicate_is_unknown(mode):
    summary = archbench.summarize(Model(linear_if(lambda x: x.sum() > 0)), torch.empty(4, 8), mode=mode)
    assert summary.totals.macs == LINEAR
    # The gradient of the weights; the input requires none.
    assert summary.totals.training_macs == (2 * LINEAR if mode == "train" else None)
    assert "torch.cond: the first branch was counted, the predicate is not known" in summary.caveats[-1]


@pytest.mark.parametrize("chosen", [True, False])
@pytest.mark.parametrize("make", [bool, torch.tensor], ids=["bool", "tensor"])
def test_the_branch_that_cond_takes_is_counted_where_the_predicate_is_known(make, chosen):
    summary = archbench.summarize(Model(linear_if(lambda _: make(chosen))), torch.empty(4, 8), mode="train")
    assert summary.totals.macs == (LINEAR if chosen else 0)
    assert not any("torch.cond" in caveat for caveat in summary.caveats)


def test_attention_in_a_branch_is_one_kernel():
    x = torch.empty(1, 2, 4, 8)
    model = Call(lambda x: torch.cond(x.sum() > 0, lambda x: F.scaled_dot_product_attention(x, x, x), torch.sin, (x,)))
    assert [op.origin for op in trace(model, x).operations if op.macs] == ["aten.scaled_dot_product_attention"]


def test_a_branch_runs_under_autocast():
    memory = archbench.memory(Model(linear_if(lambda x: x.sum() > 0)), torch.empty(4, 8), mode="train", dtype="bf16")
    plain = archbench.memory(Model(lambda linear, x: linear(x)), torch.empty(4, 8), mode="train", dtype="bf16")
    assert memory.rows[0].activation_bytes == plain.rows[0].activation_bytes


# The function, and how often it calls the linear layer on all rows.
FOLLOWED = {
    "map": (lambda linear, x: map_over(linear, x), 1),
    "scan": (lambda linear, x: scan(lambda state, x: (state + linear(x), state.clone()), torch.zeros(8), x)[1], 1),
    "associative_scan": (lambda linear, x: associative_scan(torch.add, linear(x), 0), 1),
    "while_loop": (
        lambda linear, x: while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, linear(x)), (torch.tensor(0), x))[1],
        3,
    ),
    "wrap": (lambda linear, x: torch.ops.higher_order.wrap(linear, x), 1),
    "torch.compile": (lambda linear, x: torch.compile(lambda x: linear(x))(x), 1),
}


@pytest.mark.parametrize(("function", "calls"), FOLLOWED.values(), ids=FOLLOWED)
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_each_call_of_a_followed_function_is_counted(function, calls, mode):
    summary = archbench.summarize(Model(function), torch.empty(4, 8), mode=mode)
    assert summary.totals.macs == calls * LINEAR
    assert summary.caveats == ()


def test_a_loop_whose_end_depends_on_data_runs_on_real_data():
    def loop(linear, x):
        return while_loop(lambda i, x: (i < 3) & (x.sum() < 1e9), lambda i, x: (i + 1, linear(x)), (torch.tensor(0), x))

    summary = archbench.summarize(Model(loop), torch.zeros(4, 8))
    assert summary.totals.macs == 3 * LINEAR
    assert summary.real_data_reason.startswith("it reads the value of a tensor")


def test_an_operator_that_cannot_be_followed_is_named_without_an_address():
    with pytest.raises(UsageError) as error:
        totals(lambda linear, x: torch._higher_order_ops.print("{x}", x=1) or linear(x))
    assert str(error.value) == "the higher-order operator print cannot be traced; its functions are not followed"


def test_attention_in_a_checkpointed_function_is_the_same_kernel_when_it_runs_again():
    def attend(linear, x):
        heads = linear(x)[None, None]
        return F.scaled_dot_product_attention(heads, heads, heads)

    plain, checkpointed = totals(attend), totals(lambda *given: checkpoint(attend, *given, use_reentrant=False))
    assert checkpointed.training_macs == plain.training_macs + plain.macs
    assert checkpointed.recomputed_macs == plain.recomputed_macs


def test_a_compiled_function_runs_uncompiled_and_is_compiled_afterwards():
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    model = Model(torch.compile(lambda linear, x: linear(x), backend=backend))
    assert archbench.summarize(model, torch.empty(4, 8)).totals.macs == LINEAR
    assert not graphs
    model(torch.ones(4, 8))
    assert len(graphs) == 1


def test_an_operator_that_an_older_torch_lacks_is_left_out(monkeypatch):
    # torch 2.11 has no switch.
    monkeypatch.delitem(torch._ops._higher_order_ops, "switch", raising=False)
    # 4 * 2 * 3 MACs.
    assert archbench.summarize(nn.Linear(2, 3), torch.ones(4, 2)).totals.macs == 24
