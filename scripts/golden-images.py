#!/usr/bin/env python3
"""Writes tests/golden/images.safetensors: small PNG and JPEG files with the pixels that Pillow reads from
them, as images and as masks, and pictures as Pillow resizes them. tests/data_pixels.c, data_image.c and
data_resize.c read it. Run it from the repository's root.

Where Pillow keeps less than the file has (16 bits) or has another rule (areas of fractional pixels) the
expected values are worked out here, in exact or double arithmetic.
"""
import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps
from safetensors.numpy import save_file

random = np.random.default_rng(20260102)
tensors = {}
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}


def put(name, array):
    tensors[name] = np.ascontiguousarray(array, np.uint8)


def raw(data):
    return np.frombuffer(data, np.uint8)


# ---- PNG, written by hand: Pillow writes neither all depths nor interlaced files --------------------
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed_rows(pixels, bits):
    """[h,w,c] samples as rows of bytes, each after its filter byte (none)."""
    out = b""
    for row in pixels.reshape(pixels.shape[0], -1):
        if bits == 16:
            body = row.astype(">u2").tobytes()
        elif bits == 8:
            body = row.astype("u1").tobytes()
        else:
            each = (row[:, None] >> np.arange(bits - 1, -1, -1)) & 1
            body = np.packbits(each.astype("u1").ravel()).tobytes()
        out += b"\0" + body
    return out


ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def png(pixels, kind, bits, extra=b"", interlaced=False, late=b""):
    h, w, _ = pixels.shape
    passes = [pixels[y::dy, x::dx] for y, x, dy, dx in ADAM7] if interlaced else [pixels]
    body = b"".join(packed_rows(p, bits) for p in passes if p.size)
    head = struct.pack(">IIBBBBB", w, h, bits, kind, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(body, 9)) + late
            + chunk(b"IEND", b""))


def rounded(numerator, denominator):
    return (2 * numerator.astype(np.int64) + denominator) // (2 * denominator)


def flat(pixels, kind, bits, palette, alphas, key, ground):
    """8-bit RGB over a colour; over None as the colours stand."""
    largest = 2**bits - 1
    alpha = np.full(pixels.shape[:2], 255)
    if kind == PALETTE:
        rgb, alpha = palette[pixels[..., 0]], alphas[pixels[..., 0]]
    else:
        level = rounded(pixels * 255, largest)
        colours = 3 if kind in (RGB, RGB_ALPHA) else 1
        rgb = np.broadcast_to(level[..., :colours], pixels.shape[:2] + (3,))
        if kind in (GREY_ALPHA, RGB_ALPHA):
            alpha = level[..., -1]
        if key is not None:
            alpha = np.where((pixels == key).all(-1), 0, 255)
    if ground is None:
        return rgb
    return rounded(rgb * alpha[..., None] + np.array(ground) * (255 - alpha[..., None]), 255)


def pillow_over(data, ground):
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    if ground is None:
        return np.asarray(image)[..., :3].astype(int)
    under = Image.new("RGBA", image.size, (*(int(v) for v in ground), 255))
    under.alpha_composite(image)
    return np.asarray(under.convert("RGB")).astype(int)


BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def png_case(kind, bits, transparent=False, ground=False):
    pixels = random.integers(0, 2**bits, (7, 9, CHANNELS[kind]))
    extra, palette, alphas, key = b"", None, None, None
    if kind == PALETTE:
        count = 2**bits - (1 if bits > 1 else 0)
        pixels %= count
        palette, alphas = random.integers(0, 256, (count, 3)), np.full(count, 255)
        extra = chunk(b"PLTE", palette.astype("u1").tobytes())
        if transparent:
            alphas[: count // 2] = random.integers(0, 256, count // 2)
            extra += chunk(b"tRNS", alphas[: count // 2].astype("u1").tobytes())
    elif transparent:
        key = pixels[2, 3].copy()
        pixels[5, 1] = pixels[6, 8] = key
        for i in range(CHANNELS[kind]):  # with 16 bits: not transparent, but the same level of 255
            pixels[0, i] = key
            pixels[0, i, i] ^= 1
        extra = chunk(b"tRNS", key.astype(">u2").tobytes())
    name = f"png-{kind}-{bits}" + ("-transparent" if transparent else "") + ("-ground" if ground else "")
    parts = {"rgb": BLACK}
    if transparent or kind in (GREY_ALPHA, RGB_ALPHA):
        parts |= {"white": WHITE, "bare": None}
    if ground:
        own = random.integers(0, len(palette) if kind == PALETTE else 2**bits, 3 if kind in (RGB, RGB_ALPHA) else 1)
        extra += chunk(b"bKGD", own.astype("u1" if kind == PALETTE else ">u2").tobytes())
        parts |= {"rgb": palette[own[0]] if kind == PALETTE else rounded(own * 255, 2**bits - 1), "black": BLACK}
    for label, interlaced in (("plain", False), ("adam7", True)):
        data = png(pixels, kind, bits, extra, interlaced)
        put(f"{name}:{label}", raw(data))
    for part, under in parts.items():
        expected = flat(pixels, kind, bits, palette, alphas, key, under)
        put(f"{name}:{part}", expected)
        if bits <= 8 and not (key is not None and bits in (2, 4)):  # Pillow compares stretched values there
            under = under if under is None else np.broadcast_to(under, 3)
            assert np.abs(pillow_over(data, under) - expected).max() <= 1, name
    if bits <= 8 and (kind == PALETTE or (kind == GREY and not transparent)):
        put(f"{name}:index", pixels)


def png_cases():
    for bits in (1, 2, 4, 8, 16):
        png_case(GREY, bits)
        png_case(GREY, bits, transparent=True)
        if bits <= 8:
            png_case(PALETTE, bits)
    png_case(PALETTE, 4, transparent=True)
    for bits in (8, 16):
        for kind in (RGB, GREY_ALPHA, RGB_ALPHA):
            png_case(kind, bits)
        png_case(RGB, bits, transparent=True)
    colours = random.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    put("png-luma:plain", raw(png(colours, RGB, 8)))
    put("png-luma:grey", np.asarray(Image.fromarray(colours).convert("L"))[..., None])
    # palette entries 0 to 2, and one pixel that wants entry 3
    beyond = np.zeros((2, 3, 1), int)
    beyond[1, 2] = 3
    put("bad-palette:file", raw(png(beyond, PALETTE, 2, chunk(b"PLTE", bytes(range(9))))))


# ---- JPEG -------------------------------------------------------------------------------------------
def saved(image, **options):
    out = io.BytesIO()
    image.save(out, format="JPEG", quality=90, **options)
    return out.getvalue()


def jpeg_case(name, data):
    put(f"{name}:file", raw(data))
    put(f"{name}:rgb", np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def jpeg_cases():
    y, x = np.mgrid[0:9, 0:19]
    planes = [128 + 90 * np.sin(x / 5 + k) * np.cos(y / (3 + k)) + 20 * np.sin(x * y / 9) for k in range(4)]
    planes = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
    colour, ink = Image.fromarray(planes[..., :3]), Image.fromarray(planes, "CMYK")
    jpeg_case("jpeg-grey", saved(Image.fromarray(planes[..., 0])))
    jpeg_case("jpeg-420", saved(colour, subsampling="4:2:0"))
    jpeg_case("jpeg-444", saved(colour, subsampling="4:4:4"))
    jpeg_case("jpeg-progressive", saved(colour, progressive=True))
    jpeg_case("jpeg-restart", saved(colour, restart_marker_blocks=1))
    jpeg_case("jpeg-rgb", saved(colour, keep_rgb=True))
    cmyk = saved(ink)
    jpeg_case("jpeg-cmyk", cmyk)
    at = cmyk.index(b"\xff\xee")  # Adobe's marker: length 14, its last byte is the transform
    ycck = cmyk[: at + 15] + b"\2" + cmyk[at + 16 :]
    assert cmyk[at + 4 : at + 9] == b"Adobe" and cmyk[at + 15] == 0
    jpeg_case("jpeg-ycck", ycck)
    jpeg_case("jpeg-cmyk-plain", cmyk[:at] + cmyk[at + 16 :])


# ---- orientation ------------------------------------------------------------------------------------
def exif(orientation, order):
    """A TIFF of one directory: the width, the orientation, the height."""
    entries = [(0x100, 99), (0x112, orientation), (0x101, 77)]
    body = b"".join(struct.pack(order + "HHIHH", tag, 3, 1, value, 0) for tag, value in entries)
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "IH", 8, len(entries)) + body + bytes(4)


def turned(data):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def exif_cases():
    y, x = np.mgrid[0:8, 0:24]
    photo = saved(Image.fromarray((7 * x + 11 * y).astype(np.uint8)))
    grey = random.integers(0, 256, (2, 3, 1))
    for orientation in range(1, 9):
        block = exif(orientation, "><"[orientation % 2])
        segment = b"Exif\0\0" + block
        jpeg = photo[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(segment)) + segment + photo[2:]
        put(f"jpeg-exif-{orientation}:file", raw(jpeg))
        put(f"jpeg-exif-{orientation}:rgb", turned(jpeg))
        where = "extra" if orientation % 4 < 2 else "late"
        data = png(grey, GREY, 8, **{where: chunk(b"eXIf", block)})
        put(f"png-exif-{orientation}:plain", raw(data))
        put(f"png-exif-{orientation}:rgb", turned(data))
        put(f"png-exif-{orientation}:index", turned(data)[..., :1])


# ---- masks ------------------------------------------------------------------------------------------
def mask_case(name, pixels, kind, bits, extra=b"", expected=None):
    data = png(pixels, kind, bits, extra)
    put(f"mask-{name}:plain", raw(data))
    if expected is not None:
        put(f"mask-{name}:index", expected)
    return Image.open(io.BytesIO(data))


def mask_cases():
    for bits in (1, 2, 4, 8):  # a palette of greys in any order is read as Pillow makes it grey
        count = 2**bits
        greys = random.permutation(256)[:count]
        pixels = random.integers(0, count, (5, 7, 1))
        palette = chunk(b"PLTE", np.repeat(greys, 3).astype("u1").tobytes())
        image = mask_case(f"greys-{bits}", pixels, PALETTE, bits, palette, greys[pixels])
        assert (np.asarray(image.convert("L")) == greys[pixels][..., 0]).all()
        alphas = chunk(b"tRNS", bytes(count // 2))  # which entries are transparent says nothing of classes
        mask_case(f"greys-{bits}-transparent", pixels, PALETTE, bits, palette + alphas, greys[pixels])
    classes = random.integers(0, 4, (5, 7, 1))
    opaque = np.full_like(classes, 255)
    for name, kind, samples in (("rgb", RGB, [classes] * 3), ("grey-alpha", GREY_ALPHA, [classes, opaque]),
                                ("rgb-alpha", RGB_ALPHA, [classes] * 3 + [opaque])):
        pixels = np.concatenate(samples, -1)
        image = mask_case(name, pixels, kind, 8, expected=classes)
        assert (np.asarray(image.convert("L")) == classes[..., 0]).all()
        odd = pixels.copy()
        odd[4, 6, -1] ^= 1
        mask_case(f"{name}-bad", odd, kind, 8)
    key = struct.pack(">H", 9)  # no pixel has it
    mask_case("key", classes, GREY, 8, chunk(b"tRNS", key), classes)
    mask_case("key-bad", np.where(classes == 3, 9, classes), GREY, 8, chunk(b"tRNS", key))
    one = np.array([[[0], [1], [2]]])  # entries 0 and 2 are one grey, but only 0 and 1 are used, then all
    palette = chunk(b"PLTE", bytes([0, 0, 0, 7, 7, 7, 0, 0, 0]))
    mask_case("one-grey", one[:, :2], PALETTE, 2, palette, np.array([[[0], [7]]]))
    mask_case("one-grey-bad", one, PALETTE, 2, palette)
    mask_case("16-bad", classes, GREY, 16)


# ---- transparency -----------------------------------------------------------------------------------
def ground_cases():
    for kind, bits in ((GREY, 2), (GREY, 8), (GREY, 16), (PALETTE, 4), (RGB, 8), (RGB, 16)):
        png_case(kind, bits, transparent=True, ground=True)
    for kind in (GREY_ALPHA, RGB_ALPHA):
        for bits in (8, 16):
            png_case(kind, bits, ground=True)
    opaque = np.full((2, 3, 2), 255)
    opaque[..., 0] = 77
    put("png-opaque:plain", raw(png(opaque, GREY_ALPHA, 8)))
    put("png-opaque:rgb", np.full((2, 3, 3), 77))
    put("png-opaque:index", np.full((2, 3, 1), 77))


# ---- resizing ---------------------------------------------------------------------------------------
def area_weights(out, into):
    edges = np.arange(out + 1) * into / out
    pixel = np.arange(into)
    low = np.maximum(edges[:-1, None], pixel)
    return np.maximum(np.minimum(edges[1:, None], pixel + 1) - low, 0) * out / into


def resize_cases():
    source = random.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    put("resize:in", source)
    image = Image.fromarray(source)
    for h, w in ((3, 4), (2, 5), (9, 12), (1, 1), (16, 5), (4, 25), (18, 24)):
        for name, how in (("bilinear", Image.BILINEAR), ("nearest", Image.NEAREST)):
            put(f"resize:{name}-{h}x{w}", np.asarray(image.resize((w, h), how)))
        exact = np.einsum("yi,xj,ijc->yxc", area_weights(h, 9), area_weights(w, 12), source.astype(float))
        if (9 % h, 12 % w) == (0, 0):
            box = np.asarray(image.resize((w, h), Image.BOX)).astype(int)
            assert np.abs(box - exact).max() < 1  # it rounds between its two passes
        put(f"resize:area-{h}x{w}", np.floor(exact + 0.5))


png_cases()
jpeg_cases()
resize_cases()
exif_cases()
mask_cases()
ground_cases()
save_file(tensors, "tests/golden/images.safetensors")
