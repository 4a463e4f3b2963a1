#!/usr/bin/env python3
"""Writes tests/golden/randaugment.h: timm's operations of rand-m9-mstd0.5-inc1, which are PIL's, on
8-bit images given by formulas that the C test evaluates too, and the arguments that timm's
magnitudes stand for.  Needs Pillow and timm."""
import sys

import numpy as np
import timm.data.auto_augment as timm
from PIL import Image

FILL = (124, 116, 104)


def noise(h, w, c):
    k = np.arange(h * w * c)
    return ((k * 37 + k * k % 101) % 256).reshape(h, w, c)


def narrow(h, w, c):
    return 60 + noise(h, w, c) % 97


def skewed(h, w, c):
    return noise(h, w, c) ** 2 // 400


def constant(h, w, c):
    return np.arange(h * w * c).reshape(h, w, c) % c * 80 + 20


def ramp(h, w, c):
    y, x, z = np.meshgrid(np.arange(h), np.arange(w), np.arange(c), indexing="ij")
    return (20 * y + 15 * x + 30 * z) % 256


FORMULAS = [noise, narrow, skewed, constant, ramp]
NAMES = ["AutoContrast", "Equalize", "Invert", "Rotate", "PosterizeIncreasing", "SolarizeIncreasing",
         "SolarizeAdd", "ColorIncreasing", "ContrastIncreasing", "BrightnessIncreasing",
         "SharpnessIncreasing", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel"]
assert NAMES == timm._RAND_INCREASING_TRANSFORMS
MAGNITUDES = (0, 0.4, 2.5, 5, 7.3, 9, 9.7, 10)
SMALL, GREY, LARGE = (6, 7, 3), (6, 7, 1), (20, 24, 1)

# operation, formula, shape, argument
CASES = [(n, f, SMALL, 0) for n in ("AutoContrast", "Invert") for f in (noise, narrow, constant)]
CASES += [("Equalize", f, s, 0) for f, s in (
    (noise, LARGE), (skewed, LARGE), (narrow, LARGE), (constant, LARGE), (narrow, (30, 33, 1)),
    (noise, SMALL))]
CASES += [("PosterizeIncreasing", noise, SMALL, b) for b in (1, 2, 4)]
CASES += [("SolarizeIncreasing", noise, SMALL, t) for t in (256, 200, 26)]
CASES += [("SolarizeAdd", noise, SMALL, a) for a in (0, 40, 110)]
CASES += [(n, f, SMALL, a) for n in ("ColorIncreasing", "ContrastIncreasing", "BrightnessIncreasing",
                                    "SharpnessIncreasing") for f, a in (
    (noise, 0.19), (noise, 1.81), (ramp, 1.13))]
CASES += [("ContrastIncreasing", skewed, GREY, 1.6), ("ColorIncreasing", skewed, GREY, 1.6),
          ("SharpnessIncreasing", skewed, GREY, 0.3)]
CASES += [("Rotate", ramp, SMALL, a) for a in (-27.3, 13)] + [("Rotate", noise, SMALL, 27)]
CASES += [(n, f, SMALL, a) for n in ("ShearX", "ShearY") for f, a in ((ramp, 0.27), (noise, -0.11))]
CASES += [(n, f, SMALL, a) for n in ("TranslateXRel", "TranslateYRel") for f, a in (
    (ramp, 0.405), (noise, -0.13))]
CASES += [("Rotate", noise, GREY, -8)]


def apply(name, formula, shape, argument):
    pixels = formula(*shape).astype(np.uint8)
    image = Image.fromarray(pixels if shape[2] == 3 else pixels[..., 0])
    fill = FILL if shape[2] == 3 else FILL[0]
    arguments = (argument,) if timm.LEVEL_TO_ARG[name] else ()
    out = timm.NAME_TO_OP[name](image, *arguments, fillcolor=fill, resample=Image.BICUBIC)
    return np.asarray(out).reshape(-1)


def argument(name, magnitude, negative):
    timm._randomly_negate = lambda v: -v if negative else v
    level = timm.LEVEL_TO_ARG[name]
    return level(magnitude, {})[0] if level else 0


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/randaugment.h", "w") as out:
    out.write("/* Written by tests/golden/randaugment.py. */\n")
    out.write("enum golden_formula {"
              + ", ".join("FORMULA_" + f.__name__.upper() for f in FORMULAS) + "};\n")
    rows = []
    for n, (name, formula, shape, a) in enumerate(CASES):
        out.write(f"static const uint8_t image_{n}[] = {{"
                  + ", ".join(map(str, apply(name, formula, shape, a))) + "};\n")
        rows.append(f"{{{NAMES.index(name)}, FORMULA_{formula.__name__.upper()}, "
                    f"{', '.join(map(str, shape))}, {a}, {int(name == 'Rotate')}, image_{n}}}")
    out.write("static const struct golden_operation {\n    int operation, formula, height, width, "
              "channels;\n    double argument;\n    int off; /* that a value may be */\n"
              "    const uint8_t *expected;\n"
              "} golden_operations[] = {" + ", ".join(rows) + "};\n")
    out.write(f"static const uint8_t golden_fill[] = {{{', '.join(map(str, FILL))}}};\n")
    out.write(f"static const double golden_magnitudes[] = {{{', '.join(map(str, MAGNITUDES))}}};\n")
    out.write(f"/* [operation][direction][magnitude] */\nstatic const double golden_arguments[][2]"
              f"[{len(MAGNITUDES)}] = {{")
    for name in NAMES:
        out.write("{" + ", ".join("{" + ", ".join(
            f"{argument(name, m, negative):.17g}" for m in MAGNITUDES) + "}"
            for negative in (0, 1)) + "}, ")
    out.write("};\n")
