from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import torch
from torch import nn

import archbench
from tests.helpers.experts import Block, Stacked

CONTRACT_TOTALS = "params trainable_params param_bytes weight_layers neurons macs flops".split()


def test_importing_the_package_imports_neither_torch_nor_pandas(new_interpreters):
    code = "import archbench, sys; assert not {'torch', 'pandas', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_first_trace_loads_no_heavy_modules(new_interpreters):
    code = (
        "import sys; import archbench\n"
        "from archbench.models.address import find; from archbench.models.inputs import InputSpec\n"
        "for name in ('alexnet', 'zfnet', 'vgg16_bn', 'lenet5', 'googlenet', 'resnet20'):\n"
        "    source = find(name)\n"
        "    archbench.summarize(source.build(), InputSpec(source.card.input_shape).tensor(1))\n"
        "assert not {'sympy', 'torch._dynamo', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_the_command_loads_no_library_that_charts_pages_and_data_need(new_interpreters):
    code = (
        "import sys; from cli.main import run; assert run(['summary', 'vgg16']) == 0\n"
        "heavy = {'altair', 'fvcore', 'jinja2', 'pandas', 'scipy', 'sklearn', 'torchvision', 'vl_convert'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_summary_has_totals_and_a_data_frame():
    summary = archbench.summarize(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.empty(2, 3))
    assert summary.totals.macs == 2 * 3 * 4
    assert summary.totals.params == 16
    assert isinstance(summary.layers, pd.DataFrame)
    assert summary.layers.macs.tolist() == [24, 0]
    assert summary.layers.output_shape.tolist() == [(2, 4), (2, 4)]
    assert summary.uncounted == {}


def test_a_summary_as_a_dict_is_json_with_the_contracts_keys():
    summary = archbench.summarize(nn.Linear(3, 4), torch.empty(2, 3))
    document = json.loads(json.dumps(summary.to_dict()))
    keys = "schema_version model inputs dtype batch mode totals layers uncounted caveats versions"
    assert list(document) == keys.split()
    assert (document["schema_version"], document["caveats"]) == (1, [])
    assert document["inputs"] == [[2, 3]]
    assert (document["model"], document["dtype"], document["batch"], document["mode"]) == (
        "Linear",
        "float32",
        2,
        "eval",
    )
    assert set(CONTRACT_TOTALS) <= set(document["totals"])
    assert not {"training_macs", "peak_training_bytes"} & set(document["totals"])
    assert document["layers"][0]["input_shape"] == [2, 3]


def test_a_summary_shows_itself_as_a_table_in_a_notebook():
    html = archbench.summarize(nn.Sequential(nn.Linear(3, 4)), torch.empty(2, 3))._repr_html_()
    assert html.startswith("<table>")
    assert ">Linear</td>" in html
    assert html.count("<tr>") == 3  # heading, one layer, totals


def test_compare_gives_one_row_a_model_in_the_order_given():
    frame = archbench.compare({"b": nn.Linear(3, 4), "a": nn.Linear(3, 8)}, torch.empty(1, 3)).to_frame()
    assert frame.model.tolist() == ["b", "a"]
    assert frame.macs.tolist() == [12, 24]
    assert (
        list(frame.columns)
        == (
            "model title year input_shape weight_layers params macs flops neurons param_bytes peak_inference_bytes "
            "intensity reported_top5_error_percent"
        ).split()
    )


def test_a_model_that_does_not_run_raises_with_its_own_error_as_the_cause():
    class Broken(nn.Module):
        def forward(self, x):
            raise KeyError("mine")

    with pytest.raises(archbench.ForwardError) as error:
        archbench.summarize(Broken(), torch.empty(1))
    assert isinstance(error.value.__cause__, KeyError)


def test_a_saved_summary_is_read_again(tmp_path):
    path = tmp_path / "lenet.json"
    summary = archbench.summarize("lenet", batch=2, mode="train")
    summary.save(path)
    again = archbench.Summary.from_json(path)
    assert again.to_dict() == summary.to_dict()
    assert (again.totals, again.rows, str(again.inputs)) == (summary.totals, summary.rows, str(summary.inputs))


def test_a_total_that_a_saved_summary_lacks_is_absent(tmp_path):
    path = tmp_path / "old.json"
    path.write_text('{"totals": {"params": 5}}')
    summary = archbench.Summary.from_json(path)
    assert (summary.model, summary.totals.params, summary.totals.macs, summary.rows) == ("old", 5, None, ())
    assert summary.to_dict()["totals"] == {"params": 5}


@pytest.mark.parametrize("text", ["{", "[1]", "{}", '{"totals": [1]}', '{"totals": {}, "inputs": 1}'])
def test_another_file_is_not_a_summary(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(archbench.InputError, match="is not a summary"):
        archbench.Summary.from_json(path)


@pytest.mark.parametrize("call", [archbench.summarize, archbench.memory])
def test_an_exported_program_is_refused_with_the_way_to_its_module(call):
    class ExportedProgram:  # as torch.export makes it
        pass

    with pytest.raises(TypeError, match=r"; pass its \.module\(\)"):
        call(ExportedProgram(), torch.empty(1, 3))


@pytest.mark.parametrize("model", [None, 5, nn.Linear, [nn.Linear(3, 4)]])
def test_what_is_neither_a_module_nor_an_address_is_a_type_error(model):
    with pytest.raises(TypeError, match=r"a model is a torch.nn.Module or an address such as 'vgg16', not "):
        archbench.summarize(model, "3")


@pytest.mark.parametrize("verb", [archbench.memory, archbench.compare])
def test_verbs_of_several_models_name_what_is_not_one(verb):
    for models in (None, 5, nn.Linear, [5]):
        with pytest.raises(TypeError, match=r"a model is a torch.nn.Module or an address such as 'vgg16', not "):
            verb(models)


@pytest.mark.parametrize("verb", [archbench.summarize, archbench.memory, archbench.compare, archbench.explain])
@pytest.mark.parametrize("batch", [0, -1, 1.5, "x"])
def test_a_batch_is_a_whole_number_from_1(verb, batch):
    with pytest.raises(archbench.UsageError, match=f"batch={batch!r} is not a whole number from 1"):
        verb("lenet", batch=batch)


def test_a_number_is_not_an_input():
    with pytest.raises(archbench.InputError, match="inputs=7 is neither tensors nor a shape as text"):
        archbench.summarize("lenet", 7)


def test_several_threads_may_summarize_the_same_module():
    model = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU()) for _ in range(10)))
    before = model.state_dict(keep_vars=True)
    with ThreadPoolExecutor(5) as pool:
        summaries = list(pool.map(lambda _: archbench.summarize(model, "8", batch=2, mode="train"), range(20)))
        estimates = list(
            pool.map(lambda dtype: archbench.memory(model, "8", batch=2, dtype=dtype), ["bf16", "fp32"] * 10)
        )
    assert len({summary.totals for summary in summaries}) == 1
    assert len({estimate.rows[0].peak_bytes for estimate in estimates}) == 2
    after = model.state_dict(keep_vars=True)
    assert all(after[name] is tensor for name, tensor in before.items())
    assert not any("forward" in vars(module) for module in model.modules())


