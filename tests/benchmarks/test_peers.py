"""benchmarks/peers.py: a model counted with other tools, why they differ, and the page about it."""

from __future__ import annotations

import json
import math
import re
import sys

import peer_comparison
import peer_tools
import peers
import pytest
import torch
from peer_cases import CASES
from peer_comparison import compare
from peer_isolation import untouched_torch
from peer_page import EXACT, MODELS, ROOT, cell, own_cell
from peer_tables import to_markdown, to_text
from peer_tools import TOOLS, Call, Figures, answer, is_installed, without_submodules
from torch.nn import functional

GPT = f"{ROOT}/benchmarks/gpt_block.py:GPTBlock"
# 128 positions of 768: q, k and v 128·768·2304, output 128·768·768, MLP 2 × 128·768·3072; attention 2 × 128·128·768.
LINEAR = 226_492_416 + 75_497_472 + 2 * 301_989_888
ATTENTION = 25_165_824
PAGE = ROOT / "docs" / "peers.md"


@pytest.fixture
def fake(monkeypatch):
    """Return a function that makes `fake` a tool which has given figures."""

    def make(counts):
        monkeypatch.setitem(TOOLS, "fake", counts)
        monkeypatch.setattr(peer_tools, "version", lambda tool: "1.0")
        monkeypatch.setattr(peer_comparison, "is_installed", lambda tool: True)
        return compare(GPT, tools=["fake"])

    return make


def found(comparison, tool):
    return {(item.kind, item.type, item.what): item.macs for item in comparison.differences[tool]}


def test_a_gpt_block_has_the_macs_derived_by_hand():
    comparison = compare(GPT, tools=["torch"])
    assert comparison.macs == LINEAR + ATTENTION == 12 * 128 * 768**2 + 2 * 128**2 * 768
    assert [math.prod(item.factors) * item.calls for item in comparison.derivations] == [
        226_492_416, ATTENTION, 75_497_472, 301_989_888, 301_989_888,
    ]  # fmt: skip
    assert comparison.reference_macs == comparison.answers[0].figures.macs == comparison.macs
    assert comparison.verdict.startswith("931,135,488 MACs is right: the sum of the 5 products below.")


def test_fvcore_misses_attention_and_counts_normalisation():
    pytest.importorskip("fvcore")
    comparison = compare(GPT, tools=["fvcore"])
    assert found(comparison, "fvcore") == {
        ("missed", "GPTBlock", "scaled_dot_product_attention"): -ATTENTION,
        ("added", "LayerNorm", "5 per element"): 5 * 2 * 128 * 768,
    }
    assert "fvcore reports that it does not count: add 2, scaled_dot_product_attention 1, gelu 1." in to_markdown(
        comparison
    )


@pytest.mark.parametrize(
    ("tool", "added"),
    [
        # biases of the outputs; GELU in its module and again as a function; normalisation once
        ("ptflops", {"bias": 128 * (2304 + 768 + 3072 + 768), "1 per element": 2 * 128 * 768, "gelu": 2 * 128 * 3072}),
        ("thop", {"4 per element": 4 * 2 * 128 * 768}),
        ("calflops", {}),
    ],
)
def test_other_tools_miss_attention_in_a_gpt_block(tool, added):
    pytest.importorskip(tool)
    comparison = compare(GPT, tools=[tool])
    assert found(comparison, tool)["missed", "GPTBlock", "scaled_dot_product_attention"] == -ATTENTION
    assert sum(item.macs for item in comparison.differences[tool] if item.kind == "added") == sum(added.values())


def test_torchinfo_counts_the_weights_of_a_linear_layer_once_for_a_sequence():
    pytest.importorskip("torchinfo")
    weights = 768 * 2304 + 768 * 768 + 2 * 768 * 3072 + 2304 + 768 + 3072 + 768
    once = ("missed", "Linear", "counts each parameter once per sample")
    assert found(compare(GPT, tools=["torchinfo"]), "torchinfo")[once] == weights - LINEAR


