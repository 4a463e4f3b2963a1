#!/bin/bash
# Several ranks on devices: losses and weights are those of one process with as many lanes, bit for bit,
# through the CUDA kernels, which an emulator runs on the processor.  More methods under SSV_LONG.
tests=$(realpath "$(dirname "$0")")
# shellcheck source=tests/device_losses.sh
. "$tests/device_losses.sh"
# shellcheck source=tests/ranks.sh
. "$tests/ranks.sh"
export SSVBENCH_CUDA_PLUGIN=$plugin OMP_WAIT_POLICY=passive
export SSV_EMULATED_DEVICES=2 # two of four ranks share each

few=(--seeds "7," --threads 1 --loader_threads 1 --quiet --audit 0 --device cuda --patch 8 --batch 8 --epochs 1)
one=(--data "shapes:size=16,train=8,test=8")
two=(--data "shapes:size=16,train=16,test=8" --watch_every 2)

# agree NAME N FLAGS...: of one process and N ranks
agree() {
    local name=$1 n=$2 out=${1// /-}
    shift 2
    "$program" pretrain --out "$out-1" "${few[@]}" "$@" >said 2>&1 || { tail -5 said | sed 's/^/# /'; echo "not ok - $name"; }
    expect "$name on $n ranks" 0 '' ranks "$n" pretrain --out "$out-$n" "${few[@]}" "$@"
    same "is what one process computes" "$out-1" "$out-$n"
}

own=(--math own --lanes 4)
agree simclr 4 "${own[@]}" "${two[@]}" --methods simclr
agree dino 2 --math fp32 --lanes 2 "${one[@]}" --methods dino --dino.prototypes 64 --dino.local_crops 1 --dino.head_hidden 64 --dino.bottleneck 16
agree "parts of batches" 3 --math fp32 --lanes 4 "${one[@]}" --methods mae --accumulate 2
agree "batch norm in 16 bits" 2 --math bf16 --lanes 2 "${one[@]}" --methods simclr --backbone resnet-micro
if [ -n "${SSV_LONG:-}" ]; then
    agree "every method" 4 "${own[@]}" "${two[@]}" \
        --methods supervised,context_encoder,split_brain,context_prediction,beit,mae,clip
    agree "sixty-four lanes" 3 --math own --lanes 64 --batch 64 --methods mae \
        --data "shapes:size=16,train=64,test=8"
fi

# Without --lanes there are as many as ranks; the devices are the same one.
near=("${few[@]}" "${two[@]}" --math fp32 --methods mae)
"$program" pretrain --out near1 "${near[@]}" >said 2>&1
expect "three ranks on one device" 0 '' ranks 3 pretrain --out near3 "${near[@]}" --device cuda:1
losses near1 >a
losses near3 >b
near a b 1e-4 0
say $? "have one process's losses but for rounding"

expect "a device that one of them does not have" 3 'cuda:2: invalid device ordinal' \
    ranks 2 pretrain --out none "${near[@]}" --device cuda:2
different() {
    timeout 60 mpirun -n 1 "$program" pretrain --out none "${near[@]}" : \
        -n 1 "$program" pretrain --out none "${near[@]}" --math own
}
expect "ranks with another arithmetic" 3 'rank 1 of 2, on .*, has other settings.*another device' different
expect "no room on a device" 3 'use a smaller batch or model' ranks 2 pretrain --out full "${few[@]}" \
    --data shapes:size=96,train=512,test=16 --batch 512 --methods simclr --backbone resnet18
