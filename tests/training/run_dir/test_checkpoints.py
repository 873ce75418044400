from __future__ import annotations

import os
import pickle

import pytest
import torch

from archbench.errors import OutputError
from archbench.training.run_dir import checkpoints


def _content(step: int) -> dict:
    return {"step": step, "weights": torch.full((100,), float(step)), "history": [{"loss": 0.5, "model": "a"}]}


def test_what_is_saved_comes_back(tmp_path):
    checkpoints.save(tmp_path, 3, _content(3))
    loaded = checkpoints.load(tmp_path)
    assert loaded.content is not None
    assert loaded.content["history"] == [{"loss": 0.5, "model": "a"}]
    assert torch.equal(loaded.content["weights"], torch.full((100,), 3.0))


def test_only_the_last_two_are_kept_and_nothing_else_lies_about(tmp_path):
    for step in (1, 2, 3, 10):
        checkpoints.save(tmp_path, step, _content(step))
    assert sorted(path.name[:19] for path in tmp_path.iterdir()) == ["checkpoint-00000003", "checkpoint-00000010"]


def test_an_empty_folder_and_one_that_is_not_there_have_none(tmp_path):
    assert checkpoints.load(tmp_path).content is None
    assert checkpoints.load(tmp_path / "missing") == checkpoints.Loaded(None, ())


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_is_named(tmp_path, damage):
    checkpoints.save(tmp_path, 1, _content(1))
    newest = checkpoints.save(tmp_path, 2, _content(2))
    data = bytearray(newest.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    newest.write_bytes(bytes(data if damage == "flipped" else data[: len(data) // 2 if damage == "truncated" else 0]))
    loaded = checkpoints.load(tmp_path)
    assert loaded.content is not None
    assert loaded.content["step"] == 1
    assert loaded.damaged == (newest,)


@pytest.mark.parametrize("place", range(0, 2400, 97))
def test_no_single_bit_goes_unnoticed(tmp_path, place):
    path = checkpoints.save(tmp_path, 1, _content(1))
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << (place % 8)
    path.write_bytes(bytes(data))
    assert checkpoints.load(tmp_path).content is None


class _Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


def test_no_code_in_a_file_is_run(tmp_path, monkeypatch):
    # With the right digest in its name, so that only the loader stands between it and the machine.
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps(_Bomb())
    (tmp_path / f"checkpoint-00000009-{checkpoints._digest(data)}.pt").write_bytes(data)
    checkpoints.save(tmp_path, 1, _content(1))
    loaded = checkpoints.load(tmp_path)
    assert loaded.content is not None
    assert loaded.content["step"] == 1
    assert not (tmp_path / "exploded").exists()


def test_where_it_cannot_be_written_the_earlier_one_stays(tmp_path, monkeypatch):
    checkpoints.save(tmp_path, 1, _content(1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        checkpoints.save(tmp_path, 2, _content(2))
    loaded = checkpoints.load(tmp_path)
    assert loaded.content is not None
    assert loaded.content["step"] == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_removed_they_are_gone_and_other_files_stay(tmp_path):
    checkpoints.save(tmp_path, 1, _content(1))
    (tmp_path / "final.pt").write_bytes(b"")
    checkpoints.remove(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["final.pt"]
