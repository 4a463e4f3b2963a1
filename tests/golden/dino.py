#!/usr/bin/env python3
"""Writes tests/golden/dino.h: loss and gradients of DINO on a small ViT with two small crops.

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


def network(make, groups):
    enc, head, last = (make(g) for g in groups)
    tokens, run, norm = encoder(enc)
    fc1, fc2 = linear(head, "fc1", D, HIDDEN), linear(head, "fc2", HIDDEN, HIDDEN)
    fc3, v = linear(head, "fc3", HIDDEN, BOTTLENECK), last("weight", K, BOTTLENECK)

    def outputs(x):
        """One image batch of any side; (N, K)."""
        grid, full = x.shape[-1] // plain.P, IMG // plain.P
        plain.IMG, plain.T = IMG, full * full
        table = sincos(D)
        if grid != full:
            patches = table[1:].reshape(1, full, full, D).permute(0, 3, 1, 2)
            patches = F.interpolate(patches, size=(grid, grid), mode="bicubic", align_corners=False)
            table = torch.cat([table[:1], patches.permute(0, 2, 3, 1).reshape(grid * grid, D)])
        plain.IMG, plain.T, plain.sincos = x.shape[-1], grid * grid, lambda dim: table
        h = norm(run(tokens(x)))[:, 1:].mean(1)
        z = F.normalize(fc3(F.gelu(fc2(F.gelu(fc1(h))))), dim=-1)
        return z @ F.normalize(v, dim=-1).T
    return outputs, enc.list + head.list + last.list


def crops(n, side):
    i = torch.arange(N * n * C * side * side)
    x = torch.sin(0.37 * (i % 1009) ** 2) + 2 * torch.cos(1.3 * (i // (side * side)))
    return x.reshape(N, n, C, side, side)


def dino():
    plain.N = N
    student, params = network(StudentParams, ("encoder", "head", "prototypes"))
    teacher, _ = network(TeacherParams, ("teacher", "teacher_head", "teacher_prototypes"))
    centre = 0.1 * torch.sin(torch.arange(K) * 1.0)
    big, small = crops(2, IMG), crops(LOCALS, SIDE)
    seen = [big[:, 0], big[:, 1]] + [small[:, i] for i in range(LOCALS)]
    total, pairs = 0.0, 0
    for t in range(2):
        target = ((teacher(seen[t]) - centre) / TEACHER_T).softmax(-1)
        for s, crop in enumerate(seen):
            if s != t:
                log_p = (student(crop) / STUDENT_T).log_softmax(-1)
                total, pairs = total - (target * log_p).sum(-1).mean(), pairs + 1
    return total / pairs, params


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/dino.h", "w") as out:
    out.write("/* Written by tests/golden/dino.py. */\n")
    emit(out, "dino", *dino())
