"""Training steps in PyTorch of the models of tests/bench/model.c, data loading included: made images held in
memory as bytes, shuffled, turned to floats on the way; Adam (fused); the loss read on the host.

As a server (scripts/bench) it prints "ready" and reads lines "MODE LAYOUT SECONDS", MODE eager or compile, LAYOUT plain or
channels-last, trains for so long and answers with one line: the median seconds of a step, or "failed".

With --memory it prints what three steps take beyond the state before model and data, "KEY,VALUE" lines:
resident_bytes (growth of the resident set's peak), allocated_bytes (peak of what PyTorch's own CPU allocator
handed out, oneDNN's scratch included, the data set not), seconds.
"""
import argparse
import gc
import sys
import time

import torch
import torch.nn.functional as F

from peer_unet import UNet
from peer_vae import ConditionalVAE, kl_term, reconstruction_term

# name: size, image channels, batch, arguments of the model
VAES = {
    "mnist-mlp": ((28, 28), 1, 128, dict(kind="mlp", hidden=512)),
    "mnist-conv": ((28, 28), 1, 128, dict(kind="conv", hidden=256, blocks=1, act="silu")),
    "cifar-conv": ((32, 32), 3, 128, dict(kind="conv", channels=(32, 64, 128), latent=128, hidden=0)),
}
UNETS = {
    "unet16": ((128, 128), 3, 16, (16, 32, 64, 128, 256)),
    "unet32": ((128, 128), 3, 16, (32, 64, 128, 256, 512)),
    "unet3d": ((64, 64, 64), 1, 2, (16, 32, 64, 128)),
}
LAYOUTS = {("plain", 2): torch.contiguous_format, ("plain", 3): torch.contiguous_format,
           ("channels-last", 2): torch.channels_last, ("channels-last", 3): torch.channels_last_3d}
LEAST = 3


class Training:
    """A model with its data; step() is one step and gives the loss."""

    def __init__(self, name, half, mode, layout, checkpointed=False):
        torch.manual_seed(0)
        self.vae = name in VAES
        size, channels, self.batch, model = (VAES if self.vae else UNETS)[name]
        self.format = LAYOUTS[layout, len(size)]
        self.half = half
        if self.vae:
            self.net = ConditionalVAE(size, channels, 10, **model)
            self.latent = self.net.encoder.z_mean.out_features
        else:
            self.net = UNet(model, "maxpool", "transpose", channels, 1, len(size), checkpointed)
        self.net = self.net.to(memory_format=self.format)
        self.optimizer = torch.optim.Adam(self.net.parameters(), 1e-3, fused=True)
        cases = 4 * self.batch
        self.images = torch.randint(0, 256, (cases, channels, *size), dtype=torch.uint8)
        self.images = self.images.contiguous(memory_format=self.format)
        self.labels = torch.randint(0, 10, (cases,))
        self.masks = None if self.vae else (self.images[:, :1] > 127).contiguous()
        self.loss = torch.compile(self.loss_of) if mode == "compile" else self.loss_of
        self.order, self.at = torch.randperm(cases), 0

    def loss_of(self, image, target):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            if not self.vae:
                logits = self.net(image).float()
                return F.binary_cross_entropy_with_logits(logits, target)
            logits, z_mean, z_logvar = self.net(image, target, torch.randn(len(image), self.latent))
            logits, z_mean, z_logvar = logits.float(), z_mean.float(), z_logvar.float()
            return (reconstruction_term(logits, image) + kl_term(z_mean, z_logvar)).mean()

    def step(self):
        if self.at + self.batch > len(self.order):
            self.order, self.at = torch.randperm(len(self.order)), 0
        index = self.order[self.at:self.at + self.batch]
        self.at += self.batch
        image = self.images[index].float().div_(255).contiguous(memory_format=self.format)
        target = self.labels[index] if self.vae else self.masks[index].float()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(image, target)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def median(self, seconds):
        self.step()
        times, begin = [], time.perf_counter()
        while len(times) < LEAST or time.perf_counter() - begin < seconds:
            start = time.perf_counter()
            self.step()
            times.append(time.perf_counter() - start)
        return sorted(times)[len(times) // 2]


def serve(args):
    trainings = {}
    print("ready", flush=True)  # imported: what else is timed is not disturbed by that
    for line in sys.stdin:
        mode, layout, seconds = line.split()
        try:
            if mode not in ("eager", "compile"):
                raise ValueError("neither eager nor compile")
            if (mode, layout) not in trainings:
                trainings[mode, layout] = Training(args.model, args.precision == "bf16", mode, layout)
                trainings[mode, layout].step()
            print(f"{trainings[mode, layout].median(float(seconds)):.6f}", flush=True)
        except Exception as error:  # a variant that PyTorch cannot do must not end the others
            print(f"{args.model} {mode} {layout}: {error}", file=sys.stderr)
            print("failed", flush=True)


def resident(name):
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(name + ":"):
                return 1024 * int(line.split()[1])
    return 0


def allocated_peak(make):
    """The most that was allocated at once while make() built a training and did three steps."""
    from torch.profiler import ProfilerActivity, profile
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        training = make()
        for _ in range(3):
            training.step()
    now = peak = 0
    events = [e for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    data = [t for t in (training.images, training.labels, training.masks) if t is not None]
    return peak - sum(t.nbytes for t in data)


def memory(args):
    def make():
        return Training(args.model, args.precision == "bf16", "eager", args.layout, args.checkpoint)

    with torch.no_grad():  # the libraries and their threads are there before
        F.conv2d(torch.ones(1, 8, 32, 32), torch.ones(8, 8, 3, 3))
    before = resident("VmRSS")
    training = make()
    for _ in range(3):
        training.step()
    print(f"resident_bytes,{resident('VmHWM') - before}")
    print(f"seconds,{training.median(args.seconds):.6f}")
    print(f"parameters,{sum(p.numel() for p in training.net.parameters())}")
    del training
    gc.collect()
    print(f"allocated_bytes,{allocated_peak(make)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", choices=[*VAES, *UNETS], required=True)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--layout", choices=["plain", "channels-last"], default="channels-last")
    parser.add_argument("--checkpoint", action="store_true", help="UNets: torch.utils.checkpoint")
    parser.add_argument("--seconds", type=float, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    (memory if args.memory else serve)(args)


if __name__ == "__main__":
    main()
