#!/bin/bash
# Several ranks on MPI: every method's losses, weights and evaluations are those of one process, bit
# for bit; a rank that is killed, stuck or stopped ends the job, and another number of ranks goes on
# from the checkpoint.  Four numbers of ranks and 52 steps under SSV_LONG, fewer otherwise.
tests=$(realpath "$(dirname "$0")")
# shellcheck source=tests/outside.sh
. "$tests/outside.sh"
# shellcheck source=tests/ranks.sh
. "$tests/ranks.sh"

# ---- every method ----

few=(--seeds "7," --threads 1 --loader_threads 1 --quiet --batch 16 --chunk 2 --protocols knn)
small=(--data "shapes:size=16,train=32,test=16" --patch 8 --epochs 1 --watch_every 2)
long=(--data "shapes:size=32,train=64,test=32" --patch 8 --epochs 13 --watch_every 10)
numbers_of_ranks=(3)
if [ -n "${SSV_LONG:-}" ]; then
    small=("${long[@]}")
    numbers_of_ranks=(2 3 4 9)
fi

# With gradients in many buckets, as of a large model.
few+=(--bucket 60000)
every() { # every N OUT: all methods that train, on a ViT; batch norm; parts of batches; recomputation
    ranks "$1" run --out "$2" "${few[@]}" "${small[@]}" --methods \
        supervised,mae,context_encoder,split_brain,context_prediction,beit,simclr,dino,clip,mae:1+simclr:0.1 &&
        ranks "$1" pretrain --out "$2" "${few[@]}" "${small[@]}" --methods simclr --backbone resnet-micro &&
        ranks "$1" pretrain --out "$2" "${few[@]}" "${small[@]}" --methods mae --accumulate 2 &&
        ranks "$1" pretrain --out "$2" "${few[@]}" "${small[@]}" --methods clip --seeds 8, --recompute
}

every 1 one >/dev/null 2>said || { tail -5 said; echo "not ok - one process"; exit 1; }
for n in "${numbers_of_ranks[@]}"; do
    every "$n" "ranks$n" >/dev/null 2>said || { tail -5 said | sed 's/^/# /'; echo "not ok - $n ranks"; }
    same "$n ranks compute what one process does, with every method" one "ranks$n"
done

# Five ranks for three samples; a batch that no number of ranks divides.
odd=("${few[@]}" --methods simclr --data "shapes:size=16,train=9,test=16" --patch 4 --epochs 2 --batch 3 --chunk 1)
"$program" pretrain --out odd1 "${odd[@]}" >/dev/null 2>&1
expect "more ranks than samples" 0 '' ranks 5 pretrain --out odd5 "${odd[@]}"
same "and the same numbers" odd1 odd5

# In two levels: gradients of machines that are a branch each, and of three, which have several; rows and sums, also unequal.
two=("${few[@]}" --methods "dino,simclr" --data "shapes:size=16,train=32,test=16" --patch 8 --epochs 1)
"$program" pretrain --out two1 "${two[@]}" >/dev/null 2>&1
expect "two machines of two ranks" 0 '' on_machines 2 4 pretrain --out two4 "${two[@]}"
same "and the same numbers" two1 two4
expect "three, with shares of the optimizer's state" 0 '' on_machines 2 6 pretrain --out two6 "${two[@]}" --zero 1
same "and the same numbers" two1 two6

# Features of six and of three batches: each rank takes some, of a network that one process trained.
features=(--methods simclr --seeds "7," --data "shapes:size=16,train=330,test=130" --patch 8 --epochs 1 --batch 64
    --threads 1 --loader_threads 1 --quiet --protocols "knn,lowshot")
