from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import run

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.fixture
def verify(capsys):
    def call(*arguments):
        code = run(["verify", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_contradictions_fail_only_where_strictness_is_asked_for(verify):
    code, out, _ = verify("alexnet")
    assert code == 0
    assert "contradicts" in out
    assert verify("alexnet", "--strict")[0] == 1
    assert verify("vgg19", "--strict")[0] == 0


def test_claims_about_a_model_include_its_ratios_and_class_counts(verify):
    models = {row["model"] for row in json.loads(verify("alexnet_owt", "--format", "json")[1])}
    assert models == {"alexnet_owt", "alexnet_owt@10"}
    models = {row["model"] for row in json.loads(verify("lenet", "--format", "json")[1])}
    assert models == {"lenet", "alexnet_onegpu/lenet"}


def test_users_bring_their_own_claims(verify, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(
        "id,source,model,layer,quantity,claimed,precision,note\n"
        "mine,a slide,torchvision:resnet18,,params,11700000,100000,\n"
    )
    (row,) = json.loads(verify("--claims", str(path), "--format", "json")[1])
    assert (row["computed"], row["verdict"]) == (11_689_512, "rounds")


def test_a_file_that_a_spreadsheet_saved_is_read(verify, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(
        "id,source,model,layer,quantity,claimed,precision,note\nmine,a slide,lenet,,params,61706,1,\n",
        encoding="utf-8-sig",  # with the mark that Excel begins with
        newline="\r\n",
    )
    (row,) = json.loads(verify("--claims", str(path), "--format", "json")[1])
    assert (row["id"], row["verdict"]) == ("mine", "exact")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vgg99"], "there is no claim about MODEL vgg99; did you mean 'vgg19'?"),
        (["--claims", "missing.csv"], "cannot read 'missing.csv': No such file"),
    ],
)
def test_bad_use_is_one_line(verify, arguments, message):
    code, out, err = verify(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_80_columns_show_which_figure_of_which_model_is_claimed_by_whom(verify, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = verify()[1].splitlines()
    assert lines[1].split() == ["Model", "Quantity", "Claimed", "Computed", "Verdict"]
    assert max(map(len, lines)) <= 80
    # The ratio of two models, below the source that states it; its id is in CSV and JSON.
    claims = [line.split() for line in lines[lines.index("lecture L12.3, AlexNet") + 1 :] if line.startswith("  ")]
    assert ["alexnet_onegpu/lenet", "MACs", "250", "2725.57", "contradicts"] in claims
    assert "L1-compute-ratio" not in "".join(lines)
    assert len([line for line in lines[lines.index("torchvision, published weights") :] if line[0] != " "]) <= 3


def test_the_docs_page_is_what_the_command_writes_today(verify):
    assert verify("--format", "markdown")[1] == (DOCS / "claims.md").read_text()
