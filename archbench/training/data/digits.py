"""The digits of scikit-learn: 1,797 real images of 8×8 pixels, which need no download.

They are the test part of Alpaydin and Kaynak's Optical Recognition of Handwritten Digits (UCI, 1998). Their values from
0 to 16 are scaled to 0 to 255 and rounded. A fixed split, the same on every machine, takes 360 images for the test and
a tenth of the other 1,437 for validation: 1,293 train, 144 validate, 360 test.
"""

from __future__ import annotations

import numpy as np
import torch

from archbench.training.data.assembly import assemble
from archbench.training.data.records import Data, Images
from archbench.training.data.split import split, split_for_validation

_TEST_IMAGES = 360


def load_digits() -> Data:
    """Return the digits as grey images, 1×8×8."""
    from sklearn import datasets

    bunch = datasets.load_digits()
    values = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    images = Images(torch.from_numpy(values).unsqueeze(1), torch.from_numpy(bunch.target.astype(np.int64)))
    classes = tuple(str(digit) for digit in range(10))
    rest, test = split(images, _TEST_IMAGES, classes)
    train, validation = split_for_validation(rest, classes)
    return assemble("digits", "digits, not CIFAR", classes, train=train, validation=validation, test=test)
