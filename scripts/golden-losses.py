#!/usr/bin/env python3
"""Writes tests/golden/losses.safetensors: losses of segmentation and their gradients by the logits.

PyTorch has the cross entropies, MONAI Dice, Tversky and focal losses; all in double precision, kept as
float32. What they do not know is done here by hand: pixels without a class and cases without a weight are
left out, balanced weights are computed. Arrays are channels-last [n,d,h,w,c]. Run it from the repository's
root; tests/train_segment_loss.c has the same cases by name.
"""
import numpy as np
import torch
import torch.nn.functional as F
from monai.losses import DiceLoss, FocalLoss, TverskyLoss
from safetensors.numpy import save_file

torch.set_default_dtype(torch.float64)
random = np.random.default_rng(20260202)
IGNORE = 255
tensors = {}


class Batch:
    """Logits, labels with holes, and the weights of cases; the last class is in no label of case 0."""

    def __init__(self, shape, classes, outputs, weight, holes=0.15, scale=2.0):
        self.logits = random.uniform(-scale, scale, (*shape, outputs)).astype(np.float32)
        self.label = random.integers(0, classes, (*shape, 1)).astype(np.int32)
        self.label[0][self.label[0] == classes - 1] = 0
        self.label[random.random(self.label.shape) < holes] = IGNORE
        self.weight = np.array(weight, np.float32).reshape(-1, 1, 1, 1, 1)
        self.counts = random.integers(50, 5000, classes).astype(np.float64)
        self.classes, self.outputs = classes, outputs

    def leave_out(self, label):
        self.label[self.label == label] = 0
        self.counts[label] = 0
        return self


def flat2d():
    return Batch((4, 1, 5, 7), 2, 1, [1, 1, 0, 1])


def flat3d():
    return Batch((3, 3, 4, 5), 2, 1, [1, 1, 1])


def several2d():
    return Batch((4, 1, 6, 5), 4, 4, [1, 0, 1, 1])


def several3d():
    return Batch((3, 2, 4, 3), 3, 3, [1, 1, 0])


def empty():
    """Class 2 is nowhere, not in training either."""
    return Batch((3, 1, 4, 6), 4, 4, [1, 1, 1]).leave_out(2)


def extreme(batch):
    batch.logits = (batch.logits * 50).astype(np.float32)
    return batch


class View:
    """What the losses see: [cases, classes, pixels], cases of weight 0 gone."""

    def __init__(self, batch, logits):
        kept = np.flatnonzero(batch.weight.ravel())
        label = torch.from_numpy(batch.label[kept].reshape(len(kept), -1).astype(np.int64))
        self.x = logits[kept].reshape(len(kept), -1, batch.outputs).movedim(-1, 1)
        self.valid, self.outputs, self.counts = label != IGNORE, batch.outputs, batch.counts
        self.label = torch.where(self.valid, label, 0)
        self.hot = (self.label[:, None] == 1 if batch.outputs == 1 else
                    F.one_hot(self.label, batch.outputs).movedim(-1, 1)).double()
        self.p = self.x.sigmoid() if batch.outputs == 1 else self.x.softmax(1)

    def masked(self):
        return self.p * self.valid[:, None], self.hot * self.valid[:, None]


def bce(positive=1.0):
    return lambda v: F.binary_cross_entropy_with_logits(
        v.x[:, 0][v.valid], v.hot[:, 0][v.valid], pos_weight=torch.tensor(positive))


def cross_entropy(weights=None, smoothing=0.0):
    def loss(v):
        w = v.counts.sum() / len(v.counts) / v.counts if weights == "frequency" else weights
        return F.cross_entropy(v.x, torch.where(v.valid, v.label, IGNORE), ignore_index=IGNORE,
                               weight=None if w is None else torch.tensor(w), label_smoothing=smoothing)
    return loss


def overlap(kind, reduce, smooth, background="include", **more):
    def loss(v):
        how = dict(include_background=background == "include", batch=reduce == "batch",
                   smooth_nr=smooth, smooth_dr=smooth, **more)
        if v.valid.all():  # then theirs does it all
            kind_of_p = "sigmoid" if v.outputs == 1 else "softmax"
            return kind(**how, **{kind_of_p: True})(v.x, v.hot)
        return kind(**how)(*v.masked())
    return loss


def dice(*args, **more):
    return overlap(DiceLoss, *args, **more)


def tversky(alpha, beta, *args, **more):
    return overlap(TverskyLoss, *args, alpha=alpha, beta=beta, **more)


