#!/bin/bash
# The same numbers for 1, 2 and 3 compute threads and 1 and 3 loader threads, with activations kept or
# computed again.
set -u
program=${SSVBENCH:-build/ssvbench}
export SSVBENCH_SAMPLES=0 # pictures of encoders have tests of their own
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(--methods "random,supervised,mae,simclr" --seeds "3," --data "shapes:size=16,train=96,test=48" --patch 4
    --epochs 2 --batch 32 --linear.epochs 2 --quiet)

numbers() { # numbers FOLDER
    for journal in "$1"/*/journal.jsonl; do
        grep '"type":"step"' "$journal" | sed -E 's/"(img_per_s|wall_s|wait_s)":[^,}]*,?//g'
        sha256sum <"$(dirname "$journal")/checkpoint.safetensors"
    done
    "$program" report csv "$1" | sed -E 's/,[^,]*\r$//' # but for the seconds
}

for threads in 1 2 3; do
    for loaders in 1 3; do
        out="$work/$threads-$loaders"
        again=(--no-recompute)
        [ "$threads" = 2 ] && again=(--recompute)
        "$program" run --out "$out" --threads $threads --loader_threads $loaders "${again[@]}" "${flags[@]}" \
            >/dev/null || { echo "not ok - run with $threads and $loaders threads"; exit 1; }
        numbers "$out" >"$out.txt"
        if [ "$threads-$loaders" != 1-1 ]; then
            if cmp -s "$work/1-1.txt" "$out.txt"; then
                echo "ok - $threads compute and $loaders loader threads, ${again[0]}, give the numbers of 1 and 1"
            else
                diff "$work/1-1.txt" "$out.txt" | head -5
                echo "not ok - $threads compute and $loaders loader threads give other numbers"
            fi
        fi
    done
done
