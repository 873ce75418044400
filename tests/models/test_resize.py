from __future__ import annotations

import pytest
import torch

from archbench.errors import InputError
from archbench.models.resize import with_length, with_size


def shapes(tensors):
    return [tuple(tensor.shape) for tensor in tensors]


def test_images_become_square_and_those_as_large_follow():
    inputs = (torch.empty(2, 3, 10, 20), torch.empty(2, 1, 10, 20), torch.empty(2, 8, 5, 5), torch.empty(2, 7))
    assert shapes(with_size(inputs, 64)) == [(2, 3, 64, 64), (2, 1, 64, 64), (2, 8, 5, 5), (2, 7)]


def test_frames_of_a_video_keep_their_number():
    assert with_size(torch.empty(1, 3, 16, 112, 112), 64).shape == (1, 3, 16, 64, 64)


def test_sequences_change_with_their_masks():
    inputs = {
        "tokens": torch.zeros(2, 128, dtype=torch.int64),
        "mask": torch.ones(2, 128, dtype=torch.bool),
        "memory": torch.empty(2, 77, 512),
    }
    changed = with_length(inputs, 9)
    assert {name: tuple(tensor.shape) for name, tensor in changed.items()} == {
        "tokens": (2, 9),
        "mask": (2, 9),
        "memory": (2, 77, 512),
    }
    assert changed["tokens"].dtype == torch.int64


def test_dtype_and_gradient_are_kept_and_no_memory_is_taken():
    changed = with_length(torch.empty(1, 8, 4, dtype=torch.float64, requires_grad=True), 10**9)
    assert changed.is_meta
    assert changed.dtype == torch.float64
    assert changed.requires_grad


def test_an_input_without_the_dimension_is_refused():
    with pytest.raises(InputError, match="it takes no images, such as 3x224x224, but 784"):
        with_size(torch.empty(1, 784), 64)
    with pytest.raises(InputError, match="it takes no sequences, such as 128:int64 or 128x512, but 784"):
        with_length(torch.empty(1, 784), 64)
    with pytest.raises(InputError, match="but no tensors"):
        with_length((), 64)


def test_a_size_beyond_what_tensors_can_have_is_refused():
    with pytest.raises(InputError, match="1x3x10000000000x10000000000 is too large for a tensor"):
        with_size(torch.empty(1, 3, 8, 8), 10**10)
