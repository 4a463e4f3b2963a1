#!/bin/bash
# kill -9 at random times: results always open, the same command completes, and the numbers are those
# of a run that nothing interrupted, bit for bit.  50 kills under SSV_LONG, a few otherwise.
set -u
program=${SSVBENCH:-build/ssvbench}
export SSVBENCH_SAMPLES=0 # pictures of encoders have tests of their own
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kills=6
[ -n "${SSV_LONG:-}" ] && kills=50
flags=(--methods "supervised,mae" --seeds "7," --data "shapes:size=16,train=128,test=64" --patch 4
    --epochs 4 --batch 32 --linear.epochs 5 --threads 2 --loader_threads 1 --quiet
    --checkpoint_seconds 0.05)

say() { # say STATUS NAME
    if [ "$1" -eq 0 ]; then echo "ok - $2"; else echo "not ok - $2"; fi
}

# What must be equal: every loss, rate and norm of the journal, every weight, every result.
numbers() { # numbers FOLDER
    for journal in "$1"/*/journal.jsonl; do
        grep '"type":"step"' "$journal" | sed -E 's/"(img_per_s|wall_s|wait_s)":[^,}]*,?//g'
        sha256sum <"$(dirname "$journal")/checkpoint.safetensors"
    done
    "$program" report csv "$1" 2>/dev/null | sed -E 's/,[^,]*\r$//' # but for the seconds
}

start=$(date +%s%N)
"$program" run --out "$work/whole" "${flags[@]}" >/dev/null || { echo "not ok - uninterrupted run"; exit 1; }
span=$((($(date +%s%N) - start) / 1000000))
numbers "$work/whole" >"$work/whole.txt"
say $(($(wc -l <"$work/whole.txt") < 20)) "an uninterrupted run leaves numbers"

opened=0 killed=0 broken=0
while [ $killed -lt $kills ]; do
    "$program" run --out "$work/killed" "${flags[@]}" >/dev/null 2>&1 &
    pid=$!
    sleep "$(awk -v s="$span" -v r="$RANDOM" 'BEGIN { printf "%.3f", 0.02 + s * r / 32768 / 1000 * 0.5 }')"
    if kill -9 $pid 2>/dev/null; then killed=$((killed + 1)); fi
    wait $pid 2>/dev/null
    for h5 in "$work"/killed/*/run.h5; do
        [ -e "$h5" ] || continue
        opened=$((opened + 1))
        "$program" report csv "$(dirname "$h5")" >/dev/null 2>"$work/err" || { broken=$((broken + 1)); cat "$work/err"; }
    done
    # Half of the time the next kill begins from nothing.
    [ $((RANDOM % 2)) -eq 0 ] || {
        "$program" run --out "$work/killed" "${flags[@]}" >/dev/null || { echo "not ok - resume after $killed kills"; exit 1; }
        numbers "$work/killed" >"$work/killed.txt"
        cmp -s "$work/whole.txt" "$work/killed.txt" || {
            diff "$work/whole.txt" "$work/killed.txt" | head -5
            echo "not ok - numbers after $killed kills"
            exit 1
        }
        rm -rf "$work/killed"
    }
done
"$program" run --out "$work/killed" "${flags[@]}" >/dev/null
numbers "$work/killed" >"$work/killed.txt"
cmp -s "$work/whole.txt" "$work/killed.txt"
say $? "after $killed kills the numbers are those of an uninterrupted run"
say "$broken" "results opened each of $opened times"
# The curves of a journal that is gone are in run.h5, and stay there.
rm "$work"/killed/*/journal.jsonl
"$program" run --out "$work/killed" "${flags[@]}" >/dev/null && "$program" diff "$work/whole" "$work/killed" >"$work/diff.txt"
say $? "a finished run keeps its steps when its journal is lost"
for run in "$work"/whole/*-vit-*; do
    head -n 5 "$run/journal.jsonl" >"$work/killed/${run##*/}/journal.jsonl"
done
"$program" run --out "$work/killed" "${flags[@]}" >/dev/null && "$program" diff "$work/whole" "$work/killed" >"$work/diff.txt"
say $? "and when its journal lost its end"
