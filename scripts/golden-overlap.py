#!/usr/bin/env python3
"""Prints tests/golden/overlap.def: overlap measures and surface distances of drawn masks.

Counts by scikit-learn, surfaces by SciPy's erosion and distance transform in double precision; every
value is checked against MONAI, which computes in single precision, and the surfaces against
scikit-image before it is printed. The masks are drawn with whole numbers, so that C draws the same ones
(tests/evaluate_overlap.c); spacings and tolerances are quarters, so that nothing is within a rounding of the
tolerance.
"""

import warnings

import numpy as np
import torch
from monai.metrics import (DiceMetric, compute_average_surface_distance, compute_hausdorff_distance,
                           compute_surface_dice)
from scipy.ndimage import binary_erosion, distance_transform_edt
from skimage.segmentation import find_boundaries
from sklearn.metrics import (confusion_matrix, f1_score, jaccard_score, precision_score,
                             recall_score)

CASES, IGNORE = 100, 255
warnings.filterwarnings("ignore")


class Draws:
    """Knuth's MMIX generator."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self, below):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % below


def paint(mask, classes, draw):
    """Up to five ellipsoids, each over those before it."""
    d, h, w = mask.shape
    z, y, x = np.mgrid[:d, :h, :w]
    for _ in range(1 + draw(5)):
        value = 1 + draw(classes - 1)
        at = [draw(n) for n in mask.shape]
        r = [1 + draw(1 + n // 2) for n in mask.shape]
        reach = ((z - at[0]) * r[1] * r[2])**2 + ((y - at[1]) * r[0] * r[2])**2 + (
            (x - at[2]) * r[0] * r[1])**2
        mask[reach <= (r[0] * r[1] * r[2])**2] = value


def wander(truth, classes, draw):
    """The truth moved by up to two voxels along each axis, with a few wrong voxels."""
    shift = [draw(5) - 2 for _ in range(3)]
    index = [np.clip(np.arange(n) - s, 0, n - 1) for n, s in zip(truth.shape, shift)]
    out = truth[np.ix_(*index)]
    for i in range(out.size):
        if draw(64) == 0:
            out.flat[i] = draw(classes)
    return out


def drawn(k):
    draw = Draws(k + 1)
    size = (1 if k < CASES // 2 else 2 + draw(6), 6 + draw(13), 6 + draw(13))
    classes = 2 + draw(3)
    spacing = [(1 + draw(8)) / 4 for _ in range(3)]
    tolerance = (1 + draw(12)) / 4
    truth, prediction = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    kind = k % 10  # 0: both empty, 1: both full, 2: only truth, 3: only prediction, 4: unlike
    if kind == 1:
        truth[:] = prediction[:] = 1
    elif kind == 3:
        paint(prediction, classes, draw)
    elif kind:
        paint(truth, classes, draw)
        if kind == 4:
            paint(prediction, classes, draw)
        elif kind > 4:
            prediction = wander(truth, classes, draw)
    if kind % 2 == 0:
        for i in range(truth.size):
            if draw(16) == 0:
                truth.flat[i] = IGNORE
    return truth, prediction, classes, spacing, tolerance


def counts(truth, prediction, classes):
    """Accuracy, mean IoU, and dice, iou, precision, recall of each class."""
    t, p = (m[truth != IGNORE] for m in (truth, prediction))
    matrix = confusion_matrix(t, p, labels=range(classes))
    # scikit-learn's jaccard knows no NaN for a class that is nowhere
    nowhere = matrix.sum(0) + matrix.sum(1) == 0
    scores = [f(t, p, labels=range(classes), average=None, zero_division=z)
              for f, z in ((f1_score, np.nan), (jaccard_score, 0), (precision_score, np.nan),
                           (recall_score, np.nan))]
    scores[1][nowhere] = np.nan
    return matrix, np.trace(matrix) / matrix.sum(), np.nanmean(scores[1]), scores


def edge_of(mask):
    edge = mask & ~binary_erosion(mask)
    padded = np.pad(mask, 1)
    inner = find_boundaries(padded, mode="inner", connectivity=1)
    assert (inner[(slice(1, -1), ) * mask.ndim] == edge).all()
    return edge


def surfaces(real, predicted, spacing, tolerance):
    """hd95, average, boundary F, surface Dice."""
    if not real.any() and not predicted.any():
        return [np.nan] * 4
    if not real.any() or not predicted.any():
        return [np.nan, np.nan, 0, 0]
    edges = [edge_of(real), edge_of(predicted)]
    to = [distance_transform_edt(~e, sampling=spacing) for e in edges]
    there, back = to[1][edges[0]], to[0][edges[1]]
    recall, precision = (there <= tolerance).mean(), (back <= tolerance).mean()
    both = np.concatenate([there, back])
    return [max(np.percentile(there, 95), np.percentile(back, 95)), both.mean(),
            2 * precision * recall / (precision + recall) if precision + recall else 0,
            (both <= tolerance).mean()]


def monai_agrees(real, predicted, spacing, tolerance, ours, dice):
    def one(f, *rest, **more):
        tensors = [torch.tensor(m[None, None].astype(np.float32)) for m in (predicted, real)]
        return f(*tensors, *rest, **more).item()

    theirs = [one(compute_hausdorff_distance, include_background=True, percentile=95, spacing=spacing),
              one(compute_average_surface_distance, include_background=True, symmetric=True,
                  spacing=spacing),
              one(compute_surface_dice, [tolerance], include_background=True, spacing=spacing)]
    if real.any() and predicted.any():
        np.testing.assert_allclose([ours[0], ours[1], ours[3]], theirs, rtol=1e-5, atol=1e-6)
    else:  # distances: MONAI's infinities and NaN are undefined here
        assert not np.isfinite(theirs[:2]).any()
        np.testing.assert_allclose(ours[3], theirs[2])
    empty = one(DiceMetric(include_background=True, ignore_empty=True))
    if real.any():
        np.testing.assert_allclose(dice, empty, rtol=1e-6)
    else:  # the one difference: a class that is predicted but not there has Dice 0 here
        assert np.isnan(empty) and (dice == 0 if predicted.any() else np.isnan(dice))


def number(x):
    return "NAN" if np.isnan(x) else repr(float(x)).removesuffix(".0")


def main():
    print("/* Made by scripts/golden-overlap.py: the confusion matrix; accuracy, mean IoU; of each class dice,")
    print(" * iou, precision, recall, hd95, average surface distance, boundary F, surface Dice. */")
    for k in range(CASES):
        truth, prediction, classes, spacing, tolerance = drawn(k)
        matrix, accuracy, miou, scores = counts(truth, prediction, classes)
        if truth.shape[0] == 1:
            truth, prediction, spacing = truth[0], prediction[0], spacing[1:]
        rows = []
        for c in range(classes):
            real, predicted = truth == c, (prediction == c) & (truth != IGNORE)
            surface = surfaces(real, predicted, spacing, tolerance)
            monai_agrees(real, predicted, spacing, tolerance, surface, scores[0][c])
            rows.append([s[c] for s in scores] + surface)
        cells = ", ".join(str(n) for n in matrix.flat)
        values = ",\n   ".join("{" + ", ".join(map(number, row)) + "}" for row in rows)
        print(f"{{{{{cells}}}, {number(accuracy)}, {number(miou)},\n  {{{values}}}}},")


if __name__ == "__main__":
    main()
