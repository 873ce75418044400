from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from archbench.errors import DataError
from archbench.training.data import decoding
from archbench.training.data import folder as folders
from archbench.training.data.sources import default_cache, load_data

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def write_image(path: Path, seed: int, size: tuple[int, int] = (10, 8), mode: str = "RGB") -> np.ndarray:
    """Write a random picture, lossless unless it is a JPEG, and return it as height, width and channels."""
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    pixels = np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def make_folder(
    root: Path,
    classes: Sequence[str] = ("cat", "dog"),
    parts: Sequence[tuple[str, int]] = (("train", 4), ("test", 2)),
    ending: str = "png",
    **options,
) -> Path:
    places = [(part, name, number) for part, count in parts for name in classes for number in range(count)]
    for seed, (part, name, number) in enumerate(places):
        write_image(root / part / name / f"{number}.{ending}", seed, **options)
    return root


@pytest.fixture
def load(tmp_path):
    return lambda path, source="folder": load_data(f"{source}:{path}", cache=tmp_path / "cache")


def test_images_are_those_of_the_files_with_the_classes_of_their_folders(tmp_path, load):
    root = make_folder(tmp_path / "pets")
    data = load(root)
    assert (data.name, data.caveat, data.classes, data.shape) == ("folder pets", "", ("cat", "dog"), (3, 8, 10))
    # A tenth of 8 rounds to 1, and each class gives at least one.
    assert [len(part) for part in (data.train, data.validation, data.test)] == [6, 2, 4]
    assert data.test.images.dtype == torch.uint8
    assert data.test.labels.tolist() == [0, 0, 1, 1]
    for image, path in zip(data.test.images, sorted((root / "test").rglob("*.png")), strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(Image.open(path)))


def test_val_is_the_test_set_without_one_and_for_validation_beside_one(tmp_path, load):
    data = load(make_folder(tmp_path / "a", parts=[("train", 10), ("val", 3)]))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [18, 2, 6]
    data = load(make_folder(tmp_path / "b", parts=[("train", 10), ("val", 3), ("test", 5)]))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [20, 6, 10]


def test_images_become_as_large_as_most_of_the_training_images_and_it_is_said(tmp_path, load):
    root = make_folder(tmp_path / "mixed")
    write_image(root / "train/cat/wide.png", 99, size=(30, 8))
    data = load(root)
    assert data.shape == (3, 8, 10)
    assert data.caveat == "1 of 13 images resized to 10×8"
    expected = np.asarray(Image.open(root / "train/cat/wide.png").resize((10, 8), Image.Resampling.BILINEAR))
    every = torch.cat([data.train.images, data.validation.images])
    assert any(np.array_equal(image.permute(1, 2, 0).numpy(), expected) for image in every)


def test_large_images_are_reduced_to_256_on_the_longer_side(tmp_path, load):
    # 400 × 200 times 256/400 is 256 × 128.
    data = load(make_folder(tmp_path / "large", size=(400, 200)))
    assert (data.shape, data.caveat) == ((3, 128, 256), "12 of 12 images resized to 256×128")


def test_images_without_colour_keep_one_channel_and_one_with_colour_gives_all_three(tmp_path, load):
    root = make_folder(tmp_path / "grey", mode="L")
    assert load(root).shape == (1, 8, 10)
    write_image(root / "test/dog/colour.png", 5)
    assert load(root).shape == (3, 8, 10)


def test_a_palette_with_transparency_is_read_in_its_colours(tmp_path, load):
    root = make_folder(tmp_path / "palette")
    colours = Image.new("RGBA", (10, 8), (200, 100, 50, 255)).convert("P")
    colours.save(root / "test/cat/0.png", transparency=0)
    image = load(root).test.images[0]
    assert image.unique(dim=1).shape[1] == 1
    assert image[0, 0, 0] > image[1, 0, 0] > image[2, 0, 0]


def test_cifar_as_jpeg_is_known_and_said_to_be_so(tmp_path, load):
    root = make_folder(tmp_path / "x", CIFAR, [("train", 2), ("test", 1)], ending="jpg", size=(32, 32))
    for source in ("folder", "cifar10"):
        data = load(root, source)
        assert data.name == "CIFAR-10 (JPEG)"
        assert data.caveat == (
            "re-encoded as JPEG, not the official files; 20 of 50,000 training and 10 of 10,000 test images"
        )


