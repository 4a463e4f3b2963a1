#!/bin/bash
# Training on a device: every method through the CUDA kernels, which an emulator runs on the processor,
# with the losses of the processor's own kernels; and what is said where there is no device.
# shellcheck source=tests/device_losses.sh
. "$(dirname "$0")/device_losses.sh"

flags=(--data "shapes:size=16,train=8,test=8" --patch 8 --batch 4 --epochs 1 --seeds 0 --audit 0 --quiet)

check() { # check NAME FLAGS...
    losses_agree "$1" 1e-3 0 fp32 "${flags[@]}" "${@:2}"
}

for method in supervised context_encoder split_brain context_prediction beit mae simclr clip; do
    check $method --methods $method
done
check dino --methods dino --dino.prototypes 64 --dino.local_crops 1 --dino.head_hidden 64 --dino.bottleneck 16
check simclr-resnet --methods simclr --backbone resnet-micro

# Encoders, heads and text towers that protocols run are on the device too.
expect 'protocols on the device' 0 '' \
    env SSVBENCH_CUDA_PLUGIN="$plugin" "$program" run --device cuda --out all "${flags[@]}" \
    --data shapes:size=16,train=16,test=16 --methods mae --protocols linear,zeroshot,finetune --linear.epochs 1 --zeroshot.lit_epochs 1 --finetune.epochs 1

expect 'there is no device "gpu": cpu, cuda, cuda:N or auto' 2 'there is no device "gpu": cpu, cuda, cuda:N or auto' \
    "$program" pretrain --device gpu --out x "${flags[@]}" --methods mae
for name in 'cuda: 0' cuda:+0 cuda:0x; do
    expect "no device \"$name\"" 2 'there is no device "cuda:.+": cpu, cuda, cuda:N or auto' \
        "$program" pretrain --device "$name" --out x "${flags[@]}" --methods mae
done
expect 'cuda:1: invalid device ordinal' 3 'cuda:1: invalid device ordinal' \
    env SSVBENCH_CUDA_PLUGIN="$plugin" "$program" pretrain --device cuda:1 --out x "${flags[@]}" --methods mae
expect 'the CUDA part cannot be loaded' 3 'the CUDA part cannot be loaded' \
    env SSVBENCH_CUDA_PLUGIN=none.so "$program" pretrain --device cuda --out x "${flags[@]}" --methods mae
expect 'networks run on the processor, without --math' 0 'networks run on the processor in single precision, without --math bf16' \
    env SSVBENCH_CUDA_PLUGIN=none.so "$program" pretrain --device auto --math bf16 --out y2 "${flags[@]}" --methods random
expect 'networks run on the processor' 0 'networks run on the processor' \
    env SSVBENCH_CUDA_PLUGIN=none.so "$program" pretrain --device auto --out y "${flags[@]}" --methods random
expect 'a device that is too old' 0 'this build has no kernels for .*networks run on the processor' \
    env SSV_EMULATED_OLD=1 SSVBENCH_CUDA_PLUGIN="$plugin" "$program" pretrain --device auto --out y3 "${flags[@]}" --methods random
expect 'use a smaller batch or model' 3 'use a smaller batch or model' \
    env SSVBENCH_CUDA_PLUGIN="$plugin" "$program" pretrain --device cuda --out z \
    --data shapes:size=96,train=512,test=16 --batch 512 --methods simclr --backbone resnet18 --seeds 0 --audit 0

# The rows of that cell say so, with what is needed and what is free.
SSVBENCH_CUDA_PLUGIN=$plugin "$program" run --device cuda --out z --data shapes:size=96,train=512,test=16 \
    --batch 512 --methods simclr --backbone resnet18 --seeds 0 --audit 0 --protocols knn >log 2>&1
expect 'a row for what does not fit' 0 \
    'knn,shapes,.*failed,"out of memory: needs [0-9.]+ GiB of memory on cuda:0, [0-9.]+ MiB are free' \
    "$program" report csv z

# So do those of a protocol; what needs less goes on.
expect 'fine-tuning that does not fit' 1 'failed: out of memory: cuda:0: .* use a smaller batch or model' \
    env SSVBENCH_CUDA_PLUGIN="$plugin" "$program" run --device cuda --math own --out f --seeds 0, --audit 0 --quiet \
    --data shapes:size=16,train=16,test=8 --methods random --backbone resnet18 --protocols finetune,knn
expect 'fails alone' 0 'knn,shapes,[^f]*,ok,' "$program" report csv f
