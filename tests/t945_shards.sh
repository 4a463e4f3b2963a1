#!/bin/bash
# Tar shards of many images: memory does not grow with their number, and an epoch that was interrupted
# goes on with the next image, whatever the threads.  100,000 images under SSV_LONG, fewer otherwise.
# shellcheck source=tests/outside.sh
. "$(dirname "$0")/outside.sh"

images=8000
[ -n "${SSV_LONG:-}" ] && images=100000
base64 -d >grey.jpg <<'END'
/9j/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/
wAALCAAQABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAABAX/xAAXEAADAQAAAAAAAAAAAAAAAAAAAgQx/9oACAEBAAA/ACzr
hTnXAM64U51w/9k=
END

shards() { # shards NAME IMAGES: four shards of a JPEG and a label each, no two files the same
    perl -e '
        ($name, $images) = @ARGV;
        open F, "<:raw", "grey.jpg"; local $/; $jpeg = <F>;
        sub entry {
            my ($path, $data) = @_;
            my $head = pack "a100 a8 a8 a8 a12 a12 A8 a1 a100 a6 a2 a32 a32 a8 a8 a155 x12", $path,
                "0000644", "0000000", "0000000", sprintf("%011o", length $data), "00000000000", "", "0", "",
                "ustar", "00", "", "", "0000000", "0000000", "";
            substr($head, 148, 8) = sprintf "%06o\0 ", unpack "%32C*", $head;
            return $head . $data . "\0" x (-length($data) % 512);
        }
        for $shard (0..3) {
            open T, ">:raw", sprintf "%s-%d.tar", $name, $shard;
            for $i (0..$images / 4 - 1) {
                $key = sprintf "%07d", $shard * $images / 4 + $i;
                print T entry("$key.jpg", $jpeg . $key), entry("$key.cls", $i % 10);
            }
            print T "\0" x 1024;
        }' "$1" "$2"
}

shards few 2000
shards many $images
pretrain=("$program" pretrain --quiet --methods supervised --seeds 0 --patch 8 --epochs 1 --batch 50 --threads 1
    --watch_every 1000000)
few='webdataset:few-{0..3}.tar,cache=1'
many='webdataset:many-{0..3}.tar,cache=1'

# ---- memory ----

peak() { # peak FOLDER DATA: MiB that a pretraining took at most, as the kernel counts it
    local pid now most=0
    "${pretrain[@]}" --out "$1" --data "$2" >/dev/null 2>&1 &
    pid=$!
    while now=$(awk '/^VmHWM/ { print int($2 / 1024) }' /proc/$pid/status 2>/dev/null) && [ -n "$now" ]; do
        most=$now
        sleep 0.05
    done
    wait $pid && echo "$most"
}

small=$(peak o-few "$few")
large=$(peak o-many "$many")
# Names, labels and places of an image are some 200 bytes; the pixels of all would be 768 each.
allowed=$((${small:-0} + 16 + images / 1024 / 4))
expect "memory with $images images is that with 2000 (${large:-none} and ${small:-none} MiB)" 0 '' test "${large:-1000000}" -le "$allowed"

# ---- an interrupted epoch ----

steps() { grep -h '"type":"step"' "$1"/supervised-*/journal.jsonl | sed -E 's/"(img_per_s|wall_s|wait_s)":[^,}]*,?//g'; }
"${pretrain[@]}" --out o-cut --data "$many" --loader_threads 3 --checkpoint_seconds 1000 >/dev/null 2>&1 &
pid=$!
for _ in $(seq 600); do
    [ "$(cat o-cut/supervised-*/journal.jsonl 2>/dev/null | grep -c '"type":"step"')" -ge 20 ] && break
    sleep 0.1
done
kill -INT $pid
wait $pid
at=$(steps o-cut | tail -1 | grep -oE '"step":[0-9]+')
expect "it was stopped in the middle (${at:-nowhere})" 0 '' test "$(steps o-cut | wc -l)" -lt "$(steps o-many | wc -l)"
expect "it goes on" 0 '' "${pretrain[@]}" --out o-cut --data "$many" --loader_threads 1
steps o-many >whole.txt
steps o-cut >cut.txt
expect "with the next image, to the same bits" 0 '' cmp whole.txt cut.txt