"$program" pretrain --out features1 "${features[@]}" >/dev/null 2>&1
cp -r features1 features4
"$program" run --out features1 "${features[@]}" >/dev/null 2>&1
expect "ranks share the features" 0 '' ranks 4 run --out features4 "${features[@]}"
same "and judge the same" features1 features4
for split in train test; do
    cmp features[14]/*/features-$split.safetensors
    say $? "with the same features of $split"
done

# Each rank with its part of the optimizer's state: two stages, a teacher, clipping of each tensor, norms of each
# objective's gradient; norms of each tensor and convolutions.
zero=("${few[@]}" --data "shapes:size=16,train=32,test=16" --patch 8 --epochs 1 --watch_every 1)
lars=("${zero[@]}" --methods simclr --simclr.optimizer lars --backbone resnet-micro)
zero+=(--methods "beit,dino,mae:1+simclr:0.1" --dino.freeze_epochs 0)
"$program" pretrain --out zero1 "${zero[@]}" >/dev/null 2>&1
"$program" pretrain --out zero1 "${lars[@]}" >/dev/null 2>&1
expect "ranks share the optimizer's state" 0 '' ranks 3 pretrain --out zero3 "${zero[@]}" --zero 1
expect "with LARS, too" 0 '' ranks 3 pretrain --out zero3 "${lars[@]}" --zero 1
same "with the same numbers and checkpoints" zero1 zero3

# Of a budget in seconds the steps are timed, and forgotten: who finds their number in the journal computes the same.
timed=("${few[@]}" --methods mae --data "shapes:size=16,train=64,test=16" --patch 4 --budget seconds:0.5)
expect "ranks share it for a budget in seconds" 0 '' ranks 3 pretrain --out timed3 "${timed[@]}" --zero 1
mkdir timed1
cp -r timed3/* timed1
rm timed1/*/checkpoint.safetensors timed1/*/run.h5
expect "of which one process takes as many steps" 0 '' "$program" pretrain --out timed1 "${timed[@]}"
same "with the same numbers and checkpoint" timed1 timed3

# One tar of training images for three ranks.
images="webdataset:few-train-000000.tar,test=few-test-000000.tar"
"$program" data convert "fashion-mnist:train=40,test=16" few.tar 2>/dev/null
mae=(--methods mae --seeds "7," --patch 8 --batch 8 --chunk 1 --threads 1 --loader_threads 1 --quiet)
shard=("${mae[@]}" --data "$images" --epochs 1)
"$program" pretrain --out tar1 "${shard[@]}"
expect "more ranks than tar shards" 0 '' ranks 3 pretrain --out tar3 "${shard[@]}"
same "and the same numbers from them" tar1 tar3

# ---- faults ----

flags=(--methods mae --seeds "7," --data "shapes:size=32,train=256,test=32" --patch 16 --epochs 5 --batch 32
    --protocols knn --threads 1 --loader_threads 1 --chunk 2 --checkpoint_seconds 0.1)
"$program" pretrain --out whole "${flags[@]}" --quiet

reach() { # reach STEP: of the run in `part`
    for _ in $(seq 600); do
        grep -q "\"step\":$1," part/*/journal.jsonl 2>/dev/null && return
        sleep 0.05
    done
}

