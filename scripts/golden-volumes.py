#!/usr/bin/env python3
"""Writes tests/golden/resampled.safetensors: random volumes at other spacings by scipy.ndimage, and at other
intensities by numpy. tests/data_resample.c reads it. Run it from the repository's root."""
import numpy as np
from safetensors.numpy import save_file
from scipy.ndimage import map_coordinates

random = np.random.default_rng(20261121)
tensors = {}


def resampled(name, size, spacing, to, channels=1):
    """The extent stays, to the nearest voxel, and so does the centre; beyond the outermost centres, the nearest."""
    values = random.normal(0, 100, (*size, channels)).astype(np.float32)
    classes = random.integers(0, 5, size, dtype=np.uint8)
    size, spacing, to = np.array(size), np.array(spacing), np.array(to)
    new = np.maximum(1, np.floor(size * spacing / to + 0.5)).astype(int)
    places = [(np.arange(n) - (n - 1) / 2) * t / s + (m - 1) / 2 for n, m, s, t in zip(new, size, spacing, to)]
    grid = np.meshgrid(*places, indexing="ij")
    linear = [map_coordinates(values[..., k].astype(np.float64), grid, order=1, mode="nearest") for k in range(channels)]
    tensors[f"{name}:spacing"] = np.stack([spacing, to]).astype(np.float64)
    tensors[f"{name}:values"] = values
    tensors[f"{name}:classes"] = classes
    tensors[f"{name}:linear"] = np.stack(linear, axis=-1).astype(np.float32)
    tensors[f"{name}:nearest"] = map_coordinates(classes, grid, order=0, mode="nearest")


def normalised():
    values = np.where(random.random((4, 5, 6)) < 0.3, 0, random.normal(200, 80, (4, 5, 6))).astype(np.float32)
    low, high = np.percentile(values.astype(np.float64), [1.5, 97])
    used = values[values != 0].astype(np.float64)
    tensors["intensity:values"] = values
    tensors["intensity:percentile"] = np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
    tensors["intensity:zscore"] = np.where(values != 0, (values - used.mean()) / used.std(), 0).astype(np.float32)
    tensors["intensity:range"] = np.clip((values - 50.0) / (300.0 - 50.0), 0, 1).astype(np.float32)


resampled("finer", (5, 7, 6), (2.0, 1.1, 1.5), (0.9, 0.7, 1.0))
resampled("coarser", (9, 8, 12), (1.0, 0.8, 0.6), (2.3, 1.7, 1.9))
resampled("one axis", (4, 5, 6), (3.0, 1.0, 1.0), (1.3, 1.0, 1.0))
resampled("to one voxel", (3, 4, 2), (1.0, 1.0, 1.0), (11.0, 17.0, 13.0))
resampled("from one voxel", (1, 1, 3), (4.0, 1.0, 1.0), (1.0, 0.3, 0.7))
resampled("probabilities", (4, 3, 5), (1.0, 2.0, 1.5), (1.7, 0.9, 1.2), channels=3)
normalised()
save_file(tensors, "tests/golden/resampled.safetensors")
