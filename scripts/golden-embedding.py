#!/usr/bin/env python3
"""Prints tests/golden/embedding.def: clouds of points, and what scikit-learn says of them."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler

#         points, features, classes, how far classes are apart
CLOUDS = [(60, 4, 3, 1.0), (40, 60, 2, 0.5), (90, 12, 5, 0.3)]
PERPLEXITY, SEEDS = 10, 6


def draw(points, features, classes, apart):
    """Sines of the index: single precision, made likewise in C. The first half is for training."""
    i, j = np.arange(points)[:, None], np.arange(features)[None]
    x = np.sin(12.9898 * i + 78.233 * j + 3.1 * i * j) + apart * np.cos(2.0 * (i % classes) + j)
    return x.astype(np.float32).astype(np.float64), np.arange(points) % classes


def numbers(values):
    return "{" + ", ".join(f"{v:.12g}" for v in np.ravel(values)) + "}"


def main():
    print("/* Made by scripts/golden-embedding.py: points, features, classes, apart; silhouette; shares of two")
    print(" * components, their scores of the first five points up to the sign; what the probe predicts of the")
    print(" * second half; the mean divergence of t-SNE over six seeds. */")
    for cloud in CLOUDS:
        points, features, classes, apart = cloud
        x, label = draw(*cloud)
        pca = PCA(2, svd_solver="full")
        scores = pca.fit_transform(x)[:5]
        half = points // 2
        scaler = StandardScaler().fit(x[:half])
        probe = LogisticRegression(C=1.0, tol=1e-10, max_iter=10000).fit(scaler.transform(x[:half]), label[:half])
        predicted = probe.predict(scaler.transform(x[half:]))
        kl = []
        for seed in range(SEEDS):
            tsne = TSNE(perplexity=PERPLEXITY, method="exact", init="random", random_state=seed)
            tsne.fit(x)
            kl.append(tsne.kl_divergence_)
        print(f"{{{points}, {features}, {classes}, {apart}, {silhouette_score(x, label):.12g},")
        print(f" {numbers(pca.explained_variance_ratio_)}, {numbers(scores)},")
        print(f' "{"".join(map(str, predicted))}", {np.mean(kl):.6g}}},')


main()
