#!/usr/bin/env python3
"""Writes tests/golden/context_encoder.h: context encoders in plain PyTorch, from Pathak et al. 2016,
arXiv:1604.07379: a central square with the adversarial loss behind a ResNet, and random regions
behind a small ViT.

Convolutions are stored (out,kh,kw,in), transposed ones (in,kh,kw,out).
"""
import sys

import torch
import torch.nn.functional as F

from plain import C, D, IMG, N, T, Params, emit, encoder, fill, images, linear

WIDTH, FLOOR, JUDGE, BAND_WEIGHT, ADVERSARIAL = 40, 16, 5, 10, 0.001
SIDE, RESNET = 32, 4  # image and first width behind the square


def conv(p, name, i, o, k, stride, pad, bias=False, transposed=False):
    w = p(name + ".weight", i if transposed else o, k, k, o if transposed else i)
    b = p(name + ".bias", o) if bias else None
    f = F.conv_transpose2d if transposed else F.conv2d
    return lambda x: f(x, w.permute(0, 3, 1, 2), b, stride, pad)


def batchnorm(p, name, d):
    w, b = p(name + ".weight", d), p(name + ".bias", d)
    p.skip(), p.skip()  # running statistics
    return lambda x: F.batch_norm(x, None, None, w, b, training=True)


def resnet(p, width):
    """Two stages of one block of two 3x3 each, the stem of SimCLR's CIFAR experiments."""
    stem, stem_bn = conv(p, "conv1", C, width, 3, 1, 1), batchnorm(p, "bn1", width)
    stages = []
    for s, (i, o, stride) in enumerate([(width, width, 1), (width, 2 * width, 2)], 1):
        n = f"layer{s}.0."
        c1, b1 = conv(p, n + "conv1", i, o, 3, stride, 1), batchnorm(p, n + "bn1", o)
        short = None
        if stride > 1:
            d, db = conv(p, n + "downsample.0", i, o, 1, stride, 0), \
                batchnorm(p, n + "downsample.1", o)
            short = lambda x, d=d, db=db: db(d(x))
        c2, b2 = conv(p, n + "conv2", o, o, 3, 1, 1), batchnorm(p, n + "bn2", o)
        stages.append((c1, b1, c2, b2, short))

    def run(x):
        x = F.relu(stem_bn(stem(x)))
        for c1, b1, c2, b2, short in stages:
            y = b2(c2(F.relu(b1(c1(x)))))
            x = F.relu(y + (short(x) if short else x))
        return x
    return run


def decoder(p, q, dim, start, side):
    """From (N,q,dim): a matrix for each channel, then a 1x1 convolution, then doublings."""
    w, b = p("channelwise.weight", dim, start * start, q), p("channelwise.bias", dim, start * start)
    mix, mix_bn, ups = p("mix.weight", WIDTH, dim), batchnorm(p, "mix_bn", WIDTH), []
    width, i, s = WIDTH, 1, start
    while s < side:
        last, less = 2 * s == side, max(width // 2, FLOOR)
        up = conv(p, f"up{i}", width, C if last else less, 4, 2, 1, last, True)
        ups.append((up, None if last else batchnorm(p, f"up{i}_bn", less)))
        width, i, s = less, i + 1, 2 * s

    def run(x):
        x = torch.einsum("cpq,nqc->ncp", w, x) + b
        x = torch.einsum("oc,ncp->nop", mix, x).reshape(N, WIDTH, start, start)
        x = F.relu(mix_bn(x))
        for up, bn in ups:
            x = up(x) if bn is None else F.relu(bn(up(x)))
        return x
    return run


def judge(p, side):
    """The discriminator: logits (N) of images (N,C,side,side)."""
    layers, i, o, n = [], C, JUDGE, 1
    while side >= 8:
        c = conv(p, f"conv{n}", i, o, 4, 2, 1, n == 1)
        layers.append((c, batchnorm(p, f"bn{n}", o) if n > 1 else None))
        side, i, o, n = side // 2, o, 2 * o, n + 1
    w, b = p("fc.weight", 1, side * side * i), p("fc.bias", 1)

    def run(x):
        for c, bn in layers:
            x = F.leaky_relu(c(x) if bn is None else bn(c(x)), 0.2)
        return (x.permute(0, 2, 3, 1).reshape(N, -1) @ w.T + b)[:, 0]
    return run


def centre():
    enc, dec, dis = Params("encoder"), Params("decoder"), Params("discriminator")
    half, band = SIDE // 2, 1  # 4/64 of 16
    net = resnet(enc, RESNET)
    decode = decoder(dec, (SIDE // 2) ** 2, 2 * RESNET, half // 4, half)
    D_ = judge(dis, half)
    x = fill(0.37, 0.2, N, C, SIDE, SIDE)
    square = slice(SIDE // 4, SIDE // 4 + half)
    hidden = slice(SIDE // 4 + band, SIDE // 4 + half - band)
    context = x.clone()
    context[:, :, hidden, hidden] = 0
    weight = torch.full((half, half), float(BAND_WEIGHT))
    weight[band:-band, band:-band] = 1
    real = x[:, :, square, square]
    fake = decode(net(context).permute(0, 2, 3, 1).reshape(N, -1, 2 * RESNET))
    pixels = (((fake - real) ** 2).mean(1) * weight).sum((1, 2)).mean() / weight.sum()
    one, zero = torch.ones(N), torch.zeros(N)
    bce = F.binary_cross_entropy_with_logits
    loss_d = bce(D_(real), one) + bce(D_(fake.detach()), zero)
    adversarial = bce(D_(fake), one)
    loss_g = (1 - ADVERSARIAL) * pixels + ADVERSARIAL * adversarial
    # each side's gradient by itself: D's loss does not reach the generator, nor the other way round
    own = [w for _, w in enc.list + dec.list]
    grads = torch.autograd.grad(loss_g, own, retain_graph=True) + \
        torch.autograd.grad(loss_d, [w for _, w in dis.list])
    everything = enc.list + dec.list + dis.list
    surrogate = sum((g.detach() * w).sum() for g, (_, w) in zip(grads, everything))
    total = loss_g + loss_d
    return total.detach() + surrogate - surrogate.detach(), everything


def hidden_places():
    """Place i of sample n is hidden where (7 i + 3 n) mod 4 is 0."""
    i, n = torch.arange(IMG * IMG), torch.arange(N)
    return ((7 * i[None] + 3 * n[:, None]) % 4 == 0).double().reshape(N, 1, IMG, IMG)


def random():
    enc, dec = Params("encoder"), Params("decoder")
    tokens, run, last = encoder(enc)
    decode = decoder(dec, T, D, IMG // 4, IMG)
    x, hidden = images(), hidden_places()
    y = decode(last(run(tokens(x * (1 - hidden))))[:, 1:])
    error = (((y - x) ** 2) * hidden).sum((1, 2, 3)) / (C * hidden.sum((1, 2, 3)))
    return error.mean(), enc.list + dec.list


with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/context_encoder.h", "w") as out:
    out.write("/* Written by tests/golden/context_encoder.py. */\n")
    emit(out, "centre", *centre())
    emit(out, "random", *random())