begin 3 pretrain "${flags[@]}" --zero 1
reach 5
kill -9 "$(pid_of 1)"
finish "a killed rank ends the job and is named" 'process rank 1 .* signal 9'
begin 2 pretrain "${flags[@]}" --rank_seconds 2
reach 12
kill -STOP "$(pid_of 1)"
finish "a stuck rank ends the job and is named" 'rank 1 of 2, on .*, has not answered rank 0 for 2 s'
begin 4 pretrain "${flags[@]}" --zero 1
reach 20
kill -TERM "$(pid_of 2)" # as a launcher does with all
finish "a rank that is asked to stop stops all" 'stopped at step [0-9]+ of 40'
grep -q '"what":"interrupted"' part/*/journal.jsonl
say $? "with everything saved"
expect "another number of ranks goes on" 0 '' ranks 3 pretrain --out part "${flags[@]}" --quiet --zero 1
same "and ends with the numbers of an uninterrupted run" whole part

# The first rank's disk is full: its error is all ranks' end.
full() {
    timeout 250 mpirun -n 1 bash -c 'ulimit -f 8192; exec "$0" "$@"' "$program" "$@" : -n 1 "$program" "$@"
}
expect "a full disk ends all ranks" 3 'cannot write' full pretrain --out full "${flags[@]}"
expect "while they send their optimizer's state, too" 3 'cannot write' full pretrain --out full "${flags[@]}" --zero 1
expect "and leaves what was there" 0 '' ranks 2 pretrain --out full "${flags[@]}" --quiet
same "from where it goes on" whole full

# The second rank reads another copy of the images, which changes while it is read.
mkdir spoilt
cp few-*.tar spoilt
spoilt=("${mae[@]}" --data "$images,cache=0" --epochs 2000)
rm -rf part
timeout 250 mpirun -n 1 "$program" pretrain --out part "${spoilt[@]}" : \
    -n 1 -wdir "$work/spoilt" "$program" pretrain --out part "${spoilt[@]}" >said 2>&1 &
job=$!
reach 5
truncate -s 20000 spoilt/few-train-000000.tar
finish "an error on another rank is all ranks' and is told once" \
    '^ssvbench: mae on .*: rank 1 of 2, on .*, training image [0-9]+: .*few-train-000000.tar: it has changed'

# ---- what is refused ----

expect "wrong usage is said once" 2 '^ssvbench: batch: "0" is out of range' ranks 3 run --batch 0
say $(($(ranks 3 run --batch 0 2>&1 | grep -c '^ssvbench: ') != 1)) "by one rank"
expect "without the plug-in there are no copies" 3 'the MPI part cannot be loaded: ' \
    env SSVBENCH_MPI_PLUGIN=/nowhere.so timeout 60 mpirun -n 2 "$program" run --out none
[ ! -e none ]
say $? "and nothing is written"
expect "what is for one process" 2 '2 processes were started together, and `ssvbench report` is for one' ranks 2 report whole
expect "what else is for one process" 2 'only `bench steps` is for several' ranks 2 bench views

# ---- times of steps ----

steps=(bench steps --filter 'simclr/resnet-micro/32px' --batch 16 --threads 1 --seconds 0.1)
expect "ranks step together" 0 '"ranks": 2, "sent_bytes": [1-9][0-9]*, "waited_s": ' \
    ranks 2 "${steps[@]}" --json --out two.h5
[ "$("$program" bench csv two.h5 | tr -d '\r' | awk -F, '{ print $7 }' | paste -sd ' ')" = "ranks 2" ]
say $? "and the file says how many"

# Each on a host of its own, behind a shaped link.
network=$tests/../bench/network.sh
if [ "$(id -u)" = 0 ] && command -v tc >/dev/null && ip netns add ssv-try 2>/dev/null; then
    ip netns del ssv-try
    expect "ranks on two hosts" 0 '"ranks": 2, "sent_bytes": [1-9][0-9]*, "waited_s": ' \
        timeout 100 "$network" 2 1000 "$program" "${steps[@]}" --json
    say $((0$(ip netns list | grep -c ^ssv) != 0)) "which are gone afterwards"
else
    echo "skip ranks on two hosts: no network namespaces here"
fi
expect "what is no number of hosts" 2 'hosts and ranks of each from 1 to 99' "$network" none 0 true

# What docs/scaling.md says of many ranks is what the model gives.
awk -f "$tests/../bench/scaling.awk" weights=86e6 images=128 rate=4700 >model.md &&
    [ "$(grep -cFxf "$tests/../docs/scaling.md" model.md)" -eq 9 ]
say $? "the model of many ranks"
expect "a name that the model does not know" 2 'bandwith=3: see the names' awk -f "$tests/../bench/scaling.awk" bandwith=3

# ---- what differs between ranks ----

different() {
    timeout 60 mpirun -n 1 "$program" run --out none --seeds 1, : -n 1 "$program" run --out none --seeds 2,
}
expect "ranks of different settings" 3 'rank 1 of 2, on .*, has another command or other settings' different
commands() {
    timeout 60 mpirun -n 1 "$program" run --out none --seeds 1, : -n 1 "$program" pretrain --out none --seeds 1,
}
expect "ranks of different commands" 3 'rank 1 of 2, on .*, has another command or other settings' commands
steps_apart() {
    timeout 60 mpirun -n 1 "$program" "${steps[@]}" : -n 1 "$program" "${steps[@]}" --batch 32
}
expect "ranks that step different batches" 3 'rank 1 of 2, on .*, is to measure other steps' steps_apart
mkdir elsewhere
elsewhere() { # the second rank in a folder of other data
    timeout 60 mpirun -n 1 "$program" pretrain --out none "${shard[@]}" : \
        -n 1 -wdir "$work/elsewhere" "$program" pretrain --out none "${shard[@]}"
}
expect "data that a rank does not have" 2 'rank 1 of 2, on .*few-train-000000.tar' elsewhere
"$program" data convert "fashion-mnist:train=48,test=16" elsewhere/few.tar 2>/dev/null
expect "other data under the same name" 3 'rank 1 of 2, on .*, has data of another content' elsewhere
parted() { # what they say to each other would not fit
    timeout 60 mpirun -n 1 "$program" run --out none --bucket 50 : -n 1 "$program" run --out none
}
expect "ranks of different buckets" 3 'rank 1 of 2, on .*, has another command or other settings' parted
instructions() {
    timeout 60 mpirun -n 1 "$program" run --out none : -n 1 -x SSVBENCH_ISA=sse2 "$program" run --out none
}
if [ "$(uname -m)" = x86_64 ] && grep -qw avx2 /proc/cpuinfo; then
    expect "ranks of different instructions" 3 'other instructions than rank 0' instructions
else
    echo "skip ranks of different instructions: there is one kind here"
fi
