from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from fractions import Fraction

import pytest
from torch import nn

from archbench.analyze.claims import Judged
from archbench.analyze.explain.explain import explain
from archbench.analyze.layers import layer_table
from archbench.models.address import find
from archbench.reporting.export.csv import to_csv
from archbench.reporting.page.build import report_page
from archbench.reporting.page.header import page_sentences
from archbench.reporting.page.models import anchors
from archbench.reporting.page.payload import PageData
from archbench.reporting.page.workings import workings
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.summary import summary_table
from archbench.store.records import Configuration, Result
from tests.helpers.pages import Reader, report_contents, report_model

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def result(model, **changes):
    configuration = Configuration(model, "1x32x32", "cpu", "A CPU", "eval", 1, "fp32", "nchw", False, False, 2)
    figures = {"images_per_s": 100.0, "images_per_s_low": 90.0, "images_per_s_high": 110.0, "latency_s_median": 0.01}
    named = {"run_id": "r1", "started_at": "2026-01-01T00:00:00+00:00", "machine": "here", "status": "ok"}
    return Result(configuration=configuration, **(named | figures | changes))


@pytest.fixture(scope="module")
def lenet():
    return report_model("lenet")


@pytest.fixture(scope="module")
def full(lenet):
    claims = [Judged("C1", "a lecture", "lenet", "conv1", "filters", "6", 6, "exact", "")]
    return Reader(report_page(report_contents(lenet, report_model("lenet5"), results=[result("lenet")], claims=claims)))


def test_ids_are_unique_and_every_anchor_and_label_has_its_target(full):
    ids = full.all("id")
    assert len(ids) == len(set(ids))
    targets = [address.removeprefix("#") for address in full.all("href") if address.startswith("#")]
    labels = [name for names in full.all("aria-labelledby") for name in names.split()]
    assert {*targets, *labels} <= set(ids)
    assert {"main", "overview", "model-lenet", "model-lenet5", "environment"} <= set(targets)
    assert full.open == []


def test_nothing_is_loaded(full):
    addresses = [*full.all("src"), *full.all("href"), *full.all("data"), *full.all("srcset")]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    (style,) = (attributes for tag, attributes in full.elements if attributes.get("http-equiv"))
    assert style["content"].startswith("default-src 'none';")
    assert "unsafe-eval" not in style["content"]


def test_a_layer_table_as_csv_is_that_of_summary(full, lenet):
    table = full.data["tables"]["model-lenet"]
    lines = [[column["field"] for column in table["columns"]]]
    lines += [[cell[0] if isinstance(cell, list) else cell for cell in row] for row in table["rows"]]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    assert text.getvalue() == to_csv(summary_table(layer_table(lenet.trace), model="lenet", batch=1, mode="eval"))


def test_cells_have_the_raw_value_and_the_text_where_it_is_another(full):
    table = full.data["tables"]["overview"]
    cells = dict(zip([column["field"] for column in table["columns"]], table["rows"][0], strict=True))
    # (5·5·1 + 1)·6 + (5·5·6 + 1)·16 + 401·120 + 121·84 + 85·10 = 61,706
    assert cells["params"] == [61706, "61.71K"]
    assert cells["model"] == "lenet"
    assert cells["reported_top5_error_percent"] is None


def test_workings_belong_to_the_columns_that_they_explain(lenet):
    remarks, lines = workings(explain(lenet.trace).layers)[0]
    assert remarks == ["6 filters of 1x5x5"]
    assert [
        "output_shape",
        "output width = output height",
        "⌊(n − k + 2·p)/s⌋ + 1",
        "⌊(32 − 5 + 2·0)/1⌋ + 1 = 28",
    ] in lines
    assert ["macs", "MACs", "w·o", "150·28·28 = 117,600"] in lines
    assert {line[0] for line in lines} >= {"params", "neurons", "flops", "param_bytes", "output_bytes", ""}


