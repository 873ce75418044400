from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from archbench.errors import InputError
from archbench.precision import find_precision
from archbench.training.learner import Learner, NonFiniteError, StepResult
from archbench.training.loss import loss_of, scores_of
from archbench.training.recipes import EQUAL, PAPERS, Recipe

PLAIN = Recipe(
    "plain", "sgd", 0.1, batch=6, initialisation="torch", momentum=0.9, weight_decay=0.0, schedule="constant"
)


class FixedBatches:
    """The same batch at every step."""

    steps_per_epoch = 1

    def __init__(self, inputs: torch.Tensor, labels: torch.Tensor) -> None:
        self._batch = inputs, labels

    def batch_at(self, epoch: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self._batch


def _net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))


def _learner(model: nn.Module, recipe: Recipe = PLAIN, dtype: str = "fp32") -> Learner:
    torch.manual_seed(1)
    batches = FixedBatches(torch.randn(6, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2]))
    return Learner(model, recipe, batches, steps=10, precision=find_precision(dtype), device="cpu")


def _loss(results: list[StepResult]) -> float:
    (result,) = results
    return result.loss


def test_steps_are_those_of_a_hand_written_loop():
    model = _net()
    by_hand = deepcopy(model)
    learner = _learner(model)
    inputs, labels = learner._batches.batch_at(0, 0)
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        loss = cross_entropy(by_hand(inputs), labels)
        loss.backward()
        optimizer.step()
        assert [result.loss for result in learner.advance()] == pytest.approx([loss.item()])
    for ours, theirs in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert learner.step == 3


@pytest.mark.parametrize("parts", [2, 4, 6])
def test_a_batch_in_parts_gives_the_gradients_of_the_whole(parts):
    # 6 images in 4 parts are chunks of 2, 2 and 2; in 6 single ones. Each part weighs as many images as it has.
    whole, split = _learner(_net()), _learner(_net())
    split.parts = parts
    assert _loss(split.advance()) == pytest.approx(_loss(whole.advance()))
    for ours, theirs in zip(split.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


class SmallMemory(nn.Module):
    """Runs out of memory on more images than it can hold, as a GPU does."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.net, self.most = _net(), most

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.net(x)


@pytest.mark.parametrize(("most", "parts"), [(6, 1), (3, 2), (2, 4), (1, 8)])
def test_what_does_not_fit_goes_through_in_parts_with_the_same_result(most, parts):
    # 6 images: halves of 3, then quarters rounded up to 2, then single ones, which is what 8 parts of 6 images are.
    learner, whole = _learner(SmallMemory(most)), _learner(_net())
    assert _loss(learner.advance()) == pytest.approx(_loss(whole.advance()))
    assert learner.parts == parts
    torch.testing.assert_close(learner.model.net[0].weight, whole.model[0].weight)


def test_where_not_even_one_image_fits_the_error_is_the_devices():
    with pytest.raises(torch.OutOfMemoryError):
        _learner(SmallMemory(0)).advance()


@pytest.mark.parametrize("place", ["inputs", "weights"])
def test_what_is_not_finite_stops_before_the_parameters_change(place):
    learner = _learner(_net())
    learner.advance()
    if place == "inputs":
        learner._batches.batch_at(0, 0)[0][0, 0, 0, 0] = float("nan")
    else:
        with torch.no_grad():
            learner.model[3].bias[0] = float("inf")
    before = deepcopy(learner.model.state_dict())
    with pytest.raises(NonFiniteError, match="not finite at step 2"):
        learner.advance()
    assert all(torch.equal(before[name], now) for name, now in learner.model.state_dict().items())
    assert learner.step == 1


def test_gradients_are_clipped_to_the_recipes_norm():
    learner = _learner(_net(), replace(PLAIN, clip_norm=1e-3, momentum=0.0))
    before = [parameter.detach().clone() for parameter in learner.model.parameters()]
    learner.advance()
    moved = torch.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(before, learner.model.parameters(), strict=True)))
    assert float(moved) == pytest.approx(0.1 * 1e-3, rel=1e-3)  # rate times norm


def test_filters_are_scaled_back_to_the_bound_and_smaller_ones_left_alone():
    model = _net()
    with torch.no_grad():
        model[0].weight[0] *= 100
        model[0].weight[1] *= 1e-3
    learner = _learner(model, replace(PAPERS["zfnet"], learning_rate=0.0))
    small = model[0].weight[1].clone()
    learner.advance()
    rms = model[0].weight.square().mean(dim=(1, 2, 3)).sqrt()
    assert float(rms[0]) == pytest.approx(0.1)
    assert torch.equal(model[0].weight[1], small)


def test_a_state_goes_on_where_it_was():
    straight, first = _learner(_net(), EQUAL), _learner(_net(), EQUAL)
    for _ in range(4):
        straight.advance()
    first.advance()
    first.advance()
    second = _learner(_net(), EQUAL)
    second.load(deepcopy(first.state()))
    second.advance()
    second.advance()
    for ours, theirs in zip(second.model.parameters(), straight.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_scores_are_those_of_a_model_that_is_not_trained():
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(64, 3))
    learner = _learner(model)
    inputs = torch.randn(2, 1, 8, 8)
    assert torch.equal(learner.scores(inputs), learner.scores(inputs))


def test_under_autocast_parameters_stay_in_32_bits():
    learner = _learner(_net(), dtype="amp")
    learner.advance()
    assert {parameter.dtype for parameter in learner.model.parameters()} == {torch.float32}


@pytest.mark.parametrize("output", [torch.ones(2, 3), (torch.ones(2, 3), None), {"scores": torch.ones(2, 3)}])
def test_scores_are_found_in_what_a_model_returns(output):
    assert scores_of(output).shape == (2, 3)


def test_a_model_without_scores_is_told_so():
    with pytest.raises(InputError, match="no tensor of images by classes"):
        scores_of(torch.ones(2, 3, 4, 4))


def test_a_model_without_parameters_cannot_be_trained():
    with pytest.raises(InputError, match="no parameter to train"):
        _learner(nn.Flatten())


def test_the_loss_adds_three_tenths_of_each_auxiliary_classifiers():
    # Szegedy et al. 2014, section 5: "the losses of the auxiliary classifiers were weighted by 0.3".
    torch.manual_seed(0)
    own, first, second = torch.randn(3, 4, 5)
    labels = torch.tensor([0, 1, 2, 3])
    entropy = torch.nn.functional.cross_entropy
    expected = entropy(own, labels) + 0.3 * entropy(first, labels) + 0.3 * entropy(second, labels)
    torch.testing.assert_close(loss_of((own, first, second), labels), expected)
    torch.testing.assert_close(loss_of(own, labels), entropy(own, labels))
    assert torch.equal(scores_of((own, first, second)), own)
