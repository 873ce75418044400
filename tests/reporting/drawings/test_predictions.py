from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archbench.reporting.drawings.canvas import text_width
from archbench.reporting.drawings.predictions import is_correct, prediction_sheet, select_predictions, selection_note
from archbench.reporting.export.csv import to_csv
from archbench.reporting.export.json import to_json
from archbench.reporting.export.text import to_text
from archbench.reporting.tables.predict import prediction_table
from archbench.training.records import Prediction
from tests.helpers.pictures import SVG, assert_legible, groups, images, texts

SAID = {"title": "lenet", "subtitle": "digits"}
TRUE_COLOUR, OTHER_COLOUR, WRONG_COLOUR = "#009e73", "#9aa5b1", "#d55e00"


def prediction(image, label, first, num_classes=10, kept=5):
    """Return a prediction whose most probable class is `first`, the others following it."""
    kept = min(kept, num_classes)
    classes = tuple((first + step) % num_classes for step in range(kept))
    shares = np.array([2.0**-step for step in range(kept)])
    return Prediction(image, label, classes, tuple((0.9 * shares / shares.sum()).tolist()))


def picture(channels=1, height=8, width=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (channels, height, width)).astype(np.uint8)


def bars(group):
    """Return width and colour of a group's bars."""
    return [(float(bar.get("width")), bar.get("fill")) for bar in group.iter(f"{SVG}rect") if bar.get("fill") != "none"]


def test_bars_fall_and_the_true_class_has_its_own_colour():
    predictions = [prediction(0, 3, 3), prediction(1, 4, 2), prediction(2, 9, 0)]
    svg = prediction_sheet([picture()] * 3, predictions, [f"class {i}" for i in range(10)], **SAID)
    assert_legible(svg)
    right, wrong, missed = (bars(group) for group in groups(svg, "prediction").values())
    for drawn, one in zip((right, wrong, missed), predictions, strict=True):
        widths = [width for width, _ in drawn]
        assert widths == sorted(widths, reverse=True)
        assert [width / 48 for width in widths] == pytest.approx(one.probabilities, abs=2e-4)
    assert [colour for _, colour in right] == [TRUE_COLOUR, *4 * [OTHER_COLOUR]]
    # 2, 3, 4: the true class is third.
    assert [colour for _, colour in wrong] == [OTHER_COLOUR, OTHER_COLOUR, TRUE_COLOUR, OTHER_COLOUR, OTHER_COLOUR]
    assert [colour for _, colour in missed] == 5 * [OTHER_COLOUR]


def frame(group):
    """Return the colour of a group's frame and of its tick or cross."""
    (outline,) = [each.get("stroke") for each in group.iter(f"{SVG}rect") if each.get("fill") == "none"]
    return outline, [each.get("stroke") for each in group.iter(f"{SVG}path")]


def test_a_wrong_answer_says_what_was_seen_and_what_it_is():
    predictions = [prediction(0, 3, 3), prediction(1, 4, 2), prediction(2, 9, 0)]
    svg = prediction_sheet([picture()] * 3, predictions, [f"class {i}" for i in range(10)], **SAID)
    drawn = list(groups(svg, "prediction").values())
    assert texts(drawn[0])[0] == "class 3"
    assert texts(drawn[1])[:2] == ["saw class 2", "is class 4"]
    assert texts(drawn[2])[:2] == ["saw class 0", "is class 9"]
    assert [frame(group) for group in drawn] == [
        (colour, [colour]) for colour in (TRUE_COLOUR, WRONG_COLOUR, WRONG_COLOUR)
    ]


