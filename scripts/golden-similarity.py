#!/usr/bin/env python3
"""Prints tests/golden/similarity.def: image metrics of scikit-image over generated pairs of images.

Axes shorter than the window are beyond scikit-image, so a direct sum over windows, checked against it
where both apply, gives those. The images are of whole numbers, so that C makes the same ones.
"""

import itertools

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

#        d, h, w, c, first and second pattern
PAIRS = [(1, 28, 28, 1, 1, 2), (1, 28, 28, 1, 1, 3), (1, 32, 40, 3, 1, 3), (1, 11, 11, 1, 2, 3),
         (1, 12, 30, 2, 3, 1), (14, 13, 12, 1, 1, 3), (12, 11, 13, 2, 2, 1), (1, 28, 28, 1, 1, 1),
         (1, 28, 28, 1, 4, 4), (1, 28, 28, 1, 4, 5), (1, 28, 28, 1, 1, 4), (1, 8, 28, 1, 1, 3),
         (1, 7, 10, 3, 1, 2), (1, 1, 1, 1, 4, 5), (4, 12, 13, 1, 1, 3)]
#           h, w, c, scales, first and second pattern
MULTISCALE = [(176, 176, 1, 5, 1, 3), (177, 190, 1, 5, 3, 2), (96, 88, 3, 4, 1, 3), (45, 64, 1, 3, 1, 3),
              (28, 28, 1, 2, 1, 3), (28, 28, 1, 1, 1, 3), (28, 28, 1, 2, 1, 1), (64, 64, 1, 3, 4, 5)]


def pattern(kind, d, h, w, c):
    """Values k / 255: 1 and 2 are rough, 3 is 1 with a little of 2, 4 and 5 are constant."""
    if kind == 3:
        return ((3 * pattern(1, d, h, w, c).astype(int) + pattern(2, d, h, w, c)) // 4).astype(np.uint8)
    if kind >= 4:
        return np.full((d, h, w, c), 60 * kind - 180, np.uint8)
    i = np.arange(d * h * w * c, dtype=np.uint64)
    return ((i * i * 31 + i * (17 if kind == 1 else 91)) // 7 % 256).astype(np.uint8).reshape(d, h, w, c)


def gaussian(axis):
    n = min(11, axis if axis % 2 else axis - 1)
    g = np.exp(-0.5 * ((np.arange(n) - n // 2) / 1.5) ** 2)
    return g / g.sum()


def ssim_by_windows(a, b):
    windows = [gaussian(n) for n in a.shape[:3]]
    weight = windows[0][:, None, None] * windows[1][:, None] * windows[2]
    values = []
    for z, y, x in itertools.product(*(range(n - len(g) + 1) for n, g in zip(a.shape, windows))):
        part = np.s_[z:z + len(windows[0]), y:y + len(windows[1]), x:x + len(windows[2])]
        for channel in range(a.shape[3]):
            p, q = a[part][..., channel], b[part][..., channel]
            m, n = (weight * p).sum(), (weight * q).sum()
            var = (weight * (p - m) ** 2).sum() + (weight * (q - n) ** 2).sum()
            cov = (weight * (p - m) * (q - n)).sum()
            values.append((2 * m * n + 1e-4) * (2 * cov + 9e-4) / ((m * m + n * n + 1e-4) * (var + 9e-4)))
    return np.mean(values)


def ms_ssim(a, b, scales):
    """One channel [h,w], from scikit-image's maps: contrast times structure is a map over luminance."""
    weight = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
    power = weight[:scales] * weight.sum() / weight[:scales].sum()
    product = 1.0
    for scale in range(scales):
        mean, full = structural_similarity(a, b, data_range=1.0, gaussian_weights=True, sigma=1.5,
                                           use_sample_covariance=False, full=True)
        m, n = (gaussian_filter(x, 1.5, truncate=3.5) for x in (a, b))
        luminance = (2 * m * n + 1e-4) / (m * m + n * n + 1e-4)
        contrast = (full / luminance)[5:-5, 5:-5].mean()
        product *= max(mean if scale == scales - 1 else contrast, 0) ** power[scale]
        h, w = (n // 2 * 2 for n in a.shape)
        a, b = (x[:h, :w].reshape(h // 2, 2, w // 2, 2).mean((1, 3)) for x in (a, b))
    return product


def values(kind, *size):
    """The single-precision values that the program sees, in double arithmetic."""
    return (pattern(kind, *size).astype(np.float32) / np.float32(255)).astype(np.float64)


def main():
    print("/* Made by scripts/golden-similarity.py. */\n#ifdef MULTISCALE /* h, w, c, scales, patterns; ms_ssim */")
    for h, w, c, scales, first, second in MULTISCALE:
        a, b = (values(k, 1, h, w, c)[0] for k in (first, second))
        mean = np.mean([ms_ssim(a[..., k], b[..., k], scales) for k in range(c)])
        print(f"{{{h}, {w}, {c}, {scales}, {first}, {second}, {mean:.17g}}},")
    print("#else /* d, h, w, c, patterns; mse, psnr, ssim */")
    for d, h, w, c, first, second in PAIRS:
        a, b = (values(k, d, h, w, c) for k in (first, second))
        ssim = ssim_by_windows(a, b)
        if h >= 11 and w >= 11 and (d == 1 or d >= 11):
            p, q = (a[0], b[0]) if d == 1 else (a, b)
            theirs = structural_similarity(p, q, data_range=1.0, gaussian_weights=True, sigma=1.5,
                                           use_sample_covariance=False, channel_axis=-1)
            assert abs(theirs - ssim) < 1e-12, (theirs, ssim)
            ssim = theirs
        mse = mean_squared_error(a, b)
        psnr = peak_signal_noise_ratio(a, b, data_range=1.0) if mse else 100.0
        print(f"{{{d}, {h}, {w}, {c}, {first}, {second}, {mse:.17g}, {psnr:.17g}, {ssim:.17g}}},")
    print("#endif")


main()
