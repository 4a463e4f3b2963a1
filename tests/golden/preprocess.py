#!/usr/bin/env python3
"""Writes tests/golden/preprocess.h: small images resized and cropped on PIL images by torchvision, by timm
(what is not square), and with the crop of Hugging Face's processors (odd pixels at the end), byte for byte.  Cases are such that Pillow goes across first, which it always did before version 13."""
import os
import sys

# The libraries look for modules that scripts beside this one are called like (statistics).
sys.path = [p for p in sys.path if os.path.realpath(p or ".") != os.path.dirname(os.path.realpath(__file__))]

import numpy as np
from PIL import Image
from torchvision import transforms as T

# height, width, to height, to width, crop, how, bicubic
CROP, SQUASH, CROP_DOWN = range(3)
CASES = [(23, 31, 8, 8, 0.875, 0, 1), (31, 23, 9, 9, 0.9, 0, 0), (12, 17, 16, 16, 1, 0, 1), (10, 10, 10, 10, 1, 0, 1),
         (10, 10, 10, 10, 0.875, 0, 0), (21, 30, 8, 12, 1, 1, 1), (9, 40, 7, 7, 1, 0, 0), (11, 15, 10, 6, 1, 1, 0),
         (21, 40, 8, 20, 0.9, CROP, 1), (33, 26, 12, 9, 1, CROP, 0), (19, 42, 8, 8, 1, CROP, 1),
         (19, 42, 8, 8, 1, CROP_DOWN, 1), (19, 23, 9, 9, 0.9, CROP_DOWN, 0)]


def crop_down(to_height, to_width):
    """transformers, image_processing_backends.py: center_crop."""
    def crop(x):
        left, top = int((x.width - to_width) / 2.0), int((x.height - to_height) / 2.0)
        return x.crop((left, top, left + to_width, top + to_height))
    return crop


def steps_of(th, tw, crop, kind, bicubic):
    how = T.InterpolationMode.BICUBIC if bicubic else T.InterpolationMode.BILINEAR
    if kind == SQUASH:
        return [T.Resize((th, tw), how)]
    if th != tw:
        from timm.data.transforms import ResizeKeepRatio
        resize = ResizeKeepRatio((int(th / crop), int(tw / crop)), interpolation=how.value)
    else:
        resize = T.Resize(int(th / crop), how)
    return [resize, crop_down(th, tw) if kind == CROP_DOWN else T.CenterCrop((th, tw))]


def image(h, w):
    k = np.arange(h * w * 3, dtype=np.int64)
    return Image.fromarray(((k * k * 31 + k * 17 + (k >> 5) * 91) & 255).astype(np.uint8).reshape(h, w, 3))


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/preprocess.h", "w") as out:
    out.write("/* Written by tests/golden/preprocess.py. */\n/* clang-format off */\n")
    rows = []
    for i, (h, w, th, tw, crop, kind, bicubic) in enumerate(CASES):
        flat = np.asarray(T.Compose(steps_of(th, tw, crop, kind, bicubic))(image(h, w))).flatten().tolist()
        out.write(f"static const unsigned char preparation_{i}[] = {{\n")
        for k in range(0, len(flat), 24):
            out.write("    " + ",".join(map(str, flat[k:k + 24])) + ",\n")
        out.write("};\n")
        rows.append(f"    {{{h}, {w}, {th}, {tw}, {crop}, {int(kind == SQUASH)}, {int(kind == CROP_DOWN)}, {bicubic}, preparation_{i}}},\n")
    out.write("static const struct preparation {\n    int height, width, to_height, to_width;\n    double crop;\n"
              "    int squash, crop_down, bicubic;\n    const unsigned char *bytes;\n} preparations[] = {\n" + "".join(rows) + "};\n")
