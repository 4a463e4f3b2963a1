#!/usr/bin/env python3
"""Writes tests/golden/networks.h: losses and gradients of a small ViT classifier and a small MAE,
computed by PyTorch in double precision from formulas that the C test evaluates too.

Parameter k of a group (in the order below, which is the order of definition in the program) has
entries w[i] = base + 0.2 sin(0.7 i + 1.3 k + 0.1), base 1 for the gains of layer norms.
"""
import math
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
N, C, IMG, P, D, DEPTH, HEADS, MLP = 3, 3, 16, 4, 16, 2, 2, 64
DD, DDEPTH, DHEADS = 8, 1, 2
T = (IMG // P) ** 2
KEEP = 4


class Params:
    def __init__(self):
        self.list = []

    def __call__(self, name, *shape):
        k, n = len(self.list), math.prod(shape)
        base = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        w = base + 0.2 * torch.sin(0.7 * torch.arange(n) + 1.3 * k + 0.1)
        w = w.reshape(shape).requires_grad_()
        self.list.append((name, w))
        return w


def linear(p, name, i, o):
    w, b = p(name + ".weight", o, i), p(name + ".bias", o)
    return lambda x: F.linear(x, w, b)


def norm(p, name, d):
    w, b = p(name + ".weight", d), p(name + ".bias", d)
    return lambda x: F.layer_norm(x, (d,), w, b, 1e-6)


def blocks(p, prefix, d, depth, heads, mlp):
    out = []
    for i in range(depth):
        b = f"{prefix}.{i}."
        out.append((norm(p, b + "norm1", d), linear(p, b + "attn.qkv", d, 3 * d),
                    linear(p, b + "attn.proj", d, d), norm(p, b + "norm2", d),
                    linear(p, b + "mlp.fc1", d, mlp), linear(p, b + "mlp.fc2", mlp, d)))

    def run(x):
        for n1, qkv, proj, n2, fc1, fc2 in out:
            b, t, _ = x.shape
            q, k, v = qkv(n1(x)).reshape(b, t, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
            a = (q @ k.transpose(-2, -1) / math.sqrt(d // heads)).softmax(-1)
            x = x + proj((a @ v).transpose(1, 2).reshape(b, t, d))
            x = x + fc2(F.gelu(fc1(n2(x))))
        return x
    return run


def patchify(x):
    b = x.shape[0]
    x = x.reshape(b, C, IMG // P, P, IMG // P, P).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(b, T, C * P * P)


def sincos(dim):
    omega = 1 / 10000 ** (torch.arange(dim // 4) / (dim / 4))
    g = IMG // P
    row, col = torch.meshgrid(torch.arange(g), torch.arange(g), indexing="ij")
    def one(x):
        a = x.reshape(-1, 1) * omega
        return torch.cat([a.sin(), a.cos()], 1)
    return torch.cat([torch.zeros(1, dim), torch.cat([one(col), one(row)], 1)])


def encoder(p):
    proj = linear(p, "patch_embed.proj", C * P * P, D)
    cls = p("cls_token", D)
    run = blocks(p, "blocks", D, DEPTH, HEADS, MLP)
    last = norm(p, "norm", D)

    def tokens(x):
        x = proj(patchify(x))
        return torch.cat([cls.expand(N, 1, D), x], 1) + sincos(D)
    return tokens, run, last


def images():
    return torch.sin(0.37 * torch.arange(N * C * IMG * IMG) + 0.2).reshape(N, C, IMG, IMG)


def supervised():
    enc, head = Params(), Params()
    tokens, run, last = encoder(enc)
    fc = linear(head, "fc", D, 10)
    logits = fc(last(run(tokens(images())))[:, 0])
    loss = F.cross_entropy(logits, torch.tensor([i * 3 % 10 for i in range(N)]))
    return loss, enc.list + head.list


def mae():
    enc, dec = Params(), Params()
    tokens, run, last = encoder(enc)
    mask_token = dec("mask_token", DD)
    embed = linear(dec, "embed", D, DD)
    decode = blocks(dec, "blocks", DD, DDEPTH, DHEADS, 4 * DD)
    dnorm = norm(dec, "norm", DD)
    pred = linear(dec, "pred", DD, C * P * P)
    x = images()
    # sample n keeps patches (5 j + n) mod 16, j < KEEP, in this order
    order = torch.tensor([[(5 * j + n) % T for j in range(T)] for n in range(N)])
    t = tokens(x)
    vis = torch.cat([t[:, :1], t[:, 1:].gather(1, order[:, :KEEP, None].expand(-1, -1, D))], 1)
    e = embed(last(run(vis)))
    full = mask_token.expand(N, T, DD).clone()
    full = full.scatter(1, order[:, :KEEP, None].expand(-1, -1, DD), e[:, 1:])
    y = torch.cat([e[:, :1], full], 1) + sincos(DD)
    y = pred(dnorm(decode(y)))[:, 1:]
    target = patchify(x)
    target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6).sqrt()
    mask = torch.ones(N, T).scatter(1, order[:, :KEEP], 0.0)
    loss = (((y - target) ** 2).mean(-1) * mask).sum() / mask.sum()
    return loss, enc.list + dec.list


def emit(out, name, loss, params):
    loss.backward()
    out.write(f"static const double {name}_loss = {loss.item():.15g};\n")
    out.write(f"/* name, sum of the gradient times sin(i + 1), gradient's norm */\n")
    out.write(f"static const struct golden_gradient {name}_gradients[] = {{\n")
    for n, w in params:
        g = w.grad.reshape(-1)
        dot = (g * torch.sin(torch.arange(len(g)) + 1.0)).sum().item()
        out.write(f'    {{"{n}", {dot:.12g}, {g.norm().item():.12g}}},\n')
    out.write("};\n")


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/networks.h", "w") as out:
    out.write("/* Written by tests/golden/networks.py. */\n")
    out.write("struct golden_gradient {\n    const char *name;\n    double dot, norm;\n};\n")
    emit(out, "supervised", *supervised())
    emit(out, "mae", *mae())
