#!/usr/bin/env python3
"""Writes the golden vectors of tests/golden with PyTorch, in double precision, kept as float32.

Arrays are channels-last [n,d,h,w,c], weights [out,kd,kh,kw,in]: what the engine uses. Run it from the
repository's root; the same PyTorch gives the same files. tests/train_golden.c and tests/train_golden_models.c
read them.
"""
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from torch import nn
from torch.overrides import TorchFunctionMode

from peer_unet import UNet as PeerUNet
from peer_vae import ACTIVATIONS, ConditionalVAE, Norm, kl_term, reconstruction_term

FOLDER = "tests/golden/"
torch.set_default_dtype(torch.float64)
random = np.random.default_rng(20260101)
tensors = {}


def draw(*shape, low=-2.0, high=2.0):
    """Values that float32 holds exactly."""
    return random.uniform(low, high, shape).astype(np.float32)


def tensor(a, grad=True):
    t = torch.from_numpy(np.asarray(a))
    return t.double().requires_grad_(grad) if t.is_floating_point() else t


def first(x):  # [n,d,h,w,c] -> [n,c,d,h,w]
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def plain(t):
    """Float32 in memory order: what is written is memory, whatever the strides say."""
    return np.ascontiguousarray(t.detach().numpy(), np.float32)


def case(name, inputs, function, labels=()):
    """Inputs that are floats get a gradient; function(*inputs) -> output [n,d,h,w,c]."""
    ins = [tensor(a, i not in labels) for i, a in enumerate(inputs)]
    outs = function(*ins)
    outs = outs if isinstance(outs, tuple) else (outs,)
    weights = draw(*outs[0].shape)
    if outs[0].requires_grad:
        (outs[0] * torch.from_numpy(weights).double()).sum().backward()
    tensors[f"{name}:dout"] = weights
    for i, out in enumerate(outs):
        tensors[f"{name}:out{i}"] = plain(out)
    for i, (a, t) in enumerate(zip(inputs, ins)):
        tensors[f"{name}:in{i}"] = np.asarray(a)
        if t.is_floating_point() and t.grad is not None:
            tensors[f"{name}:grad{i}"] = plain(t.grad)


# ---- convolution --------------------------------------------------------------------------------
def conv(stride, pad, pad_end, act="none"):
    def run(x, w, b=None):
        pads = [p for before, after in zip(reversed(pad), reversed(pad_end))
                for p in (before, after)]
        y = F.conv3d(F.pad(first(x), pads), first(w), b.flatten() if b is not None else None,
                     stride)
        return ACTIVATIONS[act](last(y))
    return run


def conv_transposed(stride, pad, to, act="none"):
    def run(x, w, b=None):
        y = F.conv_transpose3d(first(x), first(w), None, stride)
        grow = [p for axis in (2, 1, 0) for p in (0, max(0, pad[axis] + to[axis] - y.shape[axis + 2]))]
        y = F.pad(y, grow)
        for axis in range(3):
            y = y.narrow(axis + 2, pad[axis], to[axis])
        y = last(y)
        return ACTIVATIONS[act](y + b if b is not None else y)
    return run


def convolutions():
    case("conv/dense", [draw(5, 1, 1, 1, 7), draw(3, 1, 1, 1, 7), draw(1, 1, 1, 1, 3)],
         conv((1, 1, 1), (0, 0, 0), (0, 0, 0)))
    case("conv/3x3 relu", [draw(2, 1, 5, 6, 3), draw(4, 1, 3, 3, 3), draw(1, 1, 1, 1, 4)],
         conv((1, 1, 1), (0, 1, 1), (0, 1, 1), "relu"))
    case("conv/4x4 strided silu", [draw(2, 1, 8, 6, 2), draw(3, 1, 4, 4, 2), draw(1, 1, 1, 1, 3)],
         conv((1, 2, 2), (0, 1, 1), (0, 1, 1), "silu"))
    case("conv/4x4 strided odd", [draw(1, 1, 7, 7, 2), draw(3, 1, 4, 4, 2)],
         conv((1, 2, 2), (0, 1, 1), (0, 2, 2)))
    case("conv/3x3x3 strided tanh",
         [draw(2, 4, 3, 5, 2), draw(3, 3, 3, 3, 2), draw(1, 1, 1, 1, 3)],
         conv((2, 2, 2), (1, 1, 1), (1, 1, 1), "tanh"))
    case("conv_transposed/4x4 strided",
         [draw(2, 1, 3, 4, 3), draw(3, 1, 4, 4, 2), draw(1, 1, 1, 1, 2)],
         conv_transposed((1, 2, 2), (0, 1, 1), (1, 6, 8)))
    case("conv_transposed/3x3 strided odd relu",
         [draw(2, 1, 4, 4, 3), draw(3, 1, 3, 3, 2), draw(1, 1, 1, 1, 2)],
         conv_transposed((1, 2, 2), (0, 1, 1), (1, 7, 7), "relu"))
    case("conv_transposed/2x2x2 strided gelu",
         [draw(1, 2, 2, 3, 3), draw(3, 2, 2, 2, 2), draw(1, 1, 1, 1, 2)],
         conv_transposed((2, 2, 2), (0, 0, 0), (4, 4, 6), "gelu"))


