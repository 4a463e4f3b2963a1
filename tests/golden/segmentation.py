#!/usr/bin/env python3
"""Golden scores of masks and attention: writes tests/golden/segmentation.h.

    python3 tests/golden/segmentation.py > tests/golden/segmentation.h     (NumPy and PyTorch)

Everything is computed pixel by pixel from full-size arrays; nothing goes through histograms.  The
attention is kept as in DINO's visualize_attention.py: sort ascending, cumulate, keep what lies
above 1 - share.
"""
import numpy as np
import torch

HEIGHT, WIDTH, GRID_H, GRID_W, CLASSES, HEADS, IGNORE, SHARE = 23, 31, 4, 5, 6, 3, 255, 0.6
rng = np.random.default_rng(4)

LOGITS = rng.normal(size=(GRID_H, GRID_W, CLASSES)).astype(np.float32)
LOGITS[..., 3] -= 9  # a class that is never predicted
LOGITS[..., 5] -= 9  # one that neither is predicted nor there; 4 is predicted and not there
coarse = rng.integers(0, 4, size=(6, 8))
TRUTH = coarse[np.arange(HEIGHT) * 6 // HEIGHT][:, np.arange(WIDTH) * 8 // WIDTH]
TRUTH = np.where(rng.random((HEIGHT, WIDTH)) < 0.1, IGNORE, TRUTH)
TRUTH[TRUTH == 3] = 0
TRUTH[7, 9] = 3  # an object of one pixel
ATTENTION = rng.random((HEADS, GRID_H * GRID_W)).astype(np.float32) ** 3

big = torch.nn.functional.interpolate(
    torch.from_numpy(LOGITS).permute(2, 0, 1)[None].double(), (HEIGHT, WIDTH), mode="bilinear",
    align_corners=False)
PREDICTED = big[0].argmax(0).numpy()

known = TRUTH != IGNORE
iou = []
for c in range(CLASSES):
    t, p = (TRUTH == c) & known, (PREDICTED == c) & known
    either = (t | p).sum()
    iou.append((t & p).sum() / either if either else float("nan"))
miou = np.nanmean(iou)
accuracy = (TRUTH == PREDICTED)[known].mean()

rows = ((np.arange(HEIGHT) + 0.5) * GRID_H / HEIGHT).astype(int)
columns = ((np.arange(WIDTH) + 0.5) * GRID_W / WIDTH).astype(int)
kept = []
for a in ATTENTION.astype(np.float64):
    order = np.argsort(a)
    mass = np.cumsum(a[order] / a.sum())
    keep = np.zeros(len(a), bool)
    keep[order] = mass > 1 - SHARE
    kept.append(keep)


def jaccard(background):
    best, mean = [], []
    for c in range(1 if background else 0, CLASSES):
        t = (TRUTH == c) & known
        if not t.any():
            continue
        scores = []
        for keep in kept:
            p = keep.reshape(GRID_H, GRID_W)[rows][:, columns] & known
            scores.append((t & p).sum() / (t | p).sum())
        best.append(max(scores))
        mean.append(np.mean(scores))
    return [np.mean(best), np.mean(mean), len(best)]


def table(kind, name, values, form):
    text = ", ".join(form(x) for x in values)
    print(f"static const {kind} {name}[{len(values)}] = {{{text}}};")


number = lambda x: "NAN" if x != x else f"{x:.9g}"
print("/* Written by tests/golden/segmentation.py; do not edit. */")
print("/* clang-format off */")
print(f"enum {{ GOLDEN_HEIGHT = {HEIGHT}, GOLDEN_WIDTH = {WIDTH}, GOLDEN_GRID_H = {GRID_H},")
print(f"       GOLDEN_GRID_W = {GRID_W}, GOLDEN_CLASSES = {CLASSES}, GOLDEN_HEADS = {HEADS} }};")
table("uint8_t", "golden_truth", TRUTH.ravel().tolist(), str)
table("uint8_t", "golden_predicted", PREDICTED.ravel().tolist(), str)
table("float", "golden_logits", LOGITS.ravel().tolist(), number)
table("float", "golden_attention", ATTENTION.ravel().tolist(), number)
table("uint8_t", "golden_kept", np.concatenate(kept).astype(int).tolist(), str)
table("double", "golden_iou", iou, number)
print(f"static const double golden_miou = {miou:.12g}, golden_accuracy = {accuracy:.12g};")
print("/* best head, mean of heads, objects; without and with a background */")
print("static const double golden_jaccard[2][3] = {")
for background in (0, 1):
    print("    {" + ", ".join(f"{x:.12g}" for x in jaccard(background)) + "},")
print("};")
