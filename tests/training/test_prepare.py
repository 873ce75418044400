from __future__ import annotations

import subprocess
import sys

import pytest

from archbench.errors import UsageError
from archbench.training.config import BY_ORIGIN, TrainConfig, differences, from_record, source_digest
from archbench.training.prepare import prepare, vary_models
from archbench.training.run_dir.lock import locked
from archbench.training.time_estimate import steps_within, training_time_s


def test_variations_make_an_address_of_each_form():
    assert vary_models(["lenet"], ["activation=relu,tanh", "init=xavier"]) == (
        "lenet?activation=relu&init=xavier",
        "lenet?activation=tanh&init=xavier",
    )


def test_a_variation_takes_the_place_of_an_argument_and_no_model_comes_twice():
    assert vary_models(["lenet?init=paper&activation=relu"], ["activation=relu,tanh,relu"]) == (
        "lenet?init=paper&activation=relu",
        "lenet?init=paper&activation=tanh",
    )


def test_two_models_whose_files_would_have_one_name_are_refused():
    with pytest.raises(UsageError, match=r"would share the folder 'a_net.py_Net'"):
        vary_models(["../a/net.py:Net", "a/net.py:Net"], [])


def test_a_batch_that_is_larger_than_the_data_is_refused():
    with pytest.raises(UsageError, match="batch=2000 is more than the 1293 training images"):
        prepare(_config(batch=2000))


def _config(**changed: object) -> TrainConfig:
    values = {
        "models": ("lenet",),
        "seeds": (0, 1),
        "data": "digits",
        "data_digest": "d",
        "size": None,
        "recipe": "equal",
        "epochs": 2.0,
        "steps": None,
        "batch": 100,
        "augmentation": "none",
        "initialisation": None,
        "device": "cpu",
        "dtype": "fp32",
        "layout": "nchw",
        "compiled": False,
        "threads": 1,
    }
    return TrainConfig(**{**values, **changed})


def test_a_run_of_an_earlier_version_draws_every_models_weights_by_the_recipe():
    earlier, now = _config(), _config(initialisation=BY_ORIGIN)
    assert earlier.initialisation_of("net.py:Net") == now.initialisation_of("lenet") == "kaiming"
    assert _config(initialisation="xavier").initialisation_of("lenet") == "xavier"


def test_a_config_comes_back_from_its_record():
    assert from_record(_config().to_record()) == _config()


def test_epochs_are_of_whole_batches():
    # 1,250 images are 12 batches of 100; half an epoch of one batch is still a step.
    assert _config().steps_of("lenet", 1250) == 24
    assert _config(epochs=0.5, batch=1250).steps_of("lenet", 1250) == 1
    assert _config(epochs=None, steps=7).steps_of("lenet", 1250) == 7


def test_where_a_run_goes_on_the_machine_may_be_another_but_nothing_else():
    same = _config(device="cuda", threads=8, data="folder:/elsewhere")
    assert differences(_config().identity(), same.identity()) == []
    assert differences(_config().identity(), _config(batch=64).identity()) == ["batch was 100, now 64"]


class _Counted:
    """Images by their number alone."""

    def __init__(self, train: int, validation: int, test: int) -> None:
        self.train, self.validation, self.test = range(train), range(validation), range(test)


def test_the_time_of_a_training_is_that_of_its_steps_and_of_what_is_evaluated():
    # 24 steps of 2 s; two epochs of 300 validation images and 600 test images, 1,200 in all at a third of 20 ms each.
    data = _Counted(1250, 300, 600)
    assert training_time_s(_config(), "lenet", data, 2.0) == pytest.approx(24 * 2 + 1200 * 0.02 / 3)


def test_as_many_steps_as_fit_are_as_many_as_a_loop_finds():
    data, step_s = _Counted(1250, 300, 600), {"lenet": 0.5}

    def total_s(steps: int) -> float:
        return 2 * training_time_s(_config(epochs=None, steps=steps), "lenet", data, 0.5)

    by_loop = max(steps for steps in range(1, 500) if total_s(steps) <= 120)
    assert steps_within(_config(), data, step_s, 120.0) == by_loop
    assert steps_within(_config(), data, step_s, 0.001) == 1


def test_a_models_code_is_told_by_its_file(tmp_path):
    file = tmp_path / "net.py"
    file.write_text("a = 1\n")
    before = source_digest(f"{file}:Net?width=2")
    file.write_text("a = 2\n")
    assert source_digest(f"{file}:Net?width=2") != before
    assert source_digest("lenet") == source_digest("vgg16")


def test_one_process_at_a_time_trains_in_a_folder(tmp_path):
    run = tmp_path / "run.json"
    run.write_text("{}")
    holder = "\n".join(
        (
            "import sys, pathlib",
            "from archbench.training.run_dir.lock import locked",
            "with locked(pathlib.Path(sys.argv[1])):",
            "    print('held', flush=True)",
            "    input()",
        )
    )
    other = subprocess.Popen(
        [sys.executable, "-c", holder, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(UsageError, match="another process is training in"), locked(run):
        pass
    other.kill()
    other.communicate()
    with locked(run):
        pass


def test_a_learning_rate_takes_the_place_of_the_recipe_s():
    assert _config().recipe_of("lenet").learning_rate == 0.01  # of the recipe equal
    assert _config(learning_rate=0.05).recipe_of("lenet").learning_rate == 0.05


def test_runs_of_earlier_versions_have_no_learning_rate_of_their_own():
    record = _config().to_record()
    del record["learning_rate"]
    assert from_record(record) == _config()
