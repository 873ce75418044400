from __future__ import annotations

import json
import logging

import pytest

import archbench
from archbench.api import bench as module
from archbench.measure.worker import client, forks
from archbench.store.database import Store
from archbench.store.records import Result
from tests.helpers import in_process


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Let every configuration be measured at once and return those that were, with their options."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    calls = []

    def measure(configuration, options, machine, on_phase, siblings=()):
        calls.append((configuration, options))
        on_phase("measuring")
        return Result(
            str(len(calls)), "2100-01-01T00:00:00+00:00", machine, configuration, "ok", images_per_s=10.0,
            samples_s=(0.1, 0.2), samples_per_process=(1,) * options.processes,
        )  # fmt: skip

    monkeypatch.setattr("archbench.measure.bench.runner.measure_configuration", measure)
    return calls


class Recorder(archbench.Progress):
    """Remembers its calls."""

    def __init__(self):
        self.calls = []

    def start(self, total, done=0):
        self.calls.append(("start", total, done))

    def begin(self, task, steps=None, done=0):
        self.calls.append(("begin", task))

    def update(self, text="", step=None):
        self.calls.append(("update", text))

    def end(self, result):
        self.calls.append(("end", result.status))


def test_bench_measures_every_combination_and_stores_it(measured, tmp_path):
    found = archbench.bench(["lenet", "lenet5"], batch=[1, 8], mode=("eval", "train"), device="cpu", threads=2)
    assert len(found) == len(measured) == 2 * 2 * 2
    assert [result.configuration for result in found] == [configuration for configuration, _ in measured]
    configuration, options = measured[0]
    assert (configuration.model, configuration.batch, configuration.threads) == ("lenet", 1, 2)
    assert (options.processes, options.max_seconds) == (5, 60.0)
    assert found[0].images_per_s == 10.0
    assert (found.samples[0], found.is_ok) == ((0.1, 0.2), True)
    with Store(for_reading=True) as store:
        assert store.path.is_relative_to(tmp_path)
        assert store.count() == 8
    assert archbench.bench("lenet", batch=[1, 8], device="cpu", threads=2)[0].run_id == "1"


def test_bench_results_are_a_table(measured):
    found = archbench.bench("lenet", device="cpu")
    assert repr(found) == "<BenchResults: 1 row>"
    assert str(found).splitlines()[2].split()[:2] == ["1", "lenet"]
    assert json.loads(json.dumps(found.to_dict()))[0]["images_per_s"] == 10.0
    assert found.to_frame()["status"].tolist() == ["ok"]
    assert "<table" in found._repr_html_()


def test_bench_reports_its_progress_and_prints_nothing(measured, tmp_path, capsys):
    progress = Recorder()
    store = tmp_path / "a.sqlite"
    archbench.bench("lenet", device="cpu", store=store, progress=progress)
    task = "lenet, eval, batch 1, fp32, nchw"
    assert progress.calls == [("start", 1, 0), ("begin", task), ("update", "measuring"), ("end", "ok")]
    again = Recorder()
    archbench.bench("lenet", device="cpu", store=store, progress=again)
    assert again.calls == [("start", 1, 1), ("end", "ok")]
    archbench.bench("lenet", device="cpu", store=store, rerun=True)
    assert len(measured) == 2
    assert capsys.readouterr() == ("", "")


def test_a_loaded_machine_is_a_warning_in_the_log(measured, monkeypatch, caplog):
    monkeypatch.setattr("archbench.api.measuring.load_warning", lambda record: "load: 9.0 on 2 cores")
    monkeypatch.setattr(logging.getLogger("archbench"), "propagate", True)
    archbench.bench("lenet", device="cpu")
    assert [(record.levelname, record.message) for record in caplog.records] == [("WARNING", "load: 9.0 on 2 cores")]


def test_bench_measures_in_a_worker(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "worker", in_process.worker)
    quick = {"device": "cpu", "threads": 1, "processes": 1, "max_seconds": 0.05}
    (result,) = archbench.bench("lenet", inputs=["1x32x32:float32"], batch=2, store=tmp_path / "a.sqlite", **quick)
    assert result.configuration.input_shape == "1x32x32:float32"
    assert result.samples_s


