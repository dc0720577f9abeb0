#!/usr/bin/env python3
"""Prints tests/golden/frechet.def: Frechet distances (Heusel et al. 2017, eq. 6) of generated clouds.

By eigenvalues in 40 digits, as scipy.linalg.sqrtm loses half of its digits where a covariance is singular;
its distance has to agree as far as it goes. The points are of whole numbers, so that C makes the same ones.
"""

import mpmath
import numpy as np
from scipy.linalg import sqrtm

#        features, points of either cloud, patterns
PAIRS = [(1, 10, 12, 1, 2), (4, 40, 30, 1, 2), (16, 200, 100, 1, 2), (8, 5, 6, 1, 2), (8, 5, 100, 2, 1),
         (6, 50, 40, 3, 1), (6, 50, 40, 3, 4), (12, 60, 50, 5, 6), (12, 9, 60, 5, 1), (5, 30, 30, 7, 8),
         (3, 2, 2, 1, 2), (7, 20, 20, 1, 1), (40, 90, 80, 1, 2)]


def cloud(kind, features, count):
    """1 and 2 are full, 3 repeats and has a constant, 4 is constant, 5 and 6 fall off, 7 and 8 are far."""
    i, j = np.meshgrid(np.arange(count), np.arange(features), indexing="ij")
    if kind in (1, 2):
        at = i * features + j
        return ((at * at * 31 + at * (17 if kind == 1 else 91)) // 7 % 256 / 256.0).astype(np.float32)
    if kind == 3:
        full = cloud(1, features, count)
        return np.where(j == features - 1, np.float32(0.5), full[:, np.arange(features) % 3])
    if kind == 4:
        return np.full((count, features), 0.25, np.float32)
    if kind in (5, 6):
        return cloud(kind - 4, features, count) * np.float32(2.0) ** -(2 * j).astype(np.float32)
    return cloud(kind - 6, features, count) + np.float32(4096)


def covariance(x):
    """Of mpmath numbers; the mean beside it."""
    n, f = x.shape
    x = [[mpmath.mpf(float(v)) for v in row] for row in x]
    mean = [mpmath.fsum(row[j] for row in x) / n for j in range(f)]
    away = mpmath.matrix([[row[j] - mean[j] for j in range(f)] for row in x])
    return mean, away.T * away / (n - 1)


def root_trace(a, b):
    """tr((S^T b S)^(1/2)), a = S S^T."""
    values, vectors = mpmath.eigsy(a)
    root = vectors * mpmath.diag([mpmath.sqrt(max(v, 0)) for v in values])
    return mpmath.fsum(mpmath.sqrt(max(v, 0)) for v in mpmath.eigsy(root.T * b * root, eigvals_only=True))


def main():
    mpmath.mp.dps = 40
    print("/* Made by scripts/golden-frechet.py: features, points, patterns; distance. */")
    for features, n, m, first, second in PAIRS:
        x, y = cloud(first, features, n), cloud(second, features, m)
        (mean_x, cov_x), (mean_y, cov_y) = covariance(x), covariance(y)
        apart = mpmath.fsum((p - q) ** 2 for p, q in zip(mean_x, mean_y))
        trace = mpmath.fsum(cov_x[i, i] + cov_y[i, i] for i in range(features))
        distance = apart + trace - 2 * root_trace(cov_x, cov_y)
        c, d = (np.cov(v.astype(np.float64), rowvar=False).reshape(features, features) for v in (x, y))
        theirs = float(apart + trace) - 2 * np.trace(sqrtm(c @ d)).real
        assert abs(theirs - distance) < 1e-5 * (1 + abs(distance)), (features, n, m, theirs, distance)
        value = "0" if abs(distance) < 1e-15 else mpmath.nstr(distance, 17)
        print(f"{{{features}, {n}, {m}, {first}, {second}, {value}}},")


main()
