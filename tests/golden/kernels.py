#!/usr/bin/env python3
"""Golden values of single operations from PyTorch in double precision: writes tests/golden/kernels.h.

    python3 tests/golden/kernels.py > tests/golden/kernels.h     (made with PyTorch 1.13)

Inputs are rounded to float first, so that the C program starts from the same numbers.
"""
import math

import torch
import torch.nn.functional as F

torch.manual_seed(220)
N_STEPS = 5


def draw(*shape):
    return torch.randn(*shape).double().requires_grad_()


def table(name, values):
    values = [float(v) for v in torch.as_tensor(values).detach().flatten()]
    print(f"static const double golden_{name}[{len(values)}] = {{")
    for at in range(0, len(values), 6):
        print("    " + ", ".join(f"{v:.12g}" for v in values[at : at + 6]) + ",")
    print("};")


def layernorm():
    x, gamma, beta, dy = draw(4, 19), draw(19), draw(19), draw(4, 19)
    y = F.layer_norm(x, (19,), gamma, beta, 1e-5)
    y.backward(dy)
    for name, v in [("x", x), ("gamma", gamma), ("beta", beta), ("dy", dy), ("y", y)]:
        table("layernorm_" + name, v)
    for name, v in [("dx", x), ("dgamma", gamma), ("dbeta", beta)]:
        table("layernorm_" + name, v.grad)


def attention():
    n, t, heads, d = 2, 5, 3, 7
    qkv, dy = draw(n, t, 3, heads, d), draw(n, t, heads * d)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    p = (q @ k.transpose(-1, -2) / math.sqrt(d)).softmax(-1)
    y = (p @ v).transpose(1, 2).reshape(n, t, heads * d)
    y.backward(dy)
    for name, v in [("qkv", qkv), ("dy", dy), ("p", p), ("y", y), ("dqkv", qkv.grad)]:
        table("attention_" + name, v)


def cross_entropy():
    x, dloss, target = draw(5, 11), draw(5), torch.tensor([3, 0, 10, -1, 7])
    loss = F.cross_entropy(x, target, ignore_index=-1, label_smoothing=0.1, reduction="none")
    (loss * dloss).sum().backward()
    for name, v in [("x", x), ("dloss", dloss), ("p", x.softmax(-1)), ("loss", loss), ("dx", x.grad)]:
        table("xent_" + name, v)


def gelu():
    x, dy = draw(23), draw(23)
    y = F.gelu(x)
    y.backward(dy)
    for name, v in [("x", x), ("dy", dy), ("y", y), ("dx", x.grad)]:
        table("gelu_" + name, v)


def optimizers():
    start, grads = draw(17).detach(), draw(N_STEPS, 17).detach()
    table("optim_start", start)
    table("optim_grad", grads)
    for name, make in [
        ("adamw", lambda w: torch.optim.AdamW([w], lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)),
        ("sgd", lambda w: torch.optim.SGD([w], lr=0.1, momentum=0.9, weight_decay=0.01)),
        ("nesterov", lambda w: torch.optim.SGD([w], lr=0.1, momentum=0.9, weight_decay=0.01,
                                               nesterov=True)),
    ]:
        w, rows = start.clone().requires_grad_(), []
        optimizer = make(w)
        for grad in grads:
            w.grad = grad.clone()
            optimizer.step()
            rows.append(w.detach().clone())
        table(name, torch.stack(rows))


print("/* Written by tests/golden/kernels.py; do not edit. */\n/* clang-format off */")
print(f"enum {{ GOLDEN_STEPS = {N_STEPS} }};")
for part in (layernorm, attention, cross_entropy, gelu, optimizers):
    part()
