#!/bin/bash
# Segmentation from outside: masks that are drawn, a dataset without any, a folder that is none.
# shellcheck source=tests/outside.sh
. "$(dirname "$0")/outside.sh"
export SSVBENCH_EPOCHS=1 SSVBENCH_BATCH=16 SSVBENCH_SEEDS=0 SSVBENCH_THREADS=2
export SSVBENCH_DATA=shapes:size=16,train=40,test=12 SSVBENCH_PROTOCOLS=segment
export SSVBENCH_SEGMENT_EPOCHS=2 SSVBENCH_SEGMENT_FINETUNE_EPOCHS=1 SSVBENCH_METHODS=random

expect "masks are predicted" 0 'segment miou [0-9.]+ %' "$program" run
expect "the table names the metric" 0 'segment miou shapes' "$program" report out
expect "every metric has its line" 0 'iou.background,[0-9.]+' "$program" report csv out
expect "attention has its lines" 0 'jaccard_best_head,[0-9.]+' "$program" report csv out
expect "a convnet has masks" 0 'segment miou [0-9.]+ %' "$program" run --backbone resnet-micro --out convnet
mkdir idx
for part in train:80 t10k:40; do
    n=${part#*:} part=${part%:*}
    perl -e '$n = shift; print pack("N4", 0x803, $n, 28, 28), "\0" x ($n * 784)' "$n" >idx/"$part"-images-idx3-ubyte
    perl -e '$n = shift; print pack("N2", 0x801, $n), map { chr($_ % 10) } 1..$n' "$n" >idx/"$part"-labels-idx1-ubyte
done
expect "the encoder is trained further" 0 'segment_finetune miou [0-9.]+ %' "$program" run --protocols segment_finetune
expect "images without masks" 0 'skipped: idx has no masks' "$program" run --data idx:idx
expect "a method of colours without any" 0 'skipped +split_brain needs images of 3 channels, and idx has 1' "$program" run --data idx:idx --methods random,split_brain --protocols knn --dry-run
mkdir none
expect "a folder without tables" 2 'none/classes.csv: ' "$program" run --data segmentation:none
expect "too few images to choose on" 2 'segment.val_share' "$program" run --data shapes:size=16,train=1,test=2