def test_bars_cross_neither_names_nor_percentages():
    certain = Prediction(0, 0, (0, 1), (1.0, 0.0))
    svg = prediction_sheet([picture()], [certain], ["automobile", "ship"], **SAID)
    (group,) = groups(svg, "prediction").values()
    bar = next(each for each in group.iter(f"{SVG}rect") if each.get("fill") != "none")
    left, right = float(bar.get("x")), float(bar.get("x")) + float(bar.get("width"))
    rows = [each for each in group.iter(f"{SVG}text") if each.text in ("automobile", "100.0%")][-2:]
    assert [each.text for each in rows] == ["automobile", "100.0%"]
    name_left, percent_right = (float(each.get("x")) for each in rows)
    assert name_left + text_width("automobile", 11, bold=True) <= left
    assert right <= percent_right - text_width("100.0%", 11)


@pytest.mark.parametrize(("count", "columns"), [(12, 6), (20, 5), (8, 4), (3, 3), (13, 6)])
def test_rows_of_a_sheet_are_full_where_they_can_be(count, columns):
    predictions = [prediction(i, i % 10, i % 7) for i in range(count)]
    svg = prediction_sheet([picture()] * count, predictions, [str(i) for i in range(10)], **SAID)
    places = [float(each.get("y")) for each in ElementTree.fromstring(svg).iter(f"{SVG}image")]
    assert places.count(places[0]) == columns


def test_without_true_classes_no_bar_is_told_apart():
    predictions = [prediction(0, -1, 3), prediction(1, 2, 2)]
    names = ["dog.jpg", "holiday/2024/a-photograph-with-a-long-name.jpg"]
    svg = prediction_sheet([picture(3)] * 2, predictions, [str(i) for i in range(10)], names=names, **SAID)
    assert_legible(svg)
    drawn = list(groups(svg, "prediction").values())
    assert {colour for group in drawn for _, colour in bars(group)} == {OTHER_COLOUR}
    assert texts(drawn[0])[0] == "dog.jpg"
    assert texts(drawn[1])[0].startswith("…")
    assert texts(drawn[1])[0].endswith("long-name.jpg")
    assert "the true class" not in svg


@pytest.mark.parametrize("num_classes", [2, 3, 5, 10, 100, 1000])
def test_there_are_no_more_bars_than_classes(num_classes):
    svg = prediction_sheet(
        [picture()], [prediction(0, 0, 0, num_classes)], [f"n{i}" for i in range(num_classes)], **SAID
    )
    assert_legible(svg)
    (group,) = groups(svg, "prediction").values()
    assert len(bars(group)) == min(5, num_classes)


@pytest.mark.parametrize("count", [1, 2, 5, 8, 9, 20])
def test_sheets_of_any_size_are_legible(count):
    predictions = [prediction(i, i % 10, i % 7) for i in range(count)]
    svg = prediction_sheet(
        [picture()] * count, predictions, [f"name {i}" for i in range(10)], caption="x " * 99, **SAID
    )
    assert_legible(svg)
    assert len(images(ElementTree.fromstring(svg))) == count


def test_long_and_strange_names_stay_in_their_place():
    classes = ["Mexican hairless, perro sin pelo, xoloitzcuintli", 'a<b> & "c"', "tab\tand\x07bell", "é" * 40, ""]
    predictions = [prediction(i, i, (i + 1) % 5, 5) for i in range(5)]
    svg = prediction_sheet([picture()] * 5, predictions, classes, **SAID)
    assert_legible(svg)
    assert '"c"' in "".join(texts(ElementTree.fromstring(svg)))


def test_a_tiny_images_pixels_are_squares():
    image = picture(3, 8, 8)
    svg = prediction_sheet([image], [prediction(0, 0, 0)], [str(i) for i in range(10)], **SAID)
    (element,) = ElementTree.fromstring(svg).iter(f"{SVG}image")
    np.testing.assert_array_equal(images(ElementTree.fromstring(svg))[0], image.transpose(1, 2, 0))
    assert (float(element.get("width")), float(element.get("height"))) == (160, 160)
    assert "pixelated" in element.get("style")