# ---- normalisation ------------------------------------------------------------------------------
def norm(groups, act):
    """groups 0: batch statistics. Also mean and 1/deviation, as the engine gives them."""
    def run(x, gamma, beta):
        n, c = x.shape[0], x.shape[-1]
        if groups == 0:
            parts, shape = x.reshape(-1, c).T, (1, 1, 1, 1, c)
            y = F.batch_norm(first(x), None, None, gamma.flatten(), beta.flatten(), True)
        else:
            parts = first(x).reshape(n * groups, -1)
            shape = (n, 1, 1, 1, groups)
            y = F.group_norm(first(x), groups, gamma.flatten(), beta.flatten())
        rstd = 1 / torch.sqrt(parts.var(1, unbiased=False) + 1e-5)
        return ACTIVATIONS[act](last(y)), parts.mean(1).reshape(shape), rstd.reshape(shape)
    return run


def norm_fixed(x, gamma, beta, mean, rstd):
    y = F.batch_norm(first(x), mean.flatten(), (rstd ** -2).flatten(), gamma.flatten(),
                     beta.flatten(), False, eps=0)
    return F.relu(last(y))


def norms():
    affine = lambda c: [draw(1, 1, 1, 1, c), draw(1, 1, 1, 1, c)]
    case("norm/batch relu", [draw(3, 1, 4, 5, 3), *affine(3)], norm(0, "relu"))
    case("norm/batch silu 3d", [draw(2, 2, 3, 2, 3), *affine(3)], norm(0, "silu"))
    case("norm/two groups", [draw(2, 1, 3, 4, 6), *affine(6)], norm(2, "none"))
    case("norm/instance gelu 3d", [draw(2, 2, 3, 2, 2), *affine(2)], norm(2, "gelu"))
    case("norm/fixed", [draw(2, 1, 3, 4, 3), *affine(3), draw(1, 1, 1, 1, 3),
                        draw(1, 1, 1, 1, 3, low=0.5)], norm_fixed, labels=(3, 4))


# ---- pooling, upsampling, shapes ----------------------------------------------------------------
def shapes():
    pool = lambda f, *args, **more: lambda x: last(f(first(x), *args, **more))
    case("max_pool/2x2", [draw(2, 1, 5, 6, 3)], pool(F.max_pool3d, (1, 2, 2)))
    case("max_pool/3x3 padded", [draw(2, 1, 5, 6, 2)],
         pool(F.max_pool3d, (1, 3, 3), (1, 2, 2), (0, 1, 1)))
    case("max_pool/2x2x2", [draw(1, 4, 2, 6, 2)], pool(F.max_pool3d, 2))
    case("avg_pool/3x3 padded", [draw(2, 1, 5, 6, 2)],
         pool(F.avg_pool3d, (1, 3, 3), (1, 2, 2), (0, 1, 1), count_include_pad=False))
    case("avg_pool/2x2x2", [draw(1, 4, 2, 6, 2)], pool(F.avg_pool3d, 2))
    up = lambda factor, mode: lambda x: last(F.interpolate(
        first(x), scale_factor=factor, mode=mode,
        **({} if mode == "nearest" else {"align_corners": False})))
    case("upsample/nearest", [draw(2, 1, 3, 4, 2)], up((1.0, 2.0, 2.0), "nearest"))
    case("upsample/linear", [draw(2, 1, 3, 4, 2)], up((1.0, 2.0, 2.0), "trilinear"))
    case("upsample/linear 3d", [draw(1, 2, 3, 2, 2)], up((2.0, 2.0, 3.0), "trilinear"))
    case("concat", [draw(2, 1, 3, 2, 3), draw(2, 1, 3, 2, 2)], lambda a, b: torch.cat([a, b], 4))
    case("slice", [draw(2, 1, 3, 2, 7)], lambda x: x[..., 2:5])
    case("reshape", [draw(2, 1, 3, 2, 4)], lambda x: x.reshape(2, 1, 1, 1, 24))
    case("reduce_sum", [draw(2, 2, 3, 2, 4)], lambda x: x.sum((1, 2, 3), keepdim=True))
    case("broadcast", [draw(2, 1, 1, 1, 3)], lambda x: x.expand(2, 2, 3, 2, 3))
    case("sum_squares", [draw(3, 1, 4, 5, 2)],
         lambda x: (x ** 2).sum().reshape(1, 1, 1, 1, 1), labels=(0,))


