#!/usr/bin/env python3
"""Writes tests/golden/views.h: resized crops by torchvision (antialiased bilinear) and interpolated
position embeddings by PyTorch, of inputs given by formulas that the C tests evaluate too."""
import sys

import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF

torch.set_default_dtype(torch.float64)
H, W, C = 11, 13, 3


def image():
    i = torch.arange(H * W * C)
    return ((i * 37 + (i * i) % 101) % 256).reshape(H, W, C).permute(2, 0, 1).double()


CASES = [(0, 0, 11, 13, 8, False), (2, 3, 7, 9, 8, False), (1, 4, 5, 5, 12, True),
         (0, 0, 11, 13, 3, True), (4, 4, 1, 1, 5, False)]


def array(out, name, x):
    out.write(f"static const double {name}[] = {{")
    out.write(", ".join(f"{v:.10g}" for v in x.reshape(-1).tolist()))
    out.write("};\n")


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/views.h", "w") as out:
    out.write("/* Written by tests/golden/views.py. */\n")
    for n, (top, left, h, w, size, flip) in enumerate(CASES):
        x = image()[:, top:top + h, left:left + w][None]
        x = F.interpolate(x, (size, size), mode="bilinear", antialias=True)[0]
        x = TF.hflip(x) if flip else x
        array(out, f"view_{n}", x)
    out.write("static const struct golden_view {\n    double top, left, height, width;\n"
              "    int size, flip;\n    const double *pixels;\n} golden_views[] = {\n")
    for n, (top, left, h, w, size, flip) in enumerate(CASES):
        out.write(f"    {{{top}, {left}, {h}, {w}, {size}, {int(flip)}, view_{n}}},\n")
    out.write("};\n")
    pos = torch.sin(0.3 * torch.arange(17 * 6) + 0.5).reshape(1, 17, 6)
    for to in (7, 3):
        g = pos[:, 1:].reshape(1, 4, 4, 6).permute(0, 3, 1, 2)
        g = F.interpolate(g, (to, to), mode="bicubic", align_corners=False)
        g = g.permute(0, 2, 3, 1).reshape(1, to * to, 6)
        array(out, f"positions_4_to_{to}", torch.cat([pos[:, :1], g], 1))
