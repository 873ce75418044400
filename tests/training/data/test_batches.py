from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils._python_dispatch import TorchDispatchMode

from archbench.errors import UsageError
from archbench.training.data.assembly import mean_and_std
from archbench.training.data.augmentation import draw, principal_colors
from archbench.training.data.batches import Batches
from archbench.training.data.records import Images
from archbench.training.distributed.process_group import ProcessGroup


def make_images(count: int, shape: tuple[int, int, int] = (3, 16, 16), seed: int = 0) -> Images:
    """Return random images whose label is their place."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.arange(count))


def make_batches(images: Images, **options) -> Batches:
    mean, std = mean_and_std(images)
    _, channels, height, width = images.images.shape
    usual = {"batch": 4, "mean": mean, "std": std, "size": (height, width), "channels": channels, "device": "cpu"}
    return Batches(images, **(usual | options))


def epoch_of(batches: Batches, epoch: int) -> Tensor:
    return torch.cat([batches.batch_at(epoch, step)[1] for step in range(batches.steps_per_epoch)])


def normalised(image: Tensor, images: Images) -> Tensor:
    """Normalise one image channel by channel, in 64 bits."""
    mean, std = mean_and_std(images)
    channels = [(image[c].double() / 255 - mean[c]) / std[c] for c in range(len(mean))]
    return torch.stack(channels)


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own():
    batches = make_batches(make_images(24))
    first, second = epoch_of(batches, 0), epoch_of(batches, 1)
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(24))
    assert first.tolist() != second.tolist()
    assert epoch_of(make_batches(make_images(24), seed=1), 0).tolist() != first.tolist()
    assert epoch_of(make_batches(make_images(24), augmentation="crop+flip"), 0).tolist() == first.tolist()


@pytest.mark.parametrize(("count", "batch", "steps"), [(24, 4, 6), (27, 4, 6), (4, 4, 1), (3, 4, 1)])
def test_an_epoch_has_full_batches_or_one_of_all_images(count, batch, steps):
    batches = make_batches(make_images(count), batch=batch)
    assert batches.steps_per_epoch == steps
    assert len(epoch_of(batches, 0)) == min(count, steps * batch)


def test_inputs_are_the_images_of_their_labels():
    images = make_images(12)
    inputs, labels = make_batches(images).batch_at(3, 1)
    assert inputs.dtype == torch.float32
    assert labels.dtype == torch.int64
    for image, label in zip(inputs, labels.tolist(), strict=True):
        assert torch.allclose(image.double(), normalised(images.images[label], images), atol=1e-5)


def test_a_step_after_a_resume_is_the_step_of_before():
    images, options = make_images(40), {"augmentation": "crop+flip+color", "seed": 7, "size": (24, 24)}
    lived = make_batches(images, **options)
    past = {(epoch, step): lived.batch_at(epoch, step) for epoch in (0, 1, 2) for step in (0, 4, 9)}
    torch.manual_seed(123)
    for place in reversed(past):
        inputs, labels = make_batches(images, **options).batch_at(*place)
        assert torch.equal(inputs, past[place][0])
        assert torch.equal(labels, past[place][1])


def test_torch_s_own_generator_is_left_alone():
    state = torch.get_rng_state()
    make_batches(make_images(8), augmentation="crop+flip+color").batch_at(0, 0)
    assert torch.equal(torch.get_rng_state(), state)


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 40), world=st.integers(1, 4), per_process=st.integers(1, 5), seed=st.integers(0, 2**40))
def test_processes_see_together_what_one_sees(count, world, per_process, seed):
    images = make_images(count, (3, 8, 9))
    options = {"batch": world * per_process, "seed": seed, "augmentation": "crop+flip+color"}
    one = make_batches(images, **options)
    several = [make_batches(images, **options, group=ProcessGroup(rank, world)) for rank in range(world)]
    assert {batches.steps_per_epoch for batches in several} == {one.steps_per_epoch}
    for step in range(one.steps_per_epoch):
        inputs, labels = one.batch_at(2, step)
        for rank, batches in enumerate(several):
            its_inputs, its_labels = batches.batch_at(2, step)
            assert torch.equal(its_labels, labels[rank::world])
            assert torch.equal(its_inputs, inputs[rank::world])


def test_a_batch_must_be_divisible_among_processes():
    with pytest.raises(UsageError, match="a batch of 5 cannot be divided among 2 processes"):
        make_batches(make_images(8), batch=5, group=ProcessGroup(0, 2))


@pytest.mark.parametrize("augmentation", ["crop", "flip", "crop+flip"])
def test_augmented_images_are_one_of_those_that_padding_cutting_and_mirroring_can_give(augmentation):
    images = make_images(8, (3, 16, 16))
    inputs, labels = make_batches(images, batch=8, augmentation=augmentation).batch_at(0, 0)
    shifts = range(5) if "crop" in augmentation else [2]  # 16 / 8 = 2 pixels on each side
    used = set()
    for image, label in zip(inputs, labels.tolist(), strict=True):
        padded = np.pad(images.images[label].numpy(), ((0, 0), (2, 2), (2, 2)), mode="reflect")
        cuts = {(t, l, 0): padded[:, t : t + 16, l : l + 16] for t in shifts for l in shifts}  # noqa: E741  # left
        if "flip" in augmentation:
            cuts |= {(top, left, 1): cut[:, :, ::-1] for (top, left, _), cut in cuts.items()}
        hits = [
            place
            for place, cut in cuts.items()
            if torch.allclose(image.double(), normalised(torch.from_numpy(cut.copy()), images), atol=1e-5)
        ]
        assert len(hits) == 1
        used.update(hits)
    assert len(used) > 1


def test_augmentation_differs_by_step_and_by_epoch():
    images = Images(make_images(1).images.expand(32, -1, -1, -1), torch.arange(32))
    batches = make_batches(images, batch=16, augmentation="crop+flip")
    first, later, next_epoch = (batches.batch_at(*place)[0] for place in [(0, 0), (0, 1), (1, 0)])
    assert not torch.equal(first, later)
    assert not torch.equal(first, next_epoch)


def test_color_adds_one_multiple_of_the_principal_components_to_all_pixels_of_an_image():
    images = make_images(8)
    _, std = mean_and_std(images)
    plain, _ = make_batches(images, batch=8).batch_at(0, 0)
    colored, _ = make_batches(images, batch=8, augmentation="color").batch_at(0, 0)
    shifts = (colored - plain) * torch.tensor(std)[None, :, None, None]
    assert shifts.flatten(2).std(dim=2).max() < 1e-6
    multiples = torch.linalg.solve(principal_colors(images).T, shifts.mean(dim=(2, 3)).T).T
    # Multiples of deviation 0.1: none of 24 beyond 5 deviations, and not all alike.
    assert multiples.abs().max() < 0.5
    assert multiples.std() > 0.03


@settings(max_examples=25, deadline=None)
@given(
    native=st.tuples(st.integers(4, 40), st.integers(4, 40)), wanted=st.tuples(st.integers(4, 80), st.integers(4, 80))
)
def test_resizing_is_pil_s_bilinear_within_one_grey_level(native, wanted):
    images = make_images(2, (3, *native))
    inputs, labels = next(make_batches(images, size=wanted).in_order())
    mean, std = (torch.tensor(values)[:, None, None] for values in mean_and_std(images))
    for image, label in zip(inputs, labels.tolist(), strict=True):
        picture = Image.fromarray(images.images[label].permute(1, 2, 0).numpy())
        expected = np.asarray(picture.resize(wanted[::-1], Image.Resampling.BILINEAR)).astype(float)
        levels = ((image * std + mean) * 255).permute(1, 2, 0).numpy()
        assert np.abs(levels - expected).max() <= 1.01


def test_images_are_normalised_first_and_upsampled_then():
    images = make_images(3)
    inputs, _ = next(make_batches(images, size=(40, 24)).in_order())
    small = torch.stack([normalised(image, images) for image in images.images])
    expected = interpolate(small, size=(40, 24), mode="bilinear", align_corners=False)
    assert torch.allclose(inputs.double(), expected, atol=1e-5)


def test_evaluation_gives_every_image_once_in_order_and_unchanged():
    images = make_images(10)
    batches = make_batches(images, augmentation="crop+flip+color", group=ProcessGroup(1, 2))
    inputs, labels = zip(*batches.in_order(), strict=True)
    assert [len(part) for part in labels] == [4, 4, 2]
    assert torch.cat(labels).tolist() == list(range(10))
    expected = torch.stack([normalised(image, images) for image in images.images])
    assert torch.allclose(torch.cat(inputs).double(), expected, atol=1e-5)


def test_a_model_of_three_channels_gets_grey_images_three_times():
    images = make_images(4, (1, 8, 8))
    inputs, _ = next(make_batches(images, channels=3, size=(16, 16)).in_order())
    alone, _ = next(make_batches(images, size=(16, 16)).in_order())
    assert inputs.shape == (4, 3, 16, 16)
    assert torch.equal(inputs, alone.repeat(1, 3, 1, 1))


def test_a_model_of_one_channel_gets_the_luminance_that_pil_gives():
    images = make_images(3)
    mean, std = mean_and_std(images)
    inputs, _ = next(make_batches(images, channels=1).in_order())
    assert inputs.shape == (3, 1, 16, 16)
    weights = (0.299, 0.587, 0.114)
    grey_mean, grey_std = (sum(w * v for w, v in zip(weights, values, strict=True)) for values in (mean, std))
    for image, pixels in zip(inputs, images.images, strict=True):
        expected = np.asarray(Image.fromarray(pixels.permute(1, 2, 0).numpy()).convert("L")).astype(float)
        levels = (image[0].double() * grey_std + grey_mean).numpy() * 255
        assert np.abs(levels - expected).max() <= 1.01  # rounded either way
    assert abs(inputs.mean().item()) < 0.01


def test_channels_that_images_cannot_be_turned_into_are_refused():
    with pytest.raises(UsageError, match="the model takes 4 channels; images of 3 cannot be converted"):
        make_batches(make_images(4), channels=4)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augmentation", ["none", "crop+flip+color"])
def test_dtype_and_layout_are_those_asked_for_and_change_no_number(augmentation, channels):
    images = make_images(4)
    options = {"augmentation": augmentation, "size": (20, 20), "channels": channels}
    plain, _ = make_batches(images, **options).batch_at(0, 0)
    other = make_batches(images, **options, dtype=torch.bfloat16, memory_format=torch.channels_last)
    inputs, _ = other.batch_at(0, 0)
    assert plain.is_contiguous()
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(inputs, plain.to(torch.bfloat16))


def test_the_images_themselves_are_never_changed():
    images = make_images(8)
    before = images.images.clone()
    batches = make_batches(images, augmentation="crop+flip+color", size=(16, 16))
    batches.batch_at(0, 0)
    list(batches.in_order())
    assert torch.equal(images.images, before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gets_the_batches_of_the_cpu():
    images = make_images(16)
    options = {"augmentation": "crop+flip+color", "size": (32, 32)}
    inputs, labels = make_batches(images, **options).batch_at(1, 2)
    there, labels_there = make_batches(images, **options, device="cuda").batch_at(1, 2)
    assert torch.equal(labels, labels_there.cpu())
    assert torch.allclose(inputs, there.cpu(), atol=1e-5)


def test_augmented_images_are_those_of_padding_and_slicing_with_the_step_s_numbers():
    """Rebuild a whole batch image by image from the numbers that are drawn for it."""
    images = make_images(30, (3, 16, 24))
    batches = make_batches(images, batch=10, augmentation="crop+flip", seed=3)
    inputs, labels = batches.batch_at(2, 1)
    draws = draw(batches._generator("step 2 1"), 10, (3, 16, 24))
    for row, label in enumerate(labels.tolist()):
        top, left = int(draws.tops[row]), int(draws.lefts[row])
        padded = np.pad(
            images.images[label].numpy(), ((0, 0), (2, 2), (3, 3)), mode="reflect"
        )  # an eighth of each side
        expected = padded[:, top : top + 16, left : left + 24]
        if draws.flips[row]:
            expected = expected[:, :, ::-1]
        assert torch.allclose(inputs[row].double(), normalised(torch.from_numpy(expected.copy()), images), atol=1e-5)


class CopiesToDevice(TorchDispatchMode):
    """Counts the bytes that are copied from the CPU to another device."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function is torch.ops.aten._to_copy.default and args[0].device.type == "cpu" and result.device.type != "cpu":
            self.sizes.append(args[0].numel() * args[0].element_size())
        return result


def test_a_step_sends_the_device_offsets_and_flips_not_an_index_of_pixels():
    # The meta device stands for a GPU.
    batches = make_batches(make_images(64, (3, 32, 32)), batch=16, augmentation="crop+flip", device="meta")
    batches.batch_at(0, 0)  # sends the order of the epoch
    with CopiesToDevice() as copies:
        inputs, _ = batches.batch_at(0, 1)
    assert inputs.device.type == "meta"
    assert copies.sizes == [16 * 3 * 8]  # row, column and flip of 16 images, 8 bytes each