# ---- classes, losses, pointwise -----------------------------------------------------------------
def classes():
    case("softmax", [draw(2, 1, 3, 2, 5)], lambda x: x.softmax(-1))
    label = random.integers(0, 4, (2, 1, 3, 3, 1)).astype(np.int32)
    entropy = lambda **more: lambda x, y, *w: F.cross_entropy(
        first(x), y[..., 0].long(), *(v.flatten() for v in w), reduction="none", **more)[..., None]
    case("cross_entropy/plain", [draw(2, 1, 3, 3, 4), label], entropy())
    case("cross_entropy/weight ignore smoothing",
         [draw(2, 1, 3, 3, 4), label, draw(1, 1, 1, 1, 4, low=0.5)],
         entropy(ignore_index=2, label_smoothing=0.25), labels=(2,))
    case("embedding", [draw(5, 1, 1, 1, 3), np.array([4, 0, 4, 2], np.int32).reshape(4, 1, 1, 1, 1)],
         lambda t, i: t.reshape(5, 3)[i.flatten().long()].reshape(4, 1, 1, 1, 3))
    per_case = lambda x: x.flatten(1).sum(1).reshape(-1, 1, 1, 1, 1)
    losses = {"bce": lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"),
              "mse": lambda x, t: (x - t) ** 2, "l1": lambda x, t: (x - t).abs()}
    for name, f in losses.items():
        case(name, [draw(3, 1, 4, 5, 2), draw(3, 1, 4, 5, 2, low=0, high=1)],
             lambda x, t, f=f: per_case(f(x, t)), labels=(1,))


def pointwise():
    x = lambda **range: [draw(2, 1, 2, 3, 3, **range)]
    unary = {
        "affine": lambda v: 1.5 * v - 0.5, "relu": F.relu,
        "leaky_relu": lambda v: F.leaky_relu(v, 0.125), "elu": lambda v: F.elu(v, 0.75),
        "silu": F.silu, "gelu": F.gelu, "sigmoid": torch.sigmoid, "tanh_": torch.tanh,
        "softplus": F.softplus, "exp_": torch.exp, "square": torch.square, "abs_": torch.abs,
        "clamp": lambda v: v.clamp(-0.75, 1.25)}
    for name, f in unary.items():
        case(name, x(low=-4, high=4), f)
    for name, f in {"log_": torch.log, "sqrt_": torch.sqrt, "reciprocal": torch.reciprocal}.items():
        case(name, x(low=0.25), f)
    binary = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "max_": torch.maximum,
              "min_": torch.minimum}
    for name, f in binary.items():
        case(name, [draw(2, 1, 2, 3, 3), draw(2, 1, 2, 3, 3)], f)
        case(f"{name}/broadcast", [draw(2, 1, 1, 3, 3), draw(1, 1, 2, 1, 3)], f)
    case("div_/broadcast", [draw(2, 1, 1, 3, 3), draw(1, 1, 2, 1, 3, low=0.5)], torch.div)


# ---- optimisers ---------------------------------------------------------------------------------
def optimiser(name, make, clip=0.0):
    """Five updates of a parameter whose loss is sum(g_t * p): its gradient is g_t."""
    start, slopes = draw(37), draw(5, 37)
    p = torch.nn.Parameter(torch.from_numpy(start).double())
    optimizer, after = make([p]), []
    for g in slopes:
        p.grad = torch.from_numpy(g).double()
        if clip:
            nn.utils.clip_grad_norm_([p], clip)
        optimizer.step()
        after.append(plain(p).copy())
    tensors[f"{name}:start"], tensors[f"{name}:slopes"] = start, slopes
    tensors[f"{name}:after"] = np.stack(after)