@pytest.mark.parametrize(
    "different", [{"ending": "png"}, {"size": (31, 32)}, {"classes": (*CIFAR[:-1], "wagon")}], ids=lambda one: str(one)
)
def test_what_is_not_like_cifar_keeps_its_own_name(different, tmp_path, load):
    options = {"classes": CIFAR, "parts": [("train", 2), ("test", 1)], "ending": "jpg", "size": (32, 32)} | different
    assert load(make_folder(tmp_path / "mine", **options)).name == "folder mine"


def test_images_are_decoded_once_until_a_file_changes(tmp_path, load, monkeypatch):
    root = make_folder(tmp_path / "pets", ending="bmp")  # of one size whatever the pixels
    calls = []
    read = decoding.read_images
    monkeypatch.setattr(folders, "read_images", lambda *a, **o: calls.append(1) or read(*a, **o))
    first = load(root)
    assert load(root).digest == first.digest
    assert len(calls) == 2  # one a part, once

    path = root / "test/dog/1.bmp"
    times, size = path.stat(), path.stat().st_size
    changed = np.asarray(Image.open(path)).copy()
    changed[0, 0, 0] ^= 1
    Image.fromarray(changed).save(path)
    assert path.stat().st_size == size
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a careful copying tool leaves it
    assert load(root).digest != first.digest
    write_image(root / "train/cat/new.bmp", 50)
    assert len(load(root).train) == len(first.train) + 1
    path.unlink()
    assert len(load(root).test) == len(first.test) - 1
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == 1


def test_a_change_behind_a_link_is_noticed_and_a_link_to_nothing_is_named(tmp_path, load):
    root = make_folder(tmp_path / "pets")
    (root / "train" / "dog").rename(tmp_path / "elsewhere")
    (root / "train" / "dog").symlink_to(tmp_path / "elsewhere")
    first = load(root)
    write_image(tmp_path / "elsewhere" / "0.png", 77)
    assert load(root).digest != first.digest
    (root / "train" / "cat" / "lost.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"cannot read 'train.cat.lost.png' \(No such file or directory\)"):
        load(root)


def test_a_pipe_among_the_images_is_not_waited_for(tmp_path, load):
    root = make_folder(tmp_path / "pets")
    before = load(root).digest
    os.mkfifo(root / "train" / "cat" / "pipe.png")
    assert load(root).digest == before


def test_large_images_are_read_without_a_warning(tmp_path, load, monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    load(make_folder(tmp_path / "pets"))
    assert [warning for warning in recwarn if issubclass(warning.category, Image.DecompressionBombWarning)] == []


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"x" * 100])
def test_a_damaged_cache_is_read_anew(damage, tmp_path, load):
    root = make_folder(tmp_path / "pets")
    digest = load(root).digest
    (kept,) = (tmp_path / "cache").rglob("*.npz")
    kept.write_bytes(damage(kept.read_bytes()))
    assert load(root).digest == digest
    assert kept.stat().st_size > 1000


def test_a_flipped_bit_in_the_cache_is_noticed(tmp_path, load):
    root = make_folder(tmp_path / "pets", size=(64, 64))
    digest = load(root).digest
    (kept,) = (tmp_path / "cache").rglob("*.npz")
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 4
    kept.write_bytes(data)
    assert load(root).digest == digest


def test_data_can_be_read_where_nothing_can_be_kept(tmp_path):
    root = make_folder(tmp_path / "pets")
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    assert len(load_data(f"folder:{root}", cache=in_the_way).test) == 4
    assert in_the_way.read_text() == "not a folder"


def test_the_cache_is_the_user_s_own_by_the_xdg_specification(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load_data(f"folder:{make_folder(tmp_path / 'pets')}")
    assert [path.parent for path in tmp_path.rglob("*.npz")] == [default_cache() / "images"]
    assert default_cache() == tmp_path / "archbench"


@pytest.mark.parametrize(("ending", "mode"), [("tar", "w"), ("tar.gz", "w:gz"), ("tar.xz", "w:xz")])
@pytest.mark.parametrize("around", ["", "around/"])
def test_an_archive_is_the_folder_in_it(ending, mode, around, tmp_path, load):
    root = make_folder(tmp_path / "pets")
    path = tmp_path / f"packed.{ending}"
    with tarfile.open(path, mode) as tar:
        for part in ("train", "test"):
            tar.add(root / part, f"{around}{part}")
    data = load(path)
    assert data.name == "folder packed"
    assert data.digest == load(root).digest == load(path, "cifar10").digest


@pytest.mark.parametrize("name", ["../outside.png", "train/../../outside.png"])
def test_an_archive_that_would_write_elsewhere_is_refused(name, tmp_path, load):
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(DataError, match=r"bad.tar' has unsafe members: .*outside"):
        load(path)


def test_an_archive_with_a_link_out_of_it_is_refused(tmp_path, load):
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w") as tar:
        link = tarfile.TarInfo("train/cat")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    with pytest.raises(DataError, match="has unsafe members"):
        load(path)


def test_an_archive_that_is_cut_short_or_none_is_one_error(tmp_path, load):
    root = make_folder(tmp_path / "pets")
    path = tmp_path / "short.tar.xz"
    with tarfile.open(path, "w:xz") as tar:
        tar.add(root, ".")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"cannot unpack '.*short.tar.xz'"):
        load(path)
    path.write_text("no archive")
    for source in ("folder", "cifar10"):
        with pytest.raises(DataError, match="expected a tar archive"):
            load(path, source)


