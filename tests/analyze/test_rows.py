"""Which row of the layer table an operation stands on."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from archbench.analyze.layers import layer_table
from archbench.analyze.memory.layers import layer_memory
from archbench.trace.tracer import trace


def rows_of(model, *shapes, dtype=torch.float32, **options):
    """Return the rows of a model by name, after checking that they sum to what happened."""
    inputs = tuple(torch.empty(shape, dtype=dtype, device="meta") for shape in shapes)
    record = trace(model, inputs, **options)
    table = layer_table(record)
    forward = [operation for operation in record.operations if not operation.is_backward]
    for field in ("macs", "flops", "read_bytes", "written_bytes"):
        assert sum(getattr(row, field) for row in table.rows) == sum(getattr(op, field) for op in forward), field
    rows = {row.name: row for row in table.rows}
    assert len(rows) == len(table.rows)
    computed = {record.row_of(op) for op in record.operations if not op.is_free}
    assert computed <= set(rows)
    return rows


B, T, S, E = 2, 5, 7, 8  # batch, queries, keys, features


def macs_of(rows):
    return {name: (row.params, row.macs) for name, row in rows.items() if row.macs and row.params}


class SelfAttention(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.attn = nn.MultiheadAttention(E, 2, **options)

    def forward(self, x):
        return self.attn(x, x, x)[0]


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_projections_have_their_parameters_and_macs_on_one_row(batch_first):
    rows = rows_of(SelfAttention(batch_first=batch_first), (B, T, E) if batch_first else (T, B, E))
    assert macs_of(rows) == {
        "attn": (3 * E * E + 3 * E, B * T * E * 3 * E),
        "attn.out_proj": (E * E + E, B * T * E * E),
    }
    assert (rows["attn"].type, rows["attn"].depth, rows["attn"].calls) == ("MultiheadAttention", 1, 1)
    assert (rows["attn"].input_shape, rows["attn"].output_shape) == ((B * T, E), (B * T, 3 * E))
    assert (rows["attn.out_proj"].calls, rows["attn.out_proj"].output_shape) == (1, (B * T, E))
    assert list(rows).index("attn") < list(rows).index("attn.out_proj")


def test_the_backward_pass_of_a_projection_stands_on_its_row():
    rows = rows_of(nn.MultiheadAttention(E, 2), (T, B, E), (T, B, E), (T, B, E), mode="train")
    # The inputs need no gradient, so that in_proj has the gradient of its weight alone, out_proj also its input's.
    assert rows["."].backward_macs == B * T * E * 3 * E
    assert rows["out_proj"].backward_macs == 2 * B * T * E * E


@pytest.mark.parametrize("options", [{}, {"autocast_dtype": torch.bfloat16}, {"mode": "train"}])
def test_cross_attention_uses_slices_and_casts_of_a_weight(options):
    # Queries are projected by a slice of in_proj_weight, keys and values by another.
    rows = rows_of(nn.MultiheadAttention(E, 2), (T, B, E), (S, B, E), (S, B, E), **options)
    params, macs = 3 * E * E + 3 * E, B * T * E * E + 2 * B * S * E * E
    assert macs_of(rows) == {".": (params, macs), "out_proj": (E * E + E, B * T * E * E)}


@pytest.mark.parametrize("autocast_dtype", [None, torch.bfloat16])
def test_separate_projection_weights_stand_on_the_row_of_the_attention(autocast_dtype):
    attention = nn.MultiheadAttention(E, 2, kdim=6, vdim=4)
    rows = rows_of(attention, (T, B, E), (S, B, 6), (S, B, 4), autocast_dtype=autocast_dtype)
    params, macs = E * (E + 6 + 4) + 3 * E, B * T * E * E + B * S * E * (6 + 4)
    assert macs_of(rows) == {".": (params, macs), "out_proj": (E * E + E, B * T * E * E)}
    assert rows["."].calls == 3


def test_rows_leave_weight_layers_and_neurons_as_they_are():
    totals = layer_table(trace(SelfAttention(batch_first=True), torch.empty(B, T, E, device="meta"))).totals
    # in_proj gives 3E for each of T positions, out_proj E.
    assert (totals.weight_layers, totals.neurons) == (2, T * 4 * E)


class Head(nn.Module):
    """A head that multiplies by the weight of a module that is called."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(4, 6, bias=False)

    def forward(self, x):
        return F.linear(self.embed(x), self.embed.weight.t())


class Before(Head):
    """The same, before that module is called."""

    def forward(self, x):
        return self.embed(F.linear(F.linear(x, self.embed.weight), self.embed.weight.t()))


@pytest.mark.parametrize(("model", "products"), [(Head(), 1), (Before(), 2)])
def test_a_weight_of_a_called_module_leaves_the_product_on_its_own_row(model, products):
    rows = rows_of(model, (2, 4))
    assert rows["./mm"].macs == products * 2 * 4 * 6
    assert (rows["embed"].params, rows["embed"].macs) == (24, 2 * 4 * 6)


