#!/usr/bin/env python3
"""Writes tests/golden/resize.h: squares that Pillow makes of larger and smaller images, of pixels
given by a formula that the C test evaluates too.

Pillow rounds after either direction, this program once, so bytes may differ by one."""
import sys

from PIL import Image

CASES = [(40, 30, 8), (23, 61, 8), (5, 7, 8), (8, 9, 8), (300, 200, 6), (8, 8, 8), (1, 40, 5)]


def square(height, width, size):
    data = bytes((i * 37 + i * i % 101 + i // 50) % 256 for i in range(height * width * 3))
    image = Image.frombytes("RGB", (width, height), data)
    short = min(height, width)
    h, w = size * height // short, size * width // short
    image = image.resize((w, h), Image.Resampling.BILINEAR)
    left, top = round((w - size) / 2), round((h - size) / 2)
    return image.crop((left, top, left + size, top + size)).tobytes()


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/resize.h", "w") as out:
    out.write("/* Written by tests/golden/resize.py. */\n/* clang-format off */\n")
    for n, case in enumerate(CASES):
        out.write(f"static const uint8_t square_{n}[] = {{{','.join(map(str, square(*case)))}}};\n")
    out.write("static const struct golden_square {\n    int height, width, size;\n"
              "    const uint8_t *pixels;\n} golden_squares[] = {\n")
    for n, (h, w, size) in enumerate(CASES):
        out.write(f"    {{{h}, {w}, {size}, square_{n}}},\n")
    out.write("};\n")
