#!/usr/bin/env python3
"""Writes tests/golden/tsne.h: principal components by NumPy's SVD; affinities, cost and gradient of t-SNE by
scikit-learn's exact method, at positions that are given.

    python3 tests/golden/tsne.py >tests/golden/tsne.h
"""
import numpy as np
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import _t_sne

N, DIM, PERPLEXITY = 37, 6, 9.0
rng = np.random.default_rng(5)
x = (rng.normal(size=(N, DIM)) * [3, 2, 1, 1, 0.5, 0.2] + rng.integers(0, 3, size=(N, 1))).astype(np.float32)
y = rng.normal(size=(N, 2)) * 2


def array(name, values):
    values = np.asarray(values)
    kind = "float" if values.dtype == np.float32 else "double"
    flat = ", ".join(f"{v:.9g}{'F' if kind == 'float' and np.isfinite(v) else ''}" if kind == "float" else f"{v:.17g}"
                     for v in values.ravel())
    # a float literal needs a point
    if kind == "float":
        flat = ", ".join(v if "." in v or "e" in v else v.replace("F", ".0F") for v in flat.split(", "))
    print(f"static const {kind} golden_{name}[] = {{{flat}}};")


def components(a):
    c = a.astype(np.float64) - a.astype(np.float64).mean(0)
    u, s, _ = np.linalg.svd(c, full_matrices=False)
    scores = u * s
    for j in range(scores.shape[1]):
        if scores[np.argmax(np.abs(scores[:, j])), j] < 0:
            scores[:, j] *= -1
    return scores, s**2 / (s**2).sum()


print("/* Written by tests/golden/tsne.py; do not edit. */\n/* clang-format off */")
print(f"enum {{ GOLDEN_N = {N}, GOLDEN_DIM = {DIM}, GOLDEN_WIDE = 5 }};")
print(f"static const double golden_perplexity = {PERPLEXITY};")
array("x", x)
scores, explained = components(x)
array("scores", scores[:, :3])
array("explained", explained[:3])
scores, explained = components(x[:5].reshape(5, DIM))  # fewer rows than features
array("wide_scores", scores[:, :3])
array("wide_explained", explained[:3])
d = squareform(pdist(x.astype(np.float64), "sqeuclidean"))
p = _t_sne._joint_probabilities(d.astype(np.float32), PERPLEXITY, 0)
array("p", squareform(p))
array("y", y)
cost, gradient = _t_sne._kl_divergence(y.ravel().copy(), p, 1, N, 2)
array("cost", [cost])
array("gradient", gradient)
print("/* clang-format on */")
