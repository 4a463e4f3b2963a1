#!/usr/bin/env python3
"""Plain PyTorch, in double precision, for the golden scripts of the methods: parameters by formula,
transformer blocks, a small ViT, and the header that the C tests read (tests/method_fixture.h).

Parameter k of a group, in the order of definition in the program, has entries
w[i] = base + 0.2 sin(0.7 i + 1.3 k + 0.1), base 1 for gains (one dimension, "...weight").
"""
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
N, C, IMG, P, D, DEPTH, HEADS, MLP = 3, 3, 16, 4, 16, 2, 2, 64
DD, DDEPTH, DHEADS = 8, 1, 2
T = (IMG // P) ** 2
KEEP = 4


class Params:
    """A group.  skip() counts a statistic, which has a number but no entry here."""

    def __init__(self, group):
        self.group, self.list, self.k = group, [], 0

    def __call__(self, name, *shape):
        n = math.prod(shape)
        base = 1.0 if len(shape) == 1 and name.endswith("weight") else 0.0
        w = base + 0.2 * torch.sin(0.7 * torch.arange(n) + 1.3 * self.k + 0.1)
        w = w.reshape(shape).requires_grad_()
        self.list.append((f"{self.group}.{name}", w))
        self.k += 1
        return w

    def skip(self):
        self.k += 1


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


def fill(step, shift, *shape):
    """What fixture_fill writes into a slot."""
    return torch.sin(step * torch.arange(math.prod(shape)) + shift).reshape(shape)


def images():
    return fill(0.37, 0.2, N, C, IMG, IMG)


def emit(out, name, loss, params):
    """name_loss and name_gradients; params: (name, tensor) of everything that is trained."""
    loss.backward()
    out.write(f"static const double {name}_loss = {loss.item():.15g};\n")
    out.write(f"static const struct golden_value {name}_gradients[] = {{\n")
    for n, w in params:
        g = w.grad.reshape(-1)
        dot = (g * torch.sin(torch.arange(len(g)) + 1.0)).sum().item()
        out.write(f'    {{"{n}", {dot:.12g}, {g.norm().item():.12g}}},\n')
    out.write("};\n")
