#!/usr/bin/env python3
"""Golden optimizer trajectories from PyTorch in double precision: writes tests/golden/optim.h.

    python3 tests/golden/optim.py > tests/golden/optim.h     (made with PyTorch 1.13)

One tensor of 3 x 4 with weight decay and one of 4 without, as biases have it.  AdamW, SGD and the
clipping are PyTorch's own; LARS, which it has not, is written out from You et al. 2017 in the form
that optim.h states.
"""
import math

import torch

STEPS = 12
torch.manual_seed(7)
MATRIX, VECTOR = torch.randn(3, 4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
GRADS = [
    (torch.randn(3, 4, dtype=torch.float64) * (0.2 + s), torch.randn(4, dtype=torch.float64))
    for s in range(STEPS)
]
RATES = [0.1 * 0.5 * (1 + math.cos(math.pi * s / STEPS)) for s in range(STEPS)]


class Lars(torch.optim.Optimizer):
    def __init__(self, groups, momentum, trust):
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0})
        self.momentum, self.trust = momentum, trust

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for w in group["params"]:
                g = w.grad
                if w.dim() > 1:
                    g = g + group["weight_decay"] * w
                    if w.norm() > 0 and g.norm() > 0:
                        g = g * (self.trust * w.norm() / g.norm())
                buf = self.state[w].get("buf", torch.zeros_like(w))
                self.state[w]["buf"] = self.momentum * buf + g
                w -= group["lr"] * self.state[w]["buf"]


def trajectory(make, clip=0.0, scale=1.0, decay=0.05):
    matrix = torch.nn.Parameter(MATRIX.clone())
    vector = torch.nn.Parameter(VECTOR.clone())
    optimizer = make(
        [
            {"params": [matrix], "weight_decay": decay},
            {"params": [vector], "weight_decay": 0.0},
        ]
    )
    rows = []
    for (g_matrix, g_vector), rate in zip(GRADS, RATES):
        matrix.grad, vector.grad = g_matrix.clone(), g_vector.clone()
        if clip:
            torch.nn.utils.clip_grad_norm_([matrix, vector], clip)
        optimizer.param_groups[0]["lr"] = rate * scale
        optimizer.param_groups[1]["lr"] = rate
        optimizer.step()
        rows.append(matrix.detach().flatten().tolist() + vector.detach().tolist())
    return rows


def adamw(groups):
    return torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.95), eps=1e-8)


def sgd(groups):
    return torch.optim.SGD(groups, lr=1.0, momentum=0.9)


def nesterov(groups):
    return torch.optim.SGD(groups, lr=1.0, momentum=0.9, nesterov=True)


def lars(groups):
    return Lars(groups, 0.9, 0.02)


CASES = {
    "adamw": trajectory(adamw),
    "adamw_clip": trajectory(adamw, clip=3.0),
    "adamw_layer": trajectory(adamw, scale=0.65),
    "sgd": trajectory(sgd),
    "sgd_clip": trajectory(sgd, clip=3.0),
    "nesterov": trajectory(nesterov),
    "lars": trajectory(lars),
    "lars_no_decay": trajectory(lars, decay=0.0, clip=3.0),
}


def table(name, rows):
    print(f"static const double {name}[{len(rows)}][{len(rows[0])}] = {{")
    for row in rows:
        text = ", ".join(f"{x:.12g}" for x in row)
        print(f"    {{{text}}},")
    print("};")


print("/* Written by tests/golden/optim.py; do not edit. */\n/* clang-format off */")
print(f"enum {{ GOLDEN_STEPS = {STEPS} }};")
table("golden_start", [MATRIX.flatten().tolist() + VECTOR.tolist()])
table("golden_grad", [a.flatten().tolist() + b.tolist() for a, b in GRADS])
table("golden_rate", [[rate] for rate in RATES])
for case, trajectory_rows in CASES.items():
    table("golden_" + case, trajectory_rows)
