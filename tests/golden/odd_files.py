#!/usr/bin/env python3
"""Every image below a folder, as `ssvbench data convert` decodes it, against Pillow.

    tests/golden/odd_files.py FOLDER [build/ssvbench]

One line a file: the largest difference of a pixel in levels, or why the program leaves it out.  Exit
code 1 when a file that both decode differs by more than 2 levels where data/decode.h promises
Pillow's pixels (16-bit files are rounded, Pillow cuts: 1 level).
"""
import csv
import io
import pathlib
import subprocess
import sys
import tarfile
import tempfile

import numpy
from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = 1 << 26


def pillow(path):
    try:
        image = Image.open(path)
        wide = image.mode.startswith("I")  # 16 bits of grey
        image.load()
        image = ImageOps.exif_transpose(image)
        if wide:
            return (numpy.asarray(image, dtype=numpy.int64)[..., None] * 255 + 32767) // 65535 + numpy.zeros(3, int)
        return numpy.asarray(image.convert("RGB"), dtype=int)
    except Exception as error:  # whatever Pillow makes of a broken file
        return str(error) or type(error).__name__


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    program = sys.argv[2] if len(sys.argv) > 2 else "build/ssvbench"
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    worst = refused = 0
    with tempfile.TemporaryDirectory() as work:
        for path in paths:
            table = pathlib.Path(work, "list.csv")
            twin = pathlib.Path(work, "twin.png")  # the other split needs one too
            Image.new("RGB", (8, 8)).save(twin)
            with table.open("w", newline="", encoding="utf8") as f:  # names with commas and quotes, too
                csv.writer(f).writerows([("path", "split"), (path, "train"), (twin, "test")])
            run = subprocess.run([program, "data", "convert", f"list:{table},size=8,keep=8192",
                                  f"{work}/out.tar"], capture_output=True, text=True)
            other = pillow(path)
            name = str(path.relative_to(folder))
            if run.returncode:
                said = run.stderr.strip().splitlines()[-1].split(path.name + ": ", 1)[-1]
                print(f"{name:44} left out ({run.returncode}): {said[:90]}"
                      + ("" if isinstance(other, str) else "   [Pillow decodes it]"))
                worst = max(worst, 999 * (run.returncode != 2))
                refused += not isinstance(other, str)
                continue
            with tarfile.open(f"{work}/out-train-000000.tar") as tar:
                member = next(m for m in tar if m.name.endswith(".png"))
                ours = numpy.asarray(Image.open(io.BytesIO(tar.extractfile(member).read())), dtype=int)
            if isinstance(other, str):
                print(f"{name:44} decoded; Pillow: {other[:80]}")
                continue
            difference = abs(ours - other).max() if ours.shape == other.shape else 999
            worst = max(worst, difference)
            print(f"{name:44} {difference} {'levels' if difference < 999 else f'{ours.shape} {other.shape}'}")
    print(f"{len(paths)} files, worst difference {worst} levels; {refused} that Pillow decodes are left out")
    sys.exit(worst > 2)


main()
