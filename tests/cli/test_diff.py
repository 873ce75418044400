from __future__ import annotations

import csv
import io
import json

import pytest


def test_the_table_shows_what_changed_and_the_file_everything(archbench):
    code, out, err = archbench("diff", "alexnet", "alexnet_onegpu")
    assert (code, err) == (0, "")
    assert "3 changed, 20 the same" in out.splitlines()[0]
    assert "groups 2 -> 1" in out
    # 62,378,344 - 60,965,224 parameters
    assert "Parameters: 60.97M -> 62.38M (1.02×)." in out
    assert "+1.413M" in next(line for line in out.splitlines() if line.startswith("total"))
    rows = list(csv.DictReader(io.StringIO(archbench("diff", "alexnet", "alexnet_onegpu", "--format", "csv")[1])))
    assert len(rows) == 23
    assert list(rows[0]) == [
        "change", "layer_a", "layer_b", "what", "params_difference", "macs_difference", "output_bytes_difference",
    ]  # fmt: skip
    assert len(archbench("diff", "alexnet", "alexnet_onegpu", "--all")[1].splitlines()) > 23


def test_an_inserted_layer_is_described(archbench):
    rows = json.loads(archbench("diff", "vgg11", "vgg13", "--format", "json")[1])
    inserted = [(row["layer_b"], row["what"]) for row in rows if row["change"] == "only_b"]
    assert inserted == [
        ("conv1_2", "Conv2d 3x3 -> 64x224x224"),
        ("relu1_2", "ReLU -> 64x224x224"),
        ("conv2_2", "Conv2d 3x3 -> 128x112x112"),
        ("relu2_2", "ReLU -> 128x112x112"),
    ]


def test_a_saved_summary_is_a_side(archbench, tmp_path):
    saved = str(tmp_path / "then.json")
    archbench("summary", "alexnet", "--output", saved)
    code, out, _ = archbench("diff", saved, "alexnet")
    assert code == 0
    assert "23 the same" in out
    code, _, err = archbench("diff", saved, "alexnet", "--batch", "2")
    assert (code, err) == (2, f"archbench: {saved} and alexnet were counted with batch 1 and 2; count both alike\n")


@pytest.mark.parametrize(
    ("text", "message"), [("[]", "is not a summary"), ("{", "is not a summary"), ('{"model": 1}', "is not a summary")]
)
def test_another_file_is_no_summary(archbench, tmp_path, text, message):
    path = tmp_path / "other.json"
    path.write_text(text)
    code, out, err = archbench("diff", str(path), "alexnet")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("field", "value"), [("params", "many"), ("output_shape", 7), ("kernel", None), ("totals", {}), ("totals", "x")]
)
def test_a_damaged_summary_is_told_in_one_line_or_read(archbench, tmp_path, field, value):
    path = tmp_path / "then.json"
    archbench("summary", "lenet", "--output", str(path))
    document = json.loads(path.read_text())
    (document if field == "totals" else document["layers"][0])[field] = value
    path.write_text(json.dumps(document))
    code, _, err = archbench("diff", str(path), "lenet")
    # A layer without kernel is one, if not LeNet's.
    assert (code, "is not a summary" in err) == ((0, False) if field == "kernel" else (2, True))
    assert "Traceback" not in err


def test_history_is_the_record(archbench):
    rows = json.loads(archbench("history", "--format", "json")[1])
    assert [row["top5_error_percent"] for row in rows] == [28.2, 25.8, 16.4, 11.7, 7.3, 6.7, 3.57, 2.99, 2.25, 5.1]
    assert [row["layers"] for row in rows] == [None, None, 8, 8, 19, 22, 152, None, 154, None]
    counted = {row["model"]: row for row in rows if row["model"]}
    assert counted["alexnet"]["params"] == 60_965_224
    # Two of the six weight layers of GoogLeNet's modules are on the longest path; ResNet-152 has four projections.
    assert all(row["depth"] == row["layers"] for row in counted.values())
    assert (counted["googlenet"]["weight_layers"], counted["resnet152"]["weight_layers"]) == (3 + 6 * 9 + 1, 152 + 4)
