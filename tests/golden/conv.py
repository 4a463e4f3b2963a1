#!/usr/bin/env python3
"""Golden values of convolutions, pooling and channel-wise layers: writes tests/golden/conv.h.

    python3 tests/golden/conv.py > tests/golden/conv.h     (made with PyTorch 2.15)

PyTorch has channels first; what is stored has them last, weights as (out, kh, kw, in).  Inputs are
rounded to float first, so that the C program starts from the same numbers.
"""
import math

import torch
import torch.nn.functional as F

torch.manual_seed(230)


def draw(*shape):
    return torch.randn(*shape).double().requires_grad_()


def literal(v):
    if math.isnan(v):
        return "NAN"
    return f"{v:.12g}" if math.isfinite(v) else "INFINITY" if v > 0 else "-INFINITY"


def table(name, values, kind="double"):
    values = [literal(float(v)) for v in values.detach().flatten()]
    print(f"static const {kind} golden_{name}[{len(values)}] = {{")
    for at in range(0, len(values), 6):
        print("    " + ", ".join(values[at : at + 6]) + ",")
    print("};")


def last(t):
    return t.permute(0, 2, 3, 1)


def convolution(name, n, h, w, n_in, n_out, kh, kw, stride, pad):
    x, weight, bias = draw(n, n_in, h, w), draw(n_out, n_in, kh, kw), draw(n_out)
    y = F.conv2d(x, weight, bias, stride, pad)
    dy = draw(*y.shape)
    y.backward(dy)
    print(f"static const struct conv_shape golden_{name} = "
          f"{{{h}, {w}, {n_in}, {n_out}, {kh}, {kw}, {stride}, {pad}}};")
    for key, v in [("x", x), ("weight", weight), ("y", y), ("dy", dy), ("dx", x.grad),
                   ("dw", weight.grad)]:
        table(f"{name}_{key}", last(v))
    table(f"{name}_bias", bias)


def transposed(name, n, h, w, n_from, n_to, k, stride, pad, output_pad):
    x, weight, bias = draw(n, n_from, h, w), draw(n_from, n_to, k, k), draw(n_to)
    y = F.conv_transpose2d(x, weight, bias, stride, pad, output_pad)
    dy = draw(*y.shape)
    y.backward(dy)
    print(f"static const struct conv_shape golden_{name} = "
          f"{{{y.shape[2]}, {y.shape[3]}, {n_to}, {n_from}, {k}, {k}, {stride}, {pad}}};")
    for key, v in [("x", x), ("weight", weight), ("y", y), ("dy", dy), ("dx", x.grad),
                   ("dw", weight.grad)]:
        table(f"{name}_{key}", last(v))
    table(f"{name}_bias", bias)


def pooling():
    x = torch.randint(0, 5, (2, 3, 7, 6)).double()  # many that are equal
    x[0, 0, 1, 2] = x[1, 2, 3, 3] = x[1, 2, 3, 4] = math.nan
    x[0, 1, :4, :4] = -math.inf
    x.requires_grad_()
    y, arg = F.max_pool2d(x, 3, 2, 1, return_indices=True)
    dy = draw(*y.shape)
    y.backward(dy)
    for key, v in [("x", x), ("y", y), ("dy", dy), ("dx", x.grad)]:
        table("maxpool_" + key, last(v))
    table("maxpool_arg", last(arg), "int32_t")


def channelwise():
    x, weight, bias = draw(2, 3, 5), draw(5, 4, 3), draw(5, 4)  # (n,q,ch) (ch,p,q) (ch,p)
    y = torch.einsum("nqc,cpq->npc", x, weight) + bias.T
    dy = draw(2, 4, 5)
    y.backward(dy)
    for key, v in [("x", x), ("weight", weight), ("bias", bias), ("y", y), ("dy", dy),
                   ("dx", x.grad), ("dw", weight.grad), ("dbias", bias.grad)]:
        table("channelwise_" + key, v)


print("/* Written by tests/golden/conv.py; do not edit. */\n/* clang-format off */")
convolution("conv3", 2, 5, 4, 3, 2, 3, 3, 1, 1)
convolution("conv7", 1, 9, 8, 2, 3, 7, 5, 2, 3)
convolution("conv1", 2, 4, 5, 3, 2, 1, 1, 2, 0)
transposed("transposed", 1, 3, 4, 2, 3, 4, 2, 1, 1)
pooling()
channelwise()
