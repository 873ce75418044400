from __future__ import annotations

import csv
import io
import json

import pytest
from torch import nn

import archbench as library


@pytest.fixture(scope="module")
def alexnet():
    return library.summarize("alexnet")


@pytest.fixture(scope="module")
def three():
    return library.compare(["alexnet", "vgg16", "zfnet"])


def names(result, field="name"):
    return [row[field] for row in csv.DictReader(io.StringIO(result.render("csv")))]


def lines(result, width=160):
    return result.render("table", width=width).splitlines()


def test_top_has_the_layers_with_the_most_macs(alexnet):
    # 256·27·27·48·25 = 223.9M, 384·13·13·256·9 = 149.5M, 384·13·13·192·9 = 112.1M
    assert names(alexnet.view(top=3)) == ["conv2", "conv3", "conv4"]
    assert names(alexnet.view(top=3, sort="params")) == ["fc6", "fc7", "fc8"]
    assert len(names(alexnet.view(top=99))) == len(alexnet.rows)


def test_below_the_top_rows_the_others_are_one_row_and_the_total_is_that_of_all(alexnet):
    shown = alexnet.view(top=3).to_table()
    assert shown.totals["macs"] == alexnet.totals.macs
    assert shown.folded[-1]["name"] == "20 others"
    for field in ("params", "trainable_params", "macs", "flops", "neurons", "read_bytes", "written_bytes"):
        assert sum(row[field] for row in shown.folded) == shown.totals[field]
    assert any(line.startswith("20 others") for line in lines(alexnet.view(top=3)))
    assert "22 others" in alexnet.view(top=1)._repr_markdown_()
    assert any(line.startswith("1 other ") for line in lines(alexnet.view(top=22)))


def test_numbers_are_sorted_from_the_largest_and_text_from_a_to_z(alexnet):
    macs = [int(value) for value in names(alexnet.view(sort="macs"), "macs")]
    assert macs == sorted(macs, reverse=True)
    types = names(alexnet.view(sort="type"), "type")
    assert types == sorted(types)
    # Layers without a kernel come last.
    assert names(alexnet.view(sort="kernel"), "kernel")[-1] == ""


def test_sorted_rows_have_their_names_in_full():
    blocks = [nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(2)]
    stack = library.summarize(nn.Sequential(*blocks), "4")
    assert {line.split()[0] for line in lines(stack.view(sort="macs"))[2:6]} == {"0.0", "0.1", "1.0", "1.1"}


def test_columns_are_kept_in_their_order_after_the_name(alexnet):
    view = alexnet.view(columns="macs, index,params", top=1)
    assert view.render("csv") == "name,macs,index,params\nconv2,223948800,4,307456\n"
    assert lines(view)[1].split() == ["Layer", "MACs", "#", "Params"]
    assert alexnet.view(columns=["macs"]).to_frame().columns.tolist() == ["name", "macs"]
    assert names(alexnet.view(columns="name,macs"))[0] == "conv1"


def test_percent_is_the_share_of_the_total(alexnet):
    frame = alexnet.view(percent=True).to_frame()
    position = frame.columns.get_loc
    assert position("params_percent") == position("params") + 1
    assert position("macs_percent") == position("macs") + 1
    assert frame.macs_percent.sum() == pytest.approx(100)
    # 37,748,736 weights and 4,096 biases of 60,965,224 parameters
    assert frame.set_index("name").params_percent["fc6"] == pytest.approx(100 * 37_752_832 / 60_965_224)
    total = next(line for line in lines(alexnet.view(percent=True)) if line.startswith("total"))
    assert total.count("100.0") == 2


def test_shares_of_nothing_have_no_value():
    frame = library.summarize(nn.Sequential(nn.ReLU()), "4").view(percent=True).to_frame()
    assert frame.macs_percent.tolist() == [None]


def test_options_go_together():
    view = library.summarize("torchvision:resnet18").view(
        depth=1, sort="params", top=2, columns="params,macs_percent", percent=True
    )
    frame = view.to_frame()
    assert frame.columns.tolist() == ["name", "params", "macs_percent"]
    assert frame.name.tolist() == ["layer4", "layer3"]


def test_a_view_as_json_has_the_form_of_the_result(alexnet, three):
    assert json.dumps(alexnet.view().to_dict()) == json.dumps(alexnet.to_dict())
    document = alexnet.view(depth=0, columns="macs").to_dict()
    assert document["layers"] == [{"name": ".", "macs": alexnet.totals.macs}]
    assert document["totals"] == alexnet.to_dict()["totals"]
    assert three.view().to_dict() == three.to_dict()
    assert three.view(columns="macs").to_dict()[0] == {"model": "alexnet", "macs": 724_406_816}


