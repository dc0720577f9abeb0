#!/usr/bin/env python3
"""Writes tests/golden/convnet.safetensors with PyTorch: what VGG-16 and AlexNet see of two images, how
different LPIPS finds them, and a feature loss of a small sequence with its gradient.

Weights and images follow from the numbers of their elements, so that C makes the same ones; the layers are
those of torchvision.models.vgg16 and alexnet. Features are [h,w,c], the first SHOWN values of each tap, and
the mean of all.
"""
import math

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

torch.set_default_dtype(torch.float64)
SHOWN = 64
tensors = {}


def hashed(count, key):
    """In [0, 1), of float32."""
    with np.errstate(over="ignore"):
        h = np.arange(count, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(key * 40503 + 1)
        h ^= h >> np.uint32(15)
        h *= np.uint32(2246822519)
        h ^= h >> np.uint32(13)
    return (h >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24)


def conv(inputs, out, size, stride, pad):
    return nn.Conv2d(inputs, out, size, stride, pad)


def vgg16():
    layers, c = [], 3
    for block in [[64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3]:
        for out in block:
            layers += [conv(c, out, 3, 1, 1), nn.ReLU()]
            c = out
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers[:-1]), [3, 8, 15, 22, 29]


def alexnet():
    return nn.Sequential(conv(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), conv(64, 192, 5, 1, 2), nn.ReLU(),
                         nn.MaxPool2d(3, 2), conv(192, 384, 3, 1, 1), nn.ReLU(), conv(384, 256, 3, 1, 1), nn.ReLU(),
                         conv(256, 256, 3, 1, 1), nn.ReLU()), [1, 4, 7, 9, 11]


def sequence():
    return nn.Sequential(conv(2, 5, 3, 1, 1), nn.ReLU(), conv(5, 6, 4, 2, 1), nn.MaxPool2d(3, 2), nn.ReLU(),
                         conv(6, 4, 1, 1, 0), nn.AvgPool2d(2, 1)), [1, 2, 6]


def fill(net):
    """Uniform, so that values keep their size from layer to layer; all biases too."""
    for i, layer in enumerate(net):
        if isinstance(layer, nn.Conv2d):
            w = layer.weight
            scale = np.float32(math.sqrt(24 / w[0].numel()))
            values = (hashed(w.numel(), 2 * i) - np.float32(0.5)) * scale
            w.data = torch.from_numpy(values.reshape(w.shape)).double()
            values = (hashed(len(w), 2 * i + 1) - np.float32(0.5)) * np.float32(0.25)
            layer.bias.data = torch.from_numpy(values).double()


def image(key, side, channels):
    """[1,c,h,w] of C's [1,1,h,w,c]."""
    values = hashed(side * side * channels, key).reshape(1, side, side, channels)
    return torch.from_numpy(values).double().permute(0, 3, 1, 2)


def features(net, taps, x, mean, std):
    x = (x - torch.tensor(mean).view(1, -1, 1, 1)) / torch.tensor(std).view(1, -1, 1, 1)
    out = []
    for i, layer in enumerate(net):
        x = layer(x)
        if i in taps:
            out.append(x)
    return out


def unit(x):
    return x / (x.pow(2).sum(1, keepdim=True).sqrt() + 1e-10)


def lpips(a, b):
    total = 0
    for i, (x, y) in enumerate(zip(a, b)):
        w = torch.from_numpy(hashed(x.shape[1], 100 + i)).double().view(1, -1, 1, 1)
        total = total + ((unit(x) - unit(y)).pow(2) * w).sum(1).mean()
    return total


def plain(t):
    return np.ascontiguousarray(t.detach().numpy(), np.float32)


def network(name, made, side):
    net, taps = made
    fill(net)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    a, b = (features(net, taps, image(key, side, 3), mean, std) for key in (7, 8))
    for i, tap in enumerate(a):
        seen = plain(tap.permute(0, 2, 3, 1)).ravel()
        tensors[f"{name}:tap{i}"] = seen[:SHOWN]
        tensors[f"{name}:mean{i}"] = np.array([seen.astype(np.float64).mean()], np.float32)
        tensors[f"{name}:size{i}"] = np.array([tap.shape[2], tap.shape[3], tap.shape[1]], np.int32)
    tensors[f"{name}:lpips"] = plain(lpips(a, b)).reshape(1)


def loss():
    """Johnson et al. 2016, equation 2: squared differences of features, the mean of each tap, of all taps."""
    net, taps = sequence()
    fill(net)
    x = image(7, 13, 2).requires_grad_()
    a, b = (features(net, taps, t, [0.25, 0.5], [0.5, 2.0]) for t in (x, image(8, 13, 2)))
    value = sum((p - q).pow(2).mean() for p, q in zip(a, b)) / len(taps)
    value.backward()
    tensors["loss:value"] = plain(value).reshape(1)
    tensors["loss:gradient"] = plain(x.grad.permute(0, 2, 3, 1))


network("vgg16", vgg16(), 32)
network("alexnet", alexnet(), 64)
loss()
save_file(tensors, "tests/golden/convnet.safetensors")
