#!/usr/bin/env python3
"""Golden signed-rank tests: writes tests/golden/signed_rank.h.

    python3 tests/golden/signed_rank.py > tests/golden/signed_rank.h     (made with SciPy 1.17)

p without ties is SciPy's exact one; with ties, zeros dropped, that of all sign patterns.  The
interval inverts the test: a shift is inside while p of the shifted differences stays above 5 %.
"""
import itertools

import numpy as np
from scipy import stats


def tail(x):
    x = x[x != 0]
    if not len(x):
        return 1.0
    rank = stats.rankdata(np.abs(x))
    w = rank[x > 0].sum()
    sums = np.array([np.dot(rank, s) for s in itertools.product((0, 1), repeat=len(x))])
    return min(1.0, 2 * min((sums <= w + 1e-9).mean(), (sums >= w - 1e-9).mean()))


def interval(x):
    walsh = np.sort([(a + b) / 2 for i, a in enumerate(x) for b in x[: i + 1]])
    steps = np.concatenate(([walsh[0] - 1], walsh, [walsh[-1] + 1]))
    inside = [k for k in range(len(steps) - 1) if tail(x - (steps[k] + steps[k + 1]) / 2) > 0.05]
    lo, hi = inside[0], inside[-1] + 1
    return (np.median(walsh), -np.inf if lo == 0 else steps[lo],
            np.inf if hi == len(steps) - 1 else steps[hi])


def number(v):
    return "INFINITY" if v == np.inf else "-INFINITY" if v == -np.inf else repr(float(v))


rng = np.random.default_rng(7)
cases = [rng.normal(c, 1, n) for n, c in ((1, 1), (2, 1), (5, 2), (6, 3), (9, 0.3), (10, 1), (12, 0))]
cases += [np.array([1.0, 1, -1, 2, 2, -3, 4]), np.array([0.0, 0, 1, -2, 3, 3, 5]), np.zeros(4)]
print("/* Made by signed_rank.py. */")
print("static const struct {\n    int n;\n    double x[12], p, shift, lo, hi;\n    int tied;\n} golden[] = {")
for x in cases:
    tied = len(set(np.abs(x[x != 0]))) < len(x)
    p = tail(x)
    if not tied:
        assert np.isclose(p, stats.wilcoxon(x, method="exact").pvalue, atol=1e-12)
    values = interval(x) if not tied else (np.median([(a + b) / 2 for i, a in enumerate(x) for b in x[: i + 1]]), 0, 0)
    print("    {%d,\n     {%s},\n     %s,\n     %s,\n     %s,\n     %s,\n     %d}," % (
        len(x), ", ".join(repr(float(v)) for v in x), number(p), *map(number, values), tied))
print("};\n")
p = np.array([0.01, 0.04, 0.03, 0.005, 0.5, 0.04, 1.0, 0.0002])
print("static const double p_values[] = {%s};" % ", ".join(map(str, p)))
print("static const double p_adjusted[] = {%s};" % ", ".join(repr(float(v)) for v in stats.false_discovery_control(p)))