def test_a_view_keeps_the_caveats():
    class Sorted(nn.Module):
        def forward(self, x):
            return x.sort()[0] if x.sum().item() else x

    summary = library.summarize(Sorted(), "4")
    assert summary.caveats
    assert summary.view(top=1).caveats == summary.caveats


def test_compare_sorts_and_takes_the_largest(three):
    assert names(three.view(sort="year"), "model") == ["vgg16", "zfnet", "alexnet"]
    view = three.view(top=2)
    assert names(view, "model") == ["vgg16", "zfnet"]
    # Ratios refer to the first model, though it is not shown.
    assert "21.4×" in str(view)
    assert "1 other not shown." in str(view)


def test_compare_by_module_has_rows_that_sum_to_each_model(three):
    frame = three.view(depth=1, percent=True).to_frame()
    for row in three.rows:
        modules = frame[frame.model == row.model]
        assert modules.params.sum() == row.params
        assert modules.macs.sum() == row.macs
        assert modules.macs_percent.sum() == pytest.approx(100)
    assert three.view(depth=0).to_frame().macs.tolist() == [row.macs for row in three.rows]


def test_compare_by_module_shows_each_model_before_its_modules():
    shown = lines(library.compare(["lenet", "torchvision:resnet18"]).view(depth=1))
    first = shown.index(next(line for line in shown if line.startswith("torchvision:resnet18")))
    assert "1.814G" in shown[first]
    assert shown[first + 1].startswith("  conv1")
    assert shown[2].startswith("lenet")
    assert library.compare(["lenet"]).view(depth=1, columns="macs").render("csv").startswith("model,layer,macs\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": "macs,parms"}, "columns='parms' is not one of .*; did you mean 'params'"),
        ({"sort": "mac"}, "sort='mac' is not one of .*; did you mean 'macs'"),
        ({"columns": "backward_macs"}, "columns='backward_macs' is not one of"),
        ({"columns": ""}, "columns='' is not one of"),
        ({"top": 0}, "top=0 is not a valid number of rows; give a whole number from 1"),
        ({"depth": -1}, "depth=-1 is not a valid depth; give a whole number from 0"),
    ],
)
def test_what_a_table_does_not_have_is_refused(alexnet, three, options, message):
    for result in (alexnet, three):
        with pytest.raises(library.UsageError, match=message):
            result.view(**options)


def test_compare_has_shares_only_of_modules(three):
    with pytest.raises(library.UsageError, match="percent=True needs depth: models have no total in common"):
        three.view(percent=True)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--depth", "1"], {"depth": 1}),
        (["--top", "3", "--sort", "params"], {"top": 3, "sort": "params"}),
        (["--columns", "macs,params"], {"columns": "macs,params"}),
        (["--depth", "1", "--percent"], {"depth": 1, "percent": True}),
    ],
)
@pytest.mark.parametrize("format", ["csv", "json", "markdown"])
def test_summary_and_compare_are_callers_of_view(archbench_command, alexnet, three, arguments, options, format):
    assert archbench_command("summary", "alexnet", *arguments, "--format", format) == alexnet.view(**options).render(
        format
    )
    models = [row.model for row in three.rows]
    assert archbench_command("compare", *models, *arguments, "--format", format) == three.view(**options).render(format)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depth", "-1"], "'-1' is not a valid number; give a whole number from 0"),
        (["--depth", "two"], "'two' is not a valid number; give a whole number from 0"),
        (["--top", "0"], "'0' is not a valid number; give a whole number from 1"),
        (["--sort", "flop"], "--sort flop is not one of"),
        (["--columns", "macs,param"], "--columns param is not one of"),
    ],
)
@pytest.mark.parametrize("command", ["summary", "compare"])
def test_wrong_options_are_refused_on_one_line(archbench, command, arguments, message):
    code, out, err = archbench(command, "lenet", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_compare_percent_names_the_option_that_is_missing(archbench):
    code, _, err = archbench("compare", "lenet", "alexnet", "--percent")
    assert (code, err) == (2, "archbench: --percent needs --depth: models have no total in common\n")


@pytest.mark.parametrize("option", ["--measured", "--trained"])
def test_modules_have_no_stored_results(archbench, monkeypatch, tmp_path, option):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    code, out, err = archbench("compare", "lenet", option, "--depth", "1")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == f"archbench: {option} has figures of models only; leave --depth out"
