"""The chart of published against predicted rates."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from archbench.api.estimate import estimate
from archbench.api.published_figures import NOT_IMPORTED, stored_figures, subjects_of
from archbench.api.summary import summary_of
from archbench.errors import UsageError
from archbench.models.loaded import Inputs, load_model
from archbench.models.patterns import expanded
from archbench.reporting.charts.rates import ComparedRate, rates_chart

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart, Size
    from archbench.store.published import PublishedRate
    from archbench.trace.tracer import Mode

_LOG = logging.getLogger("archbench")


def rates(
    what: Sequence[Any],
    *,
    inputs: Inputs = None,
    mode: Mode = "eval",
    device: str | None = None,
    source: str | None = None,
    store: str | Path | None = None,
    **size: Unpack[Size],
) -> Chart:
    """Return the published rate of each model beside the predicted one, under the conditions of the published rates."""
    addresses = [_address(model) for model in what]
    if not addresses:
        raise UsageError("plot rates takes at least one model, such as torchvision:resnet50")
    published = _published(list(dict.fromkeys(expanded(addresses))), inputs, mode, device, source, store)
    compared = [_compared(model, rate) for model, rate in published.items()]
    first = next(iter(published.values()))
    return rates_chart(compared, conditions=first.conditions, source=first.source, **size)


def _address(model: Any) -> str:
    if not isinstance(model, (str, Path)):
        raise UsageError(f"published figures are stored by name; give timm:resnet50, not a {type(model).__name__}")
    return str(model)


def _published(
    addresses: Sequence[str],
    inputs: Inputs,
    mode: Mode,
    device: str | None,
    source: str | None,
    store: str | Path | None,
) -> dict[str, PublishedRate]:
    """Return the published rate of each model that has one; note the others. Raises UsageError if there is none."""
    stored = stored_figures(mode, store)
    if not stored:
        raise UsageError(f"nothing to plot: {NOT_IMPORTED}")
    loaded = [load_model(address, inputs) for address in addresses]
    sources = {model.name: model.source for model in loaded if model.source is not None}
    subjects = subjects_of(sources, [summary_of(model, 1, mode) for model in loaded])
    table = stored.table(set(subjects.values()), device=device, source=source)
    found = {model: table[subject] for model, subject in subjects.items() if subject in table}
    without = [address for address in addresses if address not in found]
    if not found:
        raise UsageError(
            f"nothing to plot: no rate of {', '.join(without)} is imported at this image size;"
            " 'archbench results --import timm:benchmark-….csv' imports timm's"
        )
    if without:
        _LOG.info("without a published rate at this image size: %s", ", ".join(without))
    return found


def _compared(address: str, rate: PublishedRate) -> ComparedRate:
    """Return a published rate with the prediction for its device, batch, image size and form."""
    (row,) = estimate(
        address,
        rate.device,
        inputs=f"3x{rate.img_size}x{rate.img_size}",
        batch=rate.batch,
        mode=rate.mode,
        dtype=rate.dtype,
        layout=rate.layout,
        compile=rate.compiled,
        require_fit=False,
    ).rows
    return ComparedRate(
        model=address,
        img_size=rate.img_size,
        batch=rate.batch,
        published=rate.images_per_s,
        predicted=row.images_per_s,
        low=row.images_per_s_low,
        high=row.images_per_s_high,
    )
