#!/usr/bin/env python3
"""Writes tests/golden/dino.h: loss and gradients of DINO on a small ViT with two small crops, and
once more with batch norm in the head, for which crops of one side are one batch.

The teacher's parameter w is 0.8 w + 0.03 cos(0.5 i) of its student's; the centre is 0.1 sin(i).
Crops differ in colour, or it would not matter which are compared: entry i of a batch of crops is
sin(0.37 (i mod 1009)^2) + 2 cos(1.3 p) in plane p.  Features are the mean of the patch tokens, and
matrices of the heads are 0.5 sin(0.37 i^2 + 1.3 k), of full rank.
"""
import sys

import torch
import torch.nn.functional as F

import plain
from plain import C, D, IMG, N, Params, emit, encoder, linear, sincos

K, HIDDEN, BOTTLENECK, LOCALS, SIDE = 12, 10, 6, 2, IMG // 2
TEACHER_T, STUDENT_T = 0.05, 0.1


class StudentParams(Params):
    def __call__(self, name, *shape):
        w = super().__call__(name, *shape)
        if len(shape) == 2 and "encoder" not in self.group and self.group != "teacher":
            i = torch.arange(w.numel()).reshape(shape)
            w.data = 0.5 * torch.sin(0.37 * i * i + 1.3 * (self.k - 1))
        return w


class TeacherParams(StudentParams):
    def __call__(self, name, *shape):
        w = super().__call__(name, *shape).detach()
        i = torch.arange(w.numel()).reshape(shape)
        return 0.8 * w + 0.03 * torch.cos(0.5 * i)


def batch_norm(p, name, d):
    w, b = p(name + ".weight", d), p(name + ".bias", d)
    p.skip(), p.skip()  # running statistics
    return lambda x: F.batch_norm(x, None, None, w, b, True, 0.1, 1e-5)


def hidden(p, i, width, normed):
    fc = linear(p, f"fc{i}", D if i == 1 else HIDDEN, width)
    bn = batch_norm(p, f"bn{i}", width) if normed else lambda x: x
    return lambda x: F.gelu(bn(fc(x)))


def network(make, groups, normed):
    enc, head, last = (make(g) for g in groups)
    tokens, run, norm = encoder(enc)
    fc1, fc2 = hidden(head, 1, HIDDEN, normed), hidden(head, 2, HIDDEN, normed)
    fc3, v = linear(head, "fc3", HIDDEN, BOTTLENECK), last("weight", K, BOTTLENECK)

    def outputs(x):
        """One image batch of any side; (N, K)."""
        grid, full = x.shape[-1] // plain.P, IMG // plain.P
        plain.N, plain.IMG, plain.T = len(x), IMG, full * full
        table = sincos(D)
        if grid != full:
            patches = table[1:].reshape(1, full, full, D).permute(0, 3, 1, 2)
            patches = F.interpolate(patches, size=(grid, grid), mode="bicubic", align_corners=False)
            table = torch.cat([table[:1], patches.permute(0, 2, 3, 1).reshape(grid * grid, D)])
        plain.IMG, plain.T, plain.sincos = x.shape[-1], grid * grid, lambda dim: table
        h = norm(run(tokens(x)))[:, 1:].mean(1)
        z = F.normalize(fc3(fc2(fc1(h))), dim=-1)
        return z @ F.normalize(v, dim=-1).T
    return outputs, enc.list + head.list + last.list


def crops(n, side):
    i = torch.arange(N * n * C * side * side)
    x = torch.sin(0.37 * (i % 1009) ** 2) + 2 * torch.cos(1.3 * (i // (side * side)))
    return x.reshape(N, n, C, side, side)


def views(network, crops):
    """Outputs (N, K) for each of the crops (N, n, ...), which go through as one batch."""
    n = crops.shape[1]
    out = network(crops.transpose(0, 1).flatten(0, 1))
    return list(out.reshape(n, -1, K))


def dino(normed=False):
    student, params = network(StudentParams, ("encoder", "head", "prototypes"), normed)
    teacher, _ = network(TeacherParams, ("teacher", "teacher_head", "teacher_prototypes"), normed)
    centre = 0.1 * torch.sin(torch.arange(K) * 1.0)
    big, small = crops(2, IMG), crops(LOCALS, SIDE)
    said, taught = views(student, big) + views(student, small), views(teacher, big)
    total, pairs = 0.0, 0
    for t in range(2):
        target = ((taught[t] - centre) / TEACHER_T).softmax(-1)
        for s, output in enumerate(said):
            if s != t:
                log_p = (output / STUDENT_T).log_softmax(-1)
                total, pairs = total - (target * log_p).sum(-1).mean(), pairs + 1
    # A batch norm takes a shift of its input away: that gradient is 0, and rounding in float.
    shifts = ("encoder.norm.bias", "head.fc1.bias", "head.fc2.bias") if normed else ()
    return total / pairs, [p for p in params if p[0] not in shifts]


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/dino.h", "w") as out:
    out.write("/* Written by tests/golden/dino.py. */\n")
    emit(out, "dino", *dino())
    emit(out, "dino_norm", *dino(normed=True))
