"""Count models of other libraries, built from configurations, and check that each is the same afterwards.

    pip install diffusers timm transformers
    python benchmarks/foreign.py [--library timm]

Checked in both modes: the count is that of torch's own counter of operators (eval only), the state dict is bit for bit
the same and so are all attributes, training flags and a forward pass. Prints a table and exits with 1 if any differs.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import archbench
from archbench.trace.pytree import tensors_in

Case = tuple[str, Callable[[], nn.Module], Callable[[], Any]]

TOKENS = torch.arange(16)[None]
TIMM = (
    "resnet18",
    "vit_tiny_patch16_224",
    "convnext_atto",
    "efficientnet_b0",
    "mobilenetv3_small_100",
    "swin_tiny_patch4_window7_224",
)


# torch's counter leaves out the product inside of cdist: 256 positions with 256 codes, 3 values and two norms each.
UNCOUNTED_BY_TORCH = {"VQModel": 256 * 256 * (3 + 2)}


def image(channels: int, size: int) -> Tensor:
    """Return a picture."""
    return torch.randn(1, channels, size, size)


def of_diffusers() -> Iterator[Case]:
    """Yield ten models of diffusers."""
    import diffusers as d

    blocks: dict[str, Any] = {"block_out_channels": (32, 64), "layers_per_block": 1, "norm_num_groups": 8}
    vae: dict[str, Any] = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    crossed = {
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 32,
        "attention_head_dim": 8,
    }
    text = torch.randn(1, 4, 32)
    step = torch.tensor([1])
    yield "AutoencoderTiny", d.AutoencoderTiny, lambda: image(3, 32)
    yield "AutoencoderKL", lambda: d.AutoencoderKL(**blocks, **vae), lambda: image(3, 32)
    yield "VQModel", lambda: d.VQModel(**blocks, **vae), lambda: image(3, 32)
    yield (
        "UNet2DModel",
        lambda: d.UNet2DModel(
            **blocks, down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D")
        ),
        lambda: (image(3, 32), step),
    )
    yield (
        "UNet2DConditionModel",
        lambda: d.UNet2DConditionModel(**blocks, **crossed),
        lambda: {"sample": image(4, 16), "timestep": step, "encoder_hidden_states": text},
    )
    yield (
        "UNet1DModel",
        lambda: d.UNet1DModel(
            in_channels=14,
            out_channels=14,
            block_out_channels=(32, 64),
            down_block_types=("DownResnetBlock1D",) * 2,
            up_block_types=("UpResnetBlock1D",),
            mid_block_type="MidResTemporalBlock1D",
            out_block_type="OutConv1DBlock",
            time_embedding_type="positional",
            use_timestep_embedding=True,
            layers_per_block=1,
            downsample_each_block=False,
            norm_num_groups=8,
            act_fn="mish",
        ),
        lambda: (torch.randn(1, 14, 16), step),
    )
    yield (
        "Transformer2DModel",
        lambda: d.Transformer2DModel(2, 16, in_channels=32, norm_num_groups=8, cross_attention_dim=32),
        lambda: {"hidden_states": image(32, 8), "encoder_hidden_states": text},
    )
    yield (
        "DiTTransformer2DModel",
        lambda: d.DiTTransformer2DModel(2, 16, 4, 8, 2, norm_num_groups=8, sample_size=8),
        lambda: {"hidden_states": image(4, 8), "timestep": step, "class_labels": step},
    )
    yield (
        "PriorTransformer",
        lambda: d.PriorTransformer(2, 16, 2, embedding_dim=32, num_embeddings=4, additional_embeddings=4),
        lambda: {
            "hidden_states": torch.randn(1, 32),
            "timestep": step,
            "proj_embedding": torch.randn(1, 32),
            "encoder_hidden_states": text,
        },
    )
    yield (
        "ControlNetModel",
        lambda: d.ControlNetModel(
            **blocks,
            **{name: crossed[name] for name in crossed if name != "up_block_types"},
            conditioning_embedding_out_channels=(16, 16),
        ),
        lambda: {
            "sample": image(4, 16),
            "timestep": step,
            "encoder_hidden_states": text,
            "controlnet_cond": image(3, 32),
        },
    )


def of_timm() -> Iterator[Case]:
    """Yield models of timm."""
    import timm

    for name in TIMM:
        yield name, lambda name=name: timm.create_model(name), lambda: torch.randn(2, 3, 224, 224)  # type: ignore[misc]


def of_transformers() -> Iterator[Case]:
    """Yield models of transformers, one with a cache of keys and values."""
    import transformers as t

    sizes: dict[str, Any] = {
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "vocab_size": 100,
    }
    llama = t.LlamaConfig(**sizes, num_key_value_heads=2)

    def with_cache() -> dict[str, Any]:
        with torch.no_grad():
            cache = t.LlamaForCausalLM(llama)(TOKENS, use_cache=True).past_key_values
        return {"input_ids": TOKENS[:, :1], "past_key_values": cache, "use_cache": True}

    yield "llama", lambda: t.LlamaForCausalLM(llama), lambda: {"input_ids": TOKENS}
    yield "llama, one token and a cache", lambda: t.LlamaForCausalLM(llama), with_cache
    yield "bert", lambda: t.BertModel(t.BertConfig(**sizes)), lambda: {"input_ids": TOKENS}
    yield (
        "gpt2",
        lambda: t.GPT2LMHeadModel(t.GPT2Config(n_layer=2, n_embd=64, n_head=4, vocab_size=100)),
        lambda: {"input_ids": TOKENS},
    )
    yield (
        "t5",
        lambda: t.T5ForConditionalGeneration(
            t.T5Config(d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, vocab_size=100)
        ),
        lambda: {"input_ids": TOKENS, "decoder_input_ids": TOKENS},
    )
    yield (
        "vit",
        lambda: t.ViTModel(
            t.ViTConfig(num_hidden_layers=2, hidden_size=64, intermediate_size=128, num_attention_heads=4)
        ),
        lambda: {"pixel_values": image(3, 224)},
    )


LIBRARIES: dict[str, Callable[[], Iterator[Case]]] = {
    "diffusers": of_diffusers,
    "timm": of_timm,
    "transformers": of_transformers,
}


def call(model: nn.Module, inputs: Any) -> Any:
    """Call a model as archbench does."""
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def attributes(model: nn.Module) -> list[Any]:
    """Return what every module holds, as texts where it is not a tensor."""
    return [
        (name, key, id(value) if isinstance(value, Tensor) else repr(value) if key != "_modules" else list(value))
        for name, module in model.named_modules()
        for key, value in module.__dict__.items()
    ]


def state(model: nn.Module, inputs: Any) -> list[Any]:
    """Return all that must stay the same."""
    tensors = [(name, id(value), value.clone()) for name, value in model.state_dict(keep_vars=True).items()]
    held = attributes(model), repr(inputs)
    sizes = [tuple(v.shape) for v in tensors_in(inputs)]
    return [tensors, held, sizes]


def differs(before: list[Any], after: list[Any]) -> str:
    """Return what changed, an empty text if nothing did."""
    for (name, key, value), (_, other_key, other) in zip(before[0], after[0], strict=True):
        if key != other_key or not torch.equal(value, other):
            return f"{name} changed"
    return "" if before[1:] == after[1:] else "attributes or inputs changed"


def expected_macs(model: nn.Module, inputs: Any) -> float:
    """Return half of the FLOPs that torch counts."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        call(model, inputs)
    return float(counter.get_total_flops()) / 2


