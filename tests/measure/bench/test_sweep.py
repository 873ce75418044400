from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from archbench.errors import AddressError, InputError
from archbench.measure.bench.sweep import AUTO, Sweep, family, is_current
from archbench.measure.worker.request import from_json
from archbench.models.identity import resolved
from archbench.store.records import Result, described

SWEEP = Sweep(
    models=["vgg11", "lenet"],
    inputs=[],
    kind="cpu",
    device="Some CPU",
    modes=["eval", "train"],
    batches=[1, 8],
    dtypes=["fp32", "amp"],
    layouts=["nchw", "nhwc"],
    compiled=False,
    threads=2,
    processes=5,
    seconds=60.0,
)


def test_a_sweep_is_the_product_of_its_lists():
    found = list(SWEEP.configurations())
    assert len(found) == 2 * 2 * 2 * 2 * 2
    assert len({configuration for _, configuration in found}) == 32
    request, configuration = found[0]
    assert (configuration.input_shape, configuration.threads) == ("3x224x224", 2)
    # Five processes share the minute.
    assert (request.seconds, request.processes) == (12.0, 5)
    assert from_json(request.to_json()) == request
    assert described(configuration) == "vgg11, eval, batch 1, fp32, nchw"


def test_graphs_are_a_dimension_of_what_is_measured():
    request, configuration = next(replace(SWEEP, kind="cuda", graphs=True).configurations())
    assert request.graphs
    assert configuration.graphs
    assert described(configuration) == "vgg11, eval, batch 1, fp32, nchw, graph replay"
    assert described(replace(configuration, batch=AUTO)) == "vgg11, eval, batch auto, fp32, nchw, graph replay"


def test_nothing_is_yielded_if_one_model_is_not_there():
    with pytest.raises(AddressError, match="did you mean 'lenet'"):
        next(replace(SWEEP, models=["vgg11", "lent"]).configurations())
    with pytest.raises(InputError, match="has no usual input"):
        next(replace(SWEEP, models=["torchvision:raft_small"]).configurations())


def test_the_input_that_was_given_is_part_of_what_is_measured():
    _, configuration = next(replace(SWEEP, inputs=["3x64x64"]).configurations())
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
    ((_, configuration),) = replace(
        SWEEP,
        models=["git:HEAD:net.py:Net"],
        inputs=["4"],
        modes=["eval"],
        batches=[1],
        dtypes=["fp32"],
        layouts=["nchw"],
    ).configurations()
    assert is_current(Result("a", "2000-01-01T00:00:00+00:00", "here", configuration, "ok"))


def test_a_family_differs_in_size_alone():
    assert family("vgg11") == family("vgg16") != family("vgg16_bn")
    # Fewer groups are more work, and a second version may be a faster one.
    for one, other in (("net.py:Net?groups=1", "net.py:Net?groups=32"), ("v1.py:Net", "v2.py:Net")):
        assert family(one) != family(other)
