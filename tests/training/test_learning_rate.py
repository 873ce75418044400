from __future__ import annotations

from pathlib import Path

import pytest
import torch

from archbench.errors import UsageError
from archbench.progress import Progress
from archbench.training.config import AUTO, TrainConfig
from archbench.training.data.sources import load_data
from archbench.training.distributed.process_group import ProcessGroup
from archbench.training.learning_rate import Trial, asked_rate, best_rate, grid, next_rate, search_steps
from archbench.training.messages import outcome_line, protocol, rates_to_try
from archbench.training.rate_search import Searcher
from archbench.training.recipes import EQUAL, LECTURE
from archbench.training.run_dir.paths import RunFolder
from archbench.training.time_estimate import expected_time, steps_within, training_time_s


def trials(top1s):
    return [Trial(rate, top1, "diverged" if top1 is None else "ok", 1.0) for rate, top1 in top1s.items()]


def test_every_model_gets_the_same_grid_around_its_recipe():
    assert grid(EQUAL) == (0.01, 0.03, 0.1)
    assert grid(LECTURE) == (0.001, 0.003, 0.01)


@pytest.mark.parametrize(
    ("top1s", "beyond", "best"),
    [
        ({0.01: 0.5, 0.03: 0.7, 0.1: 0.6}, None, 0.03),
        ({0.01: 0.5, 0.03: 0.6, 0.1: 0.7}, 0.3, 0.1),
        ({0.01: 0.7, 0.03: 0.6, 0.1: 0.5}, 0.003, 0.01),
        ({0.01: 0.7, 0.03: 0.7, 0.1: 0.7}, 0.003, 0.01),  # equal ones go to the smaller
        ({0.01: 0.1, 0.03: 0.7, 0.1: None}, None, 0.03),
        ({0.01: 0.0, 0.03: None, 0.1: None}, 0.003, 0.01),  # a wrong rate is still better than a diverged one
        ({0.01: None, 0.03: None, 0.1: None}, 0.003, 0.01),
    ],
)
def test_the_best_wins_and_one_step_beyond_an_end_that_wins_is_tried(top1s, beyond, best):
    assert next_rate(EQUAL, trials(top1s)) == beyond
    assert best_rate(trials(top1s)) == best


def test_the_grid_is_tried_in_order_and_nothing_after_four_rates():
    assert [next_rate(EQUAL, trials(dict.fromkeys(grid(EQUAL)[:n], 0.5))) for n in range(3)] == [0.01, 0.03, 0.1]
    assert next_rate(EQUAL, trials({0.01: 0.5, 0.03: 0.6, 0.1: 0.7, 0.3: 0.8})) is None


def test_a_comparison_with_the_equal_recipe_searches_and_all_else_has_the_recipes_rate():
    assert asked_rate(None, "equal", 2) == "auto"
    assert [asked_rate(None, *case) for case in (("equal", 1), ("paper", 2), ("lecture", 2))] == [None] * 3
    assert (asked_rate("auto", "paper", 1), asked_rate(1, "equal", 2)) == ("auto", 1.0)


@pytest.mark.parametrize("lr", [0, -1, float("nan"), float("inf"), "fast", True])
def test_a_rate_that_is_not_one_is_refused(lr):
    with pytest.raises(
        UsageError, match=r"^lr=.* is not a learning rate; give a number above 0, such as 0\.01, or auto$"
    ):
        asked_rate(lr, "equal", 1)


def config(**changed):
    values = {
        **{"models": ("lenet",), "seeds": (0, 1), "data": "digits", "data_digest": "", "size": None},
        **{"recipe": "equal", "epochs": None, "steps": 60, "batch": 32, "augmentation": "none"},
        **{"initialisation": None, "device": "cpu", "dtype": "fp32", "layout": "nchw", "compiled": False},
        **{"threads": 1, "learning_rate": AUTO},
    }
    return TrainConfig(**{**values, **changed})


def test_a_trial_has_a_tenth_of_the_steps_and_at_least_one():
    assert [search_steps(config(steps=steps), "lenet", 1293) for steps in (400, 45, 3)] == [40, 4, 1]


class _Counted:
    train, validation, test = range(3200), range(300), range(600)