def test_figures_of_modules_show_which_are_missed(fake):
    """Of c_attn the bias is counted too, c_proj is not, and the MLP is counted on the root."""
    bias, root = 128 * 2304, ATTENTION + 2 * 301_989_888
    total = 226_492_416 + bias + root
    comparison = fake(lambda call: Figures(2 * total, "FLOPs", total, {"c_attn": 226_492_416 + bias, ".": root}))
    assert found(comparison, "fake") == {
        ("added", "Linear", "bias"): bias,
        ("missed", "Linear", "weight"): -75_497_472,
    }


def test_a_total_alone_is_explained_by_products_that_sum_to_the_difference(fake):
    comparison = fake(lambda call: Figures(LINEAR, "MACs", LINEAR, elsewhere=LINEAR))
    assert found(comparison, "fake") == {("missed", "GPTBlock", "scaled_dot_product_attention"): -ATTENTION}
    whole = LINEAR + ATTENTION
    assert not found(fake(lambda call: Figures(whole, "MACs", whole, elsewhere=whole)), "fake")


def test_a_difference_that_no_sum_gives_is_unexplained(fake):
    comparison = fake(lambda call: Figures(7, "MACs", 7, {"c_attn": 7}))
    assert found(comparison, "fake")["unexplained", "Linear", "unexplained"] == 7 - 226_492_416
    assert sum(item.macs for item in comparison.differences["fake"]) == 7 - comparison.macs


def test_a_tool_that_fails_is_a_row_and_a_line(fake):
    def fail(call):
        raise RuntimeError("no rule\nfor this")

    text = to_text(fake(fail))
    assert re.search(r"^fake +fails", text, re.MULTILINE)
    assert "fake fails: RuntimeError: no rule." in text


def test_a_tool_that_is_not_installed_is_one_line_with_its_package(monkeypatch):
    monkeypatch.setattr(peer_comparison, "is_installed", lambda tool: tool == "torch")
    lines = to_text(compare(GPT)).splitlines()
    assert [line for line in lines if line.startswith("Not installed")] == [
        f"Not installed: {tool} (pip install {tool})." for tool in TOOLS if tool != "torch"
    ]


def test_what_a_tool_replaced_in_torch_is_put_back():
    """calflops leaves its functions in torch when a model has no parameters."""
    relu, matmul = functional.relu, torch.Tensor.matmul
    with untouched_torch():
        functional.relu = torch.Tensor.matmul = print
    assert functional.relu is relu
    assert torch.Tensor.matmul is matmul


def test_what_a_tool_prints_is_not_shown(fake, capsys):
    def noisy(call):
        sys.stdout.write("INFO")
        return Figures(0, "MACs", 0)

    fake(noisy)
    assert capsys.readouterr().out == ""


def test_figures_that_include_submodules_become_those_of_modules_alone():
    nested = {".": 10.0, "a": 6.0, "a.b.c": 4.0, "d": 4.0}
    assert without_submodules(nested) == {".": 0, "a": 2, "a.b.c": 4, "d": 4}


def test_peers_prints_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert peers.main([GPT]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[1:])) <= 80
    assert lines[1].split() == ["Tool", "Counted", "Unit", "MACs", "Difference", "Time"]


def test_peers_as_json_has_every_figure(capsys):
    assert peers.main(["lenet5", "--batch", "2", "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["macs"] == 2 * 326_520
    assert record["answers"][0]["figures"]["raw"] == 4 * 326_520  # FLOPs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["torchvision:resnet5"], "error: torchvision has no model 'resnet5'; did you mean 'resnet50'?\n"),
        (["lenet5", "--batch", "0"], "error: --batch 0 is not a whole number from 1\n"),
        (["lenet5", "--input", "3y2"], None),
        (["torchvision:fasterrcnn_resnet50_fpn"], None),
    ],
)
def test_a_bad_argument_of_peers_is_one_line(arguments, message, capsys):
    assert peers.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in (None, error)


