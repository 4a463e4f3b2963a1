#!/usr/bin/env python3
"""Writes tests/golden/simclr.h: loss and gradients of SimCLR on a small ViT, with two heads.

So that a batch norm has something to divide by, features are the mean of the patch tokens, views
differ in colour (entry i is sin(0.37 (i mod 1009)^2) + 2 cos(1.3 p) in plane p of the whole batch),
and the head's weights are 0.5 sin(0.37 i^2 + 1.3 k), of full rank.
"""
import sys

import torch
import torch.nn.functional as F

import plain
from plain import C, D, IMG, N, Params, emit, encoder


class HeadParams(Params):
    def __call__(self, name, *shape):
        w = super().__call__(name, *shape)
        if len(shape) == 2:
            i = torch.arange(w.numel()).reshape(shape)
            w.data = 0.5 * torch.sin(0.37 * i * i + 1.3 * (self.k - 1))
        return w


def nt_xent(z, temperature):
    """Eq. (1) of arXiv:2002.05709 as it stands there; z (2N, D), rows 2k and 2k + 1 are a pair."""
    n, total = len(z), 0.0
    for i in range(n):
        sims = [F.cosine_similarity(z[i], z[k], dim=0) / temperature for k in range(n)]
        others = sum(sims[k].exp() for k in range(n) if k != i)
        total = total - (sims[i ^ 1].exp() / others).log()
    return total / n


def batch_norm(p, name, d):
    w, b = p(name + ".weight", d), p(name + ".bias", d)
    p.skip()
    p.skip()
    return lambda x: F.batch_norm(x, None, None, w, b, True, 0.1, 1e-5)


def simclr(widths, norm, temperature):
    plain.N = 2 * N
    enc, head = Params("encoder"), HeadParams("head")
    tokens, run, last = encoder(enc)
    i = torch.arange(2 * N * C * IMG * IMG)
    x = torch.sin(0.37 * (i % 1009) ** 2) + 2 * torch.cos(1.3 * (i // (IMG * IMG)))
    x = x.reshape(2 * N, C, IMG, IMG)
    x = last(run(tokens(x)))[:, 1:].mean(1)
    before = D
    for i, width in enumerate(widths, 1):
        w = head(f"fc{i}.weight", width, before)
        b = None if norm else head(f"fc{i}.bias", width)
        x = F.linear(x, w, b)
        if norm:
            x = batch_norm(head, f"bn{i}", width)(x)
        if i < len(widths):
            x = F.relu(x)
        before = width
    # A batch norm takes a shift of the features away: that gradient is 0, and rounding in float.
    shift = "encoder.norm.bias" if norm else None
    return nt_xent(x, temperature), [p for p in enc.list + head.list if p[0] != shift]


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/simclr.h", "w") as out:
    out.write("/* Written by tests/golden/simclr.py. */\n")
    emit(out, "simclr", *simclr([D, 8], True, 0.5))
    emit(out, "simclr_plain", *simclr([11, 11, 6], False, 0.2))