def test_unreadable_images_are_named_and_counted_never_skipped(tmp_path, load):
    root = make_folder(tmp_path / "pets", parts=[("train", 8), ("test", 2)])
    for number in range(5):
        (root / f"train/dog/{number}.png").write_bytes(b"no picture")
    with pytest.raises(DataError) as caught:
        load(root)
    unknown = "unknown format"
    named = ", ".join(f"'{Path('train', 'dog', f'{number}.png')}' ({unknown})" for number in range(3))
    assert str(caught.value) == f"cannot read {named} and 2 more as images; repair or remove them"
    assert not (tmp_path / "cache").exists()


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def break_a_chunk(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b"IDAT", b"IDxx"))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def sixteen_bits(path: Path) -> None:
    Image.fromarray(np.full((8, 10), 40_000, dtype=np.uint16)).save(path)


def replace_with_text(path: Path) -> None:
    path.rename(path.with_suffix(".txt")).write_text("a note")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (cut_short, "1.png'"),
        (break_a_chunk, "1.png'"),
        (empty, r"1.png' \(empty file\)"),
        (sixteen_bits, r"1.png' \(more than 8 bits per channel\)"),
        (replace_with_text, "1.txt'"),
    ],
)
def test_a_damaged_image_is_named(damage, named, tmp_path, load):
    root = make_folder(tmp_path / "pets", size=(40, 30))
    damage(root / "test" / "dog" / "1.png")
    with pytest.raises(DataError, match=f"cannot read 'test.dog.{named}"):
        load(root)


def test_files_that_a_file_manager_leaves_are_no_images(tmp_path, load):
    root = make_folder(tmp_path / "pets")
    for name in (".DS_Store", "Thumbs.db"):
        (root / "train" / "cat" / name).write_bytes(b"?")
    (root / "train" / ".ipynb_checkpoints").mkdir()
    assert load(root).classes == ("cat", "dog")


def test_a_folder_must_have_its_parts_and_classes(tmp_path, load):
    with pytest.raises(DataError, match=r"there is no '.*nowhere'; expected a folder or tar archive"):
        load(tmp_path / "nowhere")
    root = tmp_path / "pets"
    root.mkdir()
    with pytest.raises(DataError, match=r"pets' has no folder 'train'; expected train/<class>/\*"):
        load(root)
    (root / "train").mkdir()
    with pytest.raises(DataError, match="has neither 'test' nor 'val'"):
        load(root)
    make_folder(root, ["cat"])
    with pytest.raises(DataError, match="has one class, 'cat'; expected"):
        load(root)
    (root / "train" / "dog").mkdir()
    with pytest.raises(DataError, match="dog' has no images"):
        load(root)
    make_folder(root)
    write_image(root / "test" / "fish" / "0.png", 1)
    with pytest.raises(DataError, match="fish' is not a class of 'train'; there are cat, dog"):
        load(root)


def test_images_that_do_not_fit_into_memory_are_refused_before_they_are_read(tmp_path, load, monkeypatch):
    import psutil

    root = make_folder(tmp_path / "pets")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1000})())
    # 8 training images of 3 · 8 · 10 bytes, twice: 3,840 bytes.
    with pytest.raises(DataError, match=r"8 images of 10×8 need 3.750 KiB of memory; 1,?000"):
        load(root)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("digit", "did you mean 'digits'"),
        ("cifar", "did you mean 'cifar10'"),
        ("folder", "folder:PATH"),
        ("", "digits"),
    ],
)
def test_a_name_that_is_no_data_is_refused_with_the_nearest(text, hint):
    with pytest.raises(DataError, match=f"data='{text}' is not one of digits") as caught:
        load_data(text)
    assert hint in str(caught.value)


def test_a_bare_path_is_answered_with_how_to_say_it(tmp_path):
    with pytest.raises(DataError, match=f"did you mean 'folder:{tmp_path}'"):
        load_data(str(tmp_path))
