#!/usr/bin/env python3
"""Prints tests/golden/calibration.def: expected calibration errors from scikit-learn's reliability curves."""

import numpy as np
from sklearn.calibration import calibration_curve

BINS = 15
#        predictions, classes (the least confidence is 1 / classes), how often they are right
CASES = [(1, 3, 2), (10, 2, 2), (500, 2, 1), (500, 3, 2), (1000, 1, 3), (997, 1, 1)]


def main():
    print("/* Made by scripts/golden-calibration.py: predictions, classes, rule; error. */")
    for count, classes, rule in CASES:
        i = np.arange(count)
        # the single-precision values that the program sees
        confidence = (1 / classes + (1 - 1 / classes) * (i * i * 31 % 1009) / 1008).astype(np.float32).astype(float)
        right = i % (rule + 1) > 0
        share, mean = calibration_curve(right, confidence, n_bins=BINS)
        # its bins, in which those without predictions do not occur
        size = np.bincount(np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence), minlength=BINS)
        error = (np.abs(share - mean) * size[size > 0]).sum() / count
        print(f"{{{count}, {classes}, {rule}, {error:.17g}}},")


main()
