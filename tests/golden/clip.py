#!/usr/bin/env python3
"""Writes tests/golden/clip.h: loss and gradients of a small CLIP, Radford et al. 2021
(arXiv:2103.00020), figure 3: a ViT and a causal transformer, bias-free projections, a symmetric
cross-entropy on cosines times exp(scale)."""
import math
import sys

import torch
import torch.nn.functional as F

from plain import D, N, Params, emit, encoder, images, linear, norm

VOCABULARY, CONTEXT, WIDTH, DEPTH, HEADS, OUT = 514, 6, 8, 2, 2, 6
START, END = VOCABULARY - 2, VOCABULARY - 1
TEXTS = [[START, 65, 300, END, 0, 0], [START, END, 0, 0, 0, 0], [START, 7, 65, 511, 12, END]]


def causal_blocks(p, d, depth, heads, act):
    mods = []
    for i in range(depth):
        b = f"blocks.{i}."
        mods.append((norm(p, b + "norm1", d), linear(p, b + "attn.qkv", d, 3 * d),
                     linear(p, b + "attn.proj", d, d), norm(p, b + "norm2", d),
                     linear(p, b + "mlp.fc1", d, 4 * d), linear(p, b + "mlp.fc2", 4 * d, d)))

    def run(x):
        n, t, _ = x.shape
        hidden = torch.full((t, t), -math.inf).triu(1)
        for n1, qkv, proj, n2, fc1, fc2 in mods:
            q, k, v = qkv(n1(x)).reshape(n, t, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
            a = (q @ k.transpose(-2, -1) / math.sqrt(d // heads) + hidden).softmax(-1)
            x = x + proj((a @ v).transpose(1, 2).reshape(n, t, d))
            x = x + fc2(act(fc1(n2(x))))
        return x
    return run


def clip(act):
    # Groups hold their parameters in the order in which the program defines them.
    text = Params("text")
    words = text("token_embedding.weight", VOCABULARY, WIDTH)
    places = text("positional_embedding", CONTEXT, WIDTH)
    run_text = causal_blocks(text, WIDTH, DEPTH, HEADS, act)
    text_norm = norm(text, "norm", WIDTH)
    text_projection = text("projection.weight", OUT, WIDTH)
    enc, head = Params("encoder"), Params("head")
    tokens, run, last = encoder(enc)
    projection = head("projection.weight", OUT, D)
    scale = head("logit_scale", 1)

    ids = torch.tensor(TEXTS)
    end = (ids == END).int().argmax(1)
    t = text_norm(run_text(words[ids] + places))[torch.arange(N), end]
    t = F.normalize(t @ text_projection.T, dim=1)
    i = F.normalize(last(run(tokens(images())))[:, 0] @ projection.T, dim=1)
    logits = scale.exp() * i @ t.T
    target = torch.arange(N)
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    return loss, text.list + enc.list + head.list


def rows(name, ids):
    inner = ",\n    ".join("{" + ", ".join(map(str, r)) + "}" for r in ids)
    return f"static const int32_t {name}[{len(ids)}][{len(ids[0])}] = {{\n    {inner}}};\n"


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/clip.h", "w") as out:
    out.write("/* Written by tests/golden/clip.py. */\n")
    out.write(rows("clip_tokens", TEXTS))
    emit(out, "clip", *clip(F.gelu))
    emit(out, "clip_quick", *clip(lambda x: x * torch.sigmoid(1.702 * x)))
