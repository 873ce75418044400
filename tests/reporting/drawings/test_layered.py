from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archbench.reporting.drawings.layered import LANE_GAP, Link, layered


@st.composite
def graphs(draw):
    """Boxes of many sizes, and links from some to later ones, as the order of execution has them."""
    sizes = draw(st.lists(st.tuples(st.floats(10, 300), st.floats(5, 200)), min_size=1, max_size=12))
    last = len(sizes) - 1
    pairs = draw(st.sets(st.tuples(st.integers(0, last), st.integers(0, last)), max_size=25))
    offset = st.floats(-5, 5)
    links = [Link(a, b, draw(offset), draw(offset)) for a, b in sorted(pairs) if a < b]
    return sizes, links


def rectangles(sizes, layout):
    return [(x, y, x + w, y + h) for (x, y), (w, h) in zip(layout.corners, sizes, strict=True)]


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_boxes_do_not_overlap(graph):
    sizes, links = graph
    layout = layered(sizes, links)
    for a, b in combinations(rectangles(sizes, layout), 2):
        assert a[2] <= b[0] + 1e-6 or b[2] <= a[0] + 1e-6 or a[3] <= b[1] + 1e-6 or b[3] <= a[1] + 1e-6
    for left, top, right, bottom in rectangles(sizes, layout):
        assert min(left, top) >= -1e-6
        assert right <= layout.width + 1e-6
        assert bottom <= layout.height + 1e-6


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_links_point_downwards_from_the_side_of_a_box_to_that_of_another(graph):
    sizes, links = graph
    layout = layered(sizes, links)
    boxes = rectangles(sizes, layout)
    ends = {(round(line.points[-1][0], 3), round(line.points[-1][1], 3)) for line in layout.lines}
    for line in layout.lines:
        heights = [y for _, y in line.points]
        assert heights == sorted(heights)
        assert heights[0] < heights[-1]
    for link in links:
        left, top, right, _ = boxes[link.target]
        assert (round((left + right) / 2 + link.target_offset, 3), round(top, 3)) in ends
        assert boxes[link.source][3] < top


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_lines_go_through_no_box(graph):
    sizes, links = graph
    layout = layered(sizes, links)
    for line in layout.lines:
        # It is vertical in the rows; where it bends, between rows, there are no boxes.
        for (x, top), (_, bottom) in (line.points[:2], line.points[2:]):
            for left, upper, right, lower in rectangles(sizes, layout):
                assert not (left + 1e-6 < x < right - 1e-6 and upper + 1e-6 < bottom and top < lower - 1e-6)


@settings(max_examples=20, deadline=None)
@given(graphs())
def test_one_graph_has_one_layout(graph):
    assert layered(*graph) == layered(*graph)


def test_a_chain_is_straight_and_a_skip_passes_by_it():
    sizes = [(100, 20), (60, 20), (140, 20), (80, 20)]
    layout = layered(sizes, [Link(0, 1), Link(1, 2), Link(2, 3), Link(0, 3)])
    assert [x + width / 2 for (x, _), (width, _) in zip(layout.corners, sizes, strict=True)] == pytest.approx([70] * 4)
    # Beside the widest, from 0 to 140.
    lane = [x for line in layout.lines if line.target is None for x, _ in line.points[2:]]
    assert lane == pytest.approx([140 + LANE_GAP] * 4)


def test_branches_stand_side_by_side_around_the_middle():
    sizes = [(20, 20)] + [(60, 20)] * 3 + [(20, 20)]
    layout = layered(sizes, [Link(0, i) for i in (1, 2, 3)] + [Link(i, 4) for i in (1, 2, 3)])
    assert len({layout.corners[i][1] for i in (1, 2, 3)}) == 1
    assert layout.corners[1][0] < layout.corners[2][0] < layout.corners[3][0]
    assert layout.corners[0][0] + 10 == pytest.approx(layout.corners[2][0] + 30)
    assert layout.corners[4][0] == layout.corners[0][0]


def test_a_crossing_that_can_be_avoided_is_avoided():
    layout = layered([(20, 20)] * 4, [Link(0, 3), Link(1, 2)])
    assert (layout.corners[0][0] < layout.corners[1][0]) == (layout.corners[3][0] < layout.corners[2][0])


def test_a_source_stands_just_above_what_reads_it():
    layout = layered([(20, 20)] * 4, [Link(0, 1), Link(1, 3), Link(2, 3)])
    assert layout.corners[2][1] == layout.corners[1][1]


def test_links_from_one_source_share_their_lane():
    sizes = [(20, 20)] * 6
    chain = [Link(i, i + 1) for i in range(5)]
    skips = [Link(0, i) for i in (3, 4, 5)]
    lanes = [line for line in layered(sizes, chain + skips).lines if line.target is None]
    # One place in each of the rows 1 to 4, not one for each of the three skips.
    assert len(lanes) == 4


def test_what_reads_a_lane_that_leads_down_anyway_stands_just_above_its_reader():
    # 1 and 2 are a chain; 3 reads what 5 reads too, which joins them all.
    layout = layered([(20, 20)] * 6, [Link(0, 1), Link(1, 2), Link(0, 3), Link(0, 5), Link(2, 5), Link(3, 5)])
    assert layout.corners[3][1] == layout.corners[2][1]
    # Without the link from 0 to 5 no lane leads down: 3 stays at the top, beside 1.
    layout = layered([(20, 20)] * 6, [Link(0, 1), Link(1, 2), Link(0, 3), Link(2, 5), Link(3, 5)])
    assert layout.corners[3][1] == layout.corners[1][1]
