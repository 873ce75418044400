"""Every model type of transformers, from its default configuration, cut to two layers where it can be."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import torch
import transformers
from torch import nn
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

from libraries.case import Case, image, tokens

LENGTH = 16  # of texts, in tokens
DEPTHS = (
    "decoder_layers", "decoder_num_layers", "depth", "encoder_layers", "encoder_num_layers", "n_layer", "n_layers",
    "num_block", "num_blocks", "num_decoder_layers", "num_encoder_layers", "num_hidden_layers", "num_layers",
)  # fmt: skip
# Other depths: Jamba's fifth layer is the first with attention; those of ConvNeXt are stages, with a width each.
LAYERS = {"convnext": 4, "convnextv2": 4, "jamba": 5}
# Layers left out at random in training.
LAYER_DROPS = ("decoder_layerdrop", "encoder_layerdrop", "layerdrop")
# What the default configuration of a type lacks.
NEEDED: dict[str, dict[str, Any]] = {
    "autoformer": {"prediction_length": 8},
    "esm": {"vocab_size": 33, "pad_token_id": 1},
    "informer": {"prediction_length": 8},
    "prophetnet": {"num_encoder_layers": 2, "num_decoder_layers": 2},
}


def cases() -> Iterator[Case]:
    """Yield the base model of each type."""
    for model_type, classes in MODEL_MAPPING_NAMES.items():
        name = classes if isinstance(classes, str) else classes[0]
        yield Case("transformers", model_type, partial(_build, model_type, name), partial(_inputs, model_type, name))


def _build(model_type: str, class_name: str) -> nn.Module:
    model: nn.Module = getattr(transformers, class_name)(_configuration(model_type))
    return model


@cache
def _configuration(model_type: str) -> Any:
    """Return a type's default configuration, with two layers unless it refuses that."""
    of_type = CONFIG_MAPPING[model_type]
    given = NEEDED.get(model_type, {})
    default = of_type(**given)
    try:
        return of_type(**_shallow(default), **given)
    except (ValueError, NotImplementedError, TypeError):
        return default


def _shallow(configuration: Any) -> dict[str, Any]:
    """Return the arguments that make a configuration two layers deep, those that it contains too."""
    layers = LAYERS.get(configuration.model_type, 2)
    changes: dict[str, Any] = {name: layers for name in DEPTHS if _number(configuration, name) > layers}
    changes |= {name: 0.0 for name in LAYER_DROPS if _number(configuration, name)}
    for name in getattr(type(configuration), "sub_configs", None) or {}:
        part = getattr(configuration, name, None)
        if part is not None:
            settings = part.to_dict()
            settings.pop("layer_types", None)
            changes[name] = settings | _shallow(part)
    return changes


def _number(configuration: Any, name: str) -> float:
    value = getattr(configuration, name, None)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0


def _inputs(model_type: str, class_name: str, batch: int) -> dict[str, Any]:
    """Return an input for each argument that the model needs: those without a default, its main one and their masks."""
    of_model = getattr(transformers, class_name)
    parameters = inspect.signature(of_model.forward).parameters
    main = of_model.main_input_name
    names = {main} if isinstance(main, str) else set(main)
    names |= {p.name for p in parameters.values() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}
    names -= {"self"}
    configuration = _configuration(model_type)
    if "input_ids" in names and "pixel_values" in parameters and _has_two_towers(configuration):
        names.add("pixel_values")
    names |= {mask for name, mask in MASKS.items() if name in names and mask in parameters}
    if "decoder_input_ids" in parameters:
        names |= {"decoder_input_ids"}
    return {name: _INPUTS[name](configuration, batch) for name in sorted(names & parameters.keys())}


# The mask that belongs to an input.
MASKS = {"input_ids": "attention_mask", "decoder_input_ids": "decoder_attention_mask"}


def _has_two_towers(configuration: Any) -> bool:
    """Return whether a model encodes texts and images apart, as CLIP does; others replace tokens by images."""
    parts = getattr(type(configuration), "sub_configs", None) or {}
    has_token = any(hasattr(configuration, name) for name in ("image_token_id", "image_token_index"))
    return {"text_config", "vision_config"} <= parts.keys() and not has_token


def _pixels(configuration: Any, batch: int) -> Any:
    vision = getattr(configuration, "vision_config", None) or configuration
    side = getattr(vision, "image_size", None) or 224
    height, width = side if isinstance(side, (list, tuple)) else (side, side)
    channels = getattr(vision, "num_channels", None) or 3
    frames = getattr(vision, "num_frames", None)
    sizes = (channels, height, width)
    return image(batch, *(sizes if not isinstance(frames, int) else (frames, *sizes)))


def _spectrogram(configuration: Any, batch: int) -> Any:
    """Return what an audio encoder takes: for Whisper and the like bands × positions, else positions × bands."""
    audio = (
        getattr(configuration, "audio_config", None) or getattr(configuration, "encoder_config", None) or configuration
    )
    bands = next(
        (
            getattr(audio, name)
            for name in (
                "num_mel_bins",
                "feature_projection_input_dim",
                "feature_size",
                "input_feat_per_channel",
                "input_dim",
            )
            if _number(audio, name)
        ),
        80,
    )
    positions = _number(audio, "max_source_positions")
    if positions and not _number(audio, "input_feat_per_channel"):
        return image(batch, bands, int(2 * positions))
    return image(batch, 128, bands)


def _waveform(configuration: Any, batch: int) -> Any:
    if _number(configuration, "num_mel_bins") and _number(configuration, "max_length"):
        return image(batch, configuration.max_length, configuration.num_mel_bins)
    return (
        image(batch, 16000)
        if _number(configuration, "conv_dim") or hasattr(configuration, "conv_dim")
        else image(batch, 1, 16000)
    )


def _patches(configuration: Any, batch: int) -> Any:
    channels = _number(configuration, "in_channels") or _number(configuration, "in_chans") or 3
    return image(
        16 * batch, int(channels * (_number(configuration, "temporal_patch_size") or 1) * configuration.patch_size**2)
    )


def _text(configuration: Any, batch: int) -> Any:
    return tokens(batch, LENGTH)


def _ones(configuration: Any, batch: int) -> Any:
    return torch.ones(batch, LENGTH, dtype=torch.long)


_INPUTS: dict[str, Callable[[Any, int], Any]] = {
    "input_ids": _text,
    "decoder_input_ids": _text,
    "qformer_input_ids": _text,
    "attention_mask": _ones,
    "decoder_attention_mask": _ones,
    "pixel_values": _pixels,
    "pixel_values_videos": lambda configuration, batch: image(batch, 2, 3, 224, 224),
    "input_features": _spectrogram,
    "input_values": _waveform,
    "hidden_states": _patches,
    "grid_thw": lambda configuration, batch: torch.tensor([[1, 4, 4]] * batch),
    "past_values": lambda configuration, batch: image(
        batch, int(_number(configuration, "context_length")), int(_number(configuration, "num_input_channels") or 1)
    ),
}
