#!/bin/bash
# Two hundred steps of every method on a device and on the processor: the same beginning, the same
# level at the end (rounding grows from step to step, most where samples meet), and on the device the
# same files twice.  For make test-cuda; $SSV_MATH as there.
set -u
program=${SSVBENCH:-build/ssvbench} math=${SSV_MATH:-fp32}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(--data "shapes:size=32,train=3200,test=32" --patch 8 --batch 32 --epochs 2 --seeds 0 --audit 0 --quiet)

losses() { # losses FOLDER
    grep -h '"type":"step"' "$1"/*/journal.jsonl | grep -o '"loss":[^,]*' | cut -d: -f2
}

# The level at the end may differ by a tenth; where codes are discrete, and ties between them are broken
# by the last bit, by a third.
check() { # check NAME [FLAGS]
    local name=$1 run most=0.1
    [ "$name" = beit ] && most=0.33
    shift
    "$program" pretrain --out "$work/cpu" "${flags[@]}" "$@" >"$work/log" 2>&1 &
    for run in once twice; do
        "$program" pretrain --device cuda --math "$math" --out "$work/$run" "${flags[@]}" "$@" >"$work/log-$run" 2>&1
    done
    wait
    losses "$work/cpu" >"$work/a"
    losses "$work/once" >"$work/b"
    local says
    if says=$(paste "$work/a" "$work/b" | awk -v allowed=$most '
        { d = ($1 - $2) / $1; d = d < 0 ? -d : d; if (NF != 2) bad = 1 }
        NR <= 10 && d > first { first = d }
        d > most { most = d }
        NR > 180 { here += $1; there += $2 }
        END {
            level = there / here - 1
            printf "%d steps, at most %.1e apart in the first ten and %.1e in all, %+.1f %% at the end", NR, first, most, 100 * level
            exit bad || NR != 200 || first > 0.02 || level > allowed || level < -allowed
        }'); then
        echo "ok - $name ($math): $says"
    else
        cat "$work/log" "$work/log-once" | tail -3 | sed 's/^/# /'
        echo "not ok - $name ($math): $says"
    fi
    if cmp -s "$work"/once/*/checkpoint.safetensors "$work"/twice/*/checkpoint.safetensors; then
        echo "ok - $name ($math): the same checkpoint twice"
    else
        echo "not ok - $name ($math): another checkpoint the second time"
    fi
    rm -rf "$work"/cpu "$work"/once "$work"/twice
}

for method in supervised context_encoder split_brain context_prediction beit mae simclr clip; do
    check $method --methods $method
done
check dino --methods dino --dino.prototypes 256 --dino.local_crops 2
check simclr-resnet --methods simclr --backbone resnet-micro
