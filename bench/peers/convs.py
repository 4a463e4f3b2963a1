#!/usr/bin/env python3
"""Convolutions against oneDNN's, as PyTorch calls it: interleaved rounds, medians, one thread.

    bench/peers/convs.py [--rounds 3] [--seconds 0.1] [--shapes step:simclr/resnet18]
                         [--program build/ssvbench]

A round times every convolution of the step with `ssvbench kernels`, then the same shapes through
torch's convolution (channels last, single precision), both on buffers that were just used.  oneDNN
puts the weights into its own layout in each call; the program does so once a step, which is the row
conv2d_pack of `ssvbench kernels`, so for a step of one chunk its time would have to be added.
Needs torch; the program itself does not.
"""
import argparse
import collections
import json
import statistics
import subprocess
import time

KINDS = {"conv2d_forward": None, "conv2d_backward_data": 0, "conv2d_backward_weight": 1}


def here(args):
    """Seconds of each (kernel, dims), options such as added residuals left out."""
    command = [args.program, "kernels", "--shapes", args.shapes, "--time_only", "--json",
               "--filter", "^(" + "|".join(KINDS) + ") ", "--seconds", str(args.seconds)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    seconds = {}
    for row in map(json.loads, lines):
        dims = tuple(map(int, row["shape"].split("x")))[:9]
        seconds.setdefault((row["kernel"], dims), (row["seconds"], row["flops"]))
    return seconds


def peer(torch, kernel, dims, budget):
    n, h, w, c, k, kh, kw, stride, pad = dims
    channels_last = {"memory_format": torch.channels_last}
    x = torch.randn(n, c, h, w).contiguous(**channels_last)
    weight = torch.randn(k, c, kh, kw).contiguous(**channels_last)
    y = torch.conv2d(x, weight, None, stride, pad)
    dy = torch.randn_like(y)
    mask = [i == KINDS[kernel] for i in range(3)]

    def call():
        if KINDS[kernel] is None:
            return torch.conv2d(x, weight, None, stride, pad)
        return torch.ops.aten.convolution_backward(
            dy, x, weight, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, mask)

    call()
    samples, end = [], time.perf_counter() + budget
    while len(samples) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--shapes", default="step:simclr/resnet18")
    parser.add_argument("--program", default="build/ssvbench")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    mine, theirs, flops = collections.defaultdict(list), collections.defaultdict(list), {}
    for _ in range(args.rounds):
        for key, (seconds, count) in here(args).items():
            mine[key].append(seconds)
            theirs[key].append(peer(torch, *key, args.seconds))
            flops[key] = count
    print(f"torch {torch.__version__}, oneDNN {torch.backends.mkldnn.is_available()}")
    print(f"{'kernel':24} {'n h w in out kh kw stride pad':32} {'GFLOP/s':>8} {'oneDNN':>8} {'ratio':>6}")
    ratios = []
    for key, own in mine.items():
        ratio = statistics.median(t / o for o, t in zip(own, theirs[key]))
        ratios.append(ratio)
        rate = [flops[key] / statistics.median(s) * 1e-9 for s in (own, theirs[key])]
        print(f"{key[0]:24} {' '.join(map(str, key[1])):32} {rate[0]:8.1f} {rate[1]:8.1f} {ratio:6.2f}")
    print(f"median ratio {statistics.median(ratios):.2f}, least {min(ratios):.2f}")


if __name__ == "__main__":
    main()
