#!/usr/bin/env python3
"""Writes tests/golden/context_prediction.h: losses and gradients of small context predictors in plain
PyTorch (Doersch et al. 2015, section 3.1), in double precision, on a ViT and a residual network.
"""
import sys

import torch
import torch.nn.functional as F

from plain import C, D, DEPTH, HEADS, IMG, MLP, N, P, Params, blocks, emit, fill, linear, norm, sincos
from plain_resnet import resnet

SIDE, HIDDEN, WIDTH = IMG // 2, 8, 4


def vit(p):
    """CLS behind the final norm, (B,D) from (B,C,SIDE,SIDE); positions of another grid."""
    proj = linear(p, "patch_embed.proj", C * P * P, D)
    cls = p("cls_token", D)
    run = blocks(p, "blocks", D, DEPTH, HEADS, MLP)
    last = norm(p, "norm", D)
    own, grid = IMG // P, SIDE // P
    table = sincos(D)
    square = table[1:].reshape(1, own, own, D).permute(0, 3, 1, 2)
    square = F.interpolate(square, size=(grid, grid), mode="bicubic", align_corners=False)
    table = torch.cat([table[:1], square.permute(0, 2, 3, 1).reshape(grid * grid, D)])

    def encode(x):
        x = F.unfold(x, P, stride=P).transpose(1, 2)
        x = torch.cat([cls.expand(len(x), 1, D), proj(x)], 1) + table
        return last(run(x))[:, 0]
    return encode


def convolutions(p):
    encode = resnet(p, C, WIDTH)
    return lambda x: encode(x).mean((2, 3))


def layer(p, name, i, o, batch_norm):
    if not batch_norm:
        fc = linear(p, name, i, o)
        return lambda x: F.relu(fc(x))
    w = p(name + ".weight", o, i)
    p.skip(), p.skip()  # running statistics

    def run(x):
        x = x @ w.T
        return F.relu((x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt())
    return run


def predictor(network, dim, batch_norm):
    encoder, head = Params("encoder"), Params("head")
    encode = network(encoder)
    fc6 = layer(head, "fc6", dim, HIDDEN, batch_norm)
    fc7 = layer(head, "fc7", 2 * HIDDEN, HIDDEN, batch_norm)
    fc8 = layer(head, "fc8", HIDDEN, HIDDEN, False)
    fc9 = linear(head, "fc9", HIDDEN, 8)
    x = fill(0.37, 0.2, N * 2, C, SIDE, SIDE)
    pair = fc6(encode(x)).reshape(N, 2 * HIDDEN)
    loss = F.cross_entropy(fc9(fc8(fc7(pair))), torch.tensor([3 * i % 8 for i in range(N)]))
    return loss, encoder.list + head.list


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/context_prediction.h", "w") as out:
    out.write("/* Written by tests/golden/context_prediction.py. */\n")
    # Without batch norm, which leaves no gradient to the bias of the final norm but rounding.
    emit(out, "vit", *predictor(vit, D, False))
    emit(out, "resnet", *predictor(convolutions, 2 * WIDTH, True))
