#!/usr/bin/env python3
"""Writes tests/golden/lab_bins.h: how many cells of a grid over a and b hold a colour of 8-bit sRGB, all
2^24 of them, by CIE's formulas in double precision.
"""
import sys

import numpy as np


def occupied(grid):
    """Cells of the ab plane that hold one of all 2^24 colours."""
    level = np.arange(256) / 255
    linear_of = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[.64, .33, .03], [.30, .60, .10], [.15, .06, .79]]).T
    xyz = xyz / xyz[1]
    white = np.array([.95047, 1, 1.08883])
    to_xyz = xyz * np.linalg.solve(xyz, white) / white[:, None]
    g, b = np.meshgrid(linear_of, linear_of, indexing="ij")
    cells = set()
    for r in linear_of:
        t = np.tensordot(to_xyz, np.stack([np.full_like(g, r), g, b]), 1)
        f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t * 841 / 108 + 4 / 29)
        ab = np.stack([500 * (f[0] - f[1]), 200 * (f[1] - f[2])]).reshape(2, -1)
        cells.update(np.unique((np.rint(ab[0] / grid) + 64) * 128 + np.rint(ab[1] / grid) + 64))
    return len(cells)


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/lab_bins.h", "w") as out:
    out.write("/* Written by tests/golden/lab_bins.py. */\n")
    out.write("static const struct {\n    double grid;\n    int bins;\n} occupied[] = {\n    ")
    out.write(", ".join(f"{{{g}, {occupied(g)}}}" for g in (10, 25)) + "};\n")
