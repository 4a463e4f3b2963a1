#!/usr/bin/env python3
"""Writes tests/golden/networks.h: losses and gradients of a small ViT classifier and a small MAE."""
import sys

import torch
import torch.nn.functional as F

from plain import (C, D, DD, DDEPTH, DHEADS, KEEP, N, P, T, Params, blocks, emit, encoder, images,
                   linear, norm, patchify, sincos)


def supervised():
    enc, head = Params("encoder"), Params("head")
    tokens, run, last = encoder(enc)
    fc = linear(head, "fc", D, 10)
    logits = fc(last(run(tokens(images())))[:, 0])
    loss = F.cross_entropy(logits, torch.tensor([i * 3 % 10 for i in range(N)]))
    return loss, enc.list + head.list


def mae():
    enc, dec = Params("encoder"), Params("decoder")
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


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/networks.h", "w") as out:
    out.write("/* Written by tests/golden/networks.py. */\n")
    emit(out, "supervised", *supervised())
    emit(out, "mae", *mae())