def outputs(model: nn.Module, make_inputs: Callable[[], Any]) -> list[Tensor]:
    """Return what a model makes of inputs that are the same at every call."""
    torch.manual_seed(1)
    with torch.no_grad():
        return list(tensors_in(call(model, make_inputs())))


def check(name: str, make: Callable[[], nn.Module], make_inputs: Callable[[], Any]) -> str:
    """Return the counts of a model, and what is wrong with them or the model afterwards."""
    torch.manual_seed(0)
    model, inputs = make().eval(), make_inputs()
    first, before = outputs(model, make_inputs), state(model, inputs)
    totals = archbench.summarize(model, inputs).totals
    training = archbench.summarize(model, inputs, mode="train").totals.training_macs
    changed = differs(before, state(model, inputs))
    if not all(map(torch.equal, first, outputs(model, make_inputs))):
        changed += " outputs changed"
    expected = expected_macs(model, inputs) + UNCOUNTED_BY_TORCH.get(name, 0)
    problems = [changed] if changed else []
    if totals.macs != expected:
        problems.append(f"torch counts {expected:,.0f}")
    return f"{totals.macs:>15,} {training or 0:>15,}  {'; '.join(problems) or 'ok'}"


def main() -> int:
    """Check all models and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", choices=LIBRARIES, action="append")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    failed = 0
    for library in parser.parse_args().library or LIBRARIES:
        for name, make, make_inputs in LIBRARIES[library]():
            try:
                line = check(name, make, make_inputs)
            except Exception as error:  # any failure is a result
                line = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            failed += not line.endswith("ok")
            print(f"{library:13s} {name:30s} {line}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
