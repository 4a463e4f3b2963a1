#!/usr/bin/env python3
"""Writes tests/golden/steps.h: torchvision's functional transforms on float images that are given by
formulas which the C tests evaluate too.  torchvision's grey level has .2989 for red; here it has
.299, as in BT.601 and PIL, after a check that nothing else differs."""
import sys

import torch
import torch.nn.functional as F
import torchvision.transforms._functional_tensor as FT
import torchvision.transforms.functional as TF

torch.set_default_dtype(torch.float64)
MEAN, STD = (0.48, 0.45, 0.40), (0.25, 0.26, 0.27)


def rgb_to_grayscale(img, num_output_channels=1):
    if img.shape[-3] != 3:
        return img
    grey = (img * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(-3, keepdim=True)
    return grey.expand(img.shape) if num_output_channels == 3 else grey


torchvision_grey = FT.rgb_to_grayscale


def noise(c, h, w):
    k = torch.arange(c * h * w)
    return (((k * 37 + (k * k) % 101) % 256) / 255).reshape(c, h, w)


def ties(c, h, w):
    k = torch.arange(h * w)
    return torch.stack([k // 9 % 3, k // 3 % 3, k % 3]).reshape(3, h, w) / 2


def constant(c, h, w):
    return torch.tensor([0.2, 0.7, 0.4])[:c, None, None].expand(c, h, w).clone()


IMAGES = {
    "NOISE": (noise, (3, 3, 5)), "TIES": (ties, (3, 3, 9)), "CONSTANT": (constant, (3, 3, 5)),
    "BLACK": (lambda *s: torch.zeros(s), (3, 3, 5)), "WHITE": (lambda *s: torch.ones(s), (3, 3, 5)),
    "ONE_CHANNEL": (noise, (1, 3, 5)), "LARGER": (noise, (3, 7, 9)),
}

# operation, first parameter, second parameter
OPERATIONS = {
    "BRIGHTNESS": lambda x, a, b: TF.adjust_brightness(x, a),
    "CONTRAST": lambda x, a, b: TF.adjust_contrast(x, a),
    "SATURATION": lambda x, a, b: TF.adjust_saturation(x, a),
    "HUE": lambda x, a, b: TF.adjust_hue(x, a),
    "GREY": lambda x, a, b: TF.rgb_to_grayscale(x, x.shape[-3]),
    "BLUR": lambda x, a, b: TF.gaussian_blur(x, 2 * b + 1, a),
    "SOLARIZE": lambda x, a, b: TF.solarize(x, a),
    "NORMALIZE": lambda x, a, b: TF.normalize(x, MEAN, STD),
}

CASES = [("NOISE", *c) for c in (
    ("BRIGHTNESS", 0.4, 0), ("BRIGHTNESS", 1.7, 0), ("CONTRAST", 0.3, 0), ("CONTRAST", 1.8, 0),
    ("SATURATION", 0.2, 0), ("SATURATION", 1.9, 0), ("HUE", 0.1, 0), ("HUE", -0.37, 0),
    ("GREY", 0, 0), ("BLUR", 0.7, 1), ("BLUR", 2, 2), ("SOLARIZE", 0.5, 0), ("NORMALIZE", 0, 0))]
CASES += [("TIES", "HUE", a, 0) for a in (0.2, -0.5, 0.5)] + [("TIES", "SATURATION", 1.6, 0)]
CASES += [("LARGER", "BLUR", 1.3, 6), ("LARGER", "BLUR", 0.1, 3)]
CASES += [("ONE_CHANNEL", *c) for c in (
    ("BRIGHTNESS", 1.4, 0), ("CONTRAST", 0.6, 0), ("SATURATION", 0.5, 0), ("HUE", 0.2, 0),
    ("GREY", 0, 0), ("BLUR", 1.1, 2), ("SOLARIZE", 0.5, 0))]
CASES += [("WHITE", "SOLARIZE", 1, 0)]
CASES += [(i, *c) for i in ("CONSTANT", "BLACK", "WHITE") for c in (
    ("BRIGHTNESS", 1.6, 0), ("CONTRAST", 0.5, 0), ("CONTRAST", 1.5, 0), ("SATURATION", 1.7, 0),
    ("HUE", 0.3, 0), ("GREY", 0, 0), ("BLUR", 1.5, 2), ("SOLARIZE", 0.5, 0))]

# A record's box through everything: box, size, flip, order, factors, grey, sigma, radius, solarize
RENDERS = [
    ((2, 3, 7, 9), 5, 0, (0, 1, 2, 3), (1.3, 0.7, 1.4, -0.1), 0, 0, 0, 1),
    ((0, 0, 11, 13), 7, 1, (3, 2, 1, 0), (0.8, 1.2, 0.6, 0.2), 0, 1.2, 2, 0),
    ((1, 4, 5, 5), 6, 1, (2, 0, 3, 1), (1.39, 1.39, 1.39, 0.05), 0, 0.6, 3, 1),
    ((4, 4, 2, 3), 5, 0, (1, 3, 0, 2), (0.61, 0.9, 0.61, -0.2), 1, 2, 4, 0),
]


def record():
    i = torch.arange(11 * 13 * 3)
    return (((i * 37 + (i * i) % 101) % 256) / 255).reshape(11, 13, 3).permute(2, 0, 1)


def resize(box, size, flip, mode):
    top, left, h, w = box
    x = record()[:, top:top + h, left:left + w][None]
    x = F.interpolate(x, (size, size), mode=mode, antialias=True)[0].clamp(0, 1)
    return TF.hflip(x) if flip else x


def render(box, size, flip, order, factor, grey, sigma, radius, solarize):
    x = resize(box, size, flip, "bicubic")
    for i in order:
        x = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation,
             TF.adjust_hue)[i](x, factor[i])
    x = TF.rgb_to_grayscale(x, 3) if grey else x
    x = TF.gaussian_blur(x, 2 * radius + 1, sigma) if sigma else x
    x = TF.solarize(x, 0.5) if solarize else x
    return TF.normalize(x, MEAN, STD)


def array(out, name, x):
    out.write(f"static const double {name}[] = {{")
    out.write(", ".join(f"{v + 0:.7g}" for v in x.reshape(-1).tolist()))
    out.write("};\n")


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/steps.h", "w") as out:
    out.write("/* Written by tests/golden/steps.py. */\n")
    out.write("enum golden_image {" + ", ".join("IMAGE_" + n for n in IMAGES) + "};\n")
    out.write("enum golden_operation {" + ", ".join("OPERATION_" + n for n in OPERATIONS) + "};\n")
    rows = []
    for n, (image, operation, a, b) in enumerate(CASES):
        make, shape = IMAGES[image]
        FT.rgb_to_grayscale = torchvision_grey
        theirs = OPERATIONS[operation](make(*shape), a, b)
        FT.rgb_to_grayscale = rgb_to_grayscale
        x = OPERATIONS[operation](make(*shape), a, b)
        assert (x - theirs).abs().max() < 2.1e-4 and x.shape == theirs.shape
        flat = image in ("CONSTANT", "BLACK", "WHITE")
        assert not flat or (x - x[:, :1, :1]).abs().max() < 1e-12
        array(out, f"step_{n}", x[:, 0, 0] if flat else x)
        rows.append(f"{{IMAGE_{image}, OPERATION_{operation}, {a}, {b}, {int(flat)}, step_{n}}}")
    out.write("static const struct golden_step {\n    int image, operation;\n    double a;\n    int b;\n"
              "    int flat; /* one pixel stands for all */\n    const double *expected;\n"
              "} golden_steps[] = {" + ", ".join(rows) + "};\n")
    for n, r in enumerate(RENDERS):
        array(out, f"render_{n}", render(*r))
    out.write("static const struct golden_render {\n    double box[4];\n    int size, flip, order[4];\n"
              "    double factor[4];\n    int grey;\n    double sigma;\n    int radius, solarize;\n"
              "    const double *expected;\n} golden_renders[] = {")
    for n, (box, size, flip, order, factor, *rest) in enumerate(RENDERS):
        braces = ["{" + ", ".join(map(str, v)) + "}" for v in (box, order, factor)]
        out.write(f"{{{braces[0]}, {size}, {flip}, {braces[1]}, {braces[2]}, "
                  + ", ".join(map(str, rest)) + f", render_{n}}}, ")
    out.write("};\n")
