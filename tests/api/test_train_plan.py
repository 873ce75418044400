"""`archbench.train_plan` and `train --plan`: what a run would do."""

from __future__ import annotations

import json

import pytest

import archbench


def test_a_plan_names_weights_rates_steps_seeds_and_time_and_trains_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = archbench.train_plan(["lenet", "lenet?init=torch"], steps=20, seeds=2, threads=1, recipe="equal")
    first, second = plan.to_dict()
    assert (first["initialisation"], second["initialisation"]) == ("kaiming", "torch")
    assert (first["learning_rate"], first["batch"], first["steps"], first["seeds"]) == ("auto", 64, 20, 2)
    assert 0 < first["search_s"] < first["time_s"]
    assert plan.time_s == pytest.approx(first["time_s"] + second["time_s"])
    # A fifth of 360 images on which two models differ: a standard error of 2.4 points hides both differences.
    assert "a difference of 1 point cannot be shown on 360 images" in " ".join(str(plan).split())
    assert list(tmp_path.iterdir()) == []


def test_a_plan_of_one_model_has_the_recipes_rate_and_no_search():
    (row,) = archbench.train_plan("lenet", steps=20, threads=1).to_dict()
    assert (row["learning_rate"], row["search_s"]) == ("0.01", 0)


def test_a_plan_takes_the_arguments_of_train():
    with pytest.raises(TypeError, match="stepz"):
        archbench.train_plan("lenet", stepz=20)
    with pytest.raises(archbench.UsageError, match="continues a run as it was planned"):
        archbench.train_plan(resume="runs/lenet")


def test_the_command_prints_the_plan(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = request.getfixturevalue("archbench")
    length = ("--steps", "20", "--threads", "1")
    code, out, _ = run("train", "lenet", *length, "--lr", "0.05", "--plan", "--format", "json")
    assert code == 0
    assert json.loads(out)[0]["learning_rate"] == "0.05"
    assert list(tmp_path.iterdir()) == []
