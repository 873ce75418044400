"""Trace the models whose rates are published, and pack their kernels as `results/rates/features.csv.xz`.

    python results/make_features.py [MODEL ...]

Traces all models, or anew those that are named. Requires timm, and takes long for all; each trace is made under the
conditions of the tables in `archbench/hardware/fit`: `plain` or with `fast` normalisation, branches merged (`rep`),
attention that is not fused in half precision (`half`), `train` with attention as separate products, and `cpu` in
float32.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import pandas as pd
import timm
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name
from timm.utils import reparameterize_model
from torch import Tensor, nn

from archbench.analyze.performance.fusion import compiled_kernels
from archbench.analyze.performance.kernels import eager_kernels
from archbench.errors import ArchbenchError
from archbench.hardware.fit.tables import RateTable, rate_tables
from archbench.trace.records import Trace
from archbench.trace.tracer import trace
from results.fit_rates import trace_names, traced_params
from results.rate_features import BATCH, FEATURES, FOLDER, feature_rows, pack, unpack


def _in_half(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a normalisation that runs in half precision, as timm's fast ones do under autocast on a GPU."""

    def run(*args: Any, **kwargs: Any) -> Tensor:
        args = tuple(value.half() if isinstance(value, Tensor) else value for value in args)
        with torch._C.DisableTorchFunction():
            return function(*args, **kwargs)

    return run


# timm asks whether autocast is enabled for the tensors' device, which it is not for those without data.
_FAST = {
    "fast_layer_norm": _in_half(F.layer_norm),
    "fast_group_norm": _in_half(F.group_norm),
    "fast_rms_norm": _in_half(F.rms_norm),
}


# What timm's `reparameterize_model` calls.
_MERGING = ("fuse", "reparameterize", "switch_to_deploy")


def _built(model: str, variant: str, **arguments: Any) -> nn.Module:
    for module in [module for name, module in sys.modules.items() if name.startswith("timm.")]:
        for name, function in _FAST.items():
            if hasattr(module, name):
                setattr(module, name, function)
        if hasattr(module, "_USE_FAST_NORM"):
            module._USE_FAST_NORM = variant.startswith("fast")  # type: ignore[attr-defined]  # checked above
    timm.layers.set_fused_attn(variant != "train")
    # Merging branches computes with weights.
    with torch.device("cpu" if variant.endswith("rep") else "meta"):
        built: nn.Module = timm.create_model(model, **arguments)
    return reparameterize_model(built, inplace=True) if variant.endswith("rep") else built


@cache
def _has_branches(model: str) -> bool:
    """Return whether timm's `reparameterize_model` changes a model."""
    return any(hasattr(module, name) for module in _built(model, "plain").modules() for name in _MERGING)


def _traced(model: str, size: int, variant: str) -> Trace:
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(variant.endswith("half"))
    inputs = torch.empty(BATCH, 3, size, size, device="meta")

    def run(built: nn.Module) -> Trace:
        return trace(
            built,
            inputs,
            mode="train" if variant == "train" else "eval",
            autocast_dtype=None if variant == "cpu" else torch.float16,
            attention="math" if variant == "train" else "auto",
            device_kind="cpu" if variant == "cpu" else "cuda",
            may_use_data=False,
        )

    try:
        return run(_built(model, variant))
    except ArchbenchError:  # a model of one image size
        return run(_built(model, variant, img_size=size))


def _variants(rates: pd.DataFrame) -> Iterator[str]:
    if (rates.dtype == "fp32").any():
        yield "cpu"
    if (rates["mode"] == "train").any():
        yield "train"
    if ((rates["mode"] == "eval") & (rates.dtype != "fp32")).any():
        for norm in ("plain", "fast"):
            yield from (norm, f"{norm}rep", f"{norm}half")


def _forms(variant: str, record: Trace) -> Iterator[tuple[str, list[tuple[int, ...]]]]:
    if variant != "cpu":
        yield "nchw", feature_rows(eager_kernels(record, "nchw", is_gpu=True))
        yield "nhwc", feature_rows(eager_kernels(record, "nhwc", is_gpu=True))
    if variant != "train":
        yield "compiled", feature_rows(compiled_kernels(record, is_gpu=variant != "cpu"))


def _names(table: RateTable, published: pd.DataFrame, features: Iterable[str]) -> list[str | None]:
    return trace_names(table, published[published.source == table.name], features)


def main(models: Sequence[str]) -> None:
    """Trace models, all without names, and write the packed features, with the number of parameters of each trace."""
    published = pd.read_csv(FOLDER / "published.csv.xz")
    features, params = _kept(models) if models else ({}, {})
    runs = published[["model", "img_size"]].drop_duplicates()
    if models:
        runs = runs[runs.model.isin(models)]
    for model, size in zip(map(str, runs.model), map(int, runs.img_size), strict=True):
        for variant in _variants(published[(published.model == model) & (published.img_size == size)]):
            if variant.endswith("rep") and not _has_branches(model):
                continue
            name = f"{model}@{size}@{variant}"
            try:
                record = _traced(model, size, variant)
            except Exception as error:  # timm's models may raise anything; each is named
                print(f"{name}: {type(error).__name__}: {error}")
                continue
            params[name] = sum(parameter.numel for layer in record.layers for parameter in layer.parameters)
            features |= {f"{name}@{form}": rows for form, rows in _forms(variant, record)}
    needed = {name for table in rate_tables() for name in _names(table, published, features)}
    FEATURES.write_bytes(pack({name: rows for name, rows in features.items() if name in needed}))
    with (FOLDER / "params.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("trace", "params"), *sorted(params.items())])


def _kept(models: Sequence[str]) -> tuple[dict[str, list[tuple[int, ...]]], dict[str, int]]:
    """Return the features and the parameters of the committed traces of other models."""
    traces = {name: rows for name, rows in unpack().items() if name.partition("@")[0] not in models}
    params = {name: params for name, params in traced_params().items() if name.partition("@")[0] not in models}
    return {name: [tuple(map(int, row)) for row in rows] for name, rows in traces.items()}, params


if __name__ == "__main__":
    main(sys.argv[1:])
