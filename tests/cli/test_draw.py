from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli.main import run


@pytest.fixture
def draw(capsys, tmp_path, monkeypatch):
    """Run the command in an empty folder and return its exit code, output and messages."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run(["draw", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_the_ending_says_what_is_written(draw):
    assert draw("lenet", "--output", "a.svg") == (0, "", "wrote a.svg\n")
    assert Path("a.svg").read_text().startswith("<svg ")
    assert draw("lenet", "--output", "a.PNG") == (0, "", "wrote a.PNG\n")
    assert Path("a.PNG").read_bytes().startswith(b"\x89PNG")


def test_the_file_is_named_for_the_model(draw):
    assert draw("torchvision:resnet18")[2] == "wrote torchvision_resnet18.svg\n"
    assert draw("lenet?activation=relu")[2] == "wrote lenet_activation=relu.svg\n"
    assert sorted(path.name for path in Path().iterdir()) == ["lenet_activation=relu.svg", "torchvision_resnet18.svg"]


def test_chains_are_volumes_and_others_blocks_unless_said(draw):
    draw("lenet", "--output", "volumes.svg")
    draw("lenet", "--style", "blocks", "--output", "blocks.svg")
    draw("lenet", "--depth", "1", "--output", "depth.svg")
    assert "<polyline" in Path("volumes.svg").read_text()
    assert 'class="block"' in Path("blocks.svg").read_text()
    assert Path("depth.svg").read_text() == Path("blocks.svg").read_text()
    draw("torchvision:resnet18", "--output", "resnet.svg")
    assert 'class="block"' in Path("resnet.svg").read_text()


def test_the_title_has_input_parameters_and_macs(draw):
    draw("alexnet", "--output", "a.svg")
    assert ">input 3x227x227; 60,965,224 parameters, 724,406,816 MACs<" in Path("a.svg").read_text()
    draw("torchvision:resnet18", "--input", "3x64x64", "--output", "b.svg")
    assert ">input 3x64x64; 11,689,512 parameters" in Path("b.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet", "--output", "a.pdf"], "--output a.pdf has none of the endings .svg, .png"),
        (["lenet", "--output", "a"], "none of the endings .svg, .png"),
        (["torchvision:resnet18", "--style", "volumes"], "use --style blocks"),
        (["lenet", "--style", "volumes", "--depth", "2"], "--depth 2 requires --style blocks"),
        (["lenet", "--depth", "0"], "--depth"),
        (["lenet", "--style", "cubist"], "cubist"),
        (["lenet", "--output", "missing/a.svg"], "cannot write 'missing/a.svg'"),
        (["lenett"], "lenet"),
    ],
)
def test_bad_use_is_one_line_and_writes_nothing(draw, arguments, message):
    code, out, err = draw(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_png_without_its_library_says_what_to_install(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    code, _, err = draw("lenet", "--output", "a.png")
    assert code == 2
    assert "pip install vl-convert-python" in err
    assert not Path("a.png").exists()
    assert draw("lenet", "--output", "a.svg")[0] == 0
