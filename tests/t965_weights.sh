#!/bin/bash
# Weights in and out from outside: an encoder of this program is written as other libraries have it, read
# again as somebody else's, and gives the same bits; what does not fit is refused.
# shellcheck source=tests/outside.sh
. "$(dirname "$0")/outside.sh"
export SSVBENCH_EPOCHS=1 SSVBENCH_BATCH=16 SSVBENCH_SEEDS=0 SSVBENCH_THREADS=2
export SSVBENCH_DATA=shapes:size=16,train=40,test=12 SSVBENCH_LINEAR_EPOCHS=1
data=$SSVBENCH_DATA

expect "a ViT is pretrained" 0 'mae' "$program" run --methods mae --protocols knn
expect "and written for timm" 0 'vit-micro for timm' "$program" export-weights out/mae-* --out timm
expect "with what timm wants to know" 0 '"num_heads": 4' cat timm/config.json
expect "and for transformers" 0 'vit-micro for hf' "$program" export-weights out/mae-* --format hf --out hf
expect "with the preparation of images" 0 '"image_mean"' cat hf/preprocessor_config.json
expect "a run sees all of an image" 0 '"crop_mode": "squash"' cat timm/config.json
expect "published weights are written on" 0 'vit-micro for hf' \
    "$program" export-weights timm/model.safetensors --weights.fit crop --weights.crop 0.5 --format hf --out half
expect "features of half of an image" 0 'the middle 0.5 of it' "$program" features "$data" \
    --weights timm/model.safetensors --weights.fit crop --weights.crop 0.5 --weights.interpolation bilinear --out half.h5
expect "as they want images" 0 'the middle 0.5 of it' \
    "$program" features "$data" --weights half/model.safetensors --out written.h5
expect "so features are the same" 0 '' cmp half.h5 written.h5
expect "features of a run" 0 '12 representations of 40 and 12 images' \
    "$program" features "$data" --weights out/mae-* --out run.h5
expect "nothing of which a flag changes" 2 '--layer_scale is stored with the run that .* is of.*: leave it out' \
    "$program" features "$data" --weights out/mae-* --layer_scale 0.1 --out never.h5
expect "nor in what is written" 2 '--position is stored with the run' \
    "$program" export-weights out/mae-* --position learned --out never
expect "nor the environment" 0 '12 representations of 16 and 12 images' env SSVBENCH_POSITION=learned SSVBENCH_LIMIT=16 \
    "$program" features "$data" --weights out/mae-* --limit 16 --out again.h5
for format in timm hf; do
    expect "features of what was written for $format" 0 'tensors: [0-9]+ loaded, 0 left out' \
        "$program" features "$data" --weights $format/model.safetensors --weights.fit crop --out $format.h5
    expect "are the same bits" 0 '' cmp run.h5 $format.h5
done
# Files of more than 96 pixels are reduced to that unless something is said, and these weights want 112.
expect "a large photograph" 0 '' "$program" data preview "$data" sheet.png
for folder in photos/{train,test}/{a,b}; do
    mkdir -p "$folder" && cp sheet.png "$folder/"
done
wants112() {
    "$program" "$@" --weights timm/model.safetensors --weights.image 112
}
expect "photographs are not made small and large again" 2 'its images are made smaller, 96 pixels.*keep=8192' \
    wants112 features folder:photos --out large.h5
expect "by no protocol" 2 'its images are made smaller, 96 pixels' \
    wants112 eval finetune --data folder:photos --out large
expect "but taken as they are" 0 'representations of 2' wants112 features folder:photos,keep=8192 --out large.h5
expect "or as is said" 0 'representations of 2' wants112 features folder:photos,size=96 --out small.h5
expect "which is not the same" 1 'differ' cmp large.h5 small.h5
expect "protocols judge it" 0 'weights +[0-9.]+ n=1 +[0-9.]+ n=1' \
    "$program" eval knn,linear --weights timm/model.safetensors --out judged
expect "a second time there is nothing to do" 0 'weights +[0-9.]+ n=1' \
    "$program" eval knn --weights timm/model.safetensors --out judged
expect "as a method among others" 0 'weights +[0-9.]+ n=1' "$program" run --methods random,weights \
    --weights.file timm/model.safetensors --protocols knn --out among
expect "its run is evaluated again" 0 'finetune top-1' \
    "$program" eval --protocols finetune --finetune.epochs 1 --finetune.lr 0.001 judged/weights-*
# What is trained on, and what masks lie over, is all of a record: the middle that weights want is for tests
# of images alone.
said() {
    "$program" eval finetune,segment --finetune.epochs 1 --finetune.lr 0.001 --segment.epochs 2 \
        --weights timm/model.safetensors --weights.crop "$1" --out "crop$1" 2>&1 |
        sed -nE 's/.*(loss|miou) ([0-9.]+).*/\1 \2/p'
}
said 1 >all.txt
said 0.5 >middle.txt
expect "masks lie over what the encoder sees" 0 'miou [0-9]' cat all.txt
expect "whatever the middle" 0 '' cmp all.txt middle.txt
expect "seeds change nothing of it: it has one run" 0 'weights, vit-micro.8 +=?[0-9.]+ n=1' "$program" run --methods random,weights \
    --weights.file timm/model.safetensors --protocols knn --seeds 0,1 --backbone vit-micro,resnet-micro --out seeds
expect "whatever the backbones" 0 '^1$' sh -c 'ls -d seeds/weights-* | wc -l'
expect "nor does what is said of other encoders" 0 '^1$' sh -c '"$0" run --methods random,weights \
    --weights.file timm/model.safetensors --protocols knn --pool mean --lr 0.1 --out seeds >said 2>&1 &&
    ls -d seeds/weights-* | wc -l' "$program"
