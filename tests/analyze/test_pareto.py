from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from archbench.analyze.pareto import pareto_front

# Small integers, so that points share coordinates or are equal; floats for the general case.
COORDINATES = st.one_of(st.integers(-4, 4), st.floats(-1e9, 1e9))


def dominates(a, b):
    return a[0] >= b[0] and a[1] >= b[1] and a != b


@given(st.lists(st.tuples(COORDINATES, COORDINATES), max_size=30))
def test_the_front_is_every_point_that_none_dominates(points):
    front = pareto_front(points)
    expected = [i for i, point in enumerate(points) if not any(dominates(other, point) for other in points)]
    assert sorted(front) == expected
    assert [points[i][0] for i in front] == sorted(points[i][0] for i in front)
    assert [points[i][1] for i in front] == sorted((points[i][1] for i in front), reverse=True)


def test_points_with_one_equal_coordinate_stay_only_if_highest_in_the_other():
    assert pareto_front([(1, 5), (1, 4), (3, 4), (2, 4), (3, 4)]) in ([0, 2, 4], [0, 4, 2])
    assert pareto_front([]) == []
