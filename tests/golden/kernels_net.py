#!/usr/bin/env python3
"""Golden values of what networks beyond plain transformers need, from PyTorch in double precision:
writes tests/golden/kernels_net.h.

    python3 tests/golden/kernels_net.py > tests/golden/kernels_net.h     (made with PyTorch 2.15)

Inputs are rounded to float first, so that the C program starts from the same numbers.
"""
import math

import torch
import torch.nn.functional as F

torch.manual_seed(240)


def draw(*shape):
    return torch.randn(*shape).double().requires_grad_()


def table(name, values):
    values = [float(v) for v in torch.as_tensor(values).detach().flatten()]
    print(f"static const double golden_{name}[{len(values)}] = {{")
    for at in range(0, len(values), 6):
        print("    " + ", ".join(f"{v:.12g}" for v in values[at : at + 6]) + ",")
    print("};")


def activations():
    x, dy = draw(23), draw(23)
    table("act_x", x)
    table("act_dy", dy)
    for name, act in [
        ("relu", F.relu),
        ("leaky_relu", lambda v: F.leaky_relu(v, 0.2)),
        ("quick_gelu", lambda v: v * torch.sigmoid(1.702 * v)),
        ("tanh", torch.tanh),
        ("sigmoid", torch.sigmoid),
    ]:
        x.grad = None
        y = act(x)
        y.backward(dy)
        table(f"{name}_y", y)
        table(f"{name}_dx", x.grad)


def attention():
    n, t, heads, d = 2, 5, 2, 3
    qkv, dy, bias = draw(n, t, 3, heads, d), draw(n, t, heads * d), draw(heads, t, t)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    for name, value in [("qkv", qkv), ("dy", dy), ("bias", bias)]:
        table("masked_" + name, value)
    hidden = torch.ones(t, t, dtype=torch.bool).triu(1)
    for name, score in [
        ("causal", (q @ k.transpose(-1, -2) / math.sqrt(d)).masked_fill(hidden, -math.inf)),
        ("biased", q @ k.transpose(-1, -2) / math.sqrt(d) + bias),
    ]:
        qkv.grad, bias.grad = None, None
        p = score.softmax(-1)
        y = (p @ v).transpose(1, 2).reshape(n, t, heads * d)
        y.backward(dy, retain_graph=True)
        table(name + "_p", p)
        table(name + "_y", y)
        table(name + "_dqkv", qkv.grad)
    table("biased_dbias", bias.grad)


def batchnorm():
    x, gamma, beta, dy, residual = draw(6, 5), draw(5), draw(5), draw(6, 5), draw(6, 5)
    y = F.relu(F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5) + residual)
    y.backward(dy)
    table("batchnorm_var", x.var(0, unbiased=False))
    for name, v in [("x", x), ("gamma", gamma), ("beta", beta), ("dy", dy), ("y", y),
                    ("residual", residual)]:
        table("batchnorm_" + name, v)
    for name, v in [("dx", x), ("dgamma", gamma), ("dbeta", beta), ("dres", residual)]:
        table("batchnorm_" + name, v.grad)


def rows():
    x, dy, residual, dloss = draw(4, 7), draw(4, 7), draw(4, 7), draw(4)
    target = draw(4, 7).detach().abs()
    gamma, s = draw(7), torch.tensor([0.0, 1.25, 1.0, 2.0]).double()
    for name, v in [("x", x), ("dy", dy), ("residual", residual), ("dloss", dloss),
                    ("target", target), ("gamma", gamma), ("s", s)]:
        table("rows_" + name, v)
    loss = -(target * (1.5 * x).log_softmax(-1)).sum(-1)
    for name, y, slope in [
        ("softmax", (1.5 * x).softmax(-1), dy),
        ("soft_xent", loss, dloss),
        ("normalize", F.normalize(x, dim=-1, eps=2.5), dy),
        ("branch", gamma * s[:, None] * x + residual, dy),
        ("bce", F.binary_cross_entropy_with_logits(x, torch.full_like(x, 0.75), reduction="none"),
         dy),
    ]:
        x.grad, gamma.grad = None, None
        y.backward(slope)
        table(name + "_y", y)
        table(name + "_dx", x.grad)
        if gamma.grad is not None:
            table(name + "_dgamma", gamma.grad)


print("/* Written by tests/golden/kernels_net.py; do not edit. */\n/* clang-format off */")
for part in (activations, attention, batchnorm, rows):
    part()
