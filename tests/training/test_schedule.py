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
    # Szegedy et al.: momentum 0.9; the Caffe model's solver has the rest. He et al.: 0.1, 256 images, decay 1e-4.
    googlenet = find_recipe("paper", "googlenet_bn?aux=True")
    assert (googlenet.learning_rate, googlenet.batch, googlenet.weight_decay) == (0.01, 32, 2e-4)
    for model in ("resnet50", "resnet152_v1_5@10", "resnet18?shortcut=none"):
        resnet = find_recipe("paper", model)
        assert (resnet.learning_rate, resnet.batch, resnet.weight_decay, resnet.schedule) == (0.1, 256, 1e-4, "plateau")
    # Section 4.2, for CIFAR-10: 128 images, the rate divided at 32 and 48 of 64 thousand steps.
    for model in ("resnet20", "resnet32?shortcut=none"):
        assert (find_recipe("paper", model).batch, find_recipe("paper", model).schedule) == (128, "milestones")


def test_milestones_divide_the_rate_after_half_and_three_quarters_of_the_steps():
    # 64 thousand steps, as in He et al., section 4.2; torch's own scheduler is the oracle for 64.
    schedule = Schedule(PAPERS["resnet20"], 64)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    oracle = torch.optim.lr_scheduler.MultiStepLR(optimizer, [32, 48])
    for step in range(64):
        assert schedule.rate(step) == pytest.approx(oracle.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        oracle.step()


def test_an_exponential_rate_loses_4_percent_every_8_epochs_and_goes_on_from_its_state():
    schedule = Schedule(PAPERS["googlenet"], 1000)
    rates = []
    for _ in range(17):
        schedule.after_epoch(1.0)
        rates.append(schedule.rate(500))
        resumed = Schedule(PAPERS["googlenet"], 1000)
        resumed.load(schedule.state())
        schedule = resumed
    assert rates == pytest.approx([0.01] * 7 + [0.0096] * 8 + [0.009216] * 2)


@pytest.mark.parametrize("model", ["lenet", "torchvision:resnet18", "net.py:Net"])
def test_a_model_without_a_papers_recipe_is_told_of_the_equal_one(model):
    with pytest.raises(UsageError, match="alexnet, zfnet, vgg, googlenet, resnet only; recipe='equal' trains any"):
        find_recipe("paper", model)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'equal'"):
        find_recipe("eqaul", "lenet")