def focal(gamma=2.0, alpha=None, beta=None):
    def loss(v):
        every = FocalLoss(gamma=gamma, alpha=alpha, use_softmax=v.outputs > 1, reduction="none")(v.x, v.hot)
        every = every.sum(1)
        if beta is not None:  # Cui et al. 2019: the inverse of the effective number, with the mean 1
            weight = np.array([(1 - beta) / (1 - beta ** n) if n else 0.0 for n in v.counts])
            every = every * torch.from_numpy(weight * len(weight) / weight.sum())[v.label]
        return every[v.valid].mean()
    return loss


def plus(*terms):
    return lambda v: sum(weight * term(v) for weight, term in terms)


def case(name, batch, loss):
    logits = torch.from_numpy(batch.logits).double().requires_grad_()
    value = loss(View(batch, logits))
    value.backward()
    for part, array in dict(logits=batch.logits, label=batch.label, weight=batch.weight,
                            counts=batch.counts.astype(np.float32), loss=value.detach().numpy().reshape(1),
                            grad=logits.grad.numpy()).items():
        array = array if array.dtype == np.int32 else array.astype(np.float32)
        tensors[f"{name}:{part}"] = np.ascontiguousarray(array)


def main():
    whole2d, whole3d = Batch((3, 1, 5, 4), 2, 1, [1, 1, 1], 0), Batch((2, 3, 3, 4), 3, 3, [1, 1], 0)
    case("bce", flat2d(), bce())
    case("bce/positive 3d", flat3d(), bce(3.5))
    case("bce/extreme", extreme(flat2d()), bce(0.25))
    case("cross_entropy", several2d(), cross_entropy())
    case("cross_entropy/weights", several2d(), cross_entropy([0.5, 2.0, 0.0, 1.25]))
    case("cross_entropy/smoothed", several3d(), cross_entropy([0.5, 2.0, 1.25], 0.1))
    case("cross_entropy/frequency 3d", several3d(), cross_entropy("frequency"))
    case("cross_entropy/two classes", Batch((2, 1, 3, 4), 2, 2, [1, 1]), cross_entropy())
    case("cross_entropy/extreme", extreme(several2d()), cross_entropy())
    case("dice/case", flat2d(), dice("case", 1e-5))
    case("dice/batch 3d", flat3d(), dice("batch", 1.0))
    case("dice/whole", whole2d, dice("case", 0.5))
    case("dice/whole batch 3d", whole3d, dice("batch", 0.5, "exclude"))
    case("dice/several case", several2d(), dice("case", 1.0, "include"))
    case("dice/several batch 3d", several3d(), dice("batch", 1e-5, "exclude"))
    case("dice/empty class", empty(), dice("batch", 1e-5, "include"))
    case("dice/extreme", extreme(several2d()), dice("case", 1e-5, "exclude"))
    case("tversky/case", flat2d(), tversky(0.3, 0.7, "case", 1.0))
    case("tversky/batch 3d", flat3d(), tversky(0.8, 0.1, "batch", 1e-5))
    case("tversky/whole", whole3d, tversky(0.3, 0.7, "case", 0.5, "include"))
    case("tversky/several 3d", several3d(), tversky(0.3, 0.9, "case", 1.0, "exclude"))
    case("tversky/empty class", empty(), tversky(0.5, 0.5, "batch", 1.0, "include"))
    case("focal", flat2d(), focal())
    case("focal/alpha 3d", flat3d(), focal(1.5, 0.25))
    case("focal/balanced one logit", flat2d(), focal(1.0, beta=0.99))
    case("focal/several 3d", several3d(), focal())
    case("focal/gamma 0", several2d(), focal(0.0))
    case("focal/balanced", several2d(), focal(0.5, beta=0.999))
    case("focal/balanced, empty class", empty(), focal(3.0, beta=0.9))
    case("focal/extreme", extreme(flat2d()), focal(2.0))
    case("sum/one logit", flat2d(), plus((0.5, bce(2.0)), (2.0, dice("batch", 1e-5)),
                                         (0.25, tversky(0.4, 0.6, "case", 1.0)), (3.0, focal())))
    case("sum/several 3d", several3d(), plus((0.5, cross_entropy([1.0, 2.0, 0.5])),
                                             (2.0, dice("case", 1.0, "include")),
                                             (0.25, tversky(0.4, 0.6, "batch", 1.0, "exclude")),
                                             (3.0, focal(2.0, beta=0.99))))
    save_file(tensors, "tests/golden/losses.safetensors")


main()
