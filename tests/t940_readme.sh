#!/bin/bash
# Every ssvbench command of README.md and docs/ runs, on small data and few steps.
set -u
program=$(realpath "${SSVBENCH:-build/ssvbench}")
top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
ln -s "$program" OTHER

mkdir cifar10 idx captions stl10
for part in train:40 test:20 unlabeled:40; do
    head -c $((${part#*:} * 27648)) /dev/urandom >stl10/"${part%:*}"_X.bin
    perl -e 'print map { chr($_ % 10 + 1) } 1..shift' "${part#*:}" >stl10/"${part%:*}"_y.bin
done
perl -e 'srand 1; for (1..80) { print chr($_ % 10), map { chr int rand 256 } 1..3072 }' >cifar10/data_batch_1.bin
perl -e 'srand 2; for (1..40) { print chr($_ % 10), map { chr int rand 256 } 1..3072 }' >cifar10/test_batch.bin
for part in train:80 t10k:40; do
    n=${part#*:} part=${part%:*}
    perl -e '$n = shift; print pack("N4", 0x803, $n, 28, 28), map { chr int rand 256 } 1..$n*784' "$n" >idx/"$part"-images-idx3-ubyte
    perl -e '$n = shift; print pack("N2", 0x801, $n), map { chr($_ % 10) } 1..$n' "$n" >idx/"$part"-labels-idx1-ubyte
done
base64 -d >captions/grey.jpg <<'END'
/9j/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/
wAALCAAQABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAABAX/xAAXEAADAQAAAAAAAAAAAAAAAAAAAgQx/9oACAEBAAA/ACzr
hTnXAM64U51w/9k=
END
echo image,caption >captions/captions.csv
for i in $(seq 20); do
    cp captions/grey.jpg "captions/$i.jpg"
    echo "$i.jpg,number $i" >>captions/captions.csv
done

# The same images in every container; what is packed, the program packs itself.
"$program" data convert cifar10:cifar10,train=40,test=40 packed.tar 2>/dev/null
for split in train test; do
    tar xf "packed-$split-000000.tar"
    for text in "$split"/*.cls; do
        folder=ROOT/$split/$(cat "$text")
        mkdir -p "$folder" && mv "${text%.cls}.png" "$folder/"
    done
done
{ echo path,label; find ROOT/train -name '*.png' | sort | sed -E 's#(.*/(.*)/.*)$#\1,\2#'; } >FILE.csv
"$program" data convert folder:ROOT FILE.h5 2>/dev/null && mv FILE.h5 FILE
mkdir segmentation
base64 -d >segmentation/mask.png <<'END'
iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAAEUlEQVR42mNggAJGKGAY2QIAQxAAge0p4IMAAAAASUVORK5CYII=
END
printf 'id,name\n0,left\n1,right\n' >segmentation/classes.csv
echo image,mask,split >segmentation/index.csv
for i in $(seq 30); do
    cp captions/grey.jpg "segmentation/$i.jpg"
    echo "$i.jpg,mask.png,$([ $((i % 4)) = 0 ] && echo test || echo train)" >>segmentation/index.csv
done

# What the commands leave to the defaults, made small; pictures of encoders have tests of their own.
export SSVBENCH_EPOCHS=1 SSVBENCH_BATCH=16 SSVBENCH_LINEAR_EPOCHS=1 SSVBENCH_SEEDS=0 SSVBENCH_QUIET=1
export SSVBENCH_DATA="shapes:size=16,train=64,test=32" SSVBENCH_SAMPLES=0

small() { # what a command says explicitly, made small
    sed -E -e "s#build/ssvbench#$program#" -e 's/[[:space:]]+#.*//' \
        -e 's/--epochs [0-9]+/--epochs 1/' -e 's/--seeds [0-9,]+/--seeds 0/' \
        -e 's/cifar10:FOLDER/cifar10:cifar10/g' -e 's/idx:FOLDER/idx:idx/' -e 's/stl10:FOLDER/stl10:stl10/g' \
        -e "s/'webdataset:.*'/webdataset:packed-train-000000.tar,test=packed-test-000000.tar/" \
        -e 's#ROOT,test_share=0.1#ROOT/train,test_share=0.1#' \
        -e 's/segmentation:FOLDER(,size=64)?/segmentation:segmentation,size=16/' \
        -e 's/captions:FOLDER,size=64/captions:captions,size=16/' \
        -e 's/fashion-mnist( |$)/fashion-mnist:train=64,test=32\1/' \
        -e "s#--against (OTHER|origin/main)#--against OTHER --pairs 5#" \
        -e "s/--planted 5/--planted 300/" -e "s/--self_test\$/--self_test --planted 300/" \
        -e 's/--batch [0-9]+/--batch 16/' -e 's/train=[0-9]+,test=[0-9]+/train=64,test=32/g' -e 's/bench (steps|views|loader)/& --seconds 0.1/' -e 's/ssvbench kernels/& --seconds 0.001/' \
        -e "s#(bench steps.*)--filter 'mae'#\1--filter 'mae/.*p8'#" -e '/bench steps/s/--batch [0-9,]+/--batch 8,16/' \
        -e "s/'\^attention'/^attention_forward/" \
        -e '/ssvbench kernels .*(report|csv|--filter)/!s/(ssvbench kernels.*)/\1 --filter ^mse_f/' \
        -e '/ssvbench kernels .*(report|csv|--shapes|--filter .*gemm)/!s/(ssvbench kernels.*)/\1 --shapes tests/' \
        -e '/--against base.h5| (report|csv) /s/ --(seconds|filter|shapes) [^ ]+//g'
}

declare -A before # what has run: as small as this, some commands are the same
n=0
while IFS= read -r line; do
    command=$(small <<<"$line")
    case $command in # every method takes long, however small
    *'run quick'*) command+=' --methods random,mae --protocols linear,knn --linear.epochs 1' ;;
    *'run cifar10'*) command+=' --methods random,clip --protocols linear,zeroshot' ;;
    *'bench steps --seconds 0.1') command+=' --filter micro --batch 4' ;;
    *'run camvid'*) command+=' --methods random --protocols segment' ;;
    esac
    if [[ $command == *RUN-FOLDER* ]]; then
        command=${command/RUN-FOLDER/"$(find out -maxdepth 1 -name "mae-*" | sort | head -1)"}
    fi
    n=$((n + 1))
    if [ -n "${before[$command]:-}" ]; then
        echo "ok - $line (as before)"
        continue
    fi
    bash -c "$command" >output 2>&1
    status=$?
    # Five short launches on a busy machine may find a program slower than itself: a verdict, no fault.
    if [[ $status = 5 && $command == *--against* ]] && grep -q '^ssvbench: slower than' output; then status=0; fi
    if [ $status = 0 ]; then
        echo "ok - $line"
        before[$command]=1
    else
        tail -3 output | sed 's/^/# /'
        echo "not ok - $line (as: $command)"
    fi
done < <(cat "$top"/README.md "$top"/docs/*.md "$top"/CONTRIBUTING.md | grep -hE '^    (SSVBENCH_[A-Z]+=[^ ]+ )?build/ssvbench' | sed 's/^ *//' | awk '!seen[$0]++')
if [ $n -lt 8 ]; then echo "not ok - only $n commands found"; fi
