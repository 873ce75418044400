"""`archbench train` and `predict` as a user calls them, in this process and on small data."""

from __future__ import annotations

import csv
import json
from math import sqrt

import pytest
import torch
from PIL import Image

from archbench.api.load_run import load_run
from archbench.store.database import Store
from archbench.store.trainings import TrainingResult
from archbench.training.data.records import Data, Images
from archbench.training.data.sources import load_data
from tests.helpers.chart_specs import accuracy

pytestmark = pytest.mark.slow


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def pictures(run):
    return sorted(path.name for path in (run / "pictures").glob("*.png"))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A short run of two models with two seeds, made by the command."""
    from cli.main import run

    place = tmp_path_factory.mktemp("train") / "run"
    arguments = ("train", "lenet", "--vary", "activation=tanh,sigmoid", "--steps", "45", "--seeds", "2")
    files = ("--out", str(place), "--csv", str(place.parent / "table.csv"), "--tensorboard")
    assert run([*arguments, "--threads", "1", *files]) == 0
    return place


def test_a_run_leaves_its_figures_predictions_parameters_and_environment(run_folder):
    plan = json.loads((run_folder / "run.json").read_text())
    assert plan["plan"]["models"] == ["lenet?activation=tanh", "lenet?activation=sigmoid"]
    assert plan["data"]["caveat"] == "digits, not CIFAR"
    assert json.loads((run_folder / "environment.json").read_text())["torch"] == torch.__version__
    folder = run_folder / "models" / "lenet_activation=tanh" / "seed-1"
    assert sorted(path.name for path in folder.iterdir()) == [
        "final.pt",
        "initial.pt",
        "outcome.json",
        "predictions.csv",
    ]
    assert len(rows(folder / "predictions.csv")) == plan["data"]["images"]["test"]


def test_metrics_have_a_row_an_epoch_and_read_the_test_images_once(run_folder):
    found = rows(run_folder / "metrics.csv")
    # 1,293 images are 20 batches of 64: 45 steps end at 20, 40 and 45.
    assert [row["step"] for row in found] == ["20", "40", "45"] * 4
    assert [bool(row["top1"]) for row in found] == [False, False, True] * 4
    assert list(found[0])[:11] == [
        *("model", "seed", "epoch", "step", "train_loss", "test_loss", "top1", "top5"),
        *("learning_rate", "images_per_s", "elapsed_s"),
    ]


def test_accuracies_are_those_of_the_predictions(run_folder):
    for row in rows(run_folder / "accuracy.csv"):
        folder = run_folder / "models" / row["model"].replace("?", "_")
        by_hand = []
        for seed in range(2):
            said = rows(folder / f"seed-{seed}" / "predictions.csv")
            by_hand.append(sum(one["label"] == one["class_1"] for one in said) / len(said))
        assert float(row["top1_mean"]) == pytest.approx(sum(by_hand) / 2)
        # Of two numbers the standard deviation is their distance over the square root of 2.
        assert float(row["top1_std"]) == pytest.approx(abs(by_hand[0] - by_hand[1]) / sqrt(2))
        assert (row["seeds"], row["epochs"], row["input_shape"]) == ("2", "2.25", "1x32x32")


def test_the_table_has_the_columns_that_the_contract_promises(run_folder):
    promised = (
        "model,data,input_shape,epochs,seeds,top1_mean,top1_std,top1_low,top1_high,top5_mean,params,macs,images_per_s,"
        "time_s,status"
    )
    for path in (run_folder.parent / "table.csv", run_folder / "accuracy.csv"):
        assert path.read_text().startswith(promised)


def test_what_sigmoid_costs_is_seen_in_one_command(run_folder):
    tanh, sigmoid = rows(run_folder / "accuracy.csv")
    assert (tanh["status"], sigmoid["status"]) == ("ok", "chance")
    assert float(tanh["top1_low"]) > float(sigmoid["top1_high"])


def test_charts_filters_and_prediction_sheets_are_drawn(run_folder):
    found = pictures(run_folder)
    assert {"training.png", "time.png", "accuracy.png"} <= set(found)
    assert "filters-lenet_activation=tanh-conv1.png" in found
    assert "predictions-lenet_activation=sigmoid.png" in found
    for name in found:
        with Image.open(run_folder / "pictures" / name) as picture:
            assert len(picture.convert("L").getcolors(256) or []) > 2, f"{name} is blank"
    # Those of single models are SVG too, for the colours of a page.
    of_models = {name.removesuffix(".png") for name in found if "lenet" in name}
    assert {path.stem for path in (run_folder / "pictures").glob("*.svg")} == of_models


def test_going_on_with_a_finished_run_changes_no_figure(archbench, run_folder):
    before = {path: path.read_bytes() for path in run_folder.rglob("*") if path.suffix in (".pt", ".csv")}
    code, out, _ = archbench("train", "--resume", str(run_folder))
    assert code == 0
    assert "lenet?activation=tanh" in out
    assert before == {path: path.read_bytes() for path in before}


def test_a_run_is_gone_on_with_as_it_was_begun_or_not_at_all(archbench, run_folder):
    code, _, err = archbench("train", "--resume", str(run_folder), "--batch", "32", "--recipe", "paper")
    assert code == 2
    assert "recipe was 'equal', now 'paper'; batch was None, now 32" in err


def test_predict_says_of_a_users_picture_what_the_model_finds_most_probable(archbench, run_folder, tmp_path):
    # An image of the test set, enlarged, must get the class that the run's own predictions have for it.
    data = load_data("digits")
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(data.test.images[number, 0].numpy()).save(paths[-1])
    sheet = tmp_path / "sheet.png"
    code, out, _ = archbench("predict", str(run_folder), *map(str, paths), "--sheet", str(sheet), "--format", "json")
    assert code == 0
    said = rows(run_folder / "models" / "lenet_activation=tanh" / "seed-0" / "predictions.csv")
    for place, row in enumerate(json.loads(out)):
        assert row["class_1"] == said[place]["class_1"]
        assert row["probability_1"] == pytest.approx(float(said[place]["probability_1"]), rel=1e-4)
    with Image.open(sheet) as picture:
        assert picture.width > 300


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("missing.png",), "'missing.png' cannot be read: No such file"),
        (("broken.png",), "'broken.png' is not an image that can be read"),
        (("broken.png", "--model", "lenet?activation=tanhh"), "did you mean 'lenet?activation=tanh'?"),
        (("good.png", "--seed", "7"), "was not trained to the end with seed 7"),
        (("good.png", "--sheet", "a.pdf"), "--sheet a.pdf has none of the endings"),
    ],
)
def test_predict_tells_bad_input_in_one_line(archbench, run_folder, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.new("L", (8, 8)).save(tmp_path / "good.png")
    code, out, err = archbench("predict", str(run_folder), *arguments)
    assert (code, out) == (2, "")
    assert said in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a model to train"),
        (("lenett",), "did you mean 'lenet'?"),
        (("lenet", "--data", "digts"), "did you mean 'digits'?"),
        (("lenet", "--data", "folder:nowhere"), "nowhere"),
        (("lenet", "--recipe", "papr"), "did you mean 'paper'?"),
        (("lenet", "--recipe", "paper"), "--recipe equal trains any model"),
        (("lenet", "--epochs", "1", "--minutes", "2"), "leave out all but one"),
        (("lenet", "--epochs", "0"), "--epochs 0 is not a valid length"),
        (("lenet", "--lr", "0"), "--lr 0 is not a learning rate; give a number above 0"),
        (("lenet", "--size", "big"), "--size big is not auto or a whole number above 0"),
        (("lenet", "--size", "4"), "4"),
        (("lenet", "--device", "gpu"), "--device gpu is not one of cpu, cuda, mps; did you mean 'cpu'?"),
        (("lenet", "--dtype", "bf16"), "amp keeps the weights in 32 bits"),
        (("lenet", "--dtype", "fp31"), "fp32"),
        (("lenet", "--augment", "crp"), "did you mean 'crop'?"),
        (("lenet", "--init", "kaimng"), "kaiming"),
        (("lenet", "--vary", "activation"), "--vary activation names no values"),
        (("lenet", "--vary", "activation=relu,sigmoyd"), "did you mean 'sigmoid'?"),
        (("--resume", "nowhere"), "'nowhere' holds no training run"),
    ],
)
def test_train_tells_bad_use_in_one_line_and_keeps_nothing(archbench, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, out, err = archbench("train", *arguments)
    assert (code, out) == (2, "")
    assert said in err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_a_run_is_not_written_over(archbench, run_folder):
    code, _, err = archbench("train", "lenet", "--out", str(run_folder))
    assert code == 2
    assert f"--resume {run_folder} continues it" in err


def test_a_model_that_fails_is_a_row_and_the_others_go_on(archbench, tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, num_classes=10):\n"
        "        super().__init__()\n"
        "        self.net, self.steps = nn.Sequential(nn.Flatten(), nn.Linear(16 * 16, num_classes)), 0\n"
        "    def forward(self, x):\n"
        "        self.steps += self.training\n"
        "        if self.steps > 12:\n"
        "            raise ValueError('worn out')\n"
        "        return self.net(x.mean(1, keepdim=True))\n"
        "def example_inputs(batch):\n"
        "    import torch\n"
        "    return torch.randn(batch, 1, 16, 16)\n"
    )
    run, own = tmp_path / "run", f"{tmp_path / 'net.py'}:Net"
    code, out, err = archbench(
        "train", own, "lenet", "--size", "16", "--steps", "15", "--seeds", "1", "--out", str(run)
    )
    assert code == 3
    assert [row["status"] for row in rows(run / "accuracy.csv")] == ["failed", "ok"]
    assert "failed with seed 0: ValueError: worn out" in " ".join(out.split())
    assert "Traceback" not in err


def test_a_training_that_failed_is_tried_again(archbench, tmp_path):
    (tmp_path / "net.py").write_text(
        "import pathlib\n"
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, num_classes=10):\n"
        "        super().__init__()\n"
        "        self.net, self.steps = nn.Linear(64, num_classes), 0\n"
        "    def forward(self, x):\n"
        "        self.steps += self.training\n"
        "        if self.steps > 8 and (pathlib.Path(__file__).parent / 'busy').exists():\n"
        "            raise RuntimeError('busy')\n"
        "        return self.net(x.flatten(1))\n"
        "def example_inputs(batch):\n"
        "    import torch\n"
        "    return torch.randn(batch, 1, 8, 8)\n"
    )
    (tmp_path / "busy").touch()
    run = tmp_path / "run"
    own = f"{tmp_path / 'net.py'}:Net"
    assert (
        archbench("train", own, "--steps", "12", "--seeds", "1", "--out", str(run), "--checkpoint-every", "0")[0] == 3
    )
    (tmp_path / "busy").unlink()
    code, _, err = archbench("train", "--resume", str(run))
    assert code == 0
    assert "going on after step 8 of 12" in err
    (row,) = rows(run / "accuracy.csv")
    assert row["status"] == "ok"


def test_tensorboard_logs_hold_the_curves(run_folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logs = EventAccumulator(str(run_folder / "tensorboard" / "lenet_activation=tanh" / "seed-1"))
    logs.Reload()
    read = [(event.step, event.value) for event in logs.Scalars("loss/validation")]
    expected = [row for row in rows(run_folder / "metrics.csv") if row["model"].endswith("tanh") and row["seed"] == "1"]
    assert read == [(int(row["step"]), pytest.approx(float(row["validation_loss"]))) for row in expected]


def _shuffled(data: Data) -> Data:
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(1))
    train = Images(data.train.images, data.train.labels[order])
    return Data(
        data.name, data.caveat, data.classes, train, data.validation, data.test, data.mean, data.std, data.digest
    )


def test_shuffled_labels_teach_nothing(archbench, tmp_path, monkeypatch):
    from archbench.training import prepare as preparation

    monkeypatch.setattr(preparation, "load_data", lambda *_, **__: _shuffled(load_data("digits")))
    run = tmp_path / "run"
    arguments = ("lenet", "--steps", "200", "--seeds", "1", "--threads", "1", "--out", str(run), "--only-train")
    code, _, err = archbench("train", *arguments)
    assert code == 0, err
    (row,) = rows(run / "accuracy.csv")
    # Chance of 10 classes on 360 images, and five standard deviations of it: 0.1 + 5·sqrt(0.09/360) = 0.179.
    assert float(row["top1_mean"]) < 0.1 + 5 * sqrt(0.1 * 0.9 / 360)


def test_lenet_learns_the_digits(archbench, tmp_path):
    run = tmp_path / "run"
    arguments = ("lenet", "--steps", "200", "--seeds", "1", "--threads", "1", "--out", str(run), "--only-train")
    assert archbench("train", *arguments)[0] == 0
    assert float(rows(run / "accuracy.csv")[0]["top1_mean"]) >= 0.85


def test_alexnet_learns_the_digits_at_64_pixels(archbench, tmp_path):
    run = tmp_path / "run"
    # With the head of 4,096 units a step takes five times as long; on a CPU, amp is no faster than fp32.
    length = ("--size", "64", "--steps", "100", "--batch", "32", "--seeds", "1", "--threads", "1")
    assert archbench("train", "alexnet_owt?head=small", *length, "--out", str(run), "--only-train")[0] == 0
    assert float(rows(run / "accuracy.csv")[0]["top1_mean"]) >= 0.60


def test_what_cannot_learn_is_said_to_be_at_chance(archbench, run_folder, tmp_path):
    # With what constructors draw, VGG-16's signal has vanished before the last layer; sigmoid LeNet needs 2,000 steps.
    run = tmp_path / "run"
    length = ("--size", "32", "--batch", "8", "--steps", "12", "--seeds", "1", "--threads", "1")
    cheap = ("--dtype", "amp", "--layout", "nhwc", "--only-train")
    code, _, err = archbench("train", "vgg16?head=small", "--init", "torch", *length, *cheap, "--out", str(run))
    assert code == 0, err
    assert [row["status"] for row in rows(run / "accuracy.csv")] == ["chance"]
    assert "vgg16?head=small is stuck at chance" in str(load_run(run))
    assert "at most; try --init kaiming." in " ".join(str(load_run(run)).split())
    outcome = json.loads((run / "models" / "vgg16_head=small" / "seed-0" / "outcome.json").read_text())
    assert outcome["initial_spread"] < 1e-4
    assert "lenet?activation=sigmoid is stuck at chance" in str(load_run(run_folder))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ((), "initial weights: drawn anew by kaiming for lenet; the constructor's for net.py:Net"),
        (("--init", "xavier"), "initial weights: drawn anew by xavier for lenet, net.py:Net"),
    ],
)
def test_where_weights_start_is_said_before_the_first_step(archbench, tmp_path, monkeypatch, options, line):
    net = "from torch import nn\ndef Net(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    (tmp_path / "net.py").write_text(net + "import torch\ndef example_inputs(n): return torch.zeros(n, 1, 8, 8)\n")
    monkeypatch.chdir(tmp_path)
    length = ("--steps", "2", "--seeds", "1", "--threads", "1", "--only-train")
    code, _, err = archbench("train", "lenet", "net.py:Net", *options, *length)
    assert code == 0, err
    lines = err.splitlines()
    assert lines.count(line) == 1
    assert lines.index(line) < next(i for i, text in enumerate(lines) if text.startswith("[1/"))


def test_compare_shows_what_this_folders_file_has_learned(archbench, tmp_path, monkeypatch):
    net = "from torch import nn\nclass Net(nn.Linear):\n    def __init__(self):\n        super().__init__(4, 2)\n"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "net.py").write_text(net)
    store = tmp_path / "results.sqlite"
    learned = accuracy(f"{tmp_path / 'a' / 'net.py'}:Net", 0.9)
    with Store(store) as kept:
        kept.add_trainings([TrainingResult("1", "2026-01-02T03:04:05+00:00", "here", "run", "equal", learned)])
    found = []
    for name in ("a", "b"):
        monkeypatch.chdir(tmp_path / name)
        arguments = ("net.py:Net", "--input", "4", "--trained", "--store", str(store), "--format", "json")
        code, out, err = archbench("compare", *arguments)
        assert code == 0, err
        found += [row["top1_mean"] for row in json.loads(out)]
    assert found == [0.9, None]


def test_results_and_compare_know_the_run(archbench, run_folder):
    code, out, _ = archbench("results", "trainings", "--model", "lenet?activation=tanh", "--format", "json")
    assert code == 0
    (row, _) = rows(run_folder / "accuracy.csv")
    found = next(row for row in json.loads(out) if row["folder"] == str(run_folder))
    assert found["top1_mean"] == pytest.approx(float(row["top1_mean"]))
    code, out, _ = archbench("compare", "lenet?activation=tanh", "lenet5", "--trained", "--format", "json")
    assert code == 0
    trained, untrained = json.loads(out)
    assert (trained["trained_on"], untrained["trained_on"]) == ("digits", None)
    assert trained["top1_mean"] == pytest.approx(float(row["top1_mean"]))
