#!/usr/bin/env python3
"""Writes tests/golden/preprocess.h: small images resized and cropped by torchvision on PIL images, byte for
byte.  Cases are such that Pillow goes across first, which it always did before version 13."""
import sys

import numpy as np
from PIL import Image
from torchvision import transforms as T

# height, width, to height, to width, crop, squash, bicubic
CASES = [(23, 31, 8, 8, 0.875, 0, 1), (31, 23, 9, 9, 0.9, 0, 0), (12, 17, 16, 16, 1, 0, 1), (10, 10, 10, 10, 1, 0, 1),
         (10, 10, 10, 10, 0.875, 0, 0), (21, 30, 8, 12, 1, 1, 1), (9, 40, 7, 7, 1, 0, 0), (11, 15, 10, 6, 1, 1, 0)]


def image(h, w):
    k = np.arange(h * w * 3, dtype=np.int64)
    return Image.fromarray(((k * k * 31 + k * 17 + (k >> 5) * 91) & 255).astype(np.uint8).reshape(h, w, 3))


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/preprocess.h", "w") as out:
    out.write("/* Written by tests/golden/preprocess.py. */\n/* clang-format off */\n")
    rows = []
    for i, (h, w, th, tw, crop, squash, bicubic) in enumerate(CASES):
        how = T.InterpolationMode.BICUBIC if bicubic else T.InterpolationMode.BILINEAR
        steps = [T.Resize((th, tw), how)] if squash else [T.Resize(int(th / crop), how), T.CenterCrop((th, tw))]
        flat = np.asarray(T.Compose(steps)(image(h, w))).flatten().tolist()
        out.write(f"static const unsigned char preparation_{i}[] = {{\n")
        for k in range(0, len(flat), 24):
            out.write("    " + ",".join(map(str, flat[k:k + 24])) + ",\n")
        out.write("};\n")
        rows.append(f"    {{{h}, {w}, {th}, {tw}, {crop}, {squash}, {bicubic}, preparation_{i}}},\n")
    out.write("static const struct preparation {\n    int height, width, to_height, to_width;\n    double crop;\n"
              "    int squash, bicubic;\n    const unsigned char *bytes;\n} preparations[] = {\n" + "".join(rows) + "};\n")
