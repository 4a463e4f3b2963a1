#!/bin/bash
# CLIP and retrieval from outside: a run of images and captions, its numbers, its vocabulary.
# shellcheck source=tests/outside.sh
. "$(dirname "$0")/outside.sh"
export SSVBENCH_EPOCHS=1 SSVBENCH_BATCH=16 SSVBENCH_SEEDS=0 SSVBENCH_LINEAR_EPOCHS=1 SSVBENCH_THREADS=2
export SSVBENCH_DATA=shapes:size=16,train=64,test=32 SSVBENCH_PROTOCOLS=linear,retrieval
export SSVBENCH_RETRIEVAL_LIT_EPOCHS=1 SSVBENCH_ZEROSHOT_LIT_EPOCHS=1
export SSVBENCH_CLIP_TEXT_DEPTH=1 SSVBENCH_CLIP_TEXT_DIM=32 SSVBENCH_CLIP_VOCABULARY_SIZE=600

runs() { # NAME NUMBER: how many folders there are
    local n
    n=$(find out -mindepth 1 -maxdepth 1 -name 'clip-*' | wc -l)
    if [ "$n" -eq "$2" ]; then echo "ok - $1"; else echo "not ok - $1: $n runs instead of $2"; fi
}

expect "CLIP trains and is evaluated" 0 'retrieval mean_r1 [0-9.]+ %' "$program" run --methods random,clip
expect "a method without texts is given a tower" 0 'random-.*retrieval,.*,mean_r1,[0-9.]+' "$program" report csv out
expect "the table names the metric" 0 'retrieval mean_r1 shapes' "$program" report out
expect "every metric has its line" 0 'image_to_text_r10,[0-9.]+' "$program" report csv out
expect "the same again finds its results" 0 '' "$program" run --methods clip
expect "classes by their names" 0 'zeroshot top-1 [0-9.]+ %' "$program" run --methods random,clip --protocols zeroshot
expect "a template without a place for the name" 2 'zeroshot.templates: "a photo" must have' "$program" run --methods clip --protocols zeroshot --zeroshot.templates 'a photo'
expect "before anything is trained" 2 'must have \{\} once' "$program" run --dry-run --zeroshot.templates 'a photo'
runs "the learnt vocabulary is the same again" 1

printf '#version: 0.2\na b\nc d\n' >vocabulary.txt
expect "a vocabulary of one's own" 0 '' "$program" run --methods clip --clip.vocabulary vocabulary.txt --clip.vocabulary_size 516
runs "its run is another" 2
printf '#version: 0.2\na b\nc e\n' >vocabulary.txt
expect "the file has changed" 0 '' "$program" run --methods clip --clip.vocabulary vocabulary.txt --clip.vocabulary_size 516
runs "so the run is another" 3
expect "a file that is no vocabulary" 2 'vocabulary.txt' "$program" run --methods clip --clip.vocabulary vocabulary.txt/no
mkdir idx
for part in train:80 t10k:40; do
    n=${part#*:} part=${part%:*}
    perl -e '$n = shift; print pack("N4", 0x803, $n, 28, 28), "\0" x ($n * 784)' "$n" >idx/"$part"-images-idx3-ubyte
    perl -e '$n = shift; print pack("N2", 0x801, $n), map { chr($_ % 10) } 1..$n' "$n" >idx/"$part"-labels-idx1-ubyte
done
expect "images without captions" 2 'needs captions' "$program" run --methods clip --data idx:idx
expect "class names as captions" 0 'retrieval mean_r1' "$program" run --methods clip --data idx:idx,captions=class
