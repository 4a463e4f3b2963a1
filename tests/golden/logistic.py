#!/usr/bin/env python3
"""Golden logistic regressions from scikit-learn: writes tests/golden/logistic.h.

    python3 tests/golden/logistic.py > tests/golden/logistic.h     (made with scikit-learn 1.9)

    python3 tests/golden/logistic.py RUN_FOLDER DATASET
                            the protocol's chosen fit of a finished run against scikit-learn's

LogisticRegression minimises sum of losses + |w|^2 / (2 C), without a penalty on the intercept.
"""
import json
import struct
import sys

import numpy as np
from sklearn.linear_model import LogisticRegression

EPS = 1e-6  # LOGISTIC_EPS of protocols/probe.h


def fit(x, y, c):
    model = LogisticRegression(C=c, tol=1e-10, max_iter=100000)
    model.fit(x, y)
    p = model.predict_log_proba(x)
    loss = -p[np.arange(len(y)), y].sum() + (model.coef_**2).sum() / (2 * c)
    return model, loss / len(y)


def standardised(train, *others):
    mean, rstd = train.mean(0), 1 / np.sqrt(train.var(0) + EPS)
    return [(x - mean) * rstd for x in (train, *others)]


def array(name, x):
    rows = ",\n".join("    {" + ", ".join(f"{v:.9g}" for v in row) + "}" for row in x)
    kind = "float" if x.dtype == np.float32 else "double"
    print(f"static const {kind} {name}[{x.shape[0]}][{x.shape[1]}] = {{\n{rows},\n}};")


def write_header():
    n, test, dim, classes = 60, 8, 5, 4
    rng = np.random.default_rng(5)
    label = np.arange(n) % classes
    centre = rng.normal(size=(classes, dim))
    mix = rng.normal(size=(dim, dim)) * np.array([1, 0.2, 3, 1, 0.5])  # correlated, of unequal size
    train = ((centre[label] + rng.normal(size=(n, dim))) @ mix + 0.7).astype(np.float32)
    other = ((centre[np.arange(test) % classes] + rng.normal(size=(test, dim))) @ mix + 0.7).astype(np.float32)
    print("/* Written by tests/golden/logistic.py; do not edit. */")
    print("/* clang-format off */")
    print(f"enum {{ LOGISTIC_N = {n}, LOGISTIC_TEST = {test}, LOGISTIC_DIM = {dim}, LOGISTIC_CLASSES = {classes} }};")
    array("logistic_train", train)
    array("logistic_other", other)
    cases = []
    for scaled in (0, 1):
        for c in (0.01, 1, 100):
            x, z = train.astype(np.float64), other.astype(np.float64)
            if scaled:
                x, z = standardised(x, z)
            model, loss = fit(x, label, c)
            cases.append((scaled, c, loss, model.predict_log_proba(z)))
    print("static const struct { int scaled; double c, objective; double log_probability[8][4]; } logistic_cases[] = {")
    for scaled, c, loss, p in cases:
        rows = ", ".join("{" + ", ".join(f"{v:.9g}" for v in row) + "}" for row in p)
        print(f"    {{{scaled}, {c:g}, {loss:.12g}, {{{rows}}}}},")
    print("};\n/* clang-format on */")


def read_features(folder, split, names, dims):
    with open(f"{folder}/features-{split}.safetensors", "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        begin, end = json.loads(f.read(size))["features"]["data_offsets"]
        f.seek(8 + size + begin)
        flat = np.frombuffer(f.read(end - begin), np.float32)
    n = len(flat) // (sum(dims) + 1)
    out, at = {}, 0
    for name, dim in zip(names, dims):
        out[name] = flat[at : at + n * dim].reshape(n, dim).astype(np.float64)
        at += n * dim
    return out, flat[at:].view(np.int32)


def compare(folder, dataset, dim=128, layers=6):
    """Of a ViT's run with the features beside it: representations layerN.cls and layerN.mean."""
    import h5py

    names = [f"layer{i}.{p}" for i in range(1, layers + 1) for p in ("cls", "mean")]
    train, y = read_features(folder, "train", names, [dim] * len(names))
    test, z = read_features(folder, "test", names, [dim] * len(names))
    with h5py.File(f"{folder}/run.h5") as f:
        e = f[f"eval/logistic/{dataset}"]
        row = [r for r in e["tables/grid"][:] if r["chosen"]][0]
        name, c, top1, pred = row["representation"].decode(), 1 / row["weight_decay"], e["top1"][0], e["pred"][0]
    head, pool = name.split(".")
    cls = [f"{head}.cls"] if head.startswith("layer") else [f"layer{i}.cls" for i in range(layers - int(head[4:]) + 1, layers + 1)]
    parts = cls + [f"{'layer%d' % layers if head.startswith('last') else head}.mean"] if pool == "both" else cls if pool == "cls" else [name]
    a, b = standardised(np.hstack([train[p] for p in parts]), np.hstack([test[p] for p in parts]))
    model, loss = fit(a, y, c)
    same = (model.predict(b) == pred).mean()
    print(f"{name} C {c:g}: scikit-learn top-1 {100 * model.score(b, z):.3f} %, mean objective {loss:.8f}; "
          f"stored top-1 {100 * top1:.3f} %; equal predictions {100 * same:.3f} %")


if __name__ == "__main__":
    compare(*sys.argv[1:]) if len(sys.argv) > 1 else write_header()
