from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archbench.errors import DataError
from archbench.training.data.assembly import assemble, mean_and_std
from archbench.training.data.digits import load_digits
from archbench.training.data.records import Images
from archbench.training.data.split import split, split_for_validation


def images_of(sizes: list[int], shuffle: int = 0) -> Images:
    """Return images of one pixel each, numbered by it, so many a class."""
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(shuffle))]
    return Images(torch.arange(len(labels), dtype=torch.int32)[:, None, None, None], labels)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"class {index}" for index in range(count))


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(2, 60), min_size=2, max_size=8), seed=st.integers(0, 99), data=st.data())
def test_every_image_is_in_one_part_and_every_class_gives_its_proportion(sizes, seed, data):
    count = data.draw(st.integers(1, sum(sizes) // 2))
    images = images_of(sizes, seed)
    rest, taken = split(images, count, names(len(sizes)))
    together = torch.cat([rest.images, taken.images]).flatten().tolist()
    assert sorted(together) == list(range(len(images)))
    for part in (rest, taken):
        places = part.images.flatten()
        assert torch.equal(part.labels, images.labels[places.long()])
        assert torch.equal(places, places.sort().values)
    shares = np.bincount(taken.labels, minlength=len(sizes))
    for size, share in zip(sizes, shares, strict=True):
        assert share == 1 or abs(share - count * size / sum(sizes)) < 1
    assert len(taken) == count or (shares == 1).any()


def test_a_tenth_of_cifar_s_training_images_is_500_of_each_class():
    rest, validation = split_for_validation(images_of([5000] * 10), names(10))
    assert (len(rest), len(validation)) == (45_000, 5_000)
    assert np.bincount(validation.labels).tolist() == [500] * 10


def test_the_split_is_the_same_each_time_whatever_was_drawn_before():
    images = images_of([20, 30])
    first = split_for_validation(images, names(2))[1].images.flatten().tolist()
    np.random.seed(5)
    assert split_for_validation(images, names(2))[1].images.flatten().tolist() == first
    # As RandomState(0) gives it; another order would make earlier results mean something else.
    assert len(first) == 5
    assert first == sorted(first)


def test_a_class_of_one_image_cannot_be_split():
    with pytest.raises(DataError, match="class 'class 1' has 1 training image; expected 2 or more"):
        split_for_validation(images_of([9, 1]), names(2))


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 12), channels=st.integers(1, 3), side=st.integers(1, 9), seed=st.integers(0, 99))
def test_mean_and_deviation_are_numpy_s(count, channels, side, seed):
    pixels = np.random.RandomState(seed).randint(0, 256, (count, channels, side, side)).astype(np.uint8)
    mean, std = mean_and_std(Images(torch.from_numpy(pixels), torch.zeros(count)))
    values = pixels.astype(float) / 255
    expected = values.std(axis=(0, 2, 3))
    np.testing.assert_allclose(mean, values.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, np.where(expected == 0, 1, expected), rtol=1e-7)


def test_a_channel_that_never_varies_is_not_divided_by_nothing():
    images = Images(torch.full((3, 1, 4, 4), 7, dtype=torch.uint8), torch.zeros(3))
    assert mean_and_std(images) == ((7 / 255,), (1.0,))


def test_the_digest_knows_images_labels_classes_and_parts():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (3, 2, 1, 4, 4), dtype=torch.uint8, generator=generator)
    parts = [Images(part, torch.tensor([0, 1])) for part in pixels]

    def digest(train=parts[0], validation=parts[1], test=parts[2], classes=("a", "b"), name="x") -> str:
        return assemble(name, "", classes, train=train, validation=validation, test=test).digest

    changed = pixels[0].clone()
    changed[1, 0, 3, 3] ^= 1
    others = [
        digest(train=Images(changed, parts[0].labels)),
        digest(train=Images(pixels[0], torch.tensor([1, 0]))),
        digest(validation=parts[2], test=parts[1]),
        digest(classes=("b", "a")),
        digest(train=Images(pixels[0].view(2, 1, 2, 8), parts[0].labels)),
    ]
    assert len({digest(), *others}) == 6
    assert digest(name="another name") == digest()


def test_digits_are_scikit_learn_s_split_once_for_all():
    from sklearn.datasets import load_digits as original

    data = load_digits()
    assert (data.name, data.caveat) == ("digits", "digits, not CIFAR")
    assert (data.shape, data.num_classes) == ((1, 8, 8), 10)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1293, 144, 360]
    found = sorted(
        (label, *image.flatten().tolist())
        for part in (data.train, data.validation, data.test)
        for image, label in zip(part.images, part.labels.tolist(), strict=True)
    )
    bunch = original()
    expected = sorted(
        (label, *np.round(values * 255 / 16).astype(int).tolist())
        for values, label in zip(bunch.data, bunch.target.tolist(), strict=True)
    )
    assert found == expected
    # Between 174 and 183 images a class: a fifth is 35 to 37.
    assert set(np.bincount(data.test.labels).tolist()) <= {35, 36, 37}
    assert load_digits().digest == data.digest
