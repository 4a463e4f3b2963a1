#!/bin/bash
# ssvbench show: a sound PNG of every method that has a picture, and one line where there is none.
set -u
program=$(realpath "${SSVBENCH:?}")
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here" || exit 3
failed=0
report() { # status, name
    if [ "$1" -eq 0 ]; then echo "ok - $2"; else echo "not ok - $2"; failed=1; fi
}
refuses() { # name, pattern, arguments: exit code 2 and one line
    local name=$1 pattern=$2 said status
    shift 2
    said=$("$program" show "$@" --out refused.png 2>&1)
    status=$?
    [ $status -eq 2 ] && [ "$(wc -l <<<"$said")" -eq 1 ] && grep -qE "$pattern" <<<"$said" &&
        [ ! -e refused.png ]
    status=$?
    [ $status -eq 0 ] || printf '# %s\n' "$said"
    report $status "$name"
}
number() { # file, offset: four bytes, most significant first
    od -An -tu1 -j "$2" -N 4 "$1" | { read -r a b c d && echo $((((a * 256 + b) * 256 + c) * 256 + d)); }
}
# Signature, size, and all of it: the end chunk's checksum is always the same.
is_png() { # file, width, height ("-": any)
    [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] &&
        [ "$(tail -c 12 "$1" | od -An -tx1 | tr -d ' \n')" = 0000000049454e44ae426082 ] || return 1
    [ "$2" = - ] || [ "$(number "$1" 16)x$(number "$1" 20)" = "$2x$3" ] ||
        { echo "# $1 is $(number "$1" 16) x $(number "$1" 20)"; return 1; }
}
tiny=(--seeds 0 --data "shapes:size=32,train=16,test=8" --patch 8 --epochs 1 --batch 8 --threads 1 --quiet)

# Of two images; a method that is not here need only have a sound picture.
declare -A size=([mae]="680 482" [supervised]="436 556" [split_brain]="848 482"
    [context_prediction]="718 558" [simclr]="680 758" [clip]="664 738"
    [context_encoder]="680 438" [beit]="680 460" [dino]="1016 460")

"$program" pretrain --methods random "${tiny[@]}"
refuses "a method without a picture" "random has no picture.*mae" out/random-*
list=$("$program" show out/random-* 2>&1 | sed 's/.*pictures of: //; s/,//g')
for method in $list; do
    "$program" pretrain --methods "$method" "${tiny[@]}" &&
        find out -type f -exec sha256sum {} + | sort >before &&
        "$program" show out/"$method"-* --count 2 --threads 1 --quiet --out a.png >a.txt
    report $? "$method is shown"
    # shellcheck disable=SC2086 # two words
    is_png a.png ${size[$method]:-- -}
    report $? "$method's picture is sound and as large as it should be"
    [ "$(cut -d: -f1 a.txt)" = $'image 0\nimage 1' ]
    report $? "$method has a line for each image"
    "$program" show out/"$method"-*/checkpoint.safetensors --count 2 --threads 2 --quiet --out b.png >b.txt &&
        cmp a.png b.png && cmp a.txt b.txt
    report $? "$method's picture is the same on two threads, from the checkpoint's own name"
    if [[ $method != simclr && $method != clip ]]; then # those compare images
        "$program" show out/"$method"-* --count 1 --threads 1 --quiet --out c.png | cmp - <(head -n 1 a.txt)
        report $? "$method says of an image the same whatever stands beside it"
    fi
    find out -type f -exec sha256sum {} + | sort | cmp - before
    report $? "$method's run is left alone"
done

"$program" pretrain --methods mae:1+simclr:0.1 "${tiny[@]}" --out both &&
    "$program" show both/*-s0-* --count 2 --quiet --out both.png >both.txt &&
    [ "$(cut -d: -f1,2 both.txt | paste -sd,)" = "image 0: mae,image 1: mae,image 0: simclr,image 1: simclr" ] &&
    is_png both.png 680 1276
report $? "two methods over one encoder are shown one after the other"

mae=$(echo out/mae-*)
"$program" show "$mae" --count 64 --quiet >lines && [ "$(wc -l <lines)" -eq 8 ] && is_png show.png -
report $? "no more images than there are, in show.png"
"$program" show "$mae" --count 2 --mae.mask-ratio 0.5 --quiet --out c.png | grep -q "of 8 hidden"
report $? "flags take the place of what is stored"
head -c 5000 "$mae/checkpoint.safetensors" >torn.safetensors
refuses "a checkpoint that is not there" "nowhere" nowhere
refuses "a folder without one" "out holds no checkpoint" out
refuses "a torn checkpoint" "torn.safetensors" torn.safetensors
refuses "a file that is none" "show.png" show.png
refuses "no checkpoint at all" "needs one checkpoint"
refuses "two checkpoints" "needs one checkpoint" "$mae" "$mae"
refuses "options that the weights do not fit" "decoder" "$mae" --mae.decoder-dim 32
refuses "a count that is none" "count" "$mae" --count 0
refuses "several seeds" "more than one" "$mae" --seeds 0,1
"$program" show "$mae" --quiet --out nowhere/a.png >lines 2>message
[ $? -eq 3 ] && grep -q nowhere message
report $? "a place that cannot be written is exit code 3"
exit $failed
