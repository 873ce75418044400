from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from archbench.analyze.diagram.volumes import volume_chain
from archbench.analyze.layers import layer_table
from archbench.reporting.drawings.canvas import Canvas, to_png
from archbench.reporting.drawings.volumes import OBLIQUE, volumes_svg
from tests.helpers.golden_figures import chains, layers_of
from tests.helpers.pictures import SVG, assert_legible, text_boxes


@pytest.fixture(scope="session")
def volumes(zoo_trace):
    def make(name):
        record = zoo_trace(name, 1, "eval")
        table = layer_table(record)
        return volumes_svg(volume_chain(table.rows, record), name, table.totals)

    return make


def groups(svg, *kinds):
    return [group for group in ElementTree.fromstring(svg).iter(f"{SVG}g") if group.get("class") in kinds]


def polygons(group):
    """Return the corners of a group's polygons; a box has a front, a top and a side."""
    numbers = ([float(n) for n in re.split("[ ,]", shape.get("points"))] for shape in group.iter(f"{SVG}polygon"))
    return [list(zip(values[::2], values[1::2], strict=True)) for values in numbers]


@pytest.mark.parametrize("model", chains())
def test_labels_of_volumes_are_inside_and_apart(volumes, model):
    svg = volumes(model)
    assert_legible(svg)
    assert len(svg) < 200_000


def drawn_points(svg):
    """Return corners of boxes, and points a hundredth of each arrow's segment from each other."""
    for shape in ElementTree.fromstring(svg).iter():
        if shape.tag in (f"{SVG}polygon", f"{SVG}polyline"):
            values = [float(n) for n in re.split("[ ,]", shape.get("points"))]
            corners = list(zip(values[::2], values[1::2], strict=True))
            for (x, y), (x_next, y_next) in pairwise([*corners, corners[0]] if "polygon" in shape.tag else corners):
                yield from ((x + (x_next - x) * i / 100, y + (y_next - y) * i / 100) for i in range(101))


@pytest.mark.parametrize("model", chains())
def test_nothing_is_drawn_across_a_label(volumes, model):
    points = list(drawn_points(volumes(model)))
    for text, (left, top, right, bottom) in text_boxes(volumes(model)):
        assert not any(left < x < right and top < y < bottom for x, y in points), text


def test_every_volume_of_alexnet_is_drawn_once_with_its_size(volumes):
    drawn = groups(volumes("alexnet"), "input", "convolution", "pooling", "dense")
    labels = [[text.text for text in group.iter(f"{SVG}text")][:2] for group in drawn]
    golden = [[row["layer"], row["output_shape"]] for row in layers_of("alexnet")]
    # 96x55x55 as in the table; 4096 is 4,096.
    expected = [[name, shape if "x" in shape else f"{int(shape):,}"] for name, shape in golden]
    assert labels == [["input", "3x227x227"], *expected]


def test_boxes_are_drawn_to_scale(volumes):
    drawn = {group[0].text.partition(":")[0]: polygons(group)[0] for group in groups(volumes("zfnet"), "convolution")}

    def height(front):
        return front[2][1] - front[1][1]

    # conv1 is 110 high, conv2 26, conv3 13
    assert height(drawn["conv1"]) / height(drawn["conv2"]) == pytest.approx(110 / 26, rel=1e-2)
    assert height(drawn["conv2"]) / height(drawn["conv3"]) == pytest.approx(2, rel=1e-2)


def test_width_recedes_and_is_as_long_as_the_scale_says(volumes):
    front, top, side = polygons(groups(volumes("zfnet"), "convolution")[0])
    height = front[2][1] - front[1][1]
    assert top[1][0] - top[0][0] == pytest.approx(OBLIQUE * height, abs=0.02)  # conv1 is square
    assert side[0] == front[1]


def test_towers_are_two_boxes_and_only_where_there_are_groups(volumes):
    def boxes(model):
        return {group[0].text.partition(":")[0]: len(polygons(group)) / 3 for group in groups(volumes(model), *KINDS)}

    towers = [name for name, count in boxes("alexnet").items() if count == 2]
    assert towers == ["conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5"]
    assert set(boxes("alexnet_onegpu").values()) == {1}


KINDS = ("input", "convolution", "pooling")


def test_arrows_cross_where_a_tower_sees_both(volumes):
    def arrows(model):
        return len(re.findall("<polyline", volumes(model)))

    # One a step, with towers: 2 from the input, 2 within each of 6 steps, 4 into conv3, 2 into fc6; 1 for fc7 and fc8.
    assert arrows("alexnet_onegpu") == 11
    assert arrows("alexnet") == 2 + 6 * 2 + 4 + 2 + 1 + 1


def test_long_chains_go_on_in_another_row(volumes):
    width = float(ElementTree.fromstring(volumes("vgg19_bn")).get("width"))
    assert width < 1400
    assert len({text[1][3] for text in text_boxes(volumes("vgg19_bn")) if "conv" in text[0]}) > 3


def test_the_table_of_connections_is_that_of_the_paper(volumes):
    svg = volumes("lenet5")
    assert_legible(svg)
    (table,) = groups(svg, "connections")
    filled = [cell.get("fill") == "#0072b2" for cell in table.iter(f"{SVG}rect")]
    columns = [{row for row in range(6) if filled[6 * column + row]} for column in range(16)]
    # Table I of LeCun et al. 1998.
    assert columns[:6] == [{0, 1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 5}, {0, 4, 5}, {0, 1, 5}]
    assert columns[15] == set(range(6))


def test_each_of_few_maps_is_a_sheet(volumes):
    maps = {group[0].text.partition(":")[0]: len(polygons(group)) for group in groups(volumes("lenet5"), *KINDS)}
    # The input is a box of three faces, c5 too; each has a kernel on it elsewhere.
    assert maps == {"input": 3, "c1": 6, "s2": 6, "c3": 16, "s4": 16, "c5": 3}


def test_that_a_fully_connected_layer_sees_both_towers_is_stated(volumes):
    def caption(model):
        return ElementTree.fromstring(volumes(model)).find(f"{SVG}desc").text

    assert "each of two GPUs held half of its neurons" in caption("alexnet")
    assert "GPUs" not in caption("alexnet_onegpu")


def test_png_is_the_picture_at_twice_its_size(volumes):
    svg = volumes("lenet")
    png = to_png(svg)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    # A PNG's first chunk begins at byte 8; width and height are the first 8 bytes of its content.
    width, height = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))
    root = ElementTree.fromstring(svg)
    assert (width, height) == pytest.approx((2 * float(root.get("width")), 2 * float(root.get("height"))), abs=1)
    assert png == to_png(svg)


def test_a_very_large_picture_has_fewer_pixels_per_unit():
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="40000"></svg>'
    png = to_png(svg)
    # 32,000 pixels at most, so 0.8 a unit.
    assert [int.from_bytes(png[start : start + 4], "big") for start in (16, 20)] == [80, 32_000]


def test_entries_of_a_legend_are_evenly_apart():
    names = ("convolution", "pooling", "fully connected", "iiiii", "MMMMM")
    root = ElementTree.fromstring(Canvas().page("t", "s", 10, 2000, [("#0072b2", name) for name in names], ""))
    swatches = [float(each.get("x")) for each in root.iter(f"{SVG}rect") if each.get("fill") == "#0072b2"]
    # 15 for the swatch, 15 letters of 12 pixels at 0.6, and 20 between columns: 15 + 108 + 20 = 143
    assert [b - a for a, b in pairwise(swatches)] == pytest.approx([143] * 4)
