#!/usr/bin/env python3
"""Writes tests/golden/lab.h: CIE Lab of sRGB colours by scikit-image, with the primaries' matrix to
seven digits (B. Lindbloom's) in place of the six that scikit-image rounds to, whose white is not
quite the white point; after a check that the two differ by no more than that."""
import sys

import numpy as np
from skimage import color
from skimage.color import colorconv

COLOURS = np.array([(r, g, b) for r in (0, 85, 255) for g in (0, 10, 255) for b in (0, 128, 255)]
                   + [(k, k, k) for k in (1, 8, 10, 11, 20, 119, 254)]
                   + [(250, 128, 114), (70, 130, 180), (3, 2, 1), (12, 9, 14)])

plain = color.rgb2lab(COLOURS / 255)
colorconv.xyz_from_rgb = np.array([[0.4124564, 0.3575761, 0.1804375],
                                   [0.2126729, 0.7151522, 0.0721750],
                                   [0.0193339, 0.1191920, 0.9503041]])
lab = color.rgb2lab(COLOURS / 255)
assert abs(lab - plain).max() < 0.02

with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/lab.h", "w") as out:
    out.write("/* Written by tests/golden/lab.py. */\nstatic const struct golden_lab {\n"
              "    unsigned char rgb[3];\n    double lab[3];\n} golden_lab[] = {\n")
    for c, v in zip(COLOURS, lab):
        out.write("{{" + ", ".join(map(str, c)) + "}, {"
                  + ", ".join(f"{x:.7g}" for x in v) + "}},\n")
    out.write("};\n")
