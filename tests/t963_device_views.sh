#!/bin/bash
# Views made on a device, by the CUDA kernels that an emulator runs on the processor: losses are those of the
# processor, the same bits every time, also of a run that was stopped; and who keeps the processor.
# shellcheck source=tests/device_losses.sh
. "$(dirname "$0")/device_losses.sh"
export SSVBENCH_CUDA_PLUGIN=$plugin

flags=(--data "shapes:size=16,train=8,test=8" --patch 8 --batch 4 --epochs 1 --seeds 0 --audit 0 --quiet)
small_dino=(--dino.prototypes 64 --dino.local_crops 1 --dino.head_hidden 64 --dino.bottleneck 16)

pretrain() { # pretrain FOLDER FLAGS...: on the device
    local out=$1
    shift
    "$program" pretrain --device cuda --out "$out" "$@" >>log 2>&1
}

# check NAME SHARE FLAGS...: with networks and views on the processor, and both on the device, there in $math
math=fp32
check() {
    local name=$1 share=$2
    shift 2
    "$program" pretrain --out "here-$name" "${flags[@]}" "$@" >>log 2>&1
    pretrain "there-$name" --math $math --views device "${flags[@]}" "$@"
    losses "here-$name" >a
    losses "there-$name" >b
    if near b a "$share" 0; then
        echo "ok - $name: $(wc -l <a) steps"
    else
        tail -3 log | sed 's/^/# /'
        paste a b | sed 's/^/# /'
        echo "not ok - $name"
    fi
}

# same NAME A B: the same checkpoint
same() {
    local name=$1 a b
    a=$(cat "$2"/*/checkpoint.safetensors | sha256sum)
    b=$(cat "$3"/*/checkpoint.safetensors | sha256sum)
    if [ "$a" = "$b" ] && [ -n "$(ls "$2"/*/checkpoint.safetensors)" ]; then
        echo "ok - $name"
    else
        echo "not ok - $name"
    fi
}

for method in supervised beit mae clip; do
    check $method 1e-3 --methods $method
done
check simclr 1e-3 --methods simclr --simclr.blur 0.5 --simclr.strength 1
check dino 1e-3 --methods dino "${small_dino[@]}" --dino.blur 1
check several 1e-3 --methods mae:1+simclr:0.1
math=bf16
check bf16 0.02 --methods mae

long=(--data "shapes:size=16,train=12,test=8" --patch 8 --batch 4 --epochs 2 --seeds 0 --audit 0 --quiet --views device)
pretrain whole "${long[@]}" --methods simclr --loader_threads 1
pretrain again "${long[@]}" --methods simclr --loader_threads 3
same 'the same bits twice, by other loader threads' whole again
"$program" pretrain --device cuda --out stopped --checkpoint_seconds 0 "${long[@]}" --methods simclr >>log 2>&1 &
for ((i = 0; i < 600; i++)); do
    grep -qs '"type":"step"' stopped/*/journal.jsonl && break
    sleep 0.05
done
kill -INT $!
wait $!
steps=$(losses stopped | wc -l)
pretrain stopped "${long[@]}" --methods simclr
same "the same bits when it goes on after $steps of $(losses stopped | wc -l) steps" whole stopped
pretrain less "${long[@]}" --methods simclr --recompute
same 'the same bits when views are made twice' whole less

# What a run has to say of it.
log_of() { # log_of FLAGS...: a pretraining with views on the device
    "$program" pretrain --device cuda --views device --out said "${flags[@]/--quiet/--quiet=0}" \
        --data shapes:size=16,train=4,test=8 "$@"
}
expect 'who keeps the processor' 0 'context_prediction.*: its views are made on the processor: patches at other res' \
    log_of --methods context_prediction
expect 'single augmentations' 0 'its views are made on the processor: single augmentations' \
    log_of --methods simclr --simclr.first crop
expect 'one part of several' 0 'its views are made on the processor: an image beside a copy' \
    log_of --methods supervised+context_encoder
expect 'images that weigh more than their views' 0 'of [1-9][0-9]* images the views were made on the processor' \
    "$program" pretrain --device cuda --views device --out large --data shapes:size=64,train=8,test=8 --image 16 \
    --patch 8 --batch 4 --epochs 1 --seeds 0 --audit 0 --methods mae
expect 'not without a device' 2 '^ssvbench: --views device: networks run on the processor' \
    "$program" pretrain --views device --out x "${flags[@]}" --methods mae
expect 'nor where there is none, which is said' 0 'networks run on the processor, and views are made there' \
    env SSVBENCH_CUDA_PLUGIN=none.so "$program" pretrain --device auto --views device --out y "${flags[@]}" --methods random
expect 'there is no third place' 2 'views' "$program" pretrain --device cuda --views both --out x "${flags[@]}" --methods mae
expect 'a step takes views' 2 'step takes views as inputs' \
    "$program" step --device cuda --views device --methods mae
expect 'the run has it' 0 'fp32, views' grep -a -o 'fp32, views' there-mae/*/run.h5
expect 'and one without has not' 1 '^$' grep -a -o ', views' here-mae/*/run.h5