@pytest.mark.parametrize("cold", [False, True])
def test_processes_are_forked_unless_new_interpreters_are_asked_for(measured, monkeypatch, cold):
    servers = []
    monkeypatch.setattr(
        "archbench.measure.bench.runner.Runner.run", lambda *_: servers.append(forks._SERVER.get()) or ()
    )
    monkeypatch.setattr("archbench.api.ab_test.run_ab_test", lambda *_: servers.append(forks._SERVER.get()))
    archbench.bench("lenet", device="cpu", cold=cold)
    archbench.ab_test("lenet", "lenet5", device="cpu", cold=cold)
    assert [server is None for server in servers] == [cold, cold]
    assert forks._SERVER.get() is None


@pytest.mark.parametrize("call", [archbench.bench, lambda model: archbench.ab_test("lenet", model), archbench.profile])
def test_a_module_is_a_type_error_that_names_an_address(call):
    with pytest.raises(
        TypeError, match=r"takes an address such as .vgg16. or .net\.py:Net., not a Sequential: it builds"
    ):
        call(archbench.load("lenet"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"models": []}, "models is empty"),
        ({"models": "lent"}, "did you mean 'lenet'"),
        ({"device": "gpu"}, "device='gpu' is not one of cpu, cuda, mps"),
        ({"dtype": ["fp32", "bf61"]}, "dtype='bf61' is not one of .*; did you mean 'bf16'"),
        ({"mode": "evil"}, "mode='evil' is not one of eval, train"),
        ({"layout": "nhcw"}, "layout='nhcw' is not one of nchw, nhwc"),
        ({"dtype": "tf32"}, "dtype='tf32' requires an NVIDIA GPU"),
        ({"graphs": True}, "graphs=True requires an NVIDIA GPU"),
        ({"phases": True}, "phases=True times the phases of training steps; it requires mode='train'"),
        ({"threads": 0}, "threads=0 is less than 1"),
        ({"inputs": (1, 32, 32)}, "write it as text without the batch: '1x32x32'"),
    ],
)
def test_bench_refuses_what_it_cannot_measure_before_it_begins(measured, arguments, message):
    with pytest.raises(archbench.ArchbenchError, match=message):
        archbench.bench(**{"models": "lenet", "device": "cpu", **arguments})
    assert not measured


def test_tensors_are_no_inputs_of_a_new_process(measured):
    import torch

    with pytest.raises(archbench.InputError, match="inputs must be shapes"):
        archbench.bench("lenet", inputs=torch.empty(1, 1, 32, 32), device="cpu")


def test_a_file_of_the_users_is_measured_under_its_whole_path(measured, tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text("from torch.nn import ReLU as Net")
    monkeypatch.chdir(tmp_path)
    (result,) = archbench.bench("net.py:Net", inputs="4", device="cpu")
    assert result.configuration.model == f"{tmp_path / 'net.py'}:Net"


def test_the_module_is_not_shadowed_by_its_function():
    assert module.bench is archbench.bench


@pytest.mark.parametrize("batch", [0, [1, 0], 1.5, "x"])
def test_bench_and_profile_refuse_what_is_not_a_batch_size(measured, batch):
    with pytest.raises(archbench.UsageError, match="is not a whole number from 1 or auto"):
        archbench.bench("lenet", batch=batch)
    assert not measured
    with pytest.raises(archbench.UsageError, match="is not a whole number from 1"):
        archbench.profile("lenet", batch=batch)


@pytest.mark.parametrize(
    ("verb", "arguments", "message"),
    [
        (archbench.bench, {"max_seconds": 0}, "max_seconds=0 is not above 0"),
        (archbench.bench, {"processes": 0}, "processes=0 is not above 0"),
        (archbench.profile, {"top": 0}, "top=0 is not above 0"),
        (archbench.profile, {"max_seconds": float("nan")}, "max_seconds=nan is not above 0"),
    ],
)
def test_limits_and_numbers_must_be_above_0(verb, arguments, message):
    with pytest.raises(archbench.UsageError, match=f"^{message}$"):
        verb("lenet", **arguments)
