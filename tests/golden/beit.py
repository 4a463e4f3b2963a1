#!/usr/bin/env python3
"""Writes tests/golden/beit.h: losses and gradients of BEiT's two stages on the small ViT of plain.py,
and how often blockwise masking masks how many patches, and where.

The tokenizer: Ramesh et al. 2021 in small.  Masking: Bao et al. 2022, algorithm 1, with the choices
of the authors' code that methods/beit_mask.c names, drawn with NumPy."""
import math
import sys
import textwrap

import numpy as np
import torch
import torch.nn.functional as F

from plain import C, D, IMG, N, P, T, Params, encoder, emit, fill, images, linear, patchify, sincos

CODES, WIDTH, GRID = 6, 5, IMG // P
MOST, DRAWS = 6, 400000
EPS, SCALE = 0.01, 6


def sharpen(p):
    """Weights (not biases) times SCALE: otherwise the biases choose the same token everywhere."""
    with torch.no_grad():
        for _, w in p.list:
            if w.dim() > 1:
                w.mul_(SCALE)


def conv(p, name, i, o):
    w, b = p(name + ".weight", o, 4, 4, i), p(name + ".bias", o)
    return lambda x: F.conv2d(x, w.permute(0, 3, 1, 2), b, stride=2, padding=1)


def conv_transpose(p, name, i, o):
    w, b = p(name + ".weight", i, 4, 4, o), p(name + ".bias", o)
    return lambda x: F.conv_transpose2d(x, w.permute(0, 3, 1, 2), b, stride=2, padding=1)


def token_logits(p):
    """Patches of 4: two convolutions of stride 2."""
    c0, c1 = conv(p, "encoder.0", C, WIDTH), conv(p, "encoder.1", WIDTH, WIDTH)
    out = linear(p, "encoder.logits", WIDTH, CODES)
    return lambda x: out(c1(c0(x).tanh()).tanh().permute(0, 2, 3, 1).reshape(N, T, WIDTH))


def dvae(temperature=0.7, kl_weight=0.3):
    p = Params("tokenizer")
    encode = token_logits(p)
    codes = linear(p, "decoder.codes", CODES, WIDTH)
    d0 = conv_transpose(p, "decoder.0", WIDTH, WIDTH)
    d1 = conv_transpose(p, "decoder.1", WIDTH, C)
    sharpen(p)
    x = images()
    logits = encode(x)
    z = ((logits + 2 * fill(0.61, 0.4, N, T, CODES)) / temperature).softmax(-1)
    h = codes(z).reshape(N, GRID, GRID, WIDTH).permute(0, 3, 1, 2)
    y = d1(F.relu(d0(F.relu(h))))
    log_q = logits.log_softmax(-1)
    kl = (log_q.exp() * (log_q + math.log(CODES))).sum(-1)
    return F.mse_loss(y, x) + kl_weight * kl.mean(), p.list


def words(p, x):
    """Standardised patches, an affine score for each word: what k-means leaves in the model."""
    score = linear(p, "words", C * P * P, CODES)
    x = patchify(x)
    return score((x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + EPS).sqrt())


def certain(scores):
    """Tokens, after making sure that rounding cannot change them."""
    best = scores.topk(2, -1).values
    assert len(scores.argmax(-1).unique()) > 1
    assert (best[..., 0] - best[..., 1]).min() > 1e-3
    return scores.argmax(-1)


def masks():
    """Sample n masks the 6 - n patches (5 j + n) mod 16, j = 0, 1, ..."""
    m = torch.zeros(N, T, dtype=torch.bool)
    for n in range(N):
        for j in range(MOST - n):
            m[n, (5 * j + n) % T] = True
    return m


def mim(tokens, tokenizer):
    """The tokenizer's parameters get a gradient of exactly 0."""
    enc, head = Params("encoder"), Params("head")
    _, run, last = encoder(enc)
    by_name = {n.split(".", 1)[1]: w for n, w in enc.list}
    mask_token = head("mask_token", D)
    fc = linear(head, "fc", D, CODES)
    x = F.linear(patchify(images()), by_name["patch_embed.proj.weight"], by_name["patch_embed.proj.bias"])
    m = masks()
    x = torch.where(m[..., None], mask_token, x)
    x = torch.cat([by_name["cls_token"].expand(N, 1, D), x], 1) + sincos(D)
    y = fc(last(run(x))[:, 1:])
    for _, w in tokenizer.list:
        w.grad = torch.zeros_like(w)
    return F.cross_entropy(y[m], tokens[m]), enc.list + head.list + tokenizer.list


def block_mask(rng, grid, most, least, aspect):
    mask, count = np.zeros((grid, grid), bool), 0
    while count < most:
        room, added = most - count, 0
        for _ in range(10):
            area = rng.uniform(min(least, room), max(least, room))
            ratio = math.exp(rng.uniform(math.log(aspect), math.log(1 / aspect)))
            h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if not (1 <= h < grid and 1 <= w < grid):
                continue
            i, j = rng.integers(0, grid - h + 1), rng.integers(0, grid - w + 1)
            added = h * w - mask[i:i + h, j:j + w].sum()
            if 0 < added <= room:
                mask[i:i + h, j:j + w] = True
                break
            added = 0
        if not added:
            break
        count += added
    return mask


def masking(out, name, grid, most, least, aspect, draws):
    rng = np.random.default_rng(624)
    counts, places, together = np.zeros(most + 1), np.zeros((grid, grid)), 0.0
    for _ in range(draws):
        m = block_mask(rng, grid, most, least, aspect)
        counts[m.sum()] += 1
        places += m
        together += (m[:, 1:] & m[:, :-1]).sum()
    print(name, "mean", (counts * np.arange(most + 1)).sum() / draws, "full", counts[most] / draws)
    row = lambda a: "\n" + textwrap.fill(", ".join(f"{v:.6g}" for v in a), 96, initial_indent="    ",
                                         subsequent_indent="    ") + "\n"
    out.write(f"/* {draws} draws: grid {grid}, most {most}, least {least}, aspect {aspect} */\n")
    out.write(f"static const double {name}_counts[] = {{{row(counts / draws)}}};\n")
    out.write(f"static const double {name}_places[] = {{{row(places.reshape(-1) / draws)}}};\n")
    out.write(f"static const double {name}_neighbours = {together / draws:.6g};\n")
    out.write(f"enum {{ {name}_draws = {draws} }};\n")


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/beit.h", "w") as out:
    out.write("/* Written by tests/golden/beit.py. */\n")
    emit(out, "dvae", *dvae())
    tokenizer = Params("tokenizer")
    encode = token_logits(tokenizer)
    sharpen(tokenizer)
    emit(out, "mim_dvae", *mim(certain(encode(images())), tokenizer))
    loss, _ = mim(certain(words(Params("tokenizer"), images())), Params("tokenizer"))
    out.write(f"static const double mim_words_loss = {loss.item():.15g};\n")
    masking(out, "grid4", 4, 6, 1, 0.3, DRAWS)
    masking(out, "grid14", 14, 75, 16, 0.3, DRAWS // 4)
