from __future__ import annotations

import io
import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from archbench.api.published import import_timm
from archbench.reporting.charts.catalogue import KINDS
from archbench.store.database import Store
from archbench.store.file import default_path
from tests.helpers.chart_specs import result, write_run


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def plot(archbench):
    """Run the command and return its exit code, output and messages."""
    return lambda *arguments: archbench("plot", *arguments)


@pytest.fixture
def filled():
    """Fill the store in the user's data directory."""
    latencies_s = tuple(0.01 + 0.0001 * i for i in range(64))
    with Store(default_path()) as store:
        store.add(result("vgg16", 1, 100.0, latencies_s=latencies_s, latency_s_median=0.013, latency_s_p90=0.016))
        store.add(result("vgg16", 8, 600.0, latencies_s=latencies_s[:9], latency_s_median=0.010))
        store.add(result("alexnet", 8, None, status="oom", reason="needs more"))
        store.add(result("alexnet", 1, 900.0, device="Some GPU", dtype="fp32"))


@pytest.fixture
def run_folder(tmp_path):
    """Return the folder of a run of two models and two seeds."""
    return str(write_run(tmp_path / "run"))


@pytest.mark.slow
def test_the_ending_says_what_is_written(plot):
    assert plot("layers", "lenet", "--output", "a.svg") == (0, "", "wrote a.svg\n")
    assert Path("a.svg").read_text().startswith("<svg ")
    assert plot("layers", "lenet", "--output", "a.PNG", "--scale", "1") == (0, "", "wrote a.PNG\n")
    assert Image.open(io.BytesIO(Path("a.PNG").read_bytes())).width < 1000
    assert plot("layers", "lenet", "--output", "a.html") == (0, "", "wrote a.html\n")
    assert Path("a.html").read_text().startswith("<!doctype html>")


def test_without_a_name_the_file_is_called_for_the_kind(plot):
    assert plot("layers", "lenet")[2] == "wrote layers.svg\n"
    assert [path.name for path in Path().iterdir()] == ["layers.svg"]


def test_layers_of_several_models_are_of_the_batch_asked_for(plot):
    assert plot("layers", "lenet", "alexnet", "--batch", "2")[0] == 0
    svg = Path("layers.svg").read_text()
    # twice 416,520 and twice 724,406,816
    assert "lenet: 61.71K parameters, 833.0K MACs" in svg
    assert "alexnet: 60.97M parameters, 1.449G MACs" in svg
    assert "a batch of 2" in svg


def test_memory_is_of_the_run_that_options_say(plot):
    assert plot("memory", "lenet", "--mode", "train", "--batch", "8", "--optimizer", "adam")[0] == 0
    svg = Path("memory.svg").read_text()
    assert "Memory, train, batch 8, fp32, adam, operator by operator." in svg
    assert ">peak " in svg
    assert ">optimizer<" in svg


def test_the_roofline_is_of_a_device_in_a_dtype(plot):
    assert plot("roofline", "alexnet", "--device", "H200", "--dtype", "bf16", "--batch", "32")[0] == 0
    svg = Path("roofline.svg").read_text()
    assert "eval, batch 32, bf16" in svg
    assert ">peak bf16: 989.0 TFLOP/s<" in svg


def test_accuracy_of_models_is_what_was_published(plot):
    code, _, err = plot("accuracy", "lenet", "alexnet", "vgg16@10", "vgg16")
    assert (code, err) == (0, "without a published error: lenet, vgg16@10\nwrote accuracy.svg\n")
    svg = Path("accuracy.svg").read_text()
    assert "Published, not measured here" in svg
    assert ">alexnet<" in svg


@pytest.mark.slow
def test_charts_of_a_run_say_on_what_data_it_was_trained(plot, run_folder):
    for kind in ("training", "time", "accuracy"):
        assert plot(kind, run_folder) == (0, "", f"wrote {kind}.svg\n")
        assert "digits, not CIFAR" in Path(f"{kind}.svg").read_text()
    assert plot("time", run_folder, "--threshold", "0.5", "--threshold", "0.85")[0] == 0
    assert "at 50.0% or above" in Path("time.svg").read_text()


