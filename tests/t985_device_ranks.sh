#!/bin/bash
# Several ranks on devices: losses and weights are those of one process with as many lanes, bit for bit,
# through the CUDA kernels, which an emulator runs on the processor, and a stand-in for NCCL, or through
# the processor's memory.  More methods under SSV_LONG.
tests=$(realpath "$(dirname "$0")")
# shellcheck source=tests/device_losses.sh
. "$tests/device_losses.sh"
# shellcheck source=tests/ranks.sh
. "$tests/ranks.sh"
export SSVBENCH_CUDA_PLUGIN=$plugin OMP_WAIT_POLICY=passive
export SSV_EMULATED_DEVICES=2
host='what ranks send goes through the processor.s memory'

few=(--seeds "7," --threads 1 --loader_threads 1 --quiet --audit 0 --device cuda --patch 8 --batch 8 --epochs 1 --bucket 100000)
one=(--data "shapes:size=16,train=8,test=8")
two=(--data "shapes:size=16,train=16,test=8" --watch_every 2)

# agree NAME N WAY FLAGS...: of one process and N ranks, WAY is what the log says of what they send
agree() {
    local name=$1 n=$2 way=$3 out=${1// /-}
    shift 3
    "$program" pretrain --out "$out-1" "${few[@]}" "$@" >said 2>&1 || { tail -5 said | sed 's/^/# /'; echo "not ok - $name"; }
    expect "$name on $n ranks" 0 "$way" ranks "$n" pretrain --out "$out-$n" "${few[@]}" --no-quiet "$@"
    same "is what one process computes" "$out-1" "$out-$n"
}
nccl() { # as agree, but for WAY, with a device for each
    SSV_EMULATED_DEVICES=$2 agree "$1" "$2" "devices of $2 ranks send to each other by NCCL" "${@:3}"
}

own=(--math own --lanes 4)
agree simclr 4 "ranks 0 and 2 share a device of .*: $host" "${own[@]}" "${two[@]}" --methods simclr
nccl dino 2 --math fp32 --lanes 2 "${one[@]}" --methods dino --dino.prototypes 64 --dino.local_crops 1 --dino.head_hidden 64 --dino.bottleneck 16
nccl "parts of batches, shared moments" 3 --math fp32 --lanes 4 "${one[@]}" --methods mae --accumulate 2 --zero 1
nccl "batch norm in 16 bits" 2 --math bf16 --lanes 2 "${one[@]}" --methods simclr --backbone resnet-micro
# Each with its part of the optimizer's state: norms of each tensor, convolutions, through the processor's memory.
agree "shared moments with LARS" 3 "ranks 0 and 2 share a device of .*: $host" --math own --lanes 4 "${one[@]}" \
    --methods simclr --simclr.optimizer lars --backbone resnet-micro --zero 1
nccl "views made there" 2 "${own[@]}" "${one[@]}" --methods mae --views device
# In two levels: an exchange among some, beside those among others; rows in 16 bits and what lanes are to batch norm.
levels=("${few[@]}" --math bf16 --lanes 4 "${one[@]}" --methods simclr --backbone resnet-micro)
"$program" pretrain --out levels-1 "${levels[@]}" >said 2>&1
SSV_EMULATED_DEVICES=4 expect "two machines of two devices" 0 'devices of 4 ranks send to each other by NCCL' \
    on_machines 2 4 pretrain --out levels-4 "${levels[@]}" --no-quiet
same "are what one process computes" levels-1 levels-4
SSVBENCH_NCCL=none expect "and through the processors' memory" 0 "$host" \
    on_machines 2 4 pretrain --out levels-none "${levels[@]}" --no-quiet
same "are that, too" levels-1 levels-none
# Fine-tuning, of which batches are mixed before they are sent ahead: on the processor, a device and two.
fit=(run --seeds "7," --threads 1 --loader_threads 1 --audit 0 --patch 8 --data "shapes:size=16,train=16,test=8"
    --methods random --protocols finetune --finetune.lr 0.01 --finetune.epochs 2 --finetune.batch 8
    --finetune.mix_share 1 --lanes 2)
fitted() { sed -n 's/.* finetune at rate 0.01, seed 0: loss \(.*\) after 4 steps/\1/p' "$1"; }
"$program" "${fit[@]}" --out fit-0 >/dev/null 2>said0
"$program" "${fit[@]}" --out fit-1 --device cuda --math own >/dev/null 2>said1
ranks 2 "${fit[@]}" --out fit-2 --device cuda --math own >/dev/null 2>said2
near <(fitted said1) <(fitted said0) 1e-5 0
say $? "fine-tuning on a device has the processor's loss"
[ -n "$(fitted said1)" ] && cmp <(fitted said1) <(fitted said2)
say $? "and on two the same one"
if [ -n "${SSV_LONG:-}" ]; then
    nccl "every method" 4 "${own[@]}" "${two[@]}" \
        --methods supervised,context_encoder,split_brain,context_prediction,beit,mae,simclr,clip
    nccl "norms of each gradient" 3 --math fp32 --lanes 4 "${one[@]}" --methods mae:1+simclr:0.1 --zero 1 --watch_every 1
    nccl "sixty-four lanes" 3 --math own --lanes 64 --batch 64 --methods mae \
        --data "shapes:size=16,train=64,test=8"
fi

# Two ranks are stopped, three go on with what the first one saved of all.
parts=("${few[@]}" --data "shapes:size=16,train=24,test=8" --math own --lanes 4 --methods mae)
"$program" pretrain --out parts-1 "${parts[@]}" >said 2>&1
ranks 2 pretrain --out parts-3 "${parts[@]}" --zero 1 >said 2>&1 &
for _ in $(seq 600); do
    grep -q '"step":1,' parts-3/*/journal.jsonl 2>/dev/null && break
    sleep 0.05
done
kill -TERM "$(pgrep -f "^$program pretrain --out parts-3" | head -1)"
wait $!
grep -q '"what":"interrupted"' parts-3/*/journal.jsonl
say $? "ranks with shares of the optimizer's state are stopped"
expect "others go on" 0 '' ranks 3 pretrain --out parts-3 "${parts[@]}" --zero 1
same "with the numbers of one process" parts-1 parts-3

# Without --lanes there are as many as ranks; the devices are the same one.
near=("${few[@]}" "${two[@]}" --math fp32 --methods mae)
"$program" pretrain --out near1 "${near[@]}" >said 2>&1
expect "three ranks on one device" 0 '' ranks 3 pretrain --out near3 "${near[@]}" --device cuda:1
losses near1 >a
losses near3 >b
near a b 1e-4 0
say $? "have one process's losses but for rounding"


# What is missing for one of them is said once.
one_without() {
    timeout 100 mpirun -n 1 "$program" pretrain --out "$@" : \
        -n 1 env SSVBENCH_NCCL=none "$program" pretrain --out "$@"
}
expect "a rank without NCCL" 0 "rank 1 of 2, on .*: no NCCL: SSVBENCH_NCCL is \"none\": $host" \
    one_without near2 "${near[@]}" --no-quiet
losses near2 >b
near a b 1e-4 0
say $? "has the losses too"

# A rank that stops is named, wherever the other one waits for it.
stuck() {
    ranks 2 pretrain --out stuck "${few[@]}" --data shapes:size=16,train=512,test=8 --math own \
        --methods mae --rank_seconds 3 >stuck.log 2>&1 &
    for _ in $(seq 300); do
        grep -q '"type":"step"' stuck/*/journal.jsonl 2>/dev/null && break
        sleep 0.1
    done
    kill -STOP "$(pgrep -f "^$program pretrain --out stuck" | tail -1)" # the second one
    wait $!
    local status=$?
    tr '\n' ' ' <stuck.log
    return $status
}
expect "a rank that is stuck" 3 'rank [01] of 2, on [^ ]*, has not answered rank [01] for 3 s' stuck

expect "a device that one of them does not have" 3 'cuda:2: invalid device ordinal' \
    ranks 2 pretrain --out none "${near[@]}" --device cuda:2
different() {
    timeout 60 mpirun -n 1 "$program" pretrain --out none "${near[@]}" : \
        -n 1 "$program" pretrain --out none "${near[@]}" --math own
}
expect "ranks with another arithmetic" 3 'rank 1 of 2, on .*, has another command or other settings.*another device' different
expect "no room on a device" 3 'use a smaller batch or model' ranks 2 pretrain --out full "${few[@]}" \
    --data shapes:size=96,train=512,test=16 --batch 512 --methods simclr --backbone resnet18
