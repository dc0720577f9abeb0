#!/usr/bin/env python3
"""Writes tests/golden/gradcam-*.safetensors: a UNet's weights as a trainer leaves them, images, and what Grad-CAM
(Selvaraju et al. 2017; of a segmentation Vinogradova et al. 2020) sees in some of its layers, by PyTorch's hooks
and gradients. Run it from the repository's root.

weight:NAME  as in weights.safetensors
images       [k,h,w,c] u8
map:LAYER    [k,h,w] after division by its largest value, enlarged
peak:LAYER   [k] that value
"""
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from torch import nn

import golden

CASES, HEIGHT, WIDTH = 3, 12, 16
CLASS = {"gradcam-batch": 2, "gradcam-bare": 1}  # of three with a logit each; of one logit the second class


def normalised(net):
    """Batch norm with statistics as if it had been trained, in the place of another one."""
    for level in [*net.encoder, *net.decoder]:
        for name, module in list(level.named_children()):
            if isinstance(module, nn.GroupNorm):
                norm = nn.BatchNorm2d(module.num_channels)
                norm.running_mean.normal_(0, 0.3)
                norm.running_var.uniform_(0.5, 2)
                nn.init.uniform_(norm.weight, 0.5, 1.5)
                nn.init.normal_(norm.bias, 0, 0.3)
                setattr(level, name, norm)
    return net


def maps_of(net, image, chosen, layers):
    """layers: name -> module and whether its input, else its output, is the layer's value."""
    seen, hooks = {}, []

    def keep(name, value):
        value.retain_grad()
        seen[name] = value

    for name, (module, before) in layers.items():
        hooks.append(module.register_forward_pre_hook(lambda m, x, name=name: keep(name, x[0])) if before else
                     module.register_forward_hook(lambda m, x, y, name=name: keep(name, y)))
    logits = net(image)[0][0]  # [outputs,h,w]
    for hook in hooks:
        hook.remove()
    if len(logits) == 1:
        score, predicted = logits[0], (logits[0] >= 0).long()
    else:
        score, predicted = logits[chosen], logits.argmax(0)
    assert 0 < (predicted == chosen).sum() < predicted.numel(), "a class that is everywhere or nowhere"
    (score * (predicted == chosen)).sum().backward()
    out = {}
    for name, a in seen.items():
        weight = a.grad.mean((2, 3), keepdim=True)
        cam = F.relu((weight * a.detach()).sum(1, keepdim=True))
        peak = cam.max()
        large = F.interpolate(cam / peak if peak > 0 else cam, (HEIGHT, WIDTH), mode="bilinear", align_corners=False)
        out[name] = large[0, 0].numpy(), float(peak)
    return out


def exact(net):
    """Values that single precision has."""
    for t in [*net.parameters(), *net.buffers()]:
        if t.is_floating_point():
            t.data = t.data.float().double()
    net.eval()


def write(name, net, channels, layers):
    images = np.random.default_rng(7).integers(0, 256, (CASES, HEIGHT, WIDTH, channels), np.uint8)
    net.eval()
    for p in net.parameters():  # so that maps are no rounding errors
        p.data *= 2.5 if p.dim() > 1 else 1
    inputs = [torch.from_numpy(image / 255).movedim(-1, 0)[None] for image in images]
    with torch.no_grad():  # so that no class is everywhere
        net.head.bias -= torch.cat([net(x)[0] for x in inputs]).mean((0, 2, 3))
    exact(net)
    tensors = {"images": images}
    for key, value in net.state_dict().items():
        if "num_batches_tracked" not in key:
            ours = golden.ours(value).astype(np.float32)
            flat = ours.ndim == 4 and ours.shape[1:3] == (1, 1)  # files leave out such axes
            ours = ours[:, 0, 0] if flat else ours
            tensors[f"weight:{key}"] = ours[0] if flat and len(ours) == 1 else ours
    found = [maps_of(net, x, CLASS[name], layers) for x in inputs]
    for layer in layers:
        tensors[f"map:{layer}"] = np.stack([f[layer][0] for f in found]).astype(np.float32)
        tensors[f"peak:{layer}"] = np.array([f[layer][1] for f in found], np.float32)
    save_file(tensors, f"tests/golden/{name}.safetensors")


def main():
    torch.manual_seed(11)
    torch.set_default_dtype(torch.float64)
    net = normalised(golden.UNet(2, 3, 3, [4, 6, 8], "group", "relu", "plain", "maxpool", "transpose"))
    write("gradcam-batch", net, 3,
          {"encoder.1.conv2": (net.encoder[1].conv2, False), "encoder.2": (net.decoder[1].up, True),
           "decoder.1.norm2": (net.decoder[0].up, True), "decoder.0.up": (net.decoder[0].up, False),
           "decoder.0": (net.head, True)})
    # here an activation belongs to its convolution
    net = golden.UNet(2, 1, 1, [3, 5], "none", "gelu", "plain", "strided", "upsample", "nearest")
    write("gradcam-bare", net, 1,
          {"encoder.0.conv1": (net.encoder[0].conv2, True), "decoder.0.conv1": (net.decoder[0].conv2, True),
           "decoder.0": (net.head, True)})


if __name__ == "__main__":
    main()
