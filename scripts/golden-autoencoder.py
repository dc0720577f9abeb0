#!/usr/bin/env python3
"""Writes tests/golden/autoencoder-*.safetensors: autoencoders with each term of the loss, as golden.py does with
the other models. The similarity is written out here from Wang et al. 2004, its windows by a convolution with the
outer product of the weights. Run it from the repository's root.
"""
import numpy as np
import torch
import torch.nn.functional as F


import golden


class Autoencoder(golden.UNet):
    """A UNet whose decoder is joined to some of the encoder's levels alone."""

    def __init__(self, dims, inputs, channels, norm, act, down, up, joined, mode=""):
        super().__init__(dims, inputs, inputs, channels, norm, act, "plain", down, up, mode)
        self.joined = joined
        for i in set(range(len(channels) - 1)) - set(joined):
            level = self.decoder[i]
            level.conv1, level.norm1 = level.pair(channels[i], channels[i], 3)

    def forward(self, image):
        x, skips = image, []
        for i, level in enumerate(self.encoder):
            if i:
                above = self.encoder[i - 1]
                x = (above.act(above.run("down", "down_norm", x)) if hasattr(above, "down")
                     else self.pool(x, 2, ceil_mode=True))
            x = level.block(x)
            skips.append(x)
        for i in reversed(range(len(self.decoder))):
            level, skip = self.decoder[i], skips[i]
            x = golden.cut(level.up(x), skip) if self.up == "transpose" else \
                self.enlarge(level.up(x), 2, skip, self.mode)
            x = level.block(torch.cat([skip, x], 1) if i in self.joined else x)
        return self.head(x)


def window(sides):
    """Weights along each axis, joined."""
    out = torch.ones(())
    for side in sides:
        length = min(11, side if side % 2 else side - 1)
        at = torch.arange(length) - length // 2
        weight = torch.exp(-at ** 2 / (2 * 1.5 ** 2))
        out = out[..., None] * (weight / weight.sum())
    return out


def similarity(x, t, data_range):
    """[n], of [n,c,...]"""
    kernel = window(x.shape[2:])[None, None]
    convolve = F.conv2d if x.dim() == 4 else F.conv3d
    mean = lambda a: convolve(a.flatten(0, 1)[:, None], kernel)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mx, mt = mean(x), mean(t)
    vx, vt, cov = mean(x * x) - mx * mx, mean(t * t) - mt * mt, mean(x * t) - mx * mt
    every = (2 * mx * mt + c1) * (2 * cov + c2) / ((mx * mx + mt * mt + c1) * (vx + vt + c2))
    return every.reshape(len(x), -1).mean(1)


def network(inputs):
    """Weights and biases of two convolutions."""
    shapes = (4, inputs, 3, 3), (4,), (5, 4, 3, 3), (5,)
    return [torch.from_numpy(golden.draw(*s, low=-0.5, high=0.5)).double() for s in shapes]


def sees(weights, x):
    """What a frozen network sees behind its two activations; values of 0.5 and 0.25 away from it are 0 and 1."""
    x = F.relu(F.conv2d((x - 0.5) / 0.25, *weights[:2], padding=1))
    return x, F.relu(F.conv2d(F.max_pool2d(x, 2), *weights[2:]))


def autoencoder(name, seed, net, size, inputs, terms, sigmoid=True, hidden=False):
    """terms: of the loss, with their weights; hidden: pixels count differently."""
    torch.manual_seed(seed)
    net = net()
    cases = 3
    image = golden.draw(cases, *size, inputs, low=0 if sigmoid else -2, high=1 if sigmoid else 2)
    pixel = np.where(golden.random.random((cases, *size, 1)) < 0.5, 1, 0.25).astype(np.float32)
    pixel[0] = 0
    t = torch.from_numpy(image).double().movedim(-1, 1)
    weight = torch.from_numpy(pixel).double().movedim(-1, 1) if hidden else torch.ones_like(t[:, :1])

    def mean(x):
        return (x * weight).flatten(1).sum(1) / (weight.flatten(1).sum(1) * inputs).clamp(min=1e-20)

    weights = network(inputs) if "perceptual" in terms else []
    counted = lambda x: t + weight * (x - t)

    def perceptual(x):
        pairs = zip(sees(weights, counted(x)), sees(weights, t))
        return sum(((a - b) ** 2).flatten(1).mean(1) for a, b in pairs) / 2

    every = {"mse": lambda x: mean((x - t) ** 2), "l1": lambda x: mean((x - t).abs()),
             "ssim": lambda x: 1 - similarity(counted(x), t, 1), "perceptual": perceptual}

    def loss_of(net):
        raw = net(t)
        x = torch.sigmoid(raw) if sigmoid else raw
        return sum(w * every[k](x) for k, w in terms.items()).mean(), dict(raw=raw)
    batch = dict(image=image, **({"pixel": pixel} if hidden else {}))
    names = [f"perceptual.features.{i}.{kind}" for i in (0, 3) for kind in ("weight", "bias")]
    batch |= {n: golden.ours(w) for n, w in zip(names, weights)}
    golden.model(f"autoencoder-{name}", net, batch, loss_of)


def main():
    golden.random = np.random.default_rng(20261101)
    plain = lambda joined: lambda: Autoencoder(2, 3, [3, 4, 6], "instance", "leaky_relu", "strided", "transpose",
                                               joined)
    autoencoder("mse", 27, plain([]), (10, 13), 3, {"mse": 1})
    autoencoder("l1", 3, plain([1]), (9, 12), 3, {"l1": 1})
    autoencoder("ssim", 34, plain([0, 1]), (13, 16), 3, {"ssim": 1})
    autoencoder("hidden", 20, plain([]), (14, 12), 3, {"mse": 1, "l1": 0.5, "ssim": 0.25}, hidden=True)
    autoencoder("3d", 9, lambda: Autoencoder(3, 1, [2, 3], "none", "silu", "maxpool", "upsample", [], "linear"),
                (5, 12, 8), 1, {"mse": 0.5, "ssim": 2}, sigmoid=False)
    autoencoder("perceptual", 14, plain([]), (12, 9), 3, {"mse": 1, "perceptual": 0.5}, hidden=True)


if __name__ == "__main__":
    main()