class Borrower(nn.Module):
    def __init__(self, lender):
        super().__init__()
        self.weight = lender.weight
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(F.linear(x, self.weight))


def test_a_shared_parameter_is_multiplied_on_the_row_of_the_module_that_runs():
    lender = nn.Linear(4, 4, bias=False)
    rows = rows_of(nn.Sequential(lender, Borrower(lender)), (2, 4))
    assert {name: (row.params, row.macs) for name, row in rows.items()} == {
        "0": (16, 32), "1": (0, 32), "1.act": (0, 0),
    }  # fmt: skip


class Fused(nn.Module):
    """Projections that are multiplied as one, so that no module owns the product."""

    def __init__(self):
        super().__init__()
        self.query, self.key = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)

    def forward(self, x):
        return F.linear(x, torch.cat([self.query.weight, self.key.weight]))


def test_a_weight_made_of_several_modules_weights_leaves_the_product_on_its_own_row():
    rows = rows_of(Fused(), (2, 4))
    assert rows["./mm"].macs == 2 * 4 * 8
    assert (rows["query"].macs, rows["key"].macs) == (0, 0)


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(4, 4, bias=False)
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        return checkpoint(lambda y: self.norm(F.linear(y, self.proj.weight)), x, use_reentrant=False)


def test_what_a_checkpoint_recomputes_stands_on_the_row_of_its_weights():
    rows = rows_of(nn.Sequential(nn.Linear(4, 4), Checkpointed()), (2, 4), mode="train")
    # Forward 2*4*4; backward the product again, and two gradients.
    assert (rows["1.proj"].macs, rows["1.proj"].backward_macs) == (32, 3 * 32)
    assert "1/mm" not in rows


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_products_of_torchscript_stand_on_the_modules_that_own_the_weights():
    model = torch.jit.trace(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), torch.empty(2, 4))
    rows = rows_of(model, (2, 4), mode="train")
    assert macs_of(rows) == {"0": (40, 2 * 32), "2": (27, 2 * 24)}


class Causal(nn.Module):
    """Adds a mask to what a child computes."""

    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(4, 4)

    def forward(self, x):
        mask = torch.ones(4, 4, dtype=torch.bool).tril()
        scores = self.proj(x)
        return scores.masked_fill(mask.logical_not(), 0.0)


def test_generated_values_stand_on_the_row_of_their_reader():
    rows = rows_of(Causal(), (4, 4))
    assert list(rows) == ["proj", "./masked_fill"]
    # 16 booleans: written by ones, read and written by tril and logical_not, read by masked_fill, which also reads and
    # writes 16 floats.
    assert rows["./masked_fill"].written_bytes == 3 * 16 + 64
    assert rows["./masked_fill"].read_bytes == 3 * 16 + 64
    assert (rows["./masked_fill"].calls, rows["./masked_fill"].output_bytes) == (1, 64)


class Sinusoids(nn.Module):
    """Adds positions, whose computing costs FLOPs, and makes a range that nothing reads."""

    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(4, 4)

    def forward(self, x):
        torch.arange(9)
        return self.proj(x + torch.arange(4.0).mul(2.0).sin())


def test_the_flops_of_generated_values_are_their_readers_and_unread_ones_go_to_the_next_row():
    rows = rows_of(Sinusoids(), (2, 4))
    assert list(rows) == ["./add", "proj"]
    assert rows["./add"].flops == 8 + 4 + 4
    assert rows["./add"].written_bytes == 9 * 8 + 3 * 16 + 32


class Ranges(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(x), torch.arange(3)


def test_generated_values_that_nothing_follows_have_a_row():
    assert list(rows_of(Ranges(), (2, 4))) == ["act", "./arange"]


class Noisy(nn.Module):
    """Multiplies generated values by a weight, and writes data into generated ones: neither are generated."""

    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()
        self.weight = nn.Parameter(torch.zeros(4, 4))

    def forward(self, x):
        cache = x.new_zeros(2, 4)
        cache.copy_(x)
        return self.act(cache.neg() + torch.randn(2, 4) @ self.weight)


def test_values_with_weights_or_data_in_them_are_not_generated():
    rows = rows_of(Noisy(), (2, 4))
    assert list(rows) == ["./copy_", "./neg", ".", "./add", "act"]
    assert rows["."].macs == 2 * 16
    assert rows["."].written_bytes == 2 * 32  # the noise, and the product


def test_a_product_of_generated_values_have_a_row():
    class Basis(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(x + torch.eye(4) @ torch.ones(4, 4))

    assert list(rows_of(Basis(), (4, 4))) == ["./mm", "./add", "act"]


def test_memory_of_layers_has_the_rows_of_the_table():
    record = trace(nn.MultiheadAttention(E, 2), (torch.empty(T, B, E, device="meta"),) * 3, mode="train")
    memory = layer_memory(record)
    assert [row.name for row in memory] == [row.name for row in layer_table(record).rows]
    assert all(row.forward_peak_bytes for row in memory if row.name in (".", "out_proj"))
