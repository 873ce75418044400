from __future__ import annotations

from archbench.reporting.export.text import to_text
from archbench.reporting.tables.bench import bench_table
from tests.helpers.measurements import configuration, result


def lines_of(*results, width=160):
    return to_text(bench_table(results), width=width).splitlines()


def test_a_status_is_said_once():
    text = "\n".join(lines_of(result("not_converged", "the interval is 40% wide"), result("not_converged")))
    assert text.count("not_converged") == 2  # a column, one line per result
    assert "not converged" not in text
    assert "the interval is 40% wide" in text


def test_a_file_below_the_working_directory_is_named_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    measured = result("ok", configuration=configuration(model=f"{tmp_path}/nets/net.py:CNN"))
    assert any("nets/net.py:CNN" in line.split() for line in lines_of(measured))
    elsewhere = result("ok", configuration=configuration(model="/elsewhere/net.py:CNN"))
    assert any("/elsewhere/net.py:CNN" in line for line in lines_of(elsewhere))
    # CSV and JSON name the file from everywhere.
    assert bench_table([measured]).rows[0]["model"] == f"{tmp_path}/nets/net.py:CNN"


def test_a_rate_that_its_latency_contradicts_is_noted():
    # 8 images in 0.46 s are 17.4 per second; the rate says 1,121.
    contradictory = result("not_converged", images_per_s=1121.0, latency_s_median=0.46 / 8)
    (doubt,) = bench_table([contradictory]).doubts
    assert doubt.endswith("1,121 images/s, but 17.4 by the median latency: neither is to be believed")
    # One image in 0.08 s is 12.5 per second, as measured.
    assert not bench_table([result("not_converged", latency_s_median=0.08)]).doubts
    assert not bench_table([result("ok", images_per_s=1121.0, latency_s_median=0.46 / 8)]).doubts