def test_the_search_counts_in_the_expected_time_and_in_a_time_limit():
    data = _Counted()
    expected = expected_time(config(steps=100), "lenet", data, 2.0)
    # Four trials of 10 steps of 2 s and of 300 validation images, each a third of 2 s / 32.
    assert expected.search_s == pytest.approx(4 * (20 + 300 * 2 / 32 / 3))
    assert expected.seed_s == training_time_s(config(steps=100), "lenet", data, 2.0)
    assert expected.total_s(3) == pytest.approx(expected.search_s + 3 * expected.seed_s)
    assert expected_time(config(learning_rate=0.1), "lenet", data, 2.0).search_s == 0
    limit_s = 2000.0
    by_loop = max(
        steps
        for steps in range(1, 1000)
        if expected_time(config(steps=steps), "lenet", data, 2.0).total_s(2) <= limit_s
    )
    assert steps_within(config(), data, {"lenet": 2.0}, limit_s) == by_loop


class Recorder(Progress):
    def __init__(self):
        self.tasks = []

    def begin(self, task, steps=None, done=0):
        self.tasks.append((task, steps, done))


def search(folder: Path, *, stop_after: int | None = None, **changed):
    """Search in a folder; `stop_after` so many steps in all it is stopped."""
    steps = iter(range(1, 10_000))
    recorder = Recorder()
    searcher = Searcher(
        config(**changed),
        load_data("digits"),
        RunFolder(folder),
        group=ProcessGroup(),
        progress=recorder,
        should_stop=lambda: next(steps) == stop_after,
        checkpoint_s=1e9,
    )
    torch.set_num_threads(1)
    return searcher.search(config(**changed).models[0]), recorder.tasks


def without_times(found):
    return found.rate, [(trial.rate, trial.validation_top1, trial.status) for trial in found.trials]


def test_a_search_that_is_stopped_goes_on_to_the_same_end_bit_by_bit(tmp_path):
    whole, tasks = search(tmp_path / "whole")
    assert [name for name, *_ in tasks] == [f"lenet, learning rate {rate}" for rate in (0.01, 0.03, 0.1, 0.3)]
    assert whole.rate == min(whole.trials, key=lambda trial: (-trial.validation_top1, trial.rate)).rate
    stopped, _ = search(tmp_path / "stopped", stop_after=9)  # within the second trial of 6 steps
    assert stopped is None
    resumed, tasks = search(tmp_path / "stopped")
    assert tasks[0] == ("lenet, learning rate 0.03", 6, 3)
    assert without_times(resumed) == without_times(whole)
    again, tasks = search(tmp_path / "stopped")
    assert (without_times(again), tasks) == (without_times(whole), [])


def test_the_test_images_are_not_read(tmp_path, monkeypatch):
    from archbench.training.trainer import Trainer

    monkeypatch.delattr(Trainer, "_test")
    assert search(tmp_path)[0].trials


def test_rates_that_diverge_or_fail_lose(tmp_path, monkeypatch):
    from archbench.training.learner import Learner, NonFiniteError

    usual = Learner.advance

    def advance(self):
        if self._recipe.learning_rate > 0.05:
            raise NonFiniteError("the loss was not finite")
        if self._recipe.learning_rate == 0.01:
            raise ValueError("worn out")
        return usual(self)

    monkeypatch.setattr(Learner, "advance", advance)
    found, _ = search(tmp_path)
    assert [(trial.rate, trial.status) for trial in found.trials] == [(0.01, "failed"), (0.03, "ok"), (0.1, "diverged")]
    assert found.rate == 0.03
    line = outcome_line(found)
    assert line.startswith("lenet: learning rate 0.03 (validation accuracy: 0.01 failed, 0.03 ")
    assert line.endswith("%, 0.1 diverged)")


def test_the_line_before_a_run_names_the_rates():
    assert rates_to_try(config(learning_rate=0.05)) == "learning rate: 0.05"
    assert rates_to_try(config(learning_rate=None)) == "learning rate: 0.01"
    assert rates_to_try(config()).startswith(
        "learning rates: of 0.01, 0.03, 0.1, for each model the best on validation"
    )


@pytest.mark.parametrize(
    ("plan", "phrase"),
    [
        ({"recipe": "equal"}, "with learning rate 0.01 for all"),  # an earlier version's
        ({"recipe": "lecture", "learning_rate": None}, "with learning rate 0.001 for all"),
        ({"recipe": "paper", "learning_rate": None}, "with the learning rate of each model's paper"),
        ({"recipe": "paper", "learning_rate": 0.02}, "with learning rate 0.02 for all"),
        (
            {"recipe": "equal", "learning_rate": "auto"},
            "with a learning rate chosen for each model from 0.01, 0.03, 0.1 on validation images",
        ),
    ],
)
def test_the_protocol_is_a_phrase(plan, phrase):
    record = [{"rate": rate, "validation_top1": 0.5, "status": "ok", "time_s": 1.0} for rate in (0.01, 0.03, 0.1)]
    assert protocol({"plan": plan, "learning_rates": {"lenet": {"rate": 0.03, "trials": record}}}) == phrase
