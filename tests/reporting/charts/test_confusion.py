"""The confusion matrix of a training, with the accuracy of each class."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, recall_score

from archbench.reporting.charts.confusion import confusion_chart, confusion_of
from archbench.reporting.charts.save import to_svg
from archbench.training.records import Prediction
from tests.helpers.chart_specs import records, subtitle


def predictions(pairs):
    """Return predictions of true and seen classes."""
    return [Prediction(i, label, (seen,), (0.9,)) for i, (label, seen) in enumerate(pairs)]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_counts_and_accuracies_are_those_of_scikit_learn(pairs):
    confusion = confusion_of("lenet", [predictions(pairs)])
    true, seen = zip(*pairs, strict=True)
    expected = confusion_matrix(true, seen, labels=range(4))
    assert [[confusion.counts.get((a, b), 0) for b in range(4)] for a in range(4)] == expected.tolist()
    recalls = recall_score(true, seen, labels=range(4), average=None, zero_division=1.0)
    assert [confusion.accuracy(label) for label in range(4)] == pytest.approx(recalls.tolist())


def test_seeds_are_counted_together_and_shares_are_of_the_true_class():
    by_seed = [predictions([(0, 0), (0, 1), (1, 1)]), predictions([(0, 0), (0, 0), (1, 0)])]
    spec = confusion_chart([confusion_of("lenet", by_seed)], ["cat", "dog"], data="digits").to_dict()
    cells = {(cell["label"], cell["seen"]): (cell["count"], cell["share"]) for cell in records(spec, "seen")}
    # cat: 3 of 4 images right; dog: 1 of 2
    assert cells == {
        ("cat", "cat"): (3, 0.75),
        ("cat", "dog"): (1, 0.25),
        ("dog", "cat"): (1, 0.5),
        ("dog", "dog"): (1, 0.5),
    }
    assert {bar["label"]: bar["accuracy"] for bar in records(spec, "accuracy")} == {"cat": 0.75, "dog": 0.5}
    # dog as cat, half of the dogs, is more than cat as dog
    assert spec["title"]["text"] == "lenet takes 50.0% of the images of dog for cat"
    assert "Trained on digits: 3 test images, answers of 2 seeds together; 66.7% right." in subtitle(spec)


def test_of_many_classes_the_hardest_are_shown_and_none_is_lost():
    # Class i of 30 has ten images, of which i % 10 are taken for the next class.
    pairs = [(label, (label + 1) % 30 if image < label % 10 else label) for label in range(30) for image in range(10)]
    spec = confusion_chart(
        [confusion_of("lenet", [predictions(pairs)])], [str(i) for i in range(30)], data="d"
    ).to_dict()
    cells = records(spec, "seen")
    images = Counter()
    for cell in cells:
        images[cell["label"]] += cell["count"]
    assert set(images.values()) == {10}
    assert len(images) == 20
    # Of the classes with 0 to 3 errors, 10 of them are left out: three times 0, 1, 2, and one with 3.
    assert {"9", "19", "29"} <= images.keys()
    assert not {"0", "10", "20"} & images.keys()
    assert "Of 30 classes the 20 that are recognised least." in subtitle(spec)


def test_each_model_has_a_matrix_and_the_title_the_hardest_class():
    both = [confusion_of(model, [predictions([(0, 0), (1, 0), (1, 1)])]) for model in ("lenet", "zfnet?size=64")]
    spec = confusion_chart(both, ["cat", "dog"], data="digits").to_dict()
    assert [panel["title"]["text"] for panel in spec["vconcat"]] == ["lenet: 66.7% right", "zfnet: 66.7% right"]
    assert spec["title"]["text"] == "Hardest class for 2 models: dog, 50.0% recognised"


def test_a_model_without_errors_and_a_class_without_images_are_drawn():
    spec = confusion_chart([confusion_of("lenet", [predictions([(0, 0)])])], ["cat", "dog"], data="digits").to_dict()
    assert spec["title"]["text"] == "lenet recognises every test image"
    assert "no images" in to_svg(spec)
