from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archbench.errors import UsageError
from archbench.training.recipes import EQUAL, LECTURE, PAPERS, find_recipe
from archbench.training.schedule import Schedule


def test_a_cosine_falls_from_the_peak_after_warm_up_as_torch_has_it():
    # torch's own scheduler is the oracle for the 90 steps after 10 of warm-up.
    schedule = Schedule(EQUAL, 100)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
    oracle = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=90)
    for step in range(10, 100):
        assert schedule.rate(step) == pytest.approx(oracle.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        oracle.step()


def test_warm_up_rises_by_equal_parts_and_never_stands_at_zero():
    # 10% of 50 steps: fifths of 0.01.
    assert [Schedule(EQUAL, 50).rate(step) for step in range(5)] == pytest.approx([0.002, 0.004, 0.006, 0.008, 0.01])


@given(steps=st.integers(1, 500))
def test_every_step_has_a_rate_above_zero_and_at_most_the_peak(steps):
    rates = [Schedule(EQUAL, steps).rate(step) for step in range(steps)]
    assert min(rates) > 0
    assert max(rates) <= EQUAL.learning_rate


def test_on_a_plateau_the_rate_is_divided_by_10_after_three_epochs_without_a_better_loss():
    schedule = Schedule(PAPERS["vgg"], 1000)
    rates = []
    for loss in (2.0, 1.0, 1.0, 1.1, 1.2, 0.9, 0.9, 0.9, 0.9):
        schedule.after_epoch(loss)
        rates.append(schedule.rate(500))
    assert rates == pytest.approx([0.01] * 4 + [0.001] * 4 + [0.0001])


def test_a_plateau_goes_on_from_its_state():
    schedule, other = Schedule(PAPERS["vgg"], 10), Schedule(PAPERS["vgg"], 10)
    for loss in (1.0, 1.0, 1.0):
        schedule.after_epoch(loss)
    other.load(schedule.state())
    other.after_epoch(1.0)
    assert other.rate(0) == pytest.approx(0.001)


def test_a_constant_rate_stays():
    schedule = Schedule(LECTURE, 10)
    schedule.after_epoch(1.0)
    assert {schedule.rate(step) for step in range(10)} == {1e-3}


def test_each_family_has_its_papers_recipe():
    assert find_recipe("paper", "vgg16_bn").batch == 256
    assert find_recipe("paper", "alexnet_owt?norm=none").batch == 128
    assert find_recipe("paper", "zfnet@10").filter_rms == 0.1


@pytest.mark.parametrize("model", ["lenet", "torchvision:resnet18", "net.py:Net"])
def test_a_model_without_a_papers_recipe_is_told_of_the_equal_one(model):
    with pytest.raises(UsageError, match="alexnet, zfnet, vgg only; recipe='equal' trains any"):
        find_recipe("paper", model)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'equal'"):
        find_recipe("eqaul", "lenet")