@pytest.mark.parametrize(
    ("height", "width", "shown"),
    [(32, 32, (160, 160)), (28, 28, (140, 140)), (8, 16, (80, 160)), (600, 300, (160, 80))],
)
def test_images_keep_their_proportions(height, width, shown):
    svg = prediction_sheet([picture(1, height, width)], [prediction(0, 0, 0)], [str(i) for i in range(10)], **SAID)
    (element,) = ElementTree.fromstring(svg).iter(f"{SVG}image")
    assert (float(element.get("height")), float(element.get("width"))) == shown


def test_large_images_do_not_make_a_large_file():
    image = np.full((3, 3000, 4000), 77, dtype=np.uint8)
    svg = prediction_sheet([image], [prediction(0, 0, 0)], [str(i) for i in range(10)], names=["x.jpg"], **SAID)
    (kept,) = images(ElementTree.fromstring(svg))
    assert kept.shape == (240, 320, 3)
    assert (kept == 77).all()


def test_right_and_wrong_ones_are_chosen_from_all_classes():
    predictions = [prediction(i, i % 10, i % 10 if i % 3 else (i + 1) % 10) for i in range(300)]
    shown = select_predictions(predictions, 20)
    assert [is_correct(one) for one in shown] == [True] * 10 + [False] * 10
    assert Counter(one.label for one in shown) == dict.fromkeys(range(10), 2)
    assert shown == select_predictions(predictions, 20)
    # The first of each class: image 0 is wrong, 10 is right (10 is no multiple of 3), 1 is right, …
    assert [one.image for one in shown[:3]] == [10, 1, 2]
    # 300 images, every third wrong.
    assert selection_note(predictions, shown).startswith("Shown are 10 of 200 right and 10 of 100 wrong answers")
    assert selection_note(predictions, shown).endswith("top-1 over all 300 test images is 66.7%.")


@pytest.mark.parametrize(("num_right", "num_wrong"), [(100, 0), (0, 100), (100, 3), (2, 100), (1, 1), (0, 0)])
def test_where_one_kind_is_rare_the_other_takes_its_places(num_right, num_wrong):
    predictions = [prediction(i, i % 4, i % 4) for i in range(num_right)]
    predictions += [prediction(num_right + i, i % 4, (i + 1) % 4) for i in range(num_wrong)]
    shown = select_predictions(predictions, 8)
    assert len(shown) == min(8, num_right + num_wrong)
    right = sum(map(is_correct, shown))
    # 4 and 4 where there are; otherwise what there is, and the rest of the other kind.
    assert right == min(num_right, max(4, 8 - num_wrong))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60),
    st.integers(0, 25),
)
def test_what_is_chosen_is_a_part_of_all_without_repetition(pairs, count):
    predictions = [prediction(place, label, first) for place, (label, first) in enumerate(pairs)]
    shown = select_predictions(predictions, count)
    assert len(shown) == len({one.image for one in shown}) == min(count, len(predictions))
    assert set(shown) <= set(predictions)


def test_of_many_classes_those_at_equal_distances_are_chosen():
    predictions = [prediction(i, i, i, 1000) for i in range(1000)]
    assert [one.label for one in select_predictions(predictions, 4)] == [0, 250, 500, 750]


def test_the_table_has_the_names_of_classes_beside_their_probabilities():
    classes = [f"class {i}" for i in range(10)]
    table = prediction_table([prediction(7, 3, 4)], classes)
    head, row, _ = to_csv(table).split("\n")
    assert head == "image,label," + ",".join(f"class_{i},probability_{i}" for i in range(1, 6))
    assert row.startswith("7,class 3,class 4,0.46")  # 0.9 of 16/31
    assert "46.5%" in to_text(table, width=120)


def test_the_table_of_a_users_images_has_their_names_and_no_label():
    table = prediction_table([prediction(0, -1, 1, 2)], ["cat", "dog"], names=["x.png"])
    assert '"image": "x.png"' in to_json(table)
    assert '"label": null' in to_json(table)
    assert "class_3" not in to_csv(table)
    assert to_text(prediction_table([], ["cat", "dog"]))
