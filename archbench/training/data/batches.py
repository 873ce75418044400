"""Make batches on the model's device: select, augment, normalise and resize images.

All images stay on the device as uint8, in their own size. The order of images is a function of seed and epoch, the
augmentation one of seed, epoch and step; both are drawn on the CPU, so that every device gets the same numbers, and for
the whole batch, of which each of several processes takes its share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from archbench.errors import UsageError
from archbench.training.data.augmentation import (
    Draws,
    draw,
    find_augmentation,
    principal_colors,
    source_rows_and_columns,
)
from archbench.training.data.records import Images
from archbench.training.data.transfer import send
from archbench.training.distributed.process_group import ProcessGroup
from archbench.training.schedule import steps_per_epoch
from archbench.units import format_integer

# Luminance of red, green and blue: ITU-R Recommendation BT.601.
_LUMINANCE = (0.299, 0.587, 0.114)

# So many images are converted to luminance at a time, to save memory.
_CHUNK = 1024


class Batches:
    """Images as batches for a model that takes `channels` and `size`, height and width, on a device, in a dtype.

    `batch` counts the images of all processes in `group` together; the process of rank r gets every `group.size`-th of
    them from the r-th. Grey images are repeated for a model of three channels, colour images become luminance for one
    of a single channel. `mean` and `std` are those of `Data`, a number per channel of the images. Raises UsageError for
    channels that the images cannot be converted to, a batch that the processes cannot share equally and an unknown
    augmentation.
    """

    def __init__(
        self,
        images: Images,
        *,
        batch: int,
        mean: Sequence[float],
        std: Sequence[float],
        size: tuple[int, int],
        channels: int,
        device: torch.device | str,
        dtype: torch.dtype = torch.float32,
        memory_format: torch.memory_format = torch.contiguous_format,
        augmentation: str = "none",
        seed: int = 0,
        group: ProcessGroup | None = None,
    ) -> None:
        assert len(images) > 0, "data has images in every part"
        group = group or ProcessGroup()
        require_divisible(batch, group.size)
        self._augmentation = find_augmentation(augmentation)
        pixels = _with_channels(images.images, channels)
        weights = _LUMINANCE if len(mean) > pixels.shape[1] else None
        self._components = principal_colors(Images(pixels, images.labels)) if self._augmentation.color else None
        self._images, self._labels = pixels.contiguous().to(device), images.labels.to(device)
        self._channel_numbers = torch.arange(pixels.shape[1], device=device)
        self._mean, self._std = (_column(values, weights).to(device) for values in (mean, std))
        self._batch, self._size, self._channels = batch, size, channels
        self._dtype, self._memory_format = dtype, memory_format
        self._seed, self._share = seed, slice(group.rank, None, group.size)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    @property
    def steps_per_epoch(self) -> int:
        """The number of full batches in the images, at least 1."""
        return steps_per_epoch(len(self._labels), self._batch)

    def batch_at(self, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """Return this process's share of a batch: inputs (batch / processes, channels, *size) and labels, int64.

        It depends on seed, epoch and step alone, not on earlier calls.
        """
        assert 0 <= step < self.steps_per_epoch, "steps are counted from 0 in each epoch"
        chosen = self._order_of(epoch)[step * self._batch : (step + 1) * self._batch]
        indices = chosen[self._share]
        if self._augmentation.name == "none":
            pixels, shift = self._images.index_select(0, indices), None
        else:
            pixels, shift = self._augmented(indices, self._generator(f"step {epoch} {step}"), len(chosen))
        return self._ready(pixels, shift), self._labels.index_select(0, indices)

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every image once, without augmentation, in order, in every process; the last batch may be smaller."""
        for start in range(0, len(self._labels), self._batch):
            chosen = slice(start, start + self._batch)
            yield self._ready(self._images[chosen], None), self._labels[chosen]

    def _order_of(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            self._epoch = epoch
            order = torch.randperm(len(self._labels), generator=self._generator(f"epoch {epoch}"))
            self._order = send(order, self._images.device)
        return self._order

    def _generator(self, purpose: str) -> Generator:
        """Return a generator for one purpose; a hash separates neighbouring seeds, epochs and steps."""
        number = hashlib.sha256(f"{self._seed} {purpose}".encode()).digest()[:8]
        return Generator().manual_seed(int.from_bytes(number, "big"))

    def _augmented(self, indices: Tensor, generator: Generator, count: int) -> tuple[Tensor, Tensor | None]:
        """Return cropped and mirrored pixels, and the shift of colours from 0 to 1, None without one."""
        _, channels, height, width = self._images.shape
        draws = draw(generator, count, (channels, height, width)).part(self._share)
        if self._augmentation.crop or self._augmentation.flip:
            pixels = self._moved(indices, draws)
        else:
            pixels = self._images.index_select(0, indices)
        if self._components is None:
            return pixels, None
        shift = send(draws.colors @ self._components, pixels.device)
        return pixels, shift[:, :, None, None]

    def _moved(self, indices: Tensor, draws: Draws) -> Tensor:
        """Return cropped and mirrored images: whole rows are selected first, then the columns of each."""
        _, channels, height, width = self._images.shape
        positions = draws.positions_on(self._images.device)
        rows, columns = source_rows_and_columns(self._augmentation, positions, height, width)
        planes = indices[:, None] * channels + self._channel_numbers
        selected = (planes[:, :, None] * height + rows[:, None, :]).flatten()
        pixels = self._images.view(-1, width).index_select(0, selected).view(-1, channels, height, width)
        return pixels.gather(3, columns[:, None, None, :].expand_as(pixels))

    def _ready(self, pixels: Tensor, shift: Tensor | None) -> Tensor:
        """Normalise and resize uint8 pixels for the model, in 32 bits, rounded once at the end."""
        values = pixels.float().div_(255)
        if shift is not None:
            values += shift
        values.sub_(self._mean).div_(self._std)
        if values.shape[2:] != self._size:
            # Antialiasing matters, and takes time, only where the image gets smaller.
            shrinks = any(wanted < has for wanted, has in zip(self._size, values.shape[2:], strict=True))
            values = interpolate(values, size=self._size, mode="bilinear", align_corners=False, antialias=shrinks)
        values = values.expand(-1, self._channels, -1, -1)
        return values.to(self._dtype, memory_format=self._memory_format).contiguous(memory_format=self._memory_format)


def require_divisible(batch: int, processes: int) -> None:
    """Raise UsageError for a batch that cannot be divided equally among that many processes."""
    if batch % processes:
        raise UsageError(f"a batch of {format_integer(batch)} cannot be divided among {processes} processes")


def _with_channels(pixels: Tensor, channels: int) -> Tensor:
    """Convert images for a model of so many channels; grey ones stay grey, and are repeated per batch."""
    has = pixels.shape[1]
    if channels == has or (channels, has) == (3, 1):
        return pixels
    if (channels, has) == (1, 3):
        chunks = pixels.split(_CHUNK)  # type: ignore[no-untyped-call]  # torch leaves it without types
        return torch.cat([_luminance(chunk) for chunk in chunks])
    raise UsageError(f"the model takes {channels} channels; images of {has} cannot be converted")


def _luminance(pixels: Tensor) -> Tensor:
    weights = torch.tensor(_LUMINANCE).view(1, 3, 1, 1)
    return (pixels * weights).sum(dim=1, keepdim=True).round_().to(torch.uint8)


def _column(values: Sequence[float], weights: Sequence[float] | None) -> Tensor:
    """Return one number per channel, to broadcast over images; for luminance their weighted sum.

    That sum is the mean of luminance, and an upper bound of its standard deviation, reached where the channels are
    fully correlated, as they nearly are in photographs.
    """
    column = torch.tensor(values, dtype=torch.float32)
    if weights is not None:
        column = (column * torch.tensor(weights)).sum(dim=0, keepdim=True)
    return column.view(1, -1, 1, 1)
