#!/bin/bash
# A method of two stages, one of which may have no steps: the same numbers on 1 and 2 threads, and
# after kill -9 in either stage.
set -u
program=${SSVBENCH:-build/ssvbench}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
steps=12
flags=(--methods beit --seeds "7," --data "shapes:size=16,train=96,test=16" --patch 4 --epochs 2 --batch 16
    --beit.codebook 32 --loader_threads 1 --quiet --checkpoint_seconds 0)

say() { # say STATUS NAME
    if [ "$1" -eq 0 ]; then echo "ok - $2"; else echo "not ok - $2"; fi
}
steps_of() { # steps_of FOLDER
    cat "$1"/*/journal.jsonl 2>/dev/null | grep -c '"type":"step"'
}
numbers() { # numbers FOLDER
    grep -h '"type":"step"' "$1"/*/journal.jsonl | sed -E 's/"(img_per_s|wall_s|wait_s)":[^,}]*,?//g'
    sha256sum <"$(echo "$1"/*/checkpoint.safetensors)"
}
# Killed once the journal holds so many steps; a run that is faster than that is whole.
kill_after() { # kill_after STEPS FOLDER FLAGS...
    local wanted=$1 out=$2
    shift 2
    "$program" pretrain --out "$out" --threads 2 "$@" >/dev/null 2>&1 &
    local pid=$!
    while [ "$(steps_of "$out")" -lt "$wanted" ] && kill -0 $pid 2>/dev/null; do sleep 0.01; done
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
}

for tokenizer in dvae kmeans; do
    all=("${flags[@]}" "--beit.tokenizer=$tokenizer")
    "$program" pretrain --out "$work/$tokenizer" --threads 1 "${all[@]}" >/dev/null
    say $? "$tokenizer: a run"
    numbers "$work/$tokenizer" >"$work/whole.txt"
    say $(($(steps_of "$work/$tokenizer") != steps)) "$tokenizer: both stages together take all steps"
    "$program" pretrain --out "$work/$tokenizer-2" --threads 2 "${all[@]}" >/dev/null
    numbers "$work/$tokenizer-2" | cmp - "$work/whole.txt"
    say $? "$tokenizer: the same numbers on two threads"
    for wanted in 1 2 6; do
        kill_after $wanted "$work/$tokenizer-killed" "${all[@]}"
    done
    "$program" pretrain --out "$work/$tokenizer-killed" --threads 2 "${all[@]}" >/dev/null
    numbers "$work/$tokenizer-killed" | cmp - "$work/whole.txt"
    say $? "$tokenizer: the same numbers after three kills"
done