def test_stored_results_are_drawn_and_what_is_left_out_is_said(plot, filled):
    assert plot("throughput", "vgg16") == (0, "", "wrote throughput.svg\n")
    assert plot("throughput", "--device", "cuda")[2] == (
        "left out: 1 of 4 results, which are not ok\nwrote throughput.svg\n"
    )
    assert plot("latency", "vgg16")[0] == 0
    svg = Path("latency.svg").read_text()
    assert ">median 13.0 ms · p90 16.0 ms<" in svg
    assert ">median 10.0 ms<" in svg
    assert plot("throughput", "--device", "Some GPU")[0] == 0
    assert "Some GPU, eval, fp32" in Path("throughput.svg").read_text()


@pytest.fixture
def net():
    """Write a model with an operator that has no rule, and a card that gives it an error."""
    Path("net.py").write_text(
        "from types import SimpleNamespace\n"
        "import torch\n"
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    card = SimpleNamespace(title='Net', year=2026, paper='', input_shape=(5,), differences='',\n"
        "        reported_top5_error_percent=10.0, reported_protocol='one crop')\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.fc = nn.Linear(5, 3)\n"
        "    def forward(self, x):\n"
        "        return torch.special.bessel_j0(self.fc(x))\n"
    )
    return "net.py:Net"


@pytest.mark.parametrize("kind", ["layers", "memory", "accuracy", "roofline --device h200"])
def test_what_was_not_counted_is_said_even_quietly_and_in_the_picture(plot, net, kind):
    said = "net.py:Net: uncounted, their cost is in no figure: aten.special_bessel_j0 (1×)"
    assert plot(*kind.split(), net, "--quiet", "--output", "a.svg") == (0, "", f"{said}\n")
    assert said in texts(Path("a.svg").read_text("utf-8"))


def test_results_of_a_model_in_a_file_are_found_from_wherever_it_is_named(plot, net):
    with Store(default_path()) as store:
        store.add(result(f"{Path('net.py').resolve()}:Net", 1, 100.0))
        store.add(result("vgg16", 1, 100.0))
    assert plot("throughput", net)[0] == 0
    svg = Path("throughput.svg").read_text()
    assert ">net.py:Net<" in svg
    assert "vgg16" not in svg


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["memry", "lenet"], "KIND memry is not one of layers, memory"),
        (["memry", "lenet"], "did you mean 'memory'?"),
        (["layers"], "takes at least one model"),
        (["layers", "lenett"], "lenett"),
        (["layers", "lenet", "--output", "a.pdf"], "none of the endings .png, .svg, .html"),
        (["layers", "lenet", "--output", "a"], "none of the endings"),
        (["layers", "lenet", "--output", "missing/a.svg"], "cannot write 'missing/a.svg'"),
        (["layers", "lenet", "--mode", "train"], "--mode has no effect on plot layers; it is for memory, roofline"),
        (["layers", "lenet", "--width", "5"], "pixels from 100"),
        (["layers", "lenet", "--scale", "0"], "scale"),
        (["layers", "lenet", "--scale", "2"], "--scale 2 has no effect on 'layers.svg'; write a .png"),
        (["layers", "lenet", "--output", "a.html", "--scale", "1"], "--scale 1 has no effect on 'a.html'"),
        (["layers", "lenet", "--output", "a.png", "--width", "9999", "--scale", "9.9"], "give a smaller --scale"),
        (["memory", "lenet", "--optimizer", "adam"], "--optimizer adam requires --mode train"),
        (["memory", "lenet", "vgg16"], "plot memory takes exactly one model, got 2"),
        (["memory"], "takes exactly one model, got 0"),
        (["memory", "lenet", "--batch", "0"], "not a valid batch size"),
        (["roofline", "lenet"], "requires --device"),
        (["roofline", "lenet", "--device", "b20"], "did you mean 'b200'?"),
        (["accuracy", "lenet"], "nothing to plot: no error of lenet is published"),
        (["throughput"], "'archbench bench MODEL' fills it"),
        (["latency", "--store", "none.sqlite"], "there is no store 'none.sqlite'"),
        (["training", "nowhere"], "'archbench train MODEL --out nowhere' makes a run"),
        (["training", "."], "'.' has no metrics.csv"),
        (["training"], "plot training takes exactly one run's folder, got 0"),
        (["time", ".", "--threshold", "90"], "a fraction such as 0.9"),
        (["history", "vgg16"], "plot history takes no model, got 1"),
        (["confusion"], "plot confusion takes exactly one run's folder, got 0"),
        (["rates"], "plot rates takes at least one model"),
        (["rates", "vgg16", "--store", "none.sqlite"], "'archbench results --import timm:"),
    ],
)
def test_bad_use_is_one_line_and_writes_nothing(plot, arguments, message):
    code, out, err = plot(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["throughput", "vgg61"], "no result of vgg61"),
        (["throughput", "vgg61"], "did you mean 'vgg16'?"),
        (["throughput", "--device", "cpu"], "'archbench results' lists what there is"),
        (["throughput", "--dtype", "fp99"], "fp99"),
        (["latency", "alexnet"], "none of 2 results is ok"),
        (["latency", "vgg16", "--batch", "64"], "no result of vgg16"),
    ],
)
def test_what_the_store_has_not_is_said(plot, filled, arguments, message):
    code, _, err = plot(*arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_a_store_from_a_newer_version_is_refused(plot, filled):
    with sqlite3.connect(default_path()) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    code, _, err = plot("throughput")
    assert code == 2
    assert "has version 999, newer than this archbench supports" in err


def test_a_damaged_run_is_refused(plot, run_folder):
    assert plot("accuracy", run_folder, "lenet")[0] == 2
    Path(run_folder, "accuracy.csv").unlink()
    assert "no model of" in plot("accuracy", run_folder)[2]
    metrics = Path(run_folder, "metrics.csv")
    metrics.write_text(metrics.read_text().splitlines()[0] + "\n")
    assert "no epoch of the run" in plot("training", run_folder)[2]
    metrics.write_text("model,epoch\nlenet,x\n")
    assert "metrics.csv" in plot("training", run_folder)[2]
    for text in ("{}", "[]", "{"):
        Path(run_folder, "run.json").write_text(text)
        code, _, err = plot("training", run_folder)
        assert code == 2
        assert "run.json' is damaged" in err
        assert err.count("\n") == 1


def test_without_the_drawing_library_it_says_what_to_install(plot, monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    code, _, err = plot("layers", "lenet")
    assert code == 2
    assert "pip install altair" in err


def test_the_help_lists_every_kind(archbench):
    code, out, _ = archbench("plot", "--help")
    words = " ".join(out.split())
    assert code == 0
    assert all(kind.name in words and kind.draws in words for kind in KINDS.values())


@pytest.mark.slow
def test_help_and_completion_load_neither_torch_nor_altair(new_interpreters):
    seen = "import sys; loaded = {'torch', 'altair', 'vl_convert'} & sys.modules.keys(); assert not loaded, loaded"
    for job in ("run(['plot', '--help'])", "assert 'roofline' in dict(complete_kind('ro'))"):
        code = f"from cli.main import run; from cli.plot_options import complete_kind; {job}; {seen}"
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


DOCS = Path(__file__).parents[2] / "docs"
SHOWN = re.findall(r"^archbench (plot .* --output )docs/(pictures/\S+)$", (DOCS / "charts.md").read_text("utf-8"), re.M)


def test_the_documentation_shows_pictures():
    assert len(SHOWN) >= 4


@pytest.mark.slow
@pytest.mark.parametrize(("command", "picture"), SHOWN)
def test_pictures_of_the_documentation_are_what_its_commands_draw(archbench, command, picture):
    if "--published" in command or command.startswith("plot rates"):
        import_timm(*sorted((DOCS / "examples").glob("*.csv")))
    assert archbench(*shlex.split(command), "drawn.svg")[0] == 0
    # Places depend on the typefaces that are installed, what is said does not.
    drawn, shown = (texts(path.read_text("utf-8")) for path in (Path("drawn.svg"), DOCS / picture))
    assert drawn == shown


def texts(svg):
    """Return all that is written in a picture, and what is heard of its marks."""
    tree = ElementTree.fromstring(svg)
    said = (element.text or element.get("aria-label") for element in tree.iter())
    return [text for text in said if text]
