#!/usr/bin/env python3
"""Writes tests/golden/statistics.h: tests, powers and aggregates by SciPy and statsmodels, and the
bootstrap of a few images by counting every one of its draws.

    pip install scipy statsmodels
    python3 tests/golden/statistics.py >tests/golden/statistics.h
"""
from fractions import Fraction
from itertools import product
from math import comb

import mpmath as mp
import numpy as np
from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

A = [41.23, 43.11, 39.87, 44.02, 42.55]
B = [38.71, 41.02, 39.99]
PAIRED = [41.01, 41.89, 39.11, 43.02, 42.90]


def number(x):
    return repr(float(x))


def array(name, values):
    print(f"static const double {name}[] = {{{', '.join(map(number, values))}}};")


def table(fields, name, rows):
    print(f"static const struct {{ {fields} }} {name}[] = {{")
    for row in rows:
        print("    {" + ", ".join(v if isinstance(v, str) else
                                  str(v) if isinstance(v, int) else number(v) for v in row) + "},")
    print("};")


print("/* Written by tests/golden/statistics.py; do not edit. */")
print("/* clang-format off */")

table("double t, df, two_sided;", "golden_two_sided",
      [(t, df, 2 * stats.t.sf(t, df)) for t in (1e-3, 0.3, 1.0, 2.5, 4.303, 12.0, 80.0)
       for df in (1, 2, 2.5, 4, 9, 37.2, 1000, 1e6, 2e7, 1e9)])

d = DescrStatsW(np.array(A) - np.array(PAIRED))
array("golden_a", A), array("golden_b", B), array("golden_paired", PAIRED)
array("golden_p", [stats.ttest_rel(A, PAIRED).pvalue, stats.ttest_ind(A, B, equal_var=False).pvalue])
table("double margin, p;", "golden_tost",
      [(m, ttost_paired(np.array(A), np.array(PAIRED), -m, m)[0]) for m in (0.1, 0.5, 1, 2, 5)])


def power(shift, critical, df):
    """SciPy's nct gives NAN for few degrees of freedom and large shifts: the integral over the
    standard deviation, which is the definition.  Where SciPy has a value, it is this one."""
    df, shift, critical = mp.mpf(df), mp.mpf(shift), mp.mpf(critical)
    scale = 2 * (df / 2) ** (df / 2) / mp.gamma(df / 2)
    wide = 12 / mp.sqrt(2 * df)
    beyond = lambda s: (mp.erfc((critical * s - shift) / mp.sqrt(2)) +
                        mp.erfc((critical * s + shift) / mp.sqrt(2))) / 2
    density = lambda s: scale * s ** (df - 1) * mp.exp(-df * s * s / 2)
    lo, hi = max(mp.mpf(0), 1 - wide), 1 + wide
    edge = [(shift + k) / critical for k in (-8, -3, 0, 3, 8)] # where `beyond` falls
    cuts = sorted([lo + (hi - lo) * k / 8 for k in range(9)] + [e for e in edge if lo < e < hi])
    p = mp.quad(lambda s: density(s) * beyond(s), cuts)
    scipy = stats.nct.sf(float(critical), float(df), float(shift)) + stats.nct.cdf(
        -float(critical), float(df), float(shift))
    assert not np.isfinite(scipy) or abs(scipy - p) < 1e-8, (scipy, p)
    return p


rows = []
for df in (1, 2, 3.7, 4, 9, 58, 400):
    for level in (0.95, 0.99, 0.9983):
        critical = stats.t.isf((1 - level) / 2, df)
        shift = mp.findroot(lambda x: power(x, critical, df) - mp.mpf("0.8"),
                            (critical, 1.2 * critical + 1), solver="anderson", tol=1e-24)
        rows.append((df, level, shift))
table("double df, level, shift;", "golden_shift", rows)
table("double shift, critical, df, power;", "golden_power",
      [(s, c, df, power(s, c, df)) for s in (0, 0.5, 2, 6) for c in (1, 2.5, 5)
       for df in (1.5, 4, 30)])

ps = [0.04, 0.01, 0.03, 0.005, 0.2, 0.01, 0.9, 1e-9]
array("golden_holm_p", ps)
array("golden_holm", multipletests(ps, method="holm")[1])

rows = []
for only_a, only_b in ((0, 0), (1, 0), (0, 5), (3, 3), (12, 25), (130, 97), (4000, 4321),
                       (500000, 502000), (10, 2000)):
    n, k = only_a + only_b, min(only_a, only_b)
    exact = mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue if n else 1
    if n < 10000:  # SciPy's own tail, beside whole numbers
        exact = float(min(Fraction(1), Fraction(2 * sum(comb(n, i) for i in range(k + 1)), 2**n)))
    point = float(Fraction(comb(n, k), 2**n)) if n < 10000 else stats.binom.pmf(k, n, 0.5)
    mid = 1 if not n else 1 - point / 2 if only_a == only_b else exact - point
    rows.append((only_a, only_b, exact, mid))
