#!/bin/bash
# Training on a device: every method through the CUDA kernels, which an emulator runs on the processor,
# with the losses of the processor's own kernels; and what is said where there is no device.
set -u
program=${SSVBENCH:-build/ssvbench}
plugin=$(dirname "$program")/emulated/libssvbench_cuda.so
export SSVBENCH_CUDNN=none # a real one would look for a device
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

flags=(--data "shapes:size=16,train=16,test=16" --patch 8 --batch 8 --epochs 1 --seeds 0 --audit 0 --quiet)

losses() { # losses FOLDER
    grep -h '"type":"step"' "$1"/*/journal.jsonl | grep -o '"loss":[^,]*' | cut -d: -f2
}

same() { # same A B: as many numbers, each within a thousandth
    paste "$1" "$2" | awk 'NF != 2 || $1 - $2 > 1e-3 * $2 || $2 - $1 > 1e-3 * $2 { bad = 1 } END { exit bad || !NR }'
}

check() { # check NAME [FLAGS]
    local name=$1
    shift
    "$program" pretrain --out "$work/cpu-$name" "${flags[@]}" "$@" >"$work/log" 2>&1 &&
        SSVBENCH_CUDA_PLUGIN=$plugin "$program" pretrain --device cuda --out "$work/cuda-$name" \
            "${flags[@]}" "$@" >>"$work/log" 2>&1
    losses "$work/cpu-$name" >"$work/a" 2>>"$work/log"
    losses "$work/cuda-$name" >"$work/b" 2>>"$work/log"
    if same "$work/b" "$work/a"; then
        echo "ok - $name on the device: $(wc -l <"$work/a") steps"
    else
        tail -3 "$work/log" | sed 's/^/# /'
        paste "$work/a" "$work/b" | sed 's/^/# /'
        echo "not ok - $name on the device"
    fi
}

for method in supervised context_encoder split_brain context_prediction beit mae simclr clip; do
    check $method --methods $method
done
check dino --methods dino --dino.prototypes 64 --dino.local_crops 1
check simclr-resnet --methods simclr --backbone resnet-micro

# Encoders, heads and text towers that protocols run are on the device too.
if SSVBENCH_CUDA_PLUGIN=$plugin "$program" run --device cuda --out "$work/all" "${flags[@]}" --methods mae \
    --protocols linear,zeroshot,finetune --linear.epochs 1 --zeroshot.lit_epochs 1 --finetune.epochs 1 \
    >"$work/log" 2>&1; then
    echo "ok - protocols on the device"
else
    tail -3 "$work/log" | sed 's/^/# /'
    echo "not ok - protocols on the device"
fi

says() { # says CODE WORDS COMMAND...: ends so, with one line that has the words
    local code=$1 words=$2
    shift 2
    "$@" >"$work/log" 2>&1
    local got=$?
    if [ $got = "$code" ] && grep -qF "$words" "$work/log"; then
        echo "ok - $words"
    else
        sed 's/^/# /' "$work/log" | tail -3
        echo "not ok - exit code $got, not $code with: $words"
    fi
}

says 2 'there is no device "gpu": cpu, cuda, cuda:N or auto' \
    "$program" pretrain --device gpu --out "$work/x" "${flags[@]}" --methods mae
says 3 'cuda:1: invalid device ordinal' \
    env SSVBENCH_CUDA_PLUGIN="$plugin" "$program" pretrain --device cuda:1 --out "$work/x" "${flags[@]}" --methods mae
says 3 'the CUDA part cannot be loaded' \
    env SSVBENCH_CUDA_PLUGIN="$work/none.so" "$program" pretrain --device cuda --out "$work/x" "${flags[@]}" --methods mae
says 0 'networks run on the processor' \
    env SSVBENCH_CUDA_PLUGIN="$work/none.so" "$program" pretrain --device auto --out "$work/y" "${flags[@]}" --methods random
says 3 'use a smaller batch or model' \
    env SSVBENCH_CUDA_PLUGIN="$plugin" "$program" pretrain --device cuda --out "$work/z" \
    --data shapes:size=96,train=512,test=16 --batch 512 --methods simclr --backbone resnet18 --seeds 0 --audit 0

# The rows of that cell say so, with what is needed and what is free.
SSVBENCH_CUDA_PLUGIN=$plugin "$program" run --device cuda --out "$work/z" --data shapes:size=96,train=512,test=16 \
    --batch 512 --methods simclr --backbone resnet18 --seeds 0 --audit 0 --protocols knn >"$work/log" 2>&1
if "$program" report csv "$work/z" 2>&1 |
    grep -qE 'knn,shapes,.*failed,"out of memory: needs [0-9.]+ GiB of memory on cuda:0, [0-9.]+ MiB are free'; then
    echo "ok - a row for what does not fit"
else
    sed 's/^/# /' "$work/log" | tail -3
    echo "not ok - a row for what does not fit"
fi
