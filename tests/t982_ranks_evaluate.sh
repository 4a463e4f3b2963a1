#!/bin/bash
# Ranks share what trains the encoder further: the same losses, answers and rows as one process has, on any
# number of ranks; and what stops or fails on one of them does so on all.
tests=$(realpath "$(dirname "$0")")
# shellcheck source=tests/outside.sh
. "$tests/outside.sh"
# shellcheck source=tests/ranks.sh
. "$tests/ranks.sh"
export OMP_WAIT_POLICY=passive

flags=(--methods mae --seeds "7," --data "shapes:size=16,train=72,test=150" --patch 4 --epochs 1 --batch 32
    --threads 1 --loader_threads 1 --chunk 4 --audit 0 --protocols "finetune,knn,segment_finetune"
    --finetune.epochs 1 --finetune.mix_share 1)
both=("${flags[@]}" --segment_finetune.epochs 0.5)
fits() { # what fits say of themselves: rate, seed, loss, steps
    sed -n 's/.*: \([a-z_]* at rate .*\)/\1/p' "$1"
}

# shared NAME N FLAGS...: by N ranks, one of which at least has trained nothing, as by one process
shared() {
    local name=$1 n=$2
    shift 2
    "$program" pretrain --out one "${both[@]}" "$@" >/dev/null 2>&1
    cp -r one many
    "$program" run --out one "${both[@]}" "$@" >/dev/null 2>alone
    expect "$name" 0 '' ranks "$n" run --out many "${both[@]}" "$@"
    ranks "$n" run --out again "${both[@]}" "$@" >/dev/null 2>together
    say $(($(fits alone | wc -l) < 4)) "several fits say what they came to"
    diff <(fits alone) <(fits together) | sed 's/^/# /' | tee differs
    say "$(grep -c . differs)" "and come to the same, bit for bit"
    same "what was pretrained before gets the same rows" one many
    same "what all ranks pretrained, too" one again
    rm -rf one many again
}
shared "three ranks evaluate" 3
shared "more ranks than a batch has images, a network with batch norm" 5 --methods simclr --backbone resnet-micro \
    --data "shapes:size=16,train=40,test=80" --batch 4 --finetune.batch 4 --segment_finetune.batch 3 --finetune.lr 0.1

# Other protocols on what is there, and the weights of others.
"$program" pretrain --out one "${flags[@]}" >/dev/null 2>&1
cp -r one many
"$program" eval one/* --protocols segment_finetune,linear >/dev/null 2>alone
expect "ranks evaluate a folder" 0 '' ranks 2 eval many/* --protocols segment_finetune,linear
same "as one process does" one many
expect "of no folder all hear" 2 '^ssvbench: nowhere holds no run.h5' ranks 2 eval nowhere
"$program" export-weights one/* --out timm >/dev/null 2>&1
judged=(eval finetune --weights timm/model.safetensors --data "shapes:size=16,train=96,test=150" --finetune.lr 0.004
    --finetune.epochs 1 --audit 0 --threads 1 --loader_threads 1)
expect "one process evaluates weights" 0 '' "$program" "${judged[@]}" --out judged1
expect "and ranks do" 0 '' ranks 3 "${judged[@]}" --out judged3
rows() { "$program" report csv "$1" | sed -E 's/,[^,]*\r$//'; }
[ "$(rows judged1 | grep -c ',ok,')" = 1 ] && cmp <(rows judged1) <(rows judged3)
say $? "with the same rows"
rm -rf one many

# ---- faults ----

# Rows in this order: one of the first rank alone before those of all, and one behind.
long=("${flags[@]}" --protocols "knn,finetune,logistic" --finetune.epochs 4 --finetune.lr 0.001)
"$program" pretrain --out whole "${long[@]}" >/dev/null 2>&1
cp -r whole part
"$program" run --out whole "${long[@]}" >/dev/null 2>&1
begun() { # waits for the fit of the run in `part`
    for _ in $(seq 600); do
        grep -q ' knn top-1' said 2>/dev/null && return
        sleep 0.05
    done
}
begin 2 run "${long[@]}" --finetune.epochs 4000
begun
kill -TERM "$(pid_of 1)"
finish "a rank that is asked to stop stops the fit" 'stopped during finetune'
begin 2 run "${long[@]}" --finetune.epochs 4000 --rank_seconds 2
begun
kill -STOP "$(pid_of 1)"
finish "a stuck rank ends the job and is named" 'rank 1 of 2, on .*, has not answered rank 0 for 2 s'
begin 3 run "${long[@]}" --finetune.epochs 4000
begun
kill -9 "$(pid_of 2)"
finish "a killed rank ends the job and is named" 'process rank 2 .* signal 9'
rm -rf part/*/lock
expect "another number of ranks goes on" 0 '' ranks 2 run --out part "${long[@]}" --quiet
same "and ends with the rows of an uninterrupted run" whole part

# One rank's images change under it: the row says so, the rows before and behind are there.
"$program" data convert fashion-mnist:train=60,test=30 few.tar >/dev/null 2>&1
images=webdataset:few-train-000000.tar,test=few-test-000000.tar,cache=0
mkdir spoilt
cp few-*.tar spoilt
spoilt=("${long[@]}" --data "$images" --finetune.epochs 4000)
rm -rf part
timeout 250 mpirun -n 1 "$program" run --out part "${spoilt[@]}" : \
    -n 1 -wdir "$work/spoilt" "$program" run --out part "${spoilt[@]}" >said 2>&1 &
job=$!
begun
truncate -s 20000 spoilt/few-train-000000.tar
finish "an error on another rank is the row's" 'finetune: rank 1 of 2, on .*few-train-000000.tar: it has changed'
expect "which the report shows" 0 'finetune,.*,failed,"?rank 1 of 2' "$program" report csv part
expect "beside the others" 0 'logistic,.*,ok,' "$program" report csv part
