#!/usr/bin/env python3
"""Views a second, one core, against torchvision on Pillow images: interleaved rounds, medians.

    bench/peers/views.py [--rounds 5] [--seconds 2] [--photos FOLDER] [--program build/ssvbench]

The rows are those of `ssvbench bench views`; FOLDER holds JPEG files, which both sides decode for
every view.  Needs torch, torchvision and Pillow; the program itself does not.
"""
import argparse
import io
import json
import pathlib
import statistics
import subprocess
import time

import numpy as np
import torch
import torchvision.transforms as T
from PIL import Image

torch.set_num_threads(1)


def recipe(size, blur):
    steps = [T.RandomResizedCrop(size, scale=(0.2, 1)), T.RandomHorizontalFlip(),
             T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8), T.RandomGrayscale(p=0.2)]
    if blur:
        kernel = size // 10 // 2 * 2 + 1
        steps.append(T.RandomApply([T.GaussianBlur(kernel, (0.1, 2.0))], p=0.5))
    return T.Compose(steps + [T.ToTensor(), T.Normalize((0.5,) * 3, (0.25,) * 3)])


def noise(height, width):
    generator = np.random.default_rng(0)
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))


def rate(call, seconds):
    """Calls a second: the median over rounds of about a hundredth of a second or one call."""
    call()
    took, begin = [], time.perf_counter()
    while len(took) < 8 or time.perf_counter() - begin < seconds:
        start, n = time.perf_counter(), 0
        while time.perf_counter() - start < 0.01:
            call()
            n += 1
        took.append((time.perf_counter() - start) / n)
    return 1 / statistics.median(took)


def peers(photos):
    rows = {}
    for name, size, height, width, blur in (("simclr/32px/of-32x32", 32, 32, 32, False),
                                            ("simclr-blur/64px/of-96x96", 64, 96, 96, True),
                                            ("simclr-blur/224px/of-500x375", 224, 375, 500, True)):
        rows[name] = lambda image=noise(height, width), f=recipe(size, blur): f(image)
    if photos:
        files = [p.read_bytes() for p in sorted(pathlib.Path(photos).rglob("*.[jJ][pP]*[gG]"))]
        state, view = [0], recipe(224, True)

        def decode():
            state[0] += 1
            return Image.open(io.BytesIO(files[state[0] % len(files)])).convert("RGB")

        rows["read/224px/of-folder"] = decode
        rows["read+simclr-blur/224px/of-folder"] = lambda: view(decode())
    return rows


def ours(program, name, photos, seconds):
    command = [program, "bench", "views", "--json", "--seconds", str(seconds), "--filter",
               "^" + name.replace("+", r"\+") + "$"]
    if photos:
        command.append(f"folder:{photos},size=224,keep=8192,cache=0")
    return json.loads(subprocess.check_output(command, text=True))["views_per_s"]


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--seconds", type=float, default=2)
    flags.add_argument("--photos")
    flags.add_argument("--program", default="build/ssvbench")
    a = flags.parse_args()
    print(f"torch {torch.__version__}, Pillow {Image.__version__}, {a.rounds} rounds")
    print(f"{'':40} {'here':>10} {'torchvision':>12} {'median ratio':>13}   ratios")
    for name, call in peers(a.photos).items():
        pairs = [(ours(a.program, name, a.photos, a.seconds), rate(call, a.seconds))
                 for _ in range(a.rounds)]
        here, there = (statistics.median(side) for side in zip(*pairs))
        ratios = [x / y for x, y in pairs]
        print(f"{name:40} {here:10.1f} {there:12.1f} {statistics.median(ratios):13.1f}   "
              + " ".join(f"{r:.1f}" for r in ratios), flush=True)


if __name__ == "__main__":
    main()
