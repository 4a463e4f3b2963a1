#!/bin/bash
# Training with activations in 16 bits: every method through --device cuda --math bf16, kernels by an emulator on
# the processor and products by a stand-in for cuBLASLt; losses are near those in float, step by step.
set -u
program=${SSVBENCH:-build/ssvbench}
plugin=$(dirname "$program")/emulated/libssvbench_cuda.so
export SSVBENCH_CUDNN=none # a real one would look for a device
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

flags=(--data "shapes:size=16,train=8,test=8" --patch 8 --batch 4 --epochs 1 --seeds 0 --audit 0 --quiet)

losses() { # losses FOLDER
    grep -h '"type":"step"' "$1"/*/journal.jsonl | grep -o '"loss":[^,]*' | cut -d: -f2
}

near() { # near A B: as many numbers, each within 2 %, and not all the same bits: something was rounded
    paste "$1" "$2" | awk 'NF != 2 || $1 - $2 > 0.02 * $2 || $2 - $1 > 0.02 * $2 { bad = 1 }
        $1 != $2 { differs = 1 } END { exit bad || !differs || !NR }'
}

check() { # check NAME [FLAGS]
    local name=$1
    shift
    "$program" pretrain --out "$work/cpu-$name" "${flags[@]}" "$@" >"$work/log" 2>&1 &&
        SSVBENCH_CUDA_PLUGIN=$plugin "$program" pretrain --device cuda --math bf16 --out "$work/cuda-$name" \
            "${flags[@]}" "$@" >>"$work/log" 2>&1
    losses "$work/cpu-$name" >"$work/a" 2>>"$work/log"
    losses "$work/cuda-$name" >"$work/b" 2>>"$work/log"
    if near "$work/b" "$work/a"; then
        echo "ok - $name in bf16: $(wc -l <"$work/a") steps"
    else
        tail -3 "$work/log" | sed 's/^/# /'
        paste "$work/a" "$work/b" | sed 's/^/# /'
        echo "not ok - $name in bf16"
    fi
}

for method in supervised context_encoder split_brain context_prediction beit mae simclr clip; do
    check $method --methods $method
done
check dino --methods dino --dino.prototypes 64 --dino.local_crops 1
check simclr-recomputed --methods simclr --recompute
