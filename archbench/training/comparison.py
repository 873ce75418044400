"""Comparison of models by their predictions for the same test images, over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from archbench.statistics.multiple_tests import Corrected, holm
from archbench.statistics.proportions import Correct, SeedPart, difference_uncertainty, mcnemar, pooled_seed_variance
from archbench.statistics.quantiles import CONFIDENCE
from archbench.training.records import Prediction

# Of two models each has a variance of its own, which matters where they differ.
_LEAST_FOR_POOLING = 3

Standing = Literal["better", "worse", "undecided"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Model A against model B on the same test images; `standing` is A's.

    `difference` is A's mean top-1 accuracy minus B's; `low` and `high` bound its interval. `p_value` is McNemar's for
    one seed each, else Student's. Where several pairs are compared, both are corrected by Holm's method: a claim about
    any of the pairs is wrong in at most 5% of comparisons.
    """

    a: str
    b: str
    seeds_a: int
    seeds_b: int
    num_images: int
    num_pairs: int
    difference: float
    low: float
    high: float
    p_value: float
    standing: Standing


def compare_models(predictions: Mapping[str, Sequence[Sequence[Prediction]]]) -> list[Comparison]:
    """Return a comparison for every pair of models, each given as the predictions of its seeds.

    With one seed each, McNemar's test decides, and the result holds for these two networks. Otherwise Student's test
    does, of seeds and images together; from three models on, the variance over seeds is pooled. A model with a single
    seed adds nothing to the seeds' part, so the result holds for that one network only. All predictions must be for the
    same images, in the same order.
    """
    return compare_correct({model: correct_of(seeds) for model, seeds in predictions.items()})


def compare_correct(correct: Mapping[str, Correct]) -> list[Comparison]:
    """Return the comparisons of `compare_models` from which images each seed (row) of a model classified correctly."""
    pooled = pooled_seed_variance(correct.values()) if len(correct) >= _LEAST_FOR_POOLING else None
    pairs = [_Pair(a, b, correct[a], correct[b], pooled) for a, b in combinations(correct, 2)]
    corrected = holm([pair.p_value for pair in pairs])
    return [_comparison(pair, test, len(pairs)) for pair, test in zip(pairs, corrected, strict=True)]


class _Pair:
    """Two models before the correction for several pairs."""

    def __init__(self, a: str, b: str, correct_a: Correct, correct_b: Correct, pooled: SeedPart | None) -> None:
        assert correct_a.shape[1] == correct_b.shape[1], "models are compared on the same images"
        self.names = (a, b)
        self.seeds = (len(correct_a), len(correct_b))
        self.num_images = correct_a.shape[1]
        self.difference = float(correct_a.mean() - correct_b.mean())
        self.uncertainty = difference_uncertainty(correct_a, correct_b, pooled)
        is_single = self.seeds == (1, 1)
        self.p_value = mcnemar(correct_a[0], correct_b[0]) if is_single else self.uncertainty.p_value(self.difference)


def _comparison(pair: _Pair, test: Corrected, num_pairs: int) -> Comparison:
    width = pair.uncertainty.half_width(test.confidence)
    low, high = max(-1.0, pair.difference - width), min(1.0, pair.difference + width)
    is_significant = test.p_value < 1 - CONFIDENCE
    standing: Standing = "undecided" if not is_significant else "better" if pair.difference > 0 else "worse"
    return Comparison(
        *pair.names, *pair.seeds, pair.num_images, num_pairs, pair.difference, low, high, test.p_value, standing
    )


def correct_of(seeds: Sequence[Sequence[Prediction]]) -> Correct:
    """Return for each seed (row) and image (column) whether the most probable class is the true one."""
    first = [(prediction.image, prediction.label) for prediction in seeds[0]]
    for seed in seeds:
        assert [(prediction.image, prediction.label) for prediction in seed] == first, "seeds see the same images"
    return np.array([[prediction.classes[0] == prediction.label for prediction in seed] for seed in seeds])
