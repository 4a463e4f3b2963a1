#!/usr/bin/env python3
"""Writes tests/golden/split_brain.h: losses and gradients of small split-brain autoencoders in plain
PyTorch (Zhang et al. 2017, section 3), in double precision: ViT and residual network, bins and
colours.
"""
import sys

import torch
import torch.nn.functional as F

from plain import DEPTH, IMG, N, P, T, Params, blocks, emit, fill, linear, norm, sincos
from plain_resnet import resnet

HALF, HEADS, MLP = 8, 1, 32  # of the fixture's ViT
WIDTH = 2                    # half of the residual network's first stage
AB_BINS, L_BINS = 261, 100


def vit(p, channels):
    """(N,places,D) from (N,channels,IMG,IMG)"""
    proj = linear(p, "patch_embed.proj", channels * P * P, HALF)
    cls = p("cls_token", HALF)
    run = blocks(p, "blocks", HALF, DEPTH, HEADS, MLP)
    last = norm(p, "norm", HALF)

    def encode(x):
        x = F.unfold(x, P, stride=P).transpose(1, 2)
        x = torch.cat([cls.expand(N, 1, HALF), proj(x)], 1) + sincos(HALF)
        return last(run(x))[:, 1:]
    return encode


def convolutions(p, channels):
    """The same of a residual network."""
    encode = resnet(p, channels, WIDTH)
    return lambda x: encode(x).flatten(2).transpose(1, 2)


def split_brain(network, dim, places, regress):
    halves = Params("encoder"), Params("encoder_ab")
    f1, f2 = network(halves[0], 1), network(halves[1], 2)
    head = Params("head")
    to_ab = linear(head, "ab", dim, 2 if regress else AB_BINS)
    to_l = linear(head, "l", dim, 1 if regress else L_BINS)
    x = fill(0.37, 0.2, N, 3, IMG, IMG)
    ab, light = to_ab(f1(x[:, :1])), to_l(f2(x[:, 1:]))
    i = torch.arange(N * places)
    if regress:
        loss = ((ab - fill(0.9, 0.4, N, places, 2)) ** 2).mean() + \
            ((light - fill(0.7, 0.1, N, places, 1)) ** 2).mean()
    else:
        loss = F.cross_entropy(ab.flatten(0, 1), 7 * i % AB_BINS) + \
            F.cross_entropy(light.flatten(0, 1), 3 * i % L_BINS)
    return loss, halves[0].list + halves[1].list + head.list


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/split_brain.h", "w") as out:
    out.write("/* Written by tests/golden/split_brain.py. */\n")
    emit(out, "vit_classify", *split_brain(vit, HALF, T, False))
    emit(out, "vit_regress", *split_brain(vit, HALF, T, True))
    side = IMG // 2
    emit(out, "resnet_classify", *split_brain(convolutions, 2 * WIDTH, side * side, False))