table("long only_a, only_b; double exact, mid;", "golden_mcnemar", rows)

rng = np.random.default_rng(5)
array("golden_iqm_x", np.round(rng.normal(50, 20, 24), 2))
x = np.round(np.random.default_rng(5).normal(50, 20, 24), 2)
array("golden_iqm", [stats.trim_mean(x[:n], 0.25) for n in range(1, 25)])

# Two methods, three runs each, four tasks: improvement by SciPy's U.
left = np.round(rng.normal(50, 5, (3, 4)), 0)
right = np.round(rng.normal(48, 5, (3, 4)), 0)
array("golden_left", left.ravel()), array("golden_right", right.ravel())
array("golden_improvement", [np.mean(
    [stats.mannwhitneyu(left[:, t], right[:, t]).statistic / 9 for t in range(4)])])
ranks = np.mean([stats.rankdata([-left[:, t].mean(), -right[:, t].mean()]) for t in range(4)], axis=0)
array("golden_ranks", ranks)

# Every draw of two tasks with two runs each, within tasks and of whole runs.
small = np.array([[10.0, 30.0], [20.0, 70.0]])
tasks = sorted(stats.trim_mean(np.r_[small[list(i), 0], small[list(j), 1]], 0.25)
               for i in product(range(2), repeat=2) for j in product(range(2), repeat=2))
whole = sorted(stats.trim_mean(small[list(i)].ravel(), 0.25) for i in product(range(2), repeat=2))
array("golden_small", small.ravel())
array("golden_small_tasks", [np.mean(tasks), np.var(tasks)])
array("golden_small_runs", [np.mean(whole), np.var(whole)])

# Six images, three networks each: every draw of images and every choice of signs.
images = [3, -1, 0, 2, 0, 1]
sums = sorted(sum(draw) for draw in product(images, repeat=6))
flips = [abs(sum(s * v for s, v in zip(signs, images))) for signs in product((-1, 1), repeat=6)]
p = sum(f >= abs(sum(images)) for f in flips) / len(flips)


def quantile(q):
    return sums[int(np.ceil(q * len(sums))) - 1] / 18


print(f"static const int32_t golden_images[] = {{{', '.join(map(str, images))}}};")
array("golden_image_difference", [sum(images) / 18, quantile(0.025), quantile(0.975), p])

# Many images: the distribution by direct convolution of single images.
counts = {-2: 40, -1: 150, 0: 900, 1: 190, 2: 70}
n = sum(counts.values())
one = np.array([counts[v] / n for v in range(-2, 3)])
total, base, left_over = np.array([1.0]), one, n
while left_over:
    if left_over & 1:
        total = np.convolve(total, base)
    base = np.convolve(base, base)
    left_over >>= 1
cdf = np.cumsum(total)
at = lambda q: (np.searchsorted(cdf, q) - 2 * n) / (2 * n)
signs = np.array([1.0])
for v, c in counts.items():
    for _ in range(c if v else 0):
        signs = np.convolve(signs, [0.5] + [0] * (2 * abs(v) - 1) + [0.5])
centre, observed = (len(signs) - 1) // 2, abs(sum(v * c for v, c in counts.items()))
p = sum(w for i, w in enumerate(signs) if abs(i - centre) >= observed)
print(f"static const int golden_many_counts[] = {{{', '.join(str(counts[v]) for v in range(-2, 3))}}};")
array("golden_many", [sum(v * c for v, c in counts.items()) / (2 * n), at(0.025), at(0.975), p])

# A family: three methods against a fourth, paired by seed; each interval at its step of Holm's.
family = np.array([[52.1, 53.0, 51.2, 52.8], [31.1, 30.4, 31.9, 30.9], [34.9, 31.0, 35.2, 30.1]])
floor = np.array([31.0, 30.2, 31.6, 31.1])
p = [stats.ttest_rel(x, floor).pvalue for x in family]
adjusted = multipletests(p, method="holm")[1]
equivalent = multipletests([ttost_paired(x, floor, -1, 1)[0] for x in family], method="holm")[1]
array("golden_family", family.ravel()), array("golden_floor", floor)
rows, stopped = [], 0
for step, i in enumerate(np.argsort(p)):
    left = 3 - step
    if not stopped and p[i] * left > 0.05:
        stopped = left
    ci = stats.ttest_rel(family[i], floor).confidence_interval(1 - 0.05 / (stopped or left))
    rows.append((i, (float((family[i] - floor).mean()), ci.low, ci.high, p[i], adjusted[i],
                     equivalent[i])))
table("double difference, lo, hi, p, adjusted, equivalence;", "golden_verdicts",
      [row for _, row in sorted(rows)])
