#!/usr/bin/env python3
"""Prints tests/golden/stats.def: paired comparisons by SciPy, and Holm's correction by its formula.

PAIRED(n, mean, sd, low, high, p, the n differences): the interval is that of ttest_rel, p is
permutation_test's over all 2^n sign patterns. HOLM(n, the n p-values, the n adjusted ones).
"""

import numpy as np
from scipy import stats


def listed(*values):
    return ", ".join(f"{v:.17g}" for v in values)


def paired(a, b):
    n, difference = len(a), a - b
    interval = stats.ttest_rel(a, b).confidence_interval(0.95)
    exact = stats.permutation_test((a, b), lambda x, y: np.mean(x - y), permutation_type="samples",
                                   n_resamples=np.inf, vectorized=False)
    assert len(exact.null_distribution) == 2 ** n
    print(f"PAIRED({n}, {listed(difference.mean(), difference.std(ddof=1), interval.low)}, "
          f"{listed(interval.high, exact.pvalue)}, {listed(*difference)})")


def holm(p):
    """max over the smaller ones of (m - rank) p, at most 1 (Holm 1979)."""
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]))
    print(f"HOLM({len(p)}, {listed(*p)}, {listed(*adjusted)})")


def main():
    rng = np.random.default_rng(20)
    print("/* Made by scripts/golden-stats.py, which says what is in a line. */")
    for n in (2, 3, 4, 5, 6, 7, 9, 12):
        for lead in (0, 1):
            seed, noise = rng.normal(size=n), rng.normal(size=(2, n))
            paired(seed + lead + noise[0], seed + noise[1])
            paired(lead + rng.lognormal(sigma=1.5, size=n), rng.lognormal(sigma=1.5, size=n))
    paired(np.arange(8.0), np.arange(8.0)[::-1] + 0.5)  # many equal sums
    paired(np.array([3.0, 1, 4, 1, 5]), np.array([2.0, 2, 4, 3, 3]))  # a difference of 0
    for n in (1, 2, 3, 5, 8):
        holm(rng.uniform(size=n) ** 3)
        holm(np.round(rng.uniform(size=n) ** 3, 1))  # equal ones
    print("#undef PAIRED\n#undef HOLM")


main()
