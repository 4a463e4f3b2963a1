#!/usr/bin/env python3
"""Writes tests/golden/transforms.h: the length of the Sobel gradient and quarter turns of images, by numpy."""
import sys

import numpy as np


def value(k):
    """As tests/t456_data_transforms.c fills its images."""
    return ((k * 37 + k * k % 101) % 256) / 255


def image(channels, height, width):
    return np.array([value(k) for k in range(channels * height * width)]).reshape(channels, height, width)


def sobel(x):
    grey = np.tensordot([.299, .587, .114], x, 1) if len(x) == 3 else x.mean(0)
    p = np.pad(grey, 1, mode="reflect") if min(grey.shape) > 1 else np.pad(grey, 1, mode="edge")
    h, w = grey.shape
    part = lambda i, k: p[i:i + h, k:k + w]
    gx = part(0, 2) - part(0, 0) + 2 * (part(1, 2) - part(1, 0)) + part(2, 2) - part(2, 0)
    gy = part(2, 0) - part(0, 0) + 2 * (part(2, 1) - part(0, 1)) + part(2, 2) - part(0, 2)
    return np.repeat((np.hypot(gx, gy) / 32 ** .5)[None], len(x), 0)


def row(x):
    return "{" + ", ".join(f"{v:.9g}" for v in x.ravel()) + "}"


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/transforms.h", "w") as out:
    out.write("/* Written by tests/golden/transforms.py. */\n/* clang-format off */\n")
    out.write("static const struct golden_transform {\n    int channels, height, width, quarters; /* 0: sobel */\n"
              "    float expected[3 * 5 * 7];\n} golden_transforms[] = {\n")
    for shape in ((3, 5, 7), (1, 4, 4), (2, 3, 3)):
        out.write(f"    {{{shape[0]}, {shape[1]}, {shape[2]}, 0, {row(sobel(image(*shape)))}}},\n")
    for side in (1, 2, 3, 4, 5):
        for quarters in (1, 2, 3):
            turned = np.rot90(image(3, side, side), quarters, (1, 2))
            out.write(f"    {{3, {side}, {side}, {quarters}, {row(turned)}}},\n")
    out.write("};\n")
