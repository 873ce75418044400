from __future__ import annotations

import json

import pytest

import archbench
from cli.main import run

HEADER = "id,source,model,layer,quantity,claimed,precision,note\n"


@pytest.fixture
def mine(tmp_path):
    """A file of two claims about LeNet, which has 61,706 parameters."""
    path = tmp_path / "mine.csv"
    path.write_text(f"{HEADER}right,a book,lenet,,params,61706,1,\nwrong,a blog,lenet,,params,60000,1,\n")
    return path


def test_each_claim_has_a_verdict(mine):
    claims = archbench.verify(mine)
    # 60,000 is 2.8% less than 61,706.
    assert [(row.id, row.computed, row.verdict) for row in claims.rows] == [
        ("right", 61_706, "exact"),
        ("wrong", 61_706, "close"),
    ]
    assert claims.contradicted == ()
    mine.write_text(f"{HEADER}half,a blog,lenet,,params,30000,1,\n")
    assert [row.id for row in archbench.verify(str(mine)).contradicted] == ["half"]


def test_claims_show_themselves(mine):
    claims = archbench.verify(mine)
    assert repr(claims) == "<Claims: 2, 0 contradicted>"
    assert str(claims).startswith("2 claims: 1 exact, 1 close\n")
    assert "61706" in claims._repr_html_()
    assert claims.to_frame()["verdict"].tolist() == ["exact", "close"]
    assert (claims.caveats, len(claims.to_dict())) == ((), 2)


def test_the_projects_own_claims_are_the_default(capsys):
    claims = archbench.verify(model="vgg19")
    assert run(["verify", "vgg19", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(claims.to_dict()))


def test_bad_arguments_are_named(mine, tmp_path):
    with pytest.raises(archbench.UsageError, match="there is no claim about model='lenett'; did you mean 'lenet'"):
        archbench.verify(mine, model="lenett")
    with pytest.raises(archbench.InputError, match=r"cannot read '.*missing\.csv': No such file"):
        archbench.verify(tmp_path / "missing.csv")
