"""The UNet of common/model/unet.h in PyTorch: the peer that experiments/unet-ablation.yaml is compared
with. Run as a program it trains the four variants on Oxford-IIIT Pet with the experiment's settings
and prints one line of JSON a run: pooled test metrics and speed.

    python3 scripts/peer_unet.py --data ../shared/data --seeds 0 1 2 >>peer.jsonl

Parameter names are those of our weights files; tensors here are NCHW.
"""
import argparse
import json
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

VARIANTS = {  # down, up, loss
    "MP+Tr+BCE": ("maxpool", "transpose", "bce"),
    "MP+Tr+Dice": ("maxpool", "transpose", "dice"),
    "StrConv+Tr+BCE": ("strided", "transpose", "bce"),
    "StrConv+Ups+Dice": ("strided", "upsample", "dice"),
}


CONV = {2: nn.Conv2d, 3: nn.Conv3d}
CONV_TRANSPOSE = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
MAX_POOL = {2: F.max_pool2d, 3: F.max_pool3d}
LINEAR = {2: "bilinear", 3: "trilinear"}


class Block(nn.Module):
    def __init__(self, inputs, outputs, dims):
        super().__init__()
        self.dims = dims
        self.conv1 = CONV[dims](inputs, outputs, 3, padding=1, bias=False)
        self.norm1 = NORM[dims](outputs)
        self.conv2 = CONV[dims](outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = NORM[dims](outputs)

    def block(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)))


class EncoderLevel(Block):
    def __init__(self, inputs, outputs, down, dims):
        super().__init__(inputs, outputs, dims)
        if down == "strided":
            self.down = CONV[dims](outputs, outputs, 3, stride=2, padding=1, bias=False)
            self.down_norm = NORM[dims](outputs)

    def lower(self, x):
        if hasattr(self, "down"):
            return F.relu(self.down_norm(self.down(x)))
        return MAX_POOL[self.dims](x, 2)


class DecoderLevel(Block):
    def __init__(self, below, channels, up, dims):
        super().__init__(2 * channels, channels, dims)
        self.transposed = up == "transpose"
        self.up = (CONV_TRANSPOSE[dims](below, channels, 2, stride=2) if self.transposed
                   else CONV[dims](below, channels, 1))

    def forward(self, x, skip):
        x = self.up(x)
        if not self.transposed:
            x = F.interpolate(x, scale_factor=2, mode=LINEAR[self.dims], align_corners=False)
        return self.block(torch.cat([skip, x], 1))


class UNet(nn.Module):
    """Plain blocks, batch norm, relu; sides divisible by 2^(levels - 1). checkpointed: the activations
    inside a level's block are computed again for its gradient."""

    def __init__(self, channels, down, up, inputs=3, outputs=1, dims=2, checkpointed=False):
        super().__init__()
        self.checkpointed = checkpointed
        levels = len(channels)
        self.encoder = nn.ModuleList(
            EncoderLevel(inputs if i == 0 else channels[i - 1], c,
                         down if i + 1 < levels else None, dims)
            for i, c in enumerate(channels))
        self.decoder = nn.ModuleList(DecoderLevel(channels[i + 1], channels[i], up, dims)
                                     for i in range(levels - 1))
        self.head = CONV[dims](channels[0], outputs, 1)

    def part(self, function, *inputs):
        if self.checkpointed:
            return checkpoint(function, *inputs, use_reentrant=False)
        return function(*inputs)

    def forward(self, x):
        skips = []
        for level in self.encoder[:-1]:
            x = self.part(level.block, x)
            skips.append(x)
            x = level.lower(x)
        x = self.part(self.encoder[-1].block, x)
        for i in reversed(range(len(self.decoder))):
            x = self.part(self.decoder[i], x, skips[i])
        return self.head(x)


def dice_loss(logits, target, smooth=1e-5):
    """Soft Dice over the whole batch."""
    p = torch.sigmoid(logits)
    return 1 - (2 * (p * target).sum() + smooth) / (p.sum() + target.sum() + smooth)


LOSSES = {"bce": F.binary_cross_entropy_with_logits, "dice": dice_loss}


def read_split(root, name, size):
    """Images f32 [n,3,size,size] in [0, 1] and foreground masks [n,1,size,size], boundary included."""
    from PIL import Image
    images, masks = [], []
    with open(os.path.join(root, "annotations", name + ".txt"), encoding="ascii") as lines:
        for line in lines:
            case = line.split()[0]
            image = Image.open(os.path.join(root, "images", case + ".jpg")).convert("RGB")
            trimap = Image.open(os.path.join(root, "annotations", "trimaps", case + ".png"))
            images.append(np.asarray(image.resize((size, size), Image.BOX)))
            masks.append(np.asarray(trimap.resize((size, size), Image.NEAREST)) != 2)
    images = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    return images.contiguous(), torch.from_numpy(np.stack(masks)).unsqueeze(1).float()


def train(model, loss, images, masks, args, generator):
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    seconds, seen = 0.0, 0
    model.train()
    for _ in range(args.epochs):
        order = torch.randperm(len(images), generator=generator)
        for batch in order.split(args.batch):
            start = time.perf_counter()
            x, y = images[batch], masks[batch]
            flip = torch.rand(len(batch), generator=generator) < 0.5
            x[flip], y[flip] = x[flip].flip(3), y[flip].flip(3)
            x = x.contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad(set_to_none=True)
            loss(model(x), y).backward()
            optimizer.step()
            seconds += time.perf_counter() - start
            seen += len(batch)
    return seen / seconds


@torch.no_grad()
def evaluate(model, images, masks):
    model.eval()
    predicted = torch.cat([model(x.contiguous(memory_format=torch.channels_last)) >= 0
                           for x in images.split(16)])
    truth = masks > 0.5
    tp = (predicted & truth).sum().item()
    fp = (predicted & ~truth).sum().item()
    fn = (~predicted & truth).sum().item()
    tn = (~predicted & ~truth).sum().item()
    iou = tp / (tp + fp + fn)
    return {"test/pixel_accuracy": (tp + tn) / (tp + fp + fn + tn), "test/iou/foreground": iou,
            "test/dice/foreground": 2 * tp / (2 * tp + fp + fn),
            "test/miou": (iou + tn / (tn + fp + fn)) / 2}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS))
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64, 128, 256])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    root = os.path.join(args.data, "oxford-iiit-pet")
    training, test = (read_split(root, name, args.size) for name in ("trainval", "test"))
    for seed in args.seeds:
        for variant in args.variants:
            down, up, loss = VARIANTS[variant]
            torch.manual_seed(seed)
            model = UNet(args.channels, down, up).to(memory_format=torch.channels_last)
            generator = torch.Generator().manual_seed(seed)
            speed = train(model, LOSSES[loss], *training, args, generator)
            print(json.dumps({"variant": variant, "seed": seed, "torch": torch.__version__,
                              "threads": args.threads,
                              "parameters": sum(p.numel() for p in model.parameters()),
                              "samples_per_second": round(speed, 2), **evaluate(model, *test)}),
                  flush=True)


if __name__ == "__main__":
    main()