def test_every_derived_result_is_the_number_in_its_cell(full):
    table = full.data["tables"]["model-lenet"]
    places = {column["field"]: place for place, column in enumerate(table["columns"])}
    for row, (_, lines) in zip(table["rows"], table["workings"], strict=True):
        for field, name, _, numbers in lines:
            if field in ("params", "macs", "flops", "neurons") and name != "weights":
                cell = row[places[field]]
                value = cell[0] if isinstance(cell, list) else cell
                assert Fraction(re.sub(r"[^0-9]", "", numbers.rpartition("=")[2])) == value


def test_texts_of_others_stay_texts():
    card = replace(find("lenet").card, title=HOSTILE, paper=HOSTILE, differences=HOSTILE)
    hostile = replace(report_model(HOSTILE, nn.Sequential(nn.Linear(4, 2)), (4,)), card=card)
    judged = Judged(HOSTILE, HOSTILE, HOSTILE, "", "params", "1", 2, "contradicts", HOSTILE)
    bad = result(HOSTILE, status="failed", reason=HOSTILE, environment={HOSTILE: HOSTILE})
    page = Reader(report_page(report_contents(hostile, claims=[judged], results=[bad])))
    # The page's own: data, library, script.
    assert len([tag for tag, _ in page.elements if tag == "script"]) == 3
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert page.data["tables"]["overview"]["rows"][0][0] == HOSTILE
    assert HOSTILE in "".join(page.text)


def test_models_whose_addresses_differ_in_signs_alone_have_sections_of_their_own():
    one = report_model("net", nn.Linear(2, 2), (2,))
    found = anchors([replace(one, address=address) for address in ("a.py:Net", "a/py?Net", "a-py-Net", "<>")])
    assert list(found.values()) == ["model-a-py-Net", "model-a-py-Net--2", "model-a-py-Net--3", "model-unnamed"]


def test_what_is_missing_is_said_with_the_command_that_makes_it(lenet):
    page = Reader(report_page(report_contents(replace(lenet, address="my net.py:Net"))))
    text = "".join(page.text)
    assert "archbench bench 'my net.py:Net'" in text
    assert "archbench train 'my net.py:Net' --out DIR" in text
    assert "--device NAME" in text
    assert "measured" not in page.data["tables"]
    assert "claims" not in page.data["views"]


def test_commands_that_make_what_is_missing_have_the_inputs_of_the_report(lenet):
    text = "".join(Reader(report_page(report_contents(lenet, inputs=["1x33x33"]))).text)
    assert "archbench bench lenet --input 1x33x33" in text
    assert "archbench report lenet --input 1x33x33 --device NAME" in text
    assert "archbench report lenet --input 1x33x33 --run DIR" in text


@pytest.mark.parametrize(("shape", "is_published"), [((3, 227, 227), True), ((3, 229, 229), False)])
def test_an_error_is_shown_on_the_input_that_it_was_published_for(shape, is_published):
    page = Reader(report_page(report_contents(report_model("alexnet", shape=shape))))
    assert ("Reported top-5 error: 18.2%" in "".join(page.text)) == is_published
    assert any("Published" in chart["description"] for chart in page.data["charts"].values()) == is_published
    table = page.data["tables"]["overview"]
    cells = dict(zip([column["field"] for column in table["columns"]], table["rows"][0], strict=True))
    assert cells["reported_top5_error_percent"] == (18.2 if is_published else None)


def test_a_model_that_needed_real_data_is_said_to_have_had_it(lenet):
    real = replace(lenet, address="real", trace=replace(lenet.trace, real_data_reason="it reads values"))
    begins = [next(page_sentences(report_contents(*each))) for each in ([lenet], [lenet, real], [real])]
    assert "on tensors without data, one sample" in begins[0]
    assert "on tensors without data (real: on real data), one sample" in begins[1]
    assert "on real data, one sample" in begins[2]
    # Below the overview, and in the model's own section.
    text = "".join(Reader(report_page(report_contents(lenet, real))).text)
    assert text.count("real: run on real data, because it reads values") == 2


def test_a_rate_that_is_not_to_be_believed_is_flagged_and_its_reason_said(lenet):
    flagged = result("lenet", status="implausible", reason="faster than the device")
    page = Reader(report_page(report_contents(lenet, results=[flagged])))
    table = page.data["tables"]["measured"]
    cells = dict(zip([column["field"] for column in table["columns"]], table["rows"][0], strict=True))
    assert cells["images_per_s"] == [100.0, "flagged"]
    assert "faster than the device" in "".join(page.text)


