#!/usr/bin/env python3
"""Writes tests/golden/convnets.h: small ResNets and AlexNets in plain PyTorch, in double precision,
from weights and images that the C test computes too.

For each network: the loss of one training step, its gradients, the running statistics after it, and
the loss in evaluation mode after a step of plain SGD.  Modules have torchvision's names, so that a
wrong name on either side is a wrong parameter.

Entry i of a parameter, counted as the program stores it (convolutions (out,kh,kw,in)), is
base + 0.3 sin(0.37 (i mod 1009)^2 + 0.7 i + 1.3 k), base 1 for the gains of batch norms, k from the
name (key below).  Pixels are sin(0.37 (i mod 1009)^2 + 0.7 i).
"""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
N, VIEWS, CLASSES, LR = 3, 2, 10, 0.1


def chirp(n, shift=0.0):
    i = torch.arange(n)
    return torch.sin(0.37 * (i % 1009) ** 2 + 0.7 * i + shift)


def key(name):
    return sum((j + 1) * ord(c) for j, c in enumerate(name)) % 101


def stored(w):
    """A parameter as the program stores it, flat."""
    return (w.permute(0, 2, 3, 1) if w.ndim == 4 else w).reshape(-1)


def conv(i, o, k, stride=1):
    return nn.Conv2d(i, o, k, stride, k // 2, bias=False)


class Block(nn.Module):
    def __init__(self, i, width, stride, bottleneck):
        super().__init__()
        o = width * 4 if bottleneck else width
        shapes = [(i, width, 1, 1), (width, width, 3, stride), (width, o, 1, 1)] if bottleneck else \
                 [(i, width, 3, stride), (width, width, 3, 1)]
        for n, (a, b, k, s) in enumerate(shapes, 1):
            setattr(self, f"conv{n}", conv(a, b, k, s))
            setattr(self, f"bn{n}", nn.BatchNorm2d(b))
        self.n = len(shapes)
        self.downsample = None
        if stride != 1 or i != o:
            self.downsample = nn.Sequential(conv(i, o, 1, stride), nn.BatchNorm2d(o))
        self.o = o

    def forward(self, x):
        y = x
        for n in range(1, self.n + 1):
            y = getattr(self, f"bn{n}")(getattr(self, f"conv{n}")(y))
            if n < self.n:
                y = F.relu(y)
        return F.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet(nn.Module):
    def __init__(self, width, blocks, bottleneck, small):
        super().__init__()
        self.conv1 = conv(3, width, 3) if small else conv(3, width, 7, 2)
        self.bn1 = nn.BatchNorm2d(width)
        self.small, self.stages, i = small, len(blocks), width
        for s, n in enumerate(blocks):
            stage = []
            for b in range(n):
                stage.append(Block(i, width << s, 2 if s and not b else 1, bottleneck))
                i = stage[-1].o
            setattr(self, f"layer{s + 1}", nn.Sequential(*stage))
        self.fc = nn.Linear(i, CLASSES)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if not self.small:
            x = F.max_pool2d(x, 3, 2, 1)
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        return self.fc(x.mean((2, 3)))


class AlexNet(nn.Module):
    def __init__(self, width, small):
        super().__init__()
        first = (5, 1, 2) if small else (11, 4, 2)
        i, self.pad = 3, 1 if small else 0
        for n, (o, (k, s, p)) in enumerate(zip(width, [first, (5, 1, 2)] + [(3, 1, 1)] * 3), 1):
            setattr(self, f"conv{n}", nn.Conv2d(i, o, k, s, p, bias=False))
            setattr(self, f"bn{n}", nn.BatchNorm2d(o))
            i = o
        self.fc = nn.Linear(i, CLASSES)

    def forward(self, x):
        for n in range(1, 6):
            x = F.relu(getattr(self, f"bn{n}")(getattr(self, f"conv{n}")(x)))
            if n in (1, 2, 5):
                x = F.max_pool2d(x, 3, 2, self.pad)
        return self.fc(x.mean((2, 3)))


def golden(out, name, net, side):
    for n, p in net.named_parameters():
        base = 1.0 if p.ndim == 1 and n.endswith("weight") else 0.0
        w = base + 0.3 * chirp(p.numel(), 1.3 * key(n))
        if p.ndim == 4:
            o, i, kh, kw = p.shape
            w = w.reshape(o, kh, kw, i).permute(0, 3, 1, 2)
        p.data.copy_(w.reshape(p.shape))
    x = chirp(N * VIEWS * 3 * side * side).reshape(N * VIEWS, 3, side, side)
    y = torch.tensor([n * 3 % CLASSES for n in range(N)]).repeat_interleave(VIEWS)
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    rows = [(n, stored(p.grad)) for n, p in net.named_parameters()]
    rows += [(n, b) for n, b in net.named_buffers() if "running" in n]
    with torch.no_grad():
        for p in net.parameters():
            p -= LR * p.grad
    net.eval()
    evaluated = F.cross_entropy(net(x), y)
    out.write(f"\nstatic const struct golden_value {name}_values[] = {{\n")
    for n, v in rows:
        dot = (v * chirp(v.numel(), 0.5)).sum().item()
        out.write(f'    {{"{n}", {dot:.10g}, {v.norm().item():.10g}}},\n')
    out.write("};\n")
    return name, side, loss.item(), evaluated.item(), len(rows)


NETWORKS = [
    ("resnet", ResNet(4, [2, 1, 1], 0, 1), 12),
    ("bottleneck", ResNet(3, [1, 2], 1, 0), 21),
    ("alexnet_small", AlexNet([3, 5, 4, 6, 4], 1), 17),
    ("alexnet", AlexNet([4, 5, 6, 4, 5], 0), 63),
]

with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/convnets.h", "w") as out:
    out.write("/* Written by tests/golden/convnets.py.  A value is that of the gradient, or of the running\n"
              " * statistic: its sum times sin(0.37 (i mod 1009)^2 + 0.7 i + 0.5), and its norm. */\n")
    out.write("struct golden_value {\n    const char *name;\n    double dot, norm;\n};\n")
    nets = [golden(out, *n) for n in NETWORKS]
    out.write("\nstatic const struct golden_net {\n    const char *name;\n    int side;\n"
              "    double loss, evaluated;\n    const struct golden_value *values;\n    int n;\n"
              "} golden_nets[] = {\n")
    for name, side, loss, evaluated, n in nets:
        out.write(f'    {{"{name}", {side}, {loss:.12g}, {evaluated:.12g}, {name}_values, {n}}},\n')
    out.write("};\n")