def optimisers():
    optimiser("adam", lambda p: torch.optim.Adam(p, 0.0625, (0.875, 0.96875), 2 ** -20))
    optimiser("adam/clipped", lambda p: torch.optim.Adam(p, 0.0625, (0.875, 0.96875), 2 ** -20), 3.0)
    optimiser("adamw", lambda p: torch.optim.AdamW(p, 0.0625, (0.875, 0.96875), 2 ** -20, 0.25))
    optimiser("sgd", lambda p: torch.optim.SGD(p, 0.0625))
    optimiser("sgd/momentum", lambda p: torch.optim.SGD(p, 0.0625, 0.875, weight_decay=0.25))
    optimiser("sgd/nesterov", lambda p: torch.optim.SGD(p, 0.0625, 0.875, nesterov=True))


# ---- models -------------------------------------------------------------------------------------
class Classifier(nn.Module):
    def __init__(self, size, inputs, classes, channels, hidden):
        super().__init__()
        for i, c in enumerate(channels):
            level = nn.Module()
            level.conv = nn.Conv2d(inputs, c, 3, padding=1, bias=False)
            level.norm = Norm("batch", c, 2)
            self.add_module(str(i), level)
            inputs = c
            size = [-(-s // 2) for s in size]
        self.levels = len(channels)
        self.hidden = nn.Linear(inputs * size[0] * size[1], hidden)
        self.logits = nn.Linear(hidden, classes)

    def forward(self, x):
        for i in range(self.levels):
            level = getattr(self, str(i))
            x = F.relu(level.norm(level.conv(x)))
            x = F.max_pool2d(x, 2, ceil_mode=True)
        return self.logits(F.relu(self.hidden(x.movedim(1, -1).flatten(1))))


class Level(nn.Module):
    """One level of a UNet's half: two convolutions, and the way down or up."""

    def __init__(self, dims, inputs, outputs, norm, act, kind):
        super().__init__()
        self.kind, self.act, self.dims, self.norm = kind, ACTIVATIONS[act], dims, norm
        self.conv1, self.norm1 = self.pair(inputs, outputs, 3)
        self.conv2, self.norm2 = self.pair(outputs + (kind == "dense_residual") * inputs, outputs, 3)
        if kind != "plain" and inputs != outputs:
            self.shortcut, self.shortcut_norm = self.pair(inputs, outputs, 1)

    def pair(self, inputs, outputs, size, stride=1):
        """Convolution and norm; without a norm it has the bias."""
        conv = (nn.Conv2d if self.dims == 2 else nn.Conv3d)(
            inputs, outputs, size, stride, size // 2, bias=self.norm == "none")
        groups = {"none": 0, "instance": outputs, "group": 2}[self.norm]
        return conv, nn.GroupNorm(groups, outputs) if groups else None

    def run(self, conv, norm, x):
        x = getattr(self, conv)(x)
        return x if getattr(self, norm) is None else getattr(self, norm)(x)

    def block(self, x):
        y = self.act(self.run("conv1", "norm1", x))
        y = self.run("conv2", "norm2", torch.cat([x, y], 1) if self.kind == "dense_residual" else y)
        if self.kind == "plain":
            return self.act(y)
        return self.act(y + (self.run("shortcut", "shortcut_norm", x) if hasattr(self, "shortcut")
                             else x))


def cut(x, like):
    return x[tuple(slice(s) for s in (*x.shape[:2], *like.shape[2:]))]


class UNet(nn.Module):
    """Any sides in 2D and 3D: down rounds up, up is cut to the skip."""

    def __init__(self, dims, inputs, outputs, channels, norm, act, kind, down, up, mode="", deep=False):
        super().__init__()
        level = lambda i, c: Level(dims, i, c, norm, act, kind)
        conv = nn.Conv2d if dims == 2 else nn.Conv3d
        transpose = nn.ConvTranspose2d if dims == 2 else nn.ConvTranspose3d
        self.encoder = nn.ModuleList(map(level, [inputs, *channels], channels))
        self.decoder = nn.ModuleList(level(2 * c, c) for c in channels[:-1])
        for i, (c, below) in enumerate(zip(channels, channels[1:])):
            if down == "strided":
                self.encoder[i].down, self.encoder[i].down_norm = self.encoder[i].pair(c, c, 3, 2)
            self.decoder[i].up = transpose(below, c, 2, 2) if up == "transpose" else conv(below, c, 1)
            if deep and i:
                self.decoder[i].head = conv(c, outputs, 1)
        self.head = conv(channels[0], outputs, 1)
        self.linear = "bilinear" if dims == 2 else "trilinear"
        self.up, self.mode, self.deep = up, self.linear if mode == "linear" else mode, deep
        self.pool = F.max_pool2d if dims == 2 else F.max_pool3d

    def enlarge(self, x, factor, like, mode):
        more = {} if mode == "nearest" else {"align_corners": False}
        return cut(F.interpolate(x, scale_factor=float(factor), mode=mode, **more), like)

    def forward(self, image):
        x, skips, extra = image, [], []
        for level in self.encoder:
            if skips:
                above = self.encoder[len(skips) - 1]
                x = (above.act(above.run("down", "down_norm", x)) if hasattr(above, "down")
                     else self.pool(x, 2, ceil_mode=True))
            x = level.block(x)
            skips.append(x)
        for i in reversed(range(len(self.decoder))):
            level, skip = self.decoder[i], skips[i]
            x = cut(level.up(x), skip) if self.up == "transpose" else \
                self.enlarge(level.up(x), 2, skip, self.mode)
            x = level.block(torch.cat([skip, x], 1))
            if hasattr(level, "head"):
                extra.insert(0, self.enlarge(level.head(x), 2 ** i, image, self.linear))
        return self.head(x), extra if self.training else []


def ours(t):
    """A parameter or image in our layout; a copy, for training goes on."""
    return plain(t.movedim(1, -1) if t.dim() > 2 else t).copy()


class Margin(TorchFunctionMode):
    """How near a model's training comes to where rounding decides: the least magnitude before a (leaky) ReLU,
    whose slope jumps at 0, and the least lead of a pooling window's largest above its second."""

    def __init__(self):
        super().__init__()
        self.least = math.inf

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        if name in ("relu", "leaky_relu"):
            self.least = min(self.least, args[0].detach().abs().min().item())
        if name in ("max_pool2d", "max_pool3d"):
            self.least = min(self.least, self.lead(function, args[0].detach(), args[1:], kwargs or {}))
        return function(*args, **(kwargs or {}))

    @staticmethod
    def lead(pool, x, args, kwargs):
        best, at = pool(x, *args, **{**kwargs, "return_indices": True})
        rest = x.flatten(2).scatter(2, at.flatten(2), -math.inf).reshape(x.shape)
        second = pool(rest, *args, **{**kwargs, "return_indices": False})
        return (best - second)[best != 0].min().item()  # of zeros behind a ReLU any may win


def model(name, net, batch, loss_of):
    """Weights, one step's results and gradients, the losses of ten Adam steps, state after them. No value may be
    so near a kink or a tie that single precision puts it on the other side: a step later all gradients differ."""
    with Margin() as margin:
        train(name, net, batch, loss_of)
    if margin.least < 4e-5:
        raise SystemExit(f"{name}: {margin.least:.1e} from a kink or a tie; take another seed")
    print(f"{name}: {margin.least:.1e} from a kink or a tie")


def train(name, net, batch, loss_of):
    kept = {f"in:{k}": v for k, v in batch.items()}
    for p in net.parameters():
        p.data = p.data.float().double()
    kept |= {f"weight:{k}": ours(v) for k, v in net.named_parameters()}
    optimizer, losses = torch.optim.Adam(net.parameters(), 2 ** -7, (0.875, 0.96875), 2 ** -20), []
    net.train()
    for step in range(10):
        optimizer.zero_grad()
        loss, outputs = loss_of(net)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            kept |= {f"out:{k}": ours(v) for k, v in outputs.items()}
            kept |= {f"grad:{k}": ours(v.grad) for k, v in net.named_parameters()}
        optimizer.step()
    kept["losses"] = np.array(losses, np.float32)
    kept |= {f"state:{k}": ours(v) for k, v in net.named_buffers() if v.is_floating_point()}
    net.eval()
    with torch.no_grad():
        kept["evaluated"] = np.array([loss_of(net)[0].item()], np.float32)
    save_file(kept, f"{FOLDER}{name}.safetensors")


def vae(name, size, image_channels, cases, classes, reconstruction="bce", **config):
    torch.manual_seed(1)
    net = ConditionalVAE(size, image_channels, classes, **config)
    image = draw(cases, *size, image_channels, low=0, high=1)
    label = random.integers(0, classes, cases).astype(np.int32)
    noise = random.standard_normal((cases, config["latent"])).astype(np.float32)
    x, y, e = torch.from_numpy(image).double().movedim(-1, 1), torch.from_numpy(label).long(), \
        torch.from_numpy(noise).double()

    def loss_of(net):
        logits, z_mean, z_logvar = net(x, y, e)
        terms, kl = reconstruction_term(logits, x, reconstruction), kl_term(z_mean, z_logvar)
        return (terms + kl).mean(), dict(logits=logits, z_mean=z_mean, z_logvar=z_logvar,
                                         reconstruction=terms, kl=kl)
    model(name, net, dict(image=image, label=label, noise=noise), loss_of)


def classifier():
    torch.manual_seed(2)
    net = Classifier([9, 6], 2, 4, [5, 7], 11)
    image = draw(6, 9, 6, 2, low=0, high=1)
    label = random.integers(0, 4, 6).astype(np.int32)
    x, y = torch.from_numpy(image).double().movedim(-1, 1), torch.from_numpy(label).long()

    def loss_of(net):
        logits = net(x)
        return F.cross_entropy(logits, y), dict(logits=logits)
    model("classifier", net, dict(image=image, label=label), loss_of)


def unet(name, net, size, inputs, classes, weight=(1, 1, 0)):
    """Binary (one logit) with classes 2, else softmax; some pixels have no class, a case no weight."""
    cases = len(weight)
    image = draw(cases, *size, inputs)
    mask = random.integers(0, classes, (cases, *size)).astype(np.int32)
    mask[random.random(mask.shape) < 0.125] = 255
    x, y = torch.from_numpy(image).double().movedim(-1, 1), torch.from_numpy(mask).long()
    counts = (y != 255) * torch.tensor(weight).reshape(-1, *[1] * len(size)) > 0

    def term(logits):
        if logits.shape[1] == 1:
            every = F.binary_cross_entropy_with_logits(logits[:, 0], (y == 1).double(), reduction="none")
            return every[counts].mean()
        return F.cross_entropy(logits, torch.where(counts, y, 255), ignore_index=255)

    def loss_of(net):
        out = net(x)
        logits, extra = out if isinstance(out, tuple) else (out, [])
        shares = [0.5 ** i for i in range(1 + len(extra))]
        loss = sum(s * term(l) for s, l in zip(shares, [logits, *extra])) / sum(shares)
        return loss, dict(logits=logits, **{f"logits{i + 1}": l for i, l in enumerate(extra)})
    model(name, net, dict(image=image, mask=mask, weight=np.array(weight, np.float32)), loss_of)


def unets():
    torch.manual_seed(50)
    unet("unet-plain", PeerUNet([4, 6, 8], "maxpool", "transpose", inputs=2), (8, 12), 2, 2)
    torch.manual_seed(3)
    unet("unet-residual", UNet(2, 3, 3, [4, 6, 6], "instance", "leaky_relu", "residual", "strided",
                               "upsample", "linear"), (7, 9), 3, 3)
    unet("unet-dense-3d", UNet(3, 2, 3, [2, 4, 4, 6], "group", "silu", "dense_residual", "maxpool",
                               "transpose", deep=True), (5, 6, 7), 2, 3, (1, 1))
    unet("unet-bare", UNet(2, 1, 1, [3, 5], "none", "gelu", "plain", "strided", "upsample", "nearest"),
         (5, 6), 1, 2)


def main():
    convolutions(), norms(), shapes(), classes(), pointwise()
    save_file(tensors, f"{FOLDER}ops.safetensors")
    tensors.clear()
    optimisers()
    save_file(tensors, f"{FOLDER}optimisers.safetensors")
    vae("vae-mlp", (6, 5), 1, 7, 3, kind="mlp", latent=4, hidden=9, label_channels=5)
    vae("vae-conv", (10, 7), 2, 5, 3, kind="conv", latent=4, hidden=11, label_channels=3,
        channels=(4, 6), kernel=4, blocks=1, norm="batch", act="silu")
    vae("vae-conv-3d", (4, 5, 6), 1, 3, 2, "mse", kind="conv", latent=3, hidden=0,
        label_channels=2, channels=(3, 4), kernel=3, norm="instance", act="leaky_relu")
    classifier()
    unets()


if __name__ == "__main__":
    sys.exit(main())
