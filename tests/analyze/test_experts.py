"""The parameters that one token of a mixture of experts uses, for each way in which experts run."""

import pytest
import torch
from torch import nn

from archbench.analyze.experts.active import ActiveParams, active_params
from archbench.trace.tracer import trace
from tests.helpers.experts import Block, Listed, Stacked

# Two products of each of 4 experts, 16 x 32 and 32 x 16, a router of 4 x 16 and a layer of 16 x 16 after them.
EXPERT, ROUTER, SHARED = 2 * 16 * 32, 4 * 16, 16 * 16
TWO_OF_FOUR = ActiveParams(2 * EXPERT + ROUTER + SHARED, 2, 4)


def _active(model: nn.Module, inputs: torch.Tensor | None = None) -> ActiveParams | None:
    return active_params(trace(model, torch.randn(2, 12, 16) if inputs is None else inputs))


@pytest.mark.parametrize("form", ["grouped", "gathered", "sliced", "dense"])
def test_experts_in_one_parameter_are_active_as_they_are_routed(form):
    assert _active(Block(Stacked(form))) == TWO_OF_FOUR


def test_experts_in_a_list_of_modules_are_active_as_they_are_routed():
    assert _active(Block(Listed())) == TWO_OF_FOUR


def test_the_biases_of_experts_are_active_with_them():
    assert _active(Block(Stacked("gathered", biases=True))) == ActiveParams(TWO_OF_FOUR.params + 2 * 32, 2, 4)


def test_a_router_in_the_module_of_the_experts_is_always_active():
    class Whole(Stacked):
        def __init__(self):
            super().__init__("gathered")
            self.router = nn.Parameter(torch.randn(4, 16))

        def forward(self, x):
            return self.gathered(x, (x @ self.router.t()).topk(2, dim=-1).indices)

    assert _active(Whole(), torch.randn(24, 16)) == ActiveParams(2 * EXPERT + ROUTER, 2, 4)


def test_blocks_that_choose_differently_have_no_common_routing():
    class One(Block):
        def forward(self, x):
            chosen = self.router(x.reshape(-1, 16)).argmax(-1, keepdim=True)
            return self.experts(x.reshape(-1, 16), chosen)

    both = _active(nn.Sequential(Block(Stacked("gathered")), One(Stacked("gathered"))))
    # Three experts, two routers; the layer after the second block's experts is not called, but not an expert.
    assert both == ActiveParams(3 * EXPERT + 2 * (ROUTER + SHARED), None, None)


def test_models_without_experts_have_no_active_parameters():
    class Maxout(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 16, 16))

        def forward(self, x):
            return torch.bmm(x.expand(4, *x.shape), self.weight).permute(1, 2, 0).max(-1).values

    class Relations(nn.Module):
        """A matrix for each type of edge, as in relational graph networks: nothing chooses among them."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 16, 16))

        def forward(self, x):
            kinds = torch.zeros(2 * x.shape[0], dtype=torch.long, device=x.device)
            return torch.bmm(x.repeat(2, 1).unsqueeze(1), self.weight[kinds])

    class Heads(nn.Module):
        """Equal heads of which one is used, and a choice among as many classes."""

        def __init__(self):
            super().__init__()
            self.heads = nn.ModuleList(nn.Linear(16, 4) for _ in range(4))

        def forward(self, x):
            return sum(head(x) for head in self.heads).argmax(-1)

    for model in (Maxout(), Relations(), Heads(), nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16))):
        assert _active(model, torch.randn(24, 16)) is None


SMALL = {
    "num_hidden_layers": 2, "vocab_size": 1000, "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4,
    "num_key_value_heads": 4, "head_dim": 16,
}  # fmt: skip
# The experts of each layer that has them, of which a token uses the given part; the last two numbers are that part.
FAMILIES = {
    "Mixtral": ({"num_local_experts": 8}, 2 * 8 * 3 * 64 * 128, 2, 8),
    "Qwen3Moe": (
        {"num_experts": 16, "num_experts_per_tok": 4, "moe_intermediate_size": 32}, 2 * 16 * 3 * 64 * 32, 4, 16,
    ),
    "Olmoe": ({"num_experts": 16, "num_experts_per_tok": 4}, 2 * 16 * 3 * 64 * 128, 4, 16),
    # One layer is dense; a group of experts is chosen first, and a shared expert is always active.
    "DeepseekV3": (
        {
            "n_routed_experts": 16, "num_experts_per_tok": 4, "n_group": 4, "topk_group": 2, "first_k_dense_replace": 1,
            "moe_intermediate_size": 32, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8, "v_head_dim": 16, "head_dim": 8,
        },
        16 * 3 * 64 * 32, 4, 16,
    ),
    # With a bias for each expert and product.
    "GptOss": (
        {"num_local_experts": 8, "num_experts_per_tok": 2}, 2 * 8 * (3 * 64 * 128 + 2 * 128 + 64), 2, 8,
    ),
}  # fmt: skip


@pytest.mark.parametrize("implementation", ["grouped_mm", "batched_mm", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_mixtures_of_transformers_leave_out_the_experts_a_token_does_not_use(family, implementation):
    transformers = pytest.importorskip("transformers")
    options, experts, chosen, count = FAMILIES[family]
    config = getattr(transformers, f"{family}Config")(**{**SMALL, **options})
    with torch.device("meta"):
        model = getattr(transformers, f"{family}ForCausalLM")._from_config(
            config, experts_implementation=implementation
        )
    total = sum(parameter.numel() for parameter in model.parameters())
    expected = ActiveParams(total - experts * (count - chosen) // count, chosen, count)
    assert active_params(trace(model, {"input_ids": torch.zeros(2, 16, dtype=torch.long)})) == expected


def test_mixtral_8x7b_uses_12_9_of_46_7_billion_parameters():
    transformers = pytest.importorskip("transformers")
    with torch.device("meta"):
        model = transformers.MixtralForCausalLM._from_config(transformers.MixtralConfig())
    # 32 layers of 8 experts of three matrices of 4096 x 14336: 45,097,156,608, of which six eighths are not used.
    unused = 32 * 6 * 3 * 4096 * 14336
    record = trace(model, {"input_ids": torch.zeros(1, 4, dtype=torch.long)})
    assert active_params(record) == ActiveParams(46_702_792_704 - unused, 2, 8)
    assert 46_702_792_704 - unused == 12_879_925_248
