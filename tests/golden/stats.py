#!/usr/bin/env python3
"""Writes tests/golden/stats.h: quantiles and intervals in 40-digit arithmetic (mpmath), by bisection
on the distribution functions, which shares nothing with the program's way.

    python3 tests/golden/stats.py >tests/golden/stats.h
"""
from mpmath import betainc, erfc, exp, inf, log1p, loggamma, mp, mpf, pi, quad, sqrt

mp.dps = 40


def t_sf_large(t, df):
    """The density, integrated: for a large df the hypergeometric series does not converge."""
    scale = exp(loggamma((df + 1) / 2) - loggamma(df / 2)) / sqrt(df * pi)
    density = lambda x: exp(-(df + 1) / 2 * log1p(x * x / df))
    if t < 1:
        return mpf(1) / 2 - scale * quad(density, [0, t])
    return scale * quad(density, [t + k / t for k in (0, 1, 3, 10, 30, 100)])


def t_sf(t, df):
    if df > 1000:
        return t_sf_large(t, df)
    return betainc(df / 2, mpf(1) / 2, 0, df / (df + t * t), regularized=True) / 2


def normal_sf(z):
    return erfc(z / sqrt(mpf(2))) / 2


def upper(tail, sf):
    """The positive t with sf(t) = tail, tail < 1/2; bisection on a logarithmic scale."""
    lo, hi = mpf("1e-30"), mpf("1e30")
    if tail < mpf("1e-6") and sf(mpf(100)) < tail:
        hi = mpf(100)
    for _ in range(100):
        mid = sqrt(lo * hi)
        lo, hi = (mid, hi) if sf(mid) > tail else (lo, mid)
    return sqrt(lo * hi)


def quantile(p, df):
    p, df = mpf(p), mpf(df)
    tail = min(p, 1 - p)
    if tail == mpf(1) / 2:
        return mpf(0)
    t = upper(tail, normal_sf if df == inf else lambda x: t_sf(x, df))
    return -t if p < mpf(1) / 2 else t


def moments(x):
    mean = sum(x) / len(x)
    return mean, sum((v - mean) ** 2 for v in x) / (len(x) - 1)


def interval(mean, error, df, level):
    half = error * quantile((1 + mpf(level)) / 2, df)
    return mean, mean - half, mean + half


def mean_interval(x, level):
    mean, variance = moments(x)
    return interval(mean, sqrt(variance / len(x)), len(x) - 1, level)


def welch(a, b, level):
    (ma, va), (mb, vb) = moments(a), moments(b)
    va, vb = va / len(a), vb / len(b)
    df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    return interval(ma - mb, sqrt(va + vb), df, level)


def wilson(k, n, level):
    """The two p at which k/n is just z standard errors of p away: a quadratic in p."""
    z, phat = upper((1 - mpf(level)) / 2, normal_sf), mpf(k) / n
    a, b, c = 1 + z * z / n, -(2 * phat + z * z / n), phat * phat
    root = sqrt(b * b - 4 * a * c)
    return phat, (-b - root) / (2 * a), (-b + root) / (2 * a)


def text(*numbers):
    return ", ".join(mp.nstr(x, 20) for x in numbers)


A = [0.4123, 0.4311, 0.3987, 0.4402, 0.4255]
B = [0.3871, 0.4102, 0.3999]
PAIRED = [0.4101, 0.4189, 0.3911, 0.4302, 0.4290]

print("/* Written by tests/golden/stats.py; do not edit. */")
print("/* clang-format off */")
print("static const struct { double p, df, t; } golden_quantiles[] = {")
PS = [1e-300, 1e-12, 1e-4, 0.025, 0.2, 0.4999, 0.5 + 1e-9, 0.75, 0.9, 0.975, 0.995, 1 - 1e-9]
for df in [0.25, 1, 2, 2.5, 3, 4, 9, 30, 39.5, 41, 123.456, 5000, 2e6, 3e7, 1e12]:
    for p in PS:
        t = quantile(p, df)
        if abs(t) < 1e29:
            print(f"    {{{p!r}, {df!r}, {text(t)}}},")
print("};")
for name, x in (("a", A), ("b", B), ("paired", PAIRED)):
    print(f"static const double golden_{name}[] = {{{', '.join(map(repr, x))}}};")
exact = {n: [mpf(v) for v in x] for n, x in (("a", A), ("b", B), ("paired", PAIRED))}
for level in (0.95, 0.99):
    tag = round(100 * level)
    for name, value in (
        ("mean", mean_interval(exact["a"], level)),
        ("difference", mean_interval([x - y for x, y in zip(exact["a"], exact["paired"])], level)),
        ("welch", welch(exact["a"], exact["b"], level)),
    ):
        print(f"static const double golden_{name}_{tag}[] = {{{text(*value)}}};")
print("static const struct { long k, n; double level, mean, lo, hi; } golden_wilson[] = {")
for k, n in ((0, 1), (1, 1), (0, 10), (10, 10), (1, 3), (81, 263), (15, 148), (4321, 10000), (1, 10**6)):
    for level in (0.9, 0.95, 0.999):
        print(f"    {{{k}, {n}, {level!r}, {text(*wilson(k, n, level))}}},")
print("};")