expect "which eval refuses" 2 '--pool is of encoders that are made here.*: there is --weights.pool' \
    "$program" eval knn --weights timm/model.safetensors --pool mean --out other
expect "in features, too" 2 '--patch is of encoders that are made here.*: leave it out' \
    "$program" features "$data" --weights timm/model.safetensors --patch 4 --out other.h5
expect "positions for another size" 0 'resampled from 2 x 2 to 3 x 4' \
    "$program" features "$data" --weights timm/model.safetensors --weights.image 24x32 --out other.h5
expect "what takes squares alone says so" 0 'finetune skipped: finetune takes square images' \
    "$program" eval finetune,knn --weights timm/model.safetensors --weights.image 24x32 --out wide
expect "their pictures are kept as they are" 0 'knn top-1' env SSVBENCH_SAMPLES=2 \
    "$program" eval knn --weights timm/model.safetensors --weights.image 24x32 --out pictures
expect "and drawn" 0 'figures are in' "$program" report pictures --only attention --format svg
expect "with attention to all places" 0 '' test -s pictures/figures/attention.svg
expect "classify has nothing to say" 0 'classify: no classifier came' \
    "$program" eval classify --weights timm/model.safetensors --out judged
expect "a size that patches do not fill" 2 'multiples' \
    "$program" features "$data" --weights timm/model.safetensors --weights.image 20 --out other.h5
expect "another family" 2 'not weights of open-clip' \
    "$program" eval knn --weights timm/model.safetensors --weights.as open-clip --out other
expect "families are listed" 0 'networks: .*RN50 to RN50x64' "$program" list weights
expect "with their images" 0 'middle 0.875 of it; mean 0 0 0' "$program" list weights
expect "a family that is none" 2 'did you mean "timm-vit"' \
    "$program" eval knn --weights timm/model.safetensors --weights.as timm-vlt --out other
expect "a checkpoint is no published file" 2 'is a checkpoint of this program' \
    "$program" eval knn --weights out/mae-*/checkpoint.safetensors --out other
mkdir idx
for part in train:80 t10k:40; do
    n=${part#*:} part=${part%:*}
    perl -e '$n = shift; print pack("N4", 0x803, $n, 28, 28), "\0" x ($n * 784)' "$n" >idx/"$part"-images-idx3-ubyte
    perl -e '$n = shift; print pack("N2", 0x801, $n), map { chr($_ % 10) } 1..$n' "$n" >idx/"$part"-labels-idx1-ubyte
done
expect "images without the channels" 2 'has 1 channels, vit-micro takes 3' \
    "$program" eval knn --weights timm/model.safetensors --data idx:idx --out other
expect "no file" 2 'weights.file names no file' "$program" run --methods weights --protocols knn --out other
expect "no such file" 2 'nowhere.safetensors: ' "$program" eval knn --weights nowhere.safetensors --out other
expect "no such protocol" 2 'there is no protocol "kmn": did you mean "knn"' \
    "$program" eval kmn --weights timm/model.safetensors --out other
cp hf/model.safetensors timm/model.safetensors
expect "a file that was replaced" 2 'another file than the one that was asked for' \
    "$program" eval --protocols knn --knn.k 3 judged/weights-*

expect "DINO" 0 'dino' "$program" run --methods dino --protocols knn --out dino
expect "is written as its teacher" 0 'vit-micro for timm' "$program" export-weights dino/dino-* --out teacher
expect "whose features" 0 '' "$program" features "$data" --weights dino/dino-* --out run.h5
expect "are read again" 0 'tensors: [0-9]+ loaded' \
    "$program" features "$data" --weights teacher/model.safetensors --out again.h5
expect "bit by bit" 0 '' cmp run.h5 again.h5
expect "two halves on other colours" 0 'split_brain' \
    "$program" run --methods split_brain --protocols knn --out halves
expect "are nobody's network" 2 'no other library has' "$program" export-weights halves/split_brain-* --out other
mkfifo pipe
expect "a pipe stays one" 2 'pipe: a device or a pipe' \
    "$program" features "$data" --weights timm/model.safetensors --out pipe
rm pipe
expect "a small ResNet" 0 'simclr' "$program" run --methods simclr --backbone resnet-micro --protocols knn --out convnet
expect "is none of timm's" 2 'stem of 3 x 3; --format torchvision' "$program" export-weights convnet/simclr-* --out other
expect "but has torchvision's names" 0 'for torchvision' \
    "$program" export-weights convnet/simclr-* --format torchvision --out torchvision
patches() { "$program" run --methods weights --weights.file torchvision/model.safetensors --protocols knn --patch "$1" --out patches; }
patches 4 >said 2>&1
patches 8 >said 2>&1
expect "a patch is no other run of it" 0 '^1$' sh -c 'ls -d patches/weights-* | wc -l'
expect "its features" 0 '' "$program" features "$data" --weights convnet/simclr-* --out run.h5
expect "are read again" 0 'tensors: [0-9]+ loaded' \
    "$program" features "$data" --weights torchvision/model.safetensors --weights.image 16 --out again.h5
expect "and are the same bits" 0 '' cmp run.h5 again.h5
expect "a folder without a checkpoint" 2 'judged holds no checkpoint.safetensors' \
    "$program" features "$data" --weights judged --out other.h5
expect "features of nothing" 2 'features needs one dataset' "$program" features "$data"