def test_what_the_model_prints_is_no_part_of_the_result(capsys, tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\nclass Net(nn.Module):\n    def forward(self, x):\n        return print('hello') or x\n"
    )
    assert peers.main([f"{tmp_path}/net.py:Net", "--input", "3", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["verdict"].startswith("The model has no products. torch's FlopCounterMode, with attention as ")
    assert "hello" in err


def test_a_total_that_is_not_the_sum_of_the_modules_has_a_row_for_the_rest(fake):
    comparison = fake(lambda call: Figures(LINEAR, "MACs", LINEAR, {"c_attn": 226_492_416}))
    assert found(comparison, "fake")["unexplained", "", "in the total, not in the figures of modules"] == (
        LINEAR - 226_492_416
    )
    assert sum(item.macs for item in comparison.differences["fake"]) == LINEAR - comparison.macs


def test_products_without_a_derivation_are_confirmed_by_torch(tmp_path):
    """An LSTM's is one kernel: 7 steps × 4·32·(16 + 32)."""
    (tmp_path / "net.py").write_text("from torch import nn\ndef Net(): return nn.LSTM(16, 32, batch_first=True)\n")
    comparison = compare(f"{tmp_path}/net.py:Net", ["7x16"], tools=[])
    assert comparison.macs == comparison.reference_macs == 7 * 4 * 32 * (16 + 32)
    assert "MACs is right: the sum of the 1 product below, 1 of them by archbench's own rules." in comparison.verdict


@pytest.mark.parametrize("arguments", [[], [GPT, "--page"]])
def test_peers_takes_an_address_or_page(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        peers.main(arguments)
    assert "give an ADDRESS, such as torchvision:vit_b_16, or --page" in capsys.readouterr().err


def test_the_page_needs_every_tool(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "is_installed", lambda tool: tool != "thop")
    assert peers.main(["--page", str(tmp_path / "page.md")]) == 2
    assert capsys.readouterr().err == "error: --page needs every tool: pip install thop\n"


@pytest.mark.slow
@pytest.mark.parametrize(("title", "address"), MODELS)
def test_the_page_has_todays_figures_of_archbench_and_torch(title, address, monkeypatch):
    monkeypatch.chdir(ROOT)
    section = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    today = to_markdown(compare(address, tools=["torch"]))
    for line in [*today.splitlines()[4:6], *today.partition("**The products")[2].splitlines()]:
        assert line.rpartition(" | ")[0] in section  # the last column of the first table is a time
    assert today.partition(" MACs is right")[0].rpartition("\n")[2] + " MACs is right" in section


def test_the_page_has_todays_cells_of_archbench_and_torch():
    page = PAGE.read_text(encoding="utf-8")
    for case in CASES:
        assert own_cell(case) == EXACT
        assert f"| {case.name} | {case.macs:,} | {case.derivation} | ✓ | {cell('torch', case)} |" in page


@pytest.mark.parametrize("tool", TOOLS)
def test_the_differences_sum_to_the_difference_of_the_totals(tool):
    pytest.importorskip(tool)
    comparison = compare("torchvision:shufflenet_v2_x0_5", ["3x64x64"], batch=2, tools=[tool])
    change = comparison.answers[0].figures.macs - comparison.macs
    assert sum(item.macs for item in comparison.differences[tool]) == change


def test_an_answer_has_the_version_of_the_tool():
    model = torch.nn.Linear(2, 3)
    found = answer("torch", Call(model, (torch.zeros(1, 2),), {}))
    assert found.version == torch.__version__.partition("+")[0]
    assert found.figures == Figures(12, "FLOPs", 6, {".": 6})
    assert is_installed("torch")
    assert not is_installed("no_such_tool")
