#!/usr/bin/env python3
"""Opens the run.h5 that t520_results_run writes with the tools that people use, without help.

    t530_open.py run.h5       prints "ok - ", "not ok - " or "skip - " and a name, per check
"""
import importlib.util
import sys
import warnings

import h5py
import numpy as np

warnings.simplefilter("ignore")
PATH = sys.argv[1]
EVAL = "eval/linear/shapes"


def has(module):
    return importlib.util.find_spec(module) is not None


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def steps_are_right(column):
    """column(name) gives the values of one column, in the order of the steps."""
    step = np.asarray(column("step"))
    assert step.tolist() == [1, 2, 3, 4, 5]
    assert np.array_equal(column("loss"), 1 / step)
    assert np.array_equal(column("epoch"), step / 2)
    assert np.isnan(column("grad_norm")).tolist() == [False, True, False, False, False]
    assert np.isnan(column("effective_rank")).all()


def h5py_reads_it():
    with h5py.File(PATH) as f:
        a = f.attrs
        assert a["format"] == "ssvbench-run" and a["format_version"] == "1.0"
        assert a["run_id"] == "mae-micro-shapes-s1-0123abcd" and a["status"] == "interrupted"
        assert a["seed"] == -(2**63) and a["parameters"] == 2**40
        assert a["step_gflops"] == 1 / 3
        assert f["config/resolved"].asstr()[()] == "[mae]\nmask = 0.75\n# ✓\n"
        assert f["log/text"].asstr()[()] == ""
        assert f["environment"].attrs["cores"] > 0 and f["environment"].attrs["libs"]
        assert f["data/fashion%2Fmnist"].attrs["n"] == 60000
        e = f[EVAL]
        assert e.attrs["selected_on"] == "val" and e.attrs["metric_higher_is_better"] == 1
        assert e["top1"][:].tolist() == [0.5, 0.5625] and np.isnan(e["top5"][:]).all()
        assert [x.decode() for x in e["class"][:]][1:] == ["犬", 'größte /aller/ "Klassen"']
        assert np.array_equal(e["confusion"][:], 100 * np.arange(18).reshape(2, 3, 3))
        assert np.array_equal(e["pred"][:].ravel(), np.arange(40) % 4 - 1)
        assert e["confusion"].dtype == "<i4" and e["pred"].dtype == "<i2"
        assert [d[0].name.rsplit("/", 1)[1] for d in e["confusion"].dims] == ["seed", "class", "class_pred"]
        assert e["tables/grid"][:]["representation"].tolist() == [b"cls", b"layer3.mean"]
        metrics = f["eval/retrieval/shapes/tables/metrics"][:]
        assert metrics["name"].tolist()[:2] == [b"mean_r1", b"mean_r1"] and metrics["seed"][0] == 3
        assert metrics["value"][0] == 0.25 and np.isnan(metrics["value"][1])
        outcome = f["eval/knn/shapes"].attrs
        assert outcome["outcome"] == "diverged" and outcome["reason"] == "loss was NaN at step 12: ä"
        steps_are_right(lambda name: f["pretrain"][name][:])


def every_axis_has_a_scale_or_none_has():
    def check(name, node):
        if isinstance(node, h5py.Dataset) and node.shape and "/tables/" not in name and not h5py.h5ds.is_scale(node.id):
            assert all(len(d) == 1 for d in node.dims), name

    with h5py.File(PATH) as f:
        f.visititems(check)


def pandas_takes_its_tables():
    import pandas

    with h5py.File(PATH) as f:
        steps = pandas.DataFrame.from_records(f["pretrain/tables/steps"][:], index="step")
        grid = pandas.DataFrame.from_records(f[f"{EVAL}/tables/grid"][:])
    steps_are_right(lambda name: steps.index if name == "step" else steps[name].to_numpy())
    assert grid.loc[grid.chosen == 1, "val_top1"].tolist() == [0.75]


def pandas_read_hdf():
    import pandas

    steps = pandas.read_hdf(PATH, "pretrain/tables/steps")
    steps_are_right(lambda name: steps[name].to_numpy())
    grid = pandas.read_hdf(PATH, f"{EVAL}/tables/grid")
    assert [text(x) for x in grid.representation] == ["cls", "layer3.mean"]
    assert grid.val_top1.tolist() == [0.75, 0.625] and grid.chosen.tolist() == [1, 0]


def xarray_opens(engine):
    import xarray

    with xarray.open_dataset(PATH, engine=engine, group=EVAL).load() as e:
        assert dict(e.sizes) == {"seed": 2, "class": 3, "class_pred": 3, "sample": 20}
        assert e.confusion.dims == ("seed", "class", "class_pred")
        assert e.confusion.sel(seed=-5).values.sum() == 100 * sum(range(9))
        assert [text(x) for x in e["class"].values][0] == "Katze"
        assert float(e.top1.mean()) == 0.53125 and e.attrs["outcome"] == "ok"
        assert (e.pred == e.label).dims == ("seed", "sample")
    with xarray.open_dataset(PATH, engine=engine, group="pretrain").load() as p:
        steps_are_right(lambda name: p[name].values)
        assert float(p.loss.sel(step=4)) == 0.25


def xarray_takes_its_arrays():
    """Where xarray has no engine for HDF5, names and axes still come from the file."""
    import xarray

    with h5py.File(PATH) as f:
        e = f[EVAL]
        arrays = {}
        for name in ("top1", "confusion", "pred", "label"):
            dims = [d[0].name.rsplit("/", 1)[1] for d in e[name].dims]
            arrays[name] = (dims, e[name][:])
        data = xarray.Dataset(arrays, coords={"seed": e["seed"][:], "sample": e["sample"][:]})
    assert data.confusion.sel(seed=-5).values.sum() == 100 * sum(range(9))
    assert float(data.top1.mean()) == 0.53125


CHECKS = [
    (h5py_reads_it, [], []),
    (every_axis_has_a_scale_or_none_has, [], []),
    (pandas_takes_its_tables, [], ["pandas"]),
    (pandas_read_hdf, [], ["pandas", "tables"]),
    (xarray_takes_its_arrays, [], ["xarray"]),
    (xarray_opens, ["h5netcdf"], ["xarray", "h5netcdf"]),
    (xarray_opens, ["netcdf4"], ["xarray", "netCDF4"]),
]

failed = False
for check, arguments, modules in CHECKS:
    name = " ".join([check.__name__.replace("_", " "), *arguments])
    missing = [m for m in modules if not has(m)]
    if missing:
        print(f"skip - {name}: no {', '.join(missing)}")
        continue
    try:
        check(*arguments)
        print(f"ok - {name}")
    except Exception as error:  # whatever a library thinks of the file is a result
        failed = True
        print(f"not ok - {name}: {type(error).__name__}: {error}")
sys.exit(failed)
