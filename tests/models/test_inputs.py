from __future__ import annotations

import pytest
import torch
from torch import nn

from archbench.errors import InputError
from archbench.models.address import find
from archbench.models.inputs import InputSpec, advice, parse_input, shapes_without_batch


def test_shapes_and_dtypes_are_read():
    assert parse_input("3x224x224") == InputSpec((3, 224, 224), torch.float32)
    assert parse_input("128:int64") == InputSpec((128,), torch.int64)
    assert parse_input("4:bfloat16").tensor(2).shape == (2, 4)


@pytest.mark.parametrize(
    "text", ["", "3x", "x3", "3xx3", "3x-2", "3,224", "0x3", "3x224:", "3x224:int46", "٣x3", "3x03x"]
)
def test_what_is_no_shape_is_refused_in_one_line(text):
    with pytest.raises(InputError) as error:
        parse_input(text)
    assert f"'{text}'" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_nearest_dtype_is_named():
    with pytest.raises(InputError, match="did you mean 'int64'"):
        parse_input("3:int46")


def test_the_smallest_square_that_works_is_found():
    # Three times: kernel 3 takes 2 away, pooling halves. 1 <- 2..3 <- 4.. ; by hand: 1, 4, 10, 22.
    stage = [layer for _ in range(3) for layer in (nn.Conv2d(2, 2, 3), nn.MaxPool2d(2))]
    model = nn.Sequential(*stage)
    assert advice(model, [InputSpec((2, 5, 5))], None) == "2x22x22 is the smallest square input that works"


def test_advice_names_the_usual_input_where_no_size_would_help():
    model = find("lenet").build()
    assert advice(model, [InputSpec((3, 32, 32))], (1, 32, 32)) == "1x32x32 is its usual input"
    assert advice(model, [InputSpec((1, 20, 20))], (1, 32, 32)) == (
        "1x32x32, its usual input, is the smallest that works"
    )


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(10, 4), nn.LSTM(4, 4, batch_first=True)

    def forward(self, ids):
        return self.rnn(self.embedding(ids))


def test_a_shape_with_the_batch_is_recognised_by_running_without():
    given = InputSpec((1, 7), torch.int64)
    assert shapes_without_batch(Tokens(), [given], None, 1) == ["7:int64"]
    assert shapes_without_batch(Tokens(), [InputSpec((2, 7), torch.int64)], None, 1) == []
    assert shapes_without_batch(Tokens(), [InputSpec((2, 7), torch.int64)], None, 2) == ["7:int64"]
    assert shapes_without_batch(Tokens(), [InputSpec((1, 7), torch.float32)], None, 1) == []
