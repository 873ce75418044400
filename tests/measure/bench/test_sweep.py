from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from archbench.errors import AddressError, InputError
from archbench.measure.bench.sweep import AUTO, configurations, family, is_current
from archbench.measure.worker.request import Request, RunOptions, request_from_json
from archbench.models.identity import resolved
from archbench.store.records import Result, described

SWEEP = {
    "kind": "cpu",
    "device": "Some CPU",
    "modes": ["eval", "train"],
    "batches": [1, 8],
    "dtypes": ["fp32", "amp"],
    "layouts": ["nchw", "nhwc"],
    "threads": 2,
}
MODELS = ["vgg11", "lenet"]


def test_a_sweep_is_the_product_of_its_lists():
    found = configurations(MODELS, **SWEEP)
    assert len(found) == len(set(found)) == 2 * 2 * 2 * 2 * 2
    assert (found[0].input_shape, found[0].inputs, found[0].threads) == ("3x224x224", ("3x224x224",), 2)
    assert described(found[0]) == "vgg11, eval, batch 1, fp32, nchw"


def test_a_request_comes_back_from_json_and_processes_share_the_time():
    options = RunOptions(max_seconds=60.0, processes=5)
    assert options.process_seconds == 12.0
    (configuration,) = configurations(["lenet"], kind="cpu", device="Some CPU", inputs=["1x28x28", "8:int64"])
    assert configuration.inputs == ("1x28x28", "8:int64")
    request = Request("profile", configuration, options, seed=3, arguments={"trace": None})
    assert request_from_json(request.to_json()) == request


def test_graphs_are_part_of_a_configuration():
    configuration = configurations(MODELS, **{**SWEEP, "kind": "cuda"}, graphs=True)[0]
    assert (configuration.graphs, configuration.threads) == (True, 0)
    assert described(configuration) == "vgg11, eval, batch 1, fp32, nchw, graph replay"
    assert described(replace(configuration, batch=AUTO)) == "vgg11, eval, batch auto, fp32, nchw, graph replay"


def test_configurations_fail_if_one_model_does_not_exist():
    with pytest.raises(AddressError, match="did you mean 'lenet'"):
        configurations(["vgg11", "lent"], **SWEEP)
    with pytest.raises(InputError, match="has no usual input"):
        configurations(["torchvision:raft_small"], **SWEEP)


def test_the_given_input_is_part_of_a_configuration():
    configuration = configurations(MODELS, **SWEEP, inputs=["3x64x64"])[0]
    assert configuration.input_shape == "3x64x64"


def test_a_revision_is_kept_as_the_commit_that_it_is(tmp_path, monkeypatch):
    def git(*arguments):
        who = ("-c", "user.name=A", "-c", "user.email=a@b.c")
        done = subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    (tmp_path / "net.py").write_text("from torch.nn import ReLU as Net")
    git("init")
    git("add", "net.py")
    git("commit", "--message", "First")
    monkeypatch.chdir(tmp_path)
    name = f"git:{git('rev-parse', 'HEAD')}:{tmp_path / 'net.py'}:Net?inplace=True"
    assert resolved("git:HEAD:net.py:Net?inplace=True") == name
    (configuration,) = configurations(["git:HEAD:net.py:Net"], kind="cpu", device="Some CPU", inputs=["4"])
    assert is_current(Result("a", "2000-01-01T00:00:00+00:00", "here", configuration, "ok"))


def test_a_family_differs_in_size_alone():
    assert family("vgg11") == family("vgg16") != family("vgg16_bn")
    # Fewer groups are more work, and a second version may be a faster one.
    for one, other in (("net.py:Net?groups=1", "net.py:Net?groups=32"), ("v1.py:Net", "v2.py:Net")):
        assert family(one) != family(other)
