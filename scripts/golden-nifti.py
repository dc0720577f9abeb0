#!/usr/bin/env python3
"""Writes tests/golden/volumes.safetensors: small NIfTI-1 files by nibabel, with what nibabel reads from
them in the orientation RAS+. tests/data_nifti.c reads it. Run it from the repository's root."""
import gzip
import io
import itertools

import nibabel
import numpy as np
from safetensors.numpy import save_file

random = np.random.default_rng(20260103)
tensors = {}


def put(name, data, packed=True):
    """The bytes of a file, and what nibabel reads from them."""
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image.from_bytes(data))
    values = canonical.get_fdata()
    tensors[f"{name}:file"] = np.frombuffer(gzip.compress(data, 9, mtime=0) if packed else data, np.uint8)
    tensors[f"{name}:voxels"] = np.ascontiguousarray(values.transpose(2, 1, 0), np.float32)
    tensors[f"{name}:world"] = np.ascontiguousarray(canonical.affine[:3], np.float64)


def turned(degrees):
    """A small turn about all three axes: oblique, but without changing the nearest directions."""
    def about(i, j, angle):
        matrix = np.eye(3)
        matrix[[i, j], [i, j]] = np.cos(angle)
        matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
        return matrix

    a, b, c = np.radians(degrees)
    return about(0, 1, a) @ about(1, 2, b) @ about(0, 2, c)


def affine_of(axes, signs, spacing, turn):
    matrix = np.zeros((3, 3))
    for column, (axis, sign) in enumerate(zip(axes, signs)):
        matrix[axis, column] = sign
    affine = np.eye(4)
    affine[:3, :3] = turn @ matrix @ np.diag(spacing)
    affine[:3, 3] = random.uniform(-50, 50, 3).round(1)
    return affine


def orientations():
    """All 48; the orientation stands in sform and qform by turns, and in the other place not at all."""
    number = 0
    for axes in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            voxels = random.integers(0, 256, (2, 3, 4), dtype=np.uint8)
            affine = affine_of(axes, signs, (0.75, 1.5, 3.0), turned((11, -7, 16)) if number % 3 else np.eye(3))
            image = nibabel.Nifti1Image(voxels, affine)
            image.set_sform(affine, 1 if number % 2 else 0)
            image.set_qform(affine, 0 if number % 2 else 1)
            put(f"orientation-{number:02}", image.to_bytes())
            number += 1


def types():
    for kind in ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"):
        for order in "<>":
            if kind[0] == "f":
                voxels = random.normal(0, 100, (3, 2, 2))
            else:
                limits = np.iinfo(kind)
                voxels = random.integers(limits.min, limits.max, (3, 2, 2), np.dtype(kind), endpoint=True)
            header = nibabel.Nifti1Header(endianness=order)
            header.set_data_dtype(np.dtype(kind).newbyteorder(order))
            put(f"type-{kind}-{'little' if order == '<' else 'big'}",
                nibabel.Nifti1Image(voxels.astype(kind), np.diag([1, 2, 3, 1]), header, dtype=kind).to_bytes(), packed=False)


def scaled(name, slope, inter):
    image = nibabel.Nifti1Image(random.integers(-9, 9, (2, 3, 2), dtype=np.int16), np.eye(4))
    data = bytearray(image.to_bytes())
    data[112:120] = np.array([slope, inter], "<f4").tobytes()
    put(name, bytes(data), packed=False)


def pair():
    affine = affine_of((1, 0, 2), (1, -1, 1), (2, 2, 2.5), np.eye(3))
    image = nibabel.Nifti1Pair(random.integers(0, 999, (2, 3, 4), dtype=np.int16), affine)
    files = nibabel.Nifti1Pair.make_file_map({"header": None, "image": None})
    files["header"].fileobj, files["image"].fileobj = io.BytesIO(), io.BytesIO()
    image.to_file_map(files)
    canonical = nibabel.as_closest_canonical(image)
    tensors["pair:header"] = np.frombuffer(files["header"].fileobj.getvalue(), np.uint8)
    tensors["pair:image"] = np.frombuffer(files["image"].fileobj.getvalue(), np.uint8)
    tensors["pair:voxels"] = np.ascontiguousarray(canonical.get_fdata().transpose(2, 1, 0), np.float32)
    tensors["pair:world"] = np.ascontiguousarray(canonical.affine[:3], np.float64)


def extended():
    image = nibabel.Nifti1Image(random.integers(0, 256, (2, 2, 2), dtype=np.uint8), np.eye(4))
    for text in (b"one", b"a second, which is longer than the first"):
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", text))
    put("extended", image.to_bytes(), packed=False)


orientations()
types()
scaled("scaled", 0.25, -3.5)
scaled("scaled-by-0", 0.0, 5.0)
scaled("scaled-by-nan", np.nan, np.nan)
pair()
extended()
save_file(tensors, "tests/golden/volumes.safetensors")
