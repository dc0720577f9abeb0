"""The conditional VAE of common/model/vae.c in PyTorch: the peer that golden vectors and benchmarks are
taken from. Run as a program it times training steps on MNIST and prints one line of JSON.

Parameter names are those of our weights files; tensors here are NCHW (NCDHW).
"""
import argparse
import gzip
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

ACTIVATIONS = {"relu": F.relu, "leaky_relu": F.leaky_relu, "silu": F.silu, "gelu": F.gelu,
               "sigmoid": torch.sigmoid, "tanh": torch.tanh, "none": lambda x: x}


def same_padding(size, kernel, stride):
    """(before, after) for each axis, such that the output is ceil(size / stride)."""
    pads = []
    for s, k, t in zip(size, kernel, stride):
        total = max((-(-s // t) - 1) * t + k - s, 0)
        pads.append((total // 2, total - total // 2))
    return pads


class Conv(nn.Module):
    """A convolution, or transposed convolution, with "same" padding; `size` is the larger side's."""

    def __init__(self, inputs, outputs, kernel, stride, size, bias=True, transposed=False):
        super().__init__()
        dims = len(size)
        three = [1 if s == 1 and dims == 3 and i == 0 else kernel for i, s in enumerate(size)]
        step = [1 if k == 1 else stride for k in three]
        pads = same_padding(size, three, step)
        self.size = tuple(size)
        self.crop = [before for before, _ in pads]
        symmetric = all((s + 2 * b - k) // t == (s + b + a - k) // t
                        for (b, a), s, k, t in zip(pads, size, three, step))
        if transposed:
            rest = [s - ((-(-s // t) - 1) * t - 2 * b + k)
                    for (b, _), s, k, t in zip(pads, size, three, step)]
            self.direct = all(0 <= r < t for r, t in zip(rest, step))
            kind = nn.ConvTranspose2d if dims == 2 else nn.ConvTranspose3d
            extra = dict(padding=self.crop, output_padding=rest) if self.direct else {}
            inner = kind(inputs, outputs, three, step, bias=bias, **extra)
        else:
            self.direct = symmetric
            self.pad = [p for pair in reversed(pads) for p in pair]
            kind = nn.Conv2d if dims == 2 else nn.Conv3d
            extra = dict(padding=self.crop) if self.direct else {}
            inner = kind(inputs, outputs, three, step, bias=bias, **extra)
        self.transposed = transposed
        self.weight, self.bias = inner.weight, inner.bias
        self.inner = [inner]  # in a list: its parameters are ours already

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        self.inner[0].weight, self.inner[0].bias = self.weight, self.bias
        return self

    def forward(self, x):
        if self.direct:
            return self.inner[0](x)
        if not self.transposed:
            return self.inner[0](F.pad(x, self.pad))
        y = self.inner[0](x)
        for axis, (begin, size) in enumerate(zip(self.crop, self.size)):
            y = y.narrow(axis + 2, begin, size)
        return y


class Norm(nn.Module):
    def __init__(self, kind, channels, dims):
        super().__init__()
        if kind == "batch":
            inner = (nn.BatchNorm2d if dims == 2 else nn.BatchNorm3d)(channels)
        else:
            inner = nn.GroupNorm({"instance": channels, "group": 8}[kind], channels)
        self.inner = [inner]
        self.weight, self.bias = inner.weight, inner.bias
        if kind == "batch":
            self.register_buffer("running_mean", inner.running_mean)
            self.register_buffer("running_var", inner.running_var)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        self.inner[0].weight, self.inner[0].bias = self.weight, self.bias
        if hasattr(self, "running_mean"):
            self.inner[0].running_mean = self.running_mean
            self.inner[0].running_var = self.running_var
        return self

    def train(self, mode=True):
        self.inner[0].train(mode)
        return super().train(mode)

    def forward(self, x):
        return self.inner[0](x)


class ConvNorm(nn.Module):
    def __init__(self, norm, act, inputs, outputs, kernel, stride, size, transposed=False):
        super().__init__()
        self.conv = Conv(inputs, outputs, kernel, stride, size, norm == "none", transposed)
        self.norm = None if norm == "none" else Norm(norm, outputs, len(size))
        self.act = ACTIVATIONS[act]

    def forward(self, x):
        x = self.conv(x)
        return self.act(x if self.norm is None else self.norm(x))


class Residual(nn.Module):
    def __init__(self, norm, act, channels, size):
        super().__init__()
        self.norm1 = None if norm == "none" else Norm(norm, channels, len(size))
        self.conv1 = Conv(channels, channels, 3, 1, size, norm == "none")
        self.norm2 = None if norm == "none" else Norm(norm, channels, len(size))
        self.conv2 = Conv(channels, channels, 3, 1, size)
        self.act = ACTIVATIONS[act]

    def forward(self, x):
        y = self.conv1(self.act(x if self.norm1 is None else self.norm1(x)))
        return x + self.conv2(self.act(y if self.norm2 is None else self.norm2(y)))


class Half(nn.Module):
    """Encoder or decoder: named parts, run by the VAE."""


def flatten(x):
    """Channels last, as our reshape sees it."""
    return x.movedim(1, -1).flatten(1)


class ConditionalVAE(nn.Module):
    def __init__(self, size, image_channels, classes, kind="mlp", latent=20, hidden=512,
                 label_channels=32, channels=(32, 64), kernel=4, blocks=0, norm="batch",
                 act="relu", logvar=(-12.0, 8.0)):
        super().__init__()
        self.size, self.image_channels, self.kind = tuple(size), image_channels, kind
        self.channels, self.act, self.logvar = channels, ACTIVATIONS[act], logvar
        sizes = [tuple(size)]
        for _ in channels:
            sizes.append(tuple(s if i == 0 and len(size) == 3 and s == 1 else -(-s // 2)
                               for i, s in enumerate(sizes[-1])))
        self.deepest = sizes[-1]
        e, d = Half(), Half()
        self.encoder, self.decoder = e, d
        features = image_channels * math.prod(size)
        if kind == "conv":
            self._levels(e, d, sizes, channels, image_channels, kernel, blocks, norm, act)
            features = channels[-1] * math.prod(self.deepest)
        if label_channels:
            e.label = nn.Embedding(classes, label_channels)
            d.label = nn.Embedding(classes, label_channels)
        width = features + label_channels
        if hidden:
            e.hidden = nn.Linear(width, hidden)
            d.hidden = nn.Linear(latent + label_channels, hidden)
        e.z_mean = nn.Linear(hidden or width, latent)
        e.z_logvar = nn.Linear(hidden or width, latent)
        last = nn.Linear(hidden or latent + label_channels, features)
        if kind == "conv":
            d.features = last
        else:
            d.logits = last

    def _levels(self, e, d, sizes, channels, image_channels, kernel, blocks, norm, act):
        widths = (image_channels, *channels)
        for i in range(len(channels)):
            level = ConvNorm(norm, act, widths[i], widths[i + 1], kernel, 2, sizes[i])
            level.block = nn.ModuleList(Residual(norm, act, widths[i + 1], sizes[i + 1])
                                        for _ in range(blocks))
            e.add_module(str(i), level)
            to = len(channels) - 1 - i
            up = (ConvNorm(norm, act, widths[to + 1], widths[to], kernel, 2, sizes[to], True)
                  if to else nn.Module())
            up.block = nn.ModuleList(Residual(norm, act, widths[to + 1], sizes[to + 1])
                                     for _ in range(blocks))
            d.add_module(str(i), up)
        d.logits = Conv(channels[0], image_channels, kernel, 2, sizes[0], True, True)

    def encode(self, image, label):
        e, x = self.encoder, image
        if self.kind == "conv":
            for i in range(len(self.channels)):
                level = getattr(e, str(i))
                x = level(x)
                for block in level.block:
                    x = block(x)
        x = flatten(x)
        if hasattr(e, "label"):
            x = torch.cat([x, e.label(label)], 1)
        if hasattr(e, "hidden"):
            x = self.act(e.hidden(x))
        return e.z_mean(x), e.z_logvar(x).clamp(*self.logvar)

    def decode(self, z, label):
        d, x = self.decoder, z
        if hasattr(d, "label"):
            x = torch.cat([x, d.label(label)], 1)
        if hasattr(d, "hidden"):
            x = self.act(d.hidden(x))
        if self.kind == "mlp":
            return d.logits(x).unflatten(1, (*self.size, self.image_channels)).movedim(-1, 1)
        x = self.act(d.features(x)).unflatten(1, (*self.deepest, self.channels[-1])).movedim(-1, 1)
        for i in range(len(self.channels)):
            level = getattr(d, str(i))
            for block in level.block:
                x = block(x)
            if i + 1 < len(self.channels):
                x = level(x)
        return d.logits(x)

    def forward(self, image, label, noise):
        z_mean, z_logvar = self.encode(image, label)
        logits = self.decode(z_mean + torch.exp(z_logvar / 2) * noise, label)
        return logits, z_mean, z_logvar


def reconstruction_term(logits, image, kind="bce"):
    """Per case, summed over pixels."""
    if kind == "bce":
        terms = F.binary_cross_entropy_with_logits(logits, image, reduction="none")
    elif kind == "mse":
        terms = (torch.sigmoid(logits) - image) ** 2 / 2
    else:
        terms = (torch.sigmoid(logits) - image).abs()
    return terms.flatten(1).sum(1)


def kl_term(z_mean, z_logvar):
    return (z_logvar.exp() + z_mean ** 2 - 1 - z_logvar).sum(1) / 2


# ---- timing ---------------------------------------------------------------------------------------
def read_mnist(folder):
    def read(name, header):
        with gzip.open(os.path.join(folder, name)) as f:
            return np.frombuffer(f.read(), np.uint8, offset=header)
    images = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = read("train-labels-idx1-ubyte.gz", 8).astype(np.int64)
    return torch.from_numpy(images.copy()), torch.from_numpy(labels)


def samples_per_second(args):
    """Steps alone, data loading as fast as it is usually done: everything in memory, a shuffled index,
    bytes to floats on the way."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    images, labels = read_mnist(args.data)
    net = ConditionalVAE((28, 28), 1, 10, **json.loads(args.model))
    if args.channels_last:
        net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    latent = net.encoder.z_mean.out_features

    def loss_of(image, label, noise):
        logits, z_mean, z_logvar = net(image, label, noise)
        return (reconstruction_term(logits, image) + kl_term(z_mean, z_logvar)).mean()
    if args.compile:
        loss_of = torch.compile(loss_of)
    order, at = torch.randperm(len(images)), 0
    started = 0.0
    for step in range(args.warmup + args.steps):
        if step == args.warmup:
            started = time.perf_counter()
        if at + args.batch > len(order):
            order, at = torch.randperm(len(images)), 0
        index = order[at:at + args.batch]
        at += args.batch
        image, label = images[index].float() / 255, labels[index]
        optimizer.zero_grad()
        loss = loss_of(image, label, torch.randn(args.batch, latent))
        loss.backward()
        optimizer.step()
        if not math.isfinite(loss.item()):
            raise SystemExit("the loss is not finite")
    return args.steps * args.batch / (time.perf_counter() - started)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder of the MNIST files")
    parser.add_argument("--model", default="{}", help="arguments of ConditionalVAE as JSON")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    args = parser.parse_args()
    print(json.dumps({"samples_per_second": samples_per_second(args), "torch": torch.__version__}))


if __name__ == "__main__":
    main()
