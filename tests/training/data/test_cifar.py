from __future__ import annotations

import hashlib
import pickle
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from archbench.errors import DataError
from archbench.training.data.sources import load_data

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
BATCHES = [f"data_batch_{number}" for number in range(1, 6)]
FOLDER = "cifar-10-batches-py"

# Images of each class in every file.
A_CLASS = 4


class Dangerous:
    """What a pickle can do: run any function when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def write_batch(path: Path, seed: int) -> tuple[np.ndarray, list[int]]:
    """Write a file in the official format: rows of 3,072 bytes, red, then green, then blue, each row by row."""
    random = np.random.RandomState(seed)
    labels = list(range(10)) * A_CLASS
    random.shuffle(labels)
    data = random.randint(0, 256, (len(labels), 3072)).astype(np.uint8)
    path.write_bytes(pickle.dumps({"data": data, "labels": labels}))
    return data, labels


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def archive(root: Path) -> Path:
    path = root / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(root / FOLDER, FOLDER)
    return path


@pytest.fixture
def official(tmp_path, monkeypatch):
    """Make a small CIFAR-10 in the official format, the sums of which torchvision then expects."""
    folder = tmp_path / "root" / FOLDER
    folder.mkdir(parents=True)
    written = {name: write_batch(folder / name, seed) for seed, name in enumerate([*BATCHES, "test_batch"])}
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": CLASSES}))
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5(folder / name)] for name in BATCHES])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5(folder / "test_batch")]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5(folder / "batches.meta")})
    return folder.parent, written


@pytest.fixture
def no_network(monkeypatch):
    import urllib.request

    def refuse(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def test_official_files_are_read_as_they_are(official, tmp_path):
    root, written = official
    data = load_data(f"cifar10:{root}", cache=tmp_path / "cache")
    assert (data.name, data.caveat, data.shape) == ("CIFAR-10", "", (3, 32, 32))
    assert data.classes == tuple(CLASSES)
    # 5 files of 40 images: a tenth of 200 is 20, two of each class.
    assert [len(part) for part in (data.train, data.validation, data.test)] == [180, 20, 40]
    assert np.bincount(data.validation.labels).tolist() == [2] * 10
    pixels, labels = written["test_batch"]
    assert data.test.labels.tolist() == labels
    assert torch.equal(data.test.images.flatten(1), torch.from_numpy(pixels))
    trained = {image.numpy().tobytes() for part in (data.train, data.validation) for image in part.images}
    assert trained == {row.tobytes() for name in BATCHES for row in written[name][0]}


def test_the_folder_of_the_files_the_archive_and_a_folder_with_it_are_the_same_data(official, tmp_path, monkeypatch):
    root, _ = official
    path = archive(root)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(path))
    digest = load_data(f"cifar10:{root}").digest
    renamed = path.rename(tmp_path / "renamed.tgz")
    alone = tmp_path / "cache" / "cifar10"
    alone.mkdir(parents=True)
    (alone / path.name).write_bytes(renamed.read_bytes())
    for text in (f"cifar10:{root / FOLDER}", f"cifar10:{renamed}", f"cifar10:{alone}", "cifar10"):
        assert load_data(text, cache=tmp_path / "cache").digest == digest


def test_a_changed_file_is_named_with_both_sums(official):
    root, _ = official
    path = root / FOLDER / "data_batch_3"
    expected = md5(path)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(DataError) as caught:
        load_data(f"cifar10:{root}")
    for part in (str(path), expected, md5(path)):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["data_batch_1", "test_batch", "batches.meta"])
def test_code_in_a_pickle_does_not_run(official, tmp_path, name):
    root, _ = official
    harm = tmp_path / "harm"
    (root / FOLDER / name).write_bytes(pickle.dumps(Dangerous(harm)))
    with pytest.raises(DataError, match="MD5"):
        load_data(f"cifar10:{root}")
    assert not harm.exists()
    pickle.loads((root / FOLDER / name).read_bytes())
    assert harm.exists(), "the file would have done harm"


def test_a_missing_file_is_named(official):
    root, _ = official
    (root / FOLDER / "test_batch").unlink()
    with pytest.raises(DataError, match=r"cannot read '.*test_batch' of CIFAR-10"):
        load_data(f"cifar10:{root}")


def test_a_changed_archive_is_not_unpacked(official, tmp_path):
    root, _ = official
    path = archive(root)
    with pytest.raises(DataError, match=f"its MD5 is {md5(path)}, expected {CIFAR10.tgz_md5}"):
        load_data(f"cifar10:{path}")


@pytest.mark.parametrize("text", ["cifar10", "cifar10:{}/nowhere"])
def test_without_the_files_it_says_how_to_get_them(text, tmp_path, no_network):
    with pytest.raises(DataError, match=r"there is no CIFAR-10 in '.*'; download fetches it, or name"):
        load_data(text.format(tmp_path), cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_download_that_fails_is_one_error(tmp_path, no_network):
    with pytest.raises(DataError, match=r"cannot download CIFAR-10 from https://.*no network"):
        load_data("cifar10", download=True, cache=tmp_path)


@pytest.fixture
def server(official, monkeypatch):
    """Serve the root of the small CIFAR-10 from this machine, as the address that torchvision downloads from."""
    root, _ = official
    path = archive(root)
    handler = partial(SimpleHTTPRequestHandler, directory=root)
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *arguments: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{running.server_port}/{path.name}")
        thread = Thread(target=running.serve_forever)
        thread.start()
        yield path
        running.shutdown()
        thread.join()


def test_a_download_of_something_else_is_not_unpacked(server, tmp_path):
    with pytest.raises(DataError, match=f"its MD5 is {md5(server)}, expected {CIFAR10.tgz_md5}"):
        load_data("cifar10", download=True, cache=tmp_path)


def test_a_download_is_read_and_kept_and_one_that_was_cut_short_is_made_anew(server, tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(server))
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / server.name).write_bytes(server.read_bytes()[:1000])
    with pytest.raises(DataError, match="MD5"):
        load_data("cifar10", cache=tmp_path)
    data = load_data("cifar10", download=True, cache=tmp_path)
    assert data.digest == load_data(f"cifar10:{server.parent}").digest
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:1/gone")
    assert load_data("cifar10", download=True, cache=tmp_path).digest == data.digest
