from __future__ import annotations

import re

import pytest
import torch
from torch import nn

import archbench
from cli.main import run


def test_a_drawing_is_the_commands_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawing = archbench.draw("lenet")
    assert run(["draw", "lenet"]) == 0
    assert (tmp_path / "lenet.svg").read_text() == drawing._repr_svg_()
    drawing.save("lenet.png")
    assert (tmp_path / "lenet.png").read_bytes().startswith(b"\x89PNG")
    assert re.fullmatch(r"<Drawing of lenet: \d+ characters of SVG>", repr(drawing))


def test_a_module_is_drawn_in_blocks():
    drawing = archbench.draw(nn.Sequential(nn.Linear(3, 4)), inputs="3")
    assert 'class="block"' in drawing.svg
    assert drawing.caveats == ()


def test_what_was_not_counted_is_a_caveat():
    class Bessel(nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(x)

    assert archbench.draw(Bessel(), inputs="4").caveats == (
        "Bessel: uncounted, in no figure of MACs: aten.special_bessel_j0",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"style": "cubist"}, "style='cubist' is not one of auto, volumes, blocks"),
        ({"style": "volumes", "depth": 2}, "depth=2 requires style='blocks'"),
        ({"depth": 0}, "depth=0 is not a number of levels"),
        ({"style": "volumes"}, "Linear is not a chain of 2-d feature maps; use style='blocks'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(archbench.UsageError, match=message):
        archbench.draw(nn.Linear(3, 4), inputs="3", **arguments)


def test_another_ending_writes_nothing(tmp_path):
    with pytest.raises(archbench.UsageError, match=r"has none of the endings \.svg, \.png"):
        archbench.draw("lenet").save(tmp_path / "lenet.pdf")
    assert list(tmp_path.iterdir()) == []
