from __future__ import annotations

import re

import pytest
import torch
from torch import nn

import archbench


def test_load_returns_a_module_with_real_weights_that_runs():
    model = archbench.load("lenet")
    assert model(torch.randn(2, 1, 32, 32)).shape == (2, 10)
    assert not any(parameter.is_meta for parameter in model.parameters())


def test_a_loaded_module_is_summarized_on_its_usual_input_under_its_address():
    summary = archbench.summarize(archbench.load("vgg16@10"))
    assert summary.model == "vgg16@10"
    assert summary.inputs == ((1, 3, 224, 224),)
    assert summary.totals == archbench.summarize("vgg16@10").totals


def test_load_hands_keyword_arguments_to_the_builder_and_converts():
    model = archbench.load("lenet", num_classes=7, dtype="bf16")
    assert model(torch.randn(1, 1, 32, 32, dtype=torch.bfloat16)).shape == (1, 7)


def test_load_names_the_nearest_model_and_what_a_builder_refuses():
    with pytest.raises(archbench.AddressError, match="did you mean 'vgg16'"):
        archbench.load("vgg61")
    with pytest.raises(archbench.AddressError, match="lenet: its builder fails: "):
        archbench.load("lenet", nonsense=1)


@pytest.mark.parametrize(
    ("address", "arguments", "message"),
    [
        ("resnet18?shortcut=D", {}, r"shortcut='D' is not one of A, B, C, none$"),
        ("resnet18", {"shortcut": "b"}, r"shortcut='b' is not one of A, B, C, none; did you mean 'B'\?$"),
        ("googlenet?aux=maybe", {}, r"aux must be True or False, not 'maybe'$"),
        ("vgg16?size=3", {}, r"size must be at least 32 for this network, not 3$"),
    ],
)
def test_load_shows_the_plain_message_of_a_wrong_argument_as_summarize_does(address, arguments, message):
    with pytest.raises(archbench.AddressError, match=f"^{re.escape(address)}: {message}"):
        archbench.load(address, **arguments)
    if not arguments:
        with pytest.raises(archbench.AddressError, match=f"^{re.escape(address)}: {message}"):
            archbench.summarize(address)


def test_list_models_gives_cards_as_a_sequence_and_a_table():
    models = archbench.list_models()
    cards = {card.name: card for card in models}
    assert cards["alexnet"].year == 2012
    assert cards["alexnet"].input_shape == (3, 227, 227)
    assert models[0].name == sorted(cards)[0]
    assert [card["name"] for card in models.to_dict()] == [card.name for card in models] == list(models.to_frame().name)


def test_an_unknown_module_needs_inputs():
    with pytest.raises(archbench.InputError, match="Linear has no usual input; give one, such as inputs='3x224x224'"):
        archbench.summarize(nn.Linear(3, 4))


@pytest.mark.parametrize(("shape", "text"), [((3, 8, 8), "'3x8x8'"), ((1, 3, 8, 8), "'3x8x8'"), ([3, 8, 8], "'3x8x8'")])
def test_a_shape_tuple_is_refused_with_the_text_that_works(shape, text):
    with pytest.raises(archbench.InputError, match=f"is a shape; write it as text without the batch: {text}"):
        archbench.summarize(nn.Conv2d(3, 4, 3), shape)


def test_inputs_are_given_as_text_or_as_tensors():
    model = nn.Conv2d(3, 4, 3)
    by_text, by_tensor = (
        archbench.summarize(model, "3x8x8", batch=2),
        archbench.summarize(model, torch.empty(2, 3, 8, 8)),
    )
    assert by_text.totals == by_tensor.totals
    # 3·3·3 weights per output channel, 4 channels, 6·6 positions, 2 samples.
    assert by_text.totals.macs == 27 * 4 * 36 * 2
    both = archbench.summarize(nn.Bilinear(3, 4, 5), ["3", "4"], batch=2)
    assert both.inputs == ((2, 3), (2, 4))


def test_a_batch_that_the_tensors_do_not_have_is_refused():
    with pytest.raises(archbench.UsageError, match="batch=4 does not match the tensors in inputs, whose batch is 2"):
        archbench.summarize(nn.Linear(3, 4), torch.empty(2, 3), batch=4)


def test_load_takes_an_address_only():
    with pytest.raises(TypeError, match=r"archbench.load takes an address such as 'vgg16', not None"):
        archbench.load(None)
