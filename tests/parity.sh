#!/bin/bash
# parity.sh [NAME...] -- published weights in their real sizes against PyTorch: needs torch, torchvision, timm,
# transformers, open_clip, safetensors and h5py in $PYTHON, some minutes and 2 GB below $TMPDIR.
set -u
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python3}
if ! "$python" -c 'import torch, torchvision, timm, transformers, open_clip, safetensors, h5py' 2>/dev/null; then
    echo "skip torch, torchvision, timm, transformers, open_clip, safetensors and h5py are not all in $python"
    exit 0
fi
make build/ssvbench build/tests/t345_weights_families || exit 3
failed=0
if [ $# -eq 0 ]; then
    "$python" tests/golden/exported.py build/ssvbench || failed=1
fi
"$python" tests/golden/parity.py build/tests/t345_weights_families "$@" || failed=1
exit $failed
