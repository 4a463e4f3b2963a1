#!/bin/bash
# run.h5 opens in h5py, pandas and xarray without glue, and the numbers are the ones written.
# $PYTHON chooses another interpreter.
set -u
python=${PYTHON:-/usr/bin/python3}
writer=${T520:-$(dirname "${SSVBENCH:-build/ssvbench}")/tests/t520_results_run}

if ! "$python" -c 'import h5py, pandas, xarray' 2>/dev/null; then
    echo "skip - run.h5 in Python: $python has not all of h5py, pandas, xarray"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! "$writer" "$work"; then
    echo "not ok - $writer writes a run.h5"
    exit 1
fi
"$python" tests/t530_open.py "$work/run.h5"