def test_of_more_measurements_than_fit_the_page_says_how_many_there_are(lenet):
    page = Reader(report_page(report_contents(lenet, results=[result("lenet")], num_results_left_out=4999)))
    assert "Measured on A CPU (1 result); these are the newest 1 of 5,000." in "".join(page.text)
    captions = {name: view["caption"] for name, view in page.data["views"].items()}
    assert captions["measured"] == "Measurements, the newest 1 of 5,000"
    assert captions["model-lenet-measured"] == "Measurements of lenet among the newest 1 of 5,000"


def test_measurements_stand_with_their_model_too(full):
    assert full.data["views"]["model-lenet-measured"]["rows"] == [0]
    assert "model-lenet5-measured" not in full.data["views"]


def test_each_machine_has_a_column_in_the_environment(lenet):
    newest, other = result("lenet", environment={"torch": "2.1"}), result("lenet", run_id="r2", machine="there")
    older = result("lenet", run_id="r3", environment={"torch": "2.0"})
    page = Reader(report_page(report_contents(lenet, results=[newest, other, older])))
    table = page.data["tables"]["environment"]
    headings = [column["heading"] for column in table["columns"]]
    assert sorted(headings[1:]) == ["Measured: A CPU (here)", "Measured: A CPU (there)", "This page"]
    (torch_row,) = (row for row in table["rows"] if row[0] == "torch")
    assert torch_row[headings.index("Measured: A CPU (here)")] == "2.1"


def test_numbers_that_json_or_javascript_lack_are_kept_as_well_as_can_be():
    data = PageData(themes={})
    columns = (Column("name", "Name"), Column("count", "Count", "integer", 1), Column("loss", "Loss", "measure", 2))
    rows = [{"name": "a", "count": 2**53 + 1, "loss": float("nan")}, {"name": "b", "count": 3, "loss": 0.5}]
    data.add_table("t", Table(columns, rows))
    data.add_chart({"datasets": {"d": [{"loss": float("inf")}]}})
    document = json.loads(json.dumps(data.document(), allow_nan=False))
    assert document["tables"]["t"]["rows"] == [
        ["a", ["9007199254740993", "9,007,199,254,740,993"], None],
        ["b", 3, [0.5, "0.50"]],
    ]
    assert document["datasets"] == {"d": [{"loss": None}]}


def test_a_model_that_branches_or_has_no_layers_has_a_page():
    class Branched(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return self.a(x) + self.b(x)

    page = Reader(
        report_page(
            report_contents(report_model("branched", Branched(), (4,)), report_model("nothing", nn.Identity(), (4,)))
        )
    )
    assert {"model-branched", "model-nothing"} <= set(page.all("id"))
    assert "model-branched-layers" in page.data["views"]


def test_charts_are_in_the_data_and_described(full):
    shown = full.all("data-chart")
    assert sorted(shown) == sorted(full.data["charts"])
    assert len(shown) >= 5  # layers and memory of both, throughput
    assert all(attributes["aria-label"] for tag, attributes in full.elements if attributes.get("class") == "plot")
    assert set(full.data["themes"]) == {"light", "dark"}


def test_a_layer_table_lists_repeated_blocks_once_with_their_sums():
    blocks = [nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(3)]
    data = Reader(report_page(report_contents(report_model("net", nn.Sequential(*blocks), (4,))))).data
    table = data["tables"]["model-net"]
    assert len(table["rows"]) == 6
    (level, name, cells), *inside = table["folded"]
    assert (level, name) == (0, "0 … 2 ×3")
    fields = [column["field"] for column in table["columns"]]
    assert (cells[fields.index("type")], cells[fields.index("params")]) == ("Sequential", 60)  # 3 of 4·4 + 4
    assert inside == [[1, "0", 0], [1, "1", 1]]


def test_a_layer_table_without_repeated_blocks_lists_its_rows(full):
    assert "folded" not in full.data["tables"]["model-lenet"]