def test_a_summary_of_another_schema_is_refused(tmp_path):
    path = tmp_path / "later.json"
    path.write_text(json.dumps({**archbench.summarize("lenet").to_dict(), "schema_version": 2}))
    with pytest.raises(archbench.InputError, match="was written by another version of archbench"):
        archbench.Summary.from_json(path)


@pytest.fixture(scope="module")
def stack():
    """Five rows: a layer, and two equal blocks of 20 weights and 16 MACs per sample."""
    blocks = [nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(2)]
    return archbench.summarize(nn.Sequential(nn.Linear(3, 4), *blocks), torch.empty(1, 3))


def test_repeated_blocks_are_shown_once_as_text_html_and_markdown(stack):
    lines = stack.render("table", width=120).splitlines()
    cells = [line.split("  ") for line in lines]
    assert [line[0] for line in cells[2:4]] == ["0", "1 … 2 ×2"]
    assert [line[:3] for line in lines[4:6]] == ["  0", "  1"]
    # 2 blocks, each of 4·4 weights, 4 biases, 16 MACs and 2·16 + 4 + 4 FLOPs.
    assert lines[3].split()[3:9] == ["×2", "Sequential", "40", "8", "32", "80"]
    assert "| 1 … 2 ×2 | Sequential |" in stack._repr_markdown_()
    assert "| &nbsp;&nbsp;0 | Linear |" in stack._repr_markdown_()
    assert ">1 … 2 ×2</td>" in stack._repr_html_()
    assert ">&nbsp;&nbsp;0</td>" in stack._repr_html_()


def test_data_has_every_row_of_repeated_blocks(stack):
    names = ["0", "1.0", "1.1", "2.0", "2.1"]
    assert [row.name for row in stack.rows] == stack.to_frame().name.tolist() == names
    assert [row["name"] for row in stack.to_dict()["layers"]] == names
    assert [line.split(",")[1] for line in stack.render("csv").splitlines()[1:]] == names


def test_a_saved_summary_shows_repeated_blocks_once(stack, tmp_path):
    stack.save(tmp_path / "stack.json")
    assert "1 … 2 ×2" in str(archbench.Summary.from_json(tmp_path / "stack.json"))


def test_a_note_counts_the_columns_that_csv_and_json_have_more_of(stack):
    wide, narrow = (stack.render("table", width=width).splitlines() for width in (160, 40))
    assert narrow[2].split() == ["Layer", "Output", "Params", "MACs"]
    assert wide[1].split() == "Layer Type Calls Input Output Params Neurons MACs FLOPs Read Written FLOP/B".split()
    assert narrow[-1] == "+8 columns in CSV and JSON."
    assert "columns" not in wide[-1]


def test_a_mixture_of_experts_has_the_parameters_that_a_token_uses(tmp_path):
    summary = archbench.summarize(Block(Stacked("gathered")), torch.randn(1, 8, 16))
    # Two of four experts of 2 x 16 x 32, a router of 4 x 16 and a layer of 16 x 16.
    assert summary.to_dict()["totals"]["active_params"] == summary.totals.active_params == 2 * 1024 + 64 + 256
    # Each of 8 tokens meets those parameters once.
    assert summary.totals.macs == 8 * summary.totals.active_params
    assert "Active per token: 2.368K of 4.416K parameters (2 of 4 experts)." in str(summary)
    summary.save(tmp_path / "net.json")
    saved = archbench.Summary.from_json(tmp_path / "net.json")
    assert saved.totals == summary.totals
    assert "Active per token: 2.368K of 4.416K parameters." in str(saved)
    assert archbench.check(Block(Stacked("grouped")), torch.randn(1, 8, 16), baseline=summary, max_params=5000).rows


def test_a_model_without_experts_has_no_active_parameters():
    summary = archbench.summarize(nn.Linear(3, 4), torch.empty(1, 3))
    assert "active_params" not in summary.to_dict()["totals"]
    assert "Active" not in str(summary)


def test_summarize_refuses_nested_tensors_and_counts_an_empty_batch():
    with pytest.raises(archbench.errors.InputError, match="inputs has a nested tensor, which cannot be traced"):
        archbench.summarize(nn.ReLU(), torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]))
    assert archbench.summarize(nn.Linear(2, 3), torch.empty(0, 2)).totals.macs == 0
