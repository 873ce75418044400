"""Models of diffusers, small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from foreign import of_diffusers

from libraries.case import Case, image

TEXT = 4  # tokens of the text


def cases() -> Iterator[Case]:
    """Yield the models that benchmarks/foreign.py has, and transformers and autoencoders of images and videos."""
    for name, build, inputs in of_diffusers():
        yield Case("diffusers", name, build, partial(_same, inputs))
    yield from _transformers()


def _same(inputs: Callable[[], Any], batch: int) -> Any:
    return inputs()


def _step(batch: int) -> Any:
    return torch.ones(batch, dtype=torch.long)


def _latents(batch: int) -> dict[str, Any]:
    """Return the inputs that most of these models share: latents, an embedded text and the step."""
    return {
        "hidden_states": image(batch, 4, 8, 8),
        "encoder_hidden_states": image(batch, TEXT, 32),
        "timestep": _step(batch),
    }


def _flux(batch: int) -> dict[str, Any]:
    return {
        "hidden_states": image(batch, 16, 4),
        "encoder_hidden_states": image(batch, TEXT, 32),
        "pooled_projections": image(batch, 16),
        "timestep": image(batch),
        "img_ids": image(16, 3),
        "txt_ids": image(TEXT, 3),
        "guidance": image(batch),
    }


def _video(batch: int) -> dict[str, Any]:
    return {
        "hidden_states": image(batch, 4, 2, 8, 8),
        "encoder_hidden_states": image(batch, TEXT, 32),
        "timestep": _step(batch),
    }


def _transformers() -> Iterator[Case]:
    import diffusers as d

    heads: dict[str, Any] = {"num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 2}
    yield Case(
        "diffusers",
        "SD3Transformer2DModel",
        lambda: d.SD3Transformer2DModel(
            8, 2, 4, 2, 16, 2, joint_attention_dim=32, caption_projection_dim=32, pooled_projection_dim=16
        ),
        lambda batch: _latents(batch) | {"pooled_projections": image(batch, 16)},
    )
    yield Case(
        "diffusers",
        "FluxTransformer2DModel",
        lambda: d.FluxTransformer2DModel(
            in_channels=4, num_layers=1, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=32, pooled_projection_dim=16, guidance_embeds=True, axes_dims_rope=(4, 6, 6),
        ),
        _flux,
    )  # fmt: skip
    yield Case(
        "diffusers",
        "PixArtTransformer2DModel",
        lambda: d.PixArtTransformer2DModel(
            **heads, cross_attention_dim=32, caption_channels=32, sample_size=8, use_additional_conditions=False
        ),
        lambda batch: _latents(batch) | {"added_cond_kwargs": {"resolution": None, "aspect_ratio": None}},
    )
    yield Case(
        "diffusers",
        "WanTransformer3DModel",
        lambda: d.WanTransformer3DModel(
            num_attention_heads=2, attention_head_dim=16, num_layers=2, in_channels=4, out_channels=4, text_dim=32,
            freq_dim=32, ffn_dim=64,
        ),
        _video,
    )  # fmt: skip
    yield Case(
        "diffusers",
        "UNet3DConditionModel",
        lambda: d.UNet3DConditionModel(
            block_out_channels=(32, 64), layers_per_block=1, norm_num_groups=8, cross_attention_dim=32,
            attention_head_dim=8, down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        ),
        lambda batch: {
            "sample": image(batch, 4, 2, 16, 16), "timestep": 1, "encoder_hidden_states": image(batch, TEXT, 32),
        },
    )  # fmt: skip
    yield Case(
        "diffusers",
        "AutoencoderDC",
        lambda: d.AutoencoderDC(
            latent_channels=4, attention_head_dim=8,
            encoder_block_out_channels=(16, 32), encoder_layers_per_block=(1, 1),
            decoder_block_out_channels=(16, 32), decoder_layers_per_block=(1, 1), encoder_block_types="ResBlock",
            decoder_block_types="ResBlock", encoder_qkv_multiscales=((), ()), decoder_qkv_multiscales=((), ()),
        ),
        lambda batch: image(batch, 3, 32, 32),
    )  # fmt: skip
    yield Case(
        "diffusers",
        "AutoencoderKLWan",
        lambda: d.AutoencoderKLWan(
            base_dim=16, z_dim=4, dim_mult=[1, 2], num_res_blocks=1, temperal_downsample=[False]
        ),
        lambda batch: image(batch, 3, 1, 32, 32),
    )
