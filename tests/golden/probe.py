#!/usr/bin/env python3
"""Golden logits of a linear probe from PyTorch in double precision: writes tests/golden/probe.h.

    python3 tests/golden/probe.py > tests/golden/probe.h     (made with PyTorch 1.13)

Every batch is the whole training set, so the order of the samples does not matter, and BatchNorm's
mini-batch statistics are those of the training set.
"""
import math

import torch

N, TEST, DIM, CLASSES, EPOCHS, BATCH = 30, 5, 6, 3, 25, 64
RATE, DECAY = 0.8, 0.01
torch.manual_seed(3)
LABEL = torch.arange(N) % CLASSES
CENTRE = torch.randn(CLASSES, DIM, dtype=torch.float64)
SCALE = torch.tensor([1, 0.2, 3, 1, 0.05, 1], dtype=torch.float64)
TRAIN = (CENTRE[LABEL] + torch.randn(N, DIM, dtype=torch.float64)) * SCALE + 0.3
OTHER = torch.randn(TEST, DIM, dtype=torch.float64) * SCALE + 0.3


def probe(batch_norm):
    head = torch.nn.Linear(DIM, CLASSES).double()
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    norm = torch.nn.BatchNorm1d(DIM, eps=1e-6, affine=False).double()
    optimizer = torch.optim.SGD(
        [{"params": [head.weight], "weight_decay": DECAY}, {"params": [head.bias]}],
        lr=1.0,
        momentum=0.9,
        nesterov=True,
    )
    for epoch in range(EPOCHS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * BATCH / 256 * 0.5 * (1 + math.cos(math.pi * epoch / EPOCHS))
        optimizer.zero_grad()
        x = norm(TRAIN) if batch_norm else TRAIN
        torch.nn.functional.cross_entropy(head(x), LABEL).backward()
        optimizer.step()
    x = OTHER
    if batch_norm:
        mean, variance = TRAIN.mean(0), TRAIN.var(0, unbiased=False)
        x = torch.nn.functional.batch_norm(OTHER, mean, variance, eps=1e-6)
    return head(x).detach()


def table(kind, name, rows):
    print(f"static const {kind} {name}[{len(rows)}][{len(rows[0])}] = {{")
    for row in rows:
        print("    {" + ", ".join(f"{x:.9g}" for x in row) + "},")
    print("};")


print("/* Written by tests/golden/probe.py; do not edit. */")
print("/* clang-format off */")
print(f"enum {{ GOLDEN_N = {N}, GOLDEN_TEST = {TEST}, GOLDEN_DIM = {DIM}, GOLDEN_CLASSES = {CLASSES},")
print(f"       GOLDEN_EPOCHS = {EPOCHS}, GOLDEN_BATCH = {BATCH} }};")
print(f"static const double golden_rate = {RATE}, golden_decay = {DECAY};")
table("float", "golden_train", TRAIN.tolist())
table("float", "golden_other", OTHER.tolist())
table("double", "golden_plain", probe(False).tolist())
table("double", "golden_batch_norm", probe(True).tolist())
