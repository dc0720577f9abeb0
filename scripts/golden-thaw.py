#!/usr/bin/env python3
"""Writes tests/golden/thaw-*.safetensors: ten steps of a UNet whose encoder is given and stands still for the first
five, one batch over and over, with PyTorch's optimisers and schedule. The decoder is what a seed draws: Philox4x32-10
(Salmon et al. 2011) is written out here. tests/train_golden_thaw.c trains the same. Run it from the repository's root.
"""
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

import golden
from peer_unet import UNet

SEED, STEPS, FROZEN, CLASSES, IGNORE = 11, 10, 5, 3, 255
TRAIN, VAL = 4, 2


def philox(block, key):
    v, low, high = [block, 0, 0, 0], key & 0xffffffff, key >> 32
    for _ in range(10):
        a, b = 0xD2511F53 * v[0], 0xCD9E8D57 * v[2]
        v = [b >> 32 ^ v[1] ^ low, b & 0xffffffff, a >> 32 ^ v[3] ^ high, a & 0xffffffff]
        low, high = low + 0x9E3779B9 & 0xffffffff, high + 0xBB67AE85 & 0xffffffff
    return v


def uniform(name, count):
    """In (0, 1), of 52 bits: a stream of its own for each name."""
    key = 0xcbf29ce484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001b3 % 2 ** 64
    key ^= SEED * 0x9E3779B97F4A7C15 % 2 ** 64
    words = [w >> 6 for block in range((count + 1) // 2) for w in philox(block, key)]
    return np.array([((high << 26 | low) + 0.5) / 2 ** 52 for high, low in zip(words[::2], words[1::2])][:count])


def draw_decoder(net):
    """Convolutions uniform up to 1/sqrt(fan-in) either way, a transposed one's fan-in being that of its gradient."""
    for module_name, module in net.named_modules():
        if module_name.startswith("encoder") or not hasattr(module, "kernel_size"):
            continue
        bound = np.float32(1) / np.sqrt(np.float32(module.weight[0].numel()))
        for key, p in module.named_parameters():
            like = p.detach().movedim(1, -1) if p.dim() > 1 else p.detach()
            values = np.float64(bound) * (2 * uniform(f"{module_name}.{key}", p.numel()) - 1)
            values = torch.from_numpy(values.astype(np.float32)).double().reshape(like.shape)
            p.data = values.movedim(-1, 1).contiguous() if p.dim() > 1 else values


def draw_encoder(net):
    """Statistics unlike those of the data, so that it shows whether they are used and kept."""
    for name, t in [*net.encoder.named_parameters(), *net.encoder.named_buffers()]:
        if not t.is_floating_point():
            continue
        low, high = (0.5, 1.5) if "running_var" in name or "norm" in name and "weight" in name else (-0.5, 0.5)
        t.data = torch.from_numpy(golden.draw(*t.shape, low=low, high=high)).double()


def soft_dice(p, hot, smooth, over):
    """Of all classes but the first; over: what a sum is over, the mean is over the rest."""
    both, sizes = (p * hot).sum(over), (p + hot).sum(over)
    return (1 - (2 * both + smooth) / (sizes + smooth))[..., 1:].mean()


def thaw(name, seed, net, size, optimiser, reduce, encoder_rate=1):
    torch.manual_seed(seed)
    golden.random = np.random.default_rng(seed)
    draw_encoder(net), draw_decoder(net)
    image = golden.random.integers(0, 256, (TRAIN + VAL, *size, 2)).astype(np.uint8)
    mask = golden.random.choice(4, (TRAIN + VAL, *size), p=[0.6, 0.25, 0.1, 0.05]).astype(np.uint8)
    mask[mask == 3] = IGNORE
    x, y = torch.from_numpy(image / 255).movedim(-1, 1), torch.from_numpy(mask).long()
    pixels = torch.bincount(y[:TRAIN].flatten(), minlength=256)[:CLASSES].double()
    weights = pixels.sum() / (CLASSES * pixels)
    kept = dict(image=image, mask=mask)
    state = lambda key: {f"{key}:{k}": golden.ours(v) for k, v in net.state_dict().items() if v.is_floating_point()}
    kept |= {k: v for k, v in state("init").items() if k.startswith("init:encoder.")}

    def loss_of(cases):
        logits, label = net(x[cases]), y[cases]
        known = (label != IGNORE)[..., None]
        hot = F.one_hot(label * known[..., 0], CLASSES) * known
        p = logits.softmax(1).movedim(1, -1) * known
        pixel_axes = tuple(range(1, len(size) + 1))
        dice = soft_dice(p, hot, 1e-5, (0, *pixel_axes) if reduce == "batch" else pixel_axes)
        return dice + F.cross_entropy(logits, label, weights, ignore_index=IGNORE)

    halves = [dict(params=net.encoder.parameters()), dict(params=[*net.decoder.parameters(), *net.head.parameters()])]
    steps = optimiser(halves)
    halves[0]["lr"] = steps.param_groups[0]["lr"] = steps.param_groups[0]["lr"] * encoder_rate
    schedule = torch.optim.lr_scheduler.PolynomialLR(steps, STEPS, 0.9)
    losses, validated, least = [], [], 1.0
    for step in range(STEPS):
        frozen = step < FROZEN
        net.train()
        net.encoder.train(not frozen), net.encoder.requires_grad_(not frozen)
        steps.zero_grad()
        with golden.Margin() as margin:
            loss = loss_of(slice(TRAIN))
        least = min(least, margin.least)
        if least < 4e-5:
            return False
        loss.backward()
        steps.step(), schedule.step()
        net.eval()
        with torch.no_grad():
            losses.append(loss.item()), validated.append(loss_of(slice(TRAIN, None)).item())
        if step + 1 in (FROZEN, STEPS):
            kept |= state(f"after {step + 1}")
    kept |= {"losses": np.array(losses), "validated": np.array(validated)}
    save_file(kept, f"{golden.FOLDER}thaw-{name}.safetensors")
    print(f"{name}: seed {seed}, {least:.1e} from a kink or a tie, losses {losses[0]:.3f} to {losses[-1]:.3f}")
    return True


def case(name, net, *args, **more):
    """With the first seed for which no value comes so near a kink or a tie that rounding decides."""
    if not any(thaw(name, seed, net(), *args, **more) for seed in range(1000)):
        raise SystemExit(f"{name}: always near a kink or a tie")


def main():
    sgd = lambda halves: torch.optim.SGD(halves, 0.05, 0.99, weight_decay=2 ** -10, nesterov=True)
    adam = lambda halves: torch.optim.Adam(halves, 0.01, eps=2 ** -16)
    case("sgd", lambda: UNet([3, 4], "maxpool", "transpose", 2, CLASSES), (4, 6), sgd, "batch")
    case("adam", lambda: UNet([3, 4], "strided", "upsample", 2, CLASSES), (6, 4), adam, "case", encoder_rate=0.25)
    case("sgd-3d", lambda: UNet([2, 3], "strided", "transpose", 2, CLASSES, 3), (2, 4, 4), sgd, "case")


if __name__ == "__main__":
    main()
