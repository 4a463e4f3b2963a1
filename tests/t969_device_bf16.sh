#!/bin/bash
# Training with activations in 16 bits: every method through --device cuda --math bf16, products by a stand-in for
# cuBLASLt; losses are near those in float, step by step, and not the same.
# shellcheck source=tests/device_losses.sh
. "$(dirname "$0")/device_losses.sh"

check() { # check NAME FLAGS...
    losses_agree "$1" 0.02 1 bf16 --data "shapes:size=16,train=8,test=8" --patch 8 --batch 4 --epochs 1 --seeds 0 \
        --audit 0 --quiet "${@:2}"
}

for method in supervised context_encoder split_brain context_prediction beit mae simclr clip; do
    check $method --methods $method
done
check dino --methods dino --dino.prototypes 64 --dino.local_crops 1 --dino.head_hidden 64 --dino.bottleneck 16
check simclr-recomputed --methods simclr --recompute
# Convolutions and batch norm in 16 bits, too.
check simclr-resnet --methods simclr --backbone resnet-micro
check simclr-resnet-recomputed --methods simclr --backbone resnet-micro --recompute
check split_brain-alexnet --methods split_brain --backbone alexnet-micro

memory() { # memory FLAGS...: MiB that a pretraining says it needs
    SSVBENCH_CUDA_PLUGIN=$plugin "$program" run --dry-run --device cuda --math bf16 --methods simclr \
        --backbone resnet-micro --data "shapes:size=16,train=64,test=8" --batch 64 --seeds 0 "$@" 2>>log |
        awk '/^simclr/ && $6 == "MiB" { print $5 }'
}
kept=$(memory) twice=$(memory --recompute_norms) more=$(memory --recompute)
if awk -v a="$kept" -v b="$twice" -v c="$more" 'BEGIN { exit !(c > 0 && a > b && b > c) }'; then
    echo "ok - what is computed twice is not kept: $kept, $twice, $more MiB"
else
    echo "not ok - what is computed twice is not kept: '$kept', '$twice', '$more' MiB"
fi
