"""The scores and the loss of a model's output, with those of auxiliary classifiers in training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from archbench.errors import InputError
from archbench.trace.pytree import tensors_in

# Of an auxiliary classifier's loss (Szegedy et al. 2014, section 5).
AUXILIARY_WEIGHT = 0.3


def loss_of(output: Any, labels: Tensor) -> Tensor:
    """Return the cross entropy of a model's scores, plus 0.3 times that of each auxiliary classifier's.

    The scores are N×K; those of auxiliary classifiers follow the model's own. Raises InputError if there are none.
    """
    own, *auxiliary = (cross_entropy(scores.float(), labels) for scores in _all_scores(output))
    return own + AUXILIARY_WEIGHT * torch.stack(auxiliary).sum() if auxiliary else own


def scores_of(output: Any) -> Tensor:
    """Return the model's own scores, N×K, from its output. Raises InputError if there are none."""
    return _all_scores(output)[0]


def _all_scores(output: Any) -> list[Tensor]:
    scores = [tensor for tensor in tensors_in(output) if tensor.dim() == 2 and tensor.is_floating_point()]
    if not scores:
        raise InputError("the model returns no scores: no tensor of images by classes")
    return scores
