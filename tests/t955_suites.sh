#!/bin/bash
# Suites from outside: files, what a dry run says, limits, and the commands that look at results.
top=$PWD
# shellcheck source=tests/outside.sh
. "$(dirname "$0")/outside.sh"

data=shapes:size=16,train=64,test=32
cat >small.ini <<END
[suite]
methods = random,mae
backbone = vit-micro,resnet-micro
data = $data
seeds = 0
protocols = knn
patch = 4
batch = 16
budget = images:48
END
run=("$program" run --quiet)

# ---- wrong suites: one line with file and line number, and nothing is written ----

while IFS='|' read -r name lines pattern; do
    printf '[suite]\n%b\n' "$lines" >wrong.ini
    expect "$name" 2 "$pattern" "${run[@]}" wrong.ini --out never
done <<'END'
an unknown key|batsh = 16|^ssvbench: wrong.ini:2: .*suite.batch
an unknown section|batch = 16\n[maee]|^ssvbench: wrong.ini:3: .*\[mae\]
out of range|batch = 0|^ssvbench: wrong.ini:2: .*out of range
a key twice|batch = 16\nbatch = 32|^ssvbench: wrong.ini:3: .*twice, first in line 2
a contradictory budget|epochs = 2\nbudget = flops:1e9|^ssvbench: wrong.ini:3: .*both
a budget that is none|budget = flops:much|^ssvbench: wrong.ini:2: .*seconds:N
a missing folder of data|seeds = 0\ndata = cifar10:nowhere|^ssvbench: wrong.ini:3: .*nowhere
an unknown dataset|data = shape|^ssvbench: wrong.ini:2: .*shapes
an unknown method|methods = mea|^ssvbench: wrong.ini:2: .*"mae"
a seed twice|seeds = 1,1|^ssvbench: wrong.ini:2: .*twice
a budget below one batch of each stage|methods = beit\ndata = shapes:size=16,train=64,test=32\npatch = 4\nbatch = 16\nbudget = images:31|less than one batch of 16 for each of the 2 stages of beit
a budget below one step|methods = mae\ndata = shapes:size=16,train=64,test=32\npatch = 4\nbudget = flops:9|less than one step
no pair with a meaning|methods = mae\ndata = shapes:size=16,train=64,test=32\nbackbone = resnet-micro|does not run on
END
expect "two datasets of one name" 2 'both called shapes: name one of them, as in other=shapes:size=24' \
    "${run[@]}" --out never --data "$data shapes:size=24,train=64,test=32"
expect "a wrong name of a dataset" 2 '"a/b" is no name for a dataset' "${run[@]}" --out never --data "a/b=$data"
expect "eval_data is looked at first" 2 'there is no dataset "shape"' "${run[@]}" --out never --data "$data" --eval_data shape
for method in simclr clip context_prediction; do
    expect "$method with one image a step" 2 'choose a larger --batch' "${run[@]}" --out alone --data "$data" --methods $method --batch 1
done
expect "a missing suite file" 2 'nowhere.ini' "${run[@]}" nowhere.ini
expect "an unknown name" 2 'did you mean "quick"' "${run[@]}" quikc
expect "two suites" 2 'second' "${run[@]}" small.ini small.ini
expect "nothing was written" 1 '' test -e never

# ---- the suites that come with the program ----

for suite in "$top"/suites/*.ini; do
    expect "$(basename "$suite") is read" 0 '(budget|epochs).*suite' "$program" run "$(basename "$suite" .ini)" --print-config
done
expect "what will be refused is said before the first cell" 0 '' sh -c '"$@" 2>&1 |
    sed -n "/will be refused, the others go on: dino.local_side 64/q; /knn top-1/q1"' sh "$program" run --out refused \
    --methods random,dino --seeds 0 --data "$data" --patch 4 --protocols knn --dino.local_side 64
expect "a flag beats the suite" 0 '^seeds = 3 .*flag' "$program" run quick --seeds 3 --print-config
expect "the environment beats the suite" 0 '^patch = 2 .*environment' env SSVBENCH_PATCH=2 "$program" run quick --print-config
expect "quick with three seeds" 0 '30 cells' "$program" run quick --seeds 3 --dry-run --epochs 0.1 --batch 8 --data "$data" --patch 4

# ---- a suite runs ----

expect "a dry run counts cells" 0 '4 cells: 0 done, 0 begun, 3 to do, 1 skipped' "${run[@]}" small.ini --dry-run
expect "a dry run says where its time is from" 0 'flops: from the FLOPs' "${run[@]}" small.ini --dry-run
# (2 x 128 + 1) numbers of 110,000 images, 256 of the training images once more, and the encoder.
expect "a dry run counts features and a probe's copy" 0 '^random-.* 210\.1 MiB' \
    "${run[@]}" --data shapes:train=100000,test=10000 --methods random --seeds 0 --protocols linear --linear.representations final --dry-run
expect "a dry run writes nothing" 1 '' test -e out
expect "a dry run goes on behind what is refused" 2 '^random-.* to do ' "${run[@]}" small.ini --methods mae,random --mae.mask_ratio 0.99 --backbone vit-micro --dry-run
expect "a suite" 0 'mae, resnet-micro +skipped' "${run[@]}" small.ini
expect "the budget that was reached" 0 '^mae, vit-micro/4 +images:48 +0.75 +48 ' "$program" report out
expect "the same as CSV" 0 'images:48,0.75,48,' "$program" report csv out
expect "a dry run afterwards" 0 '4 cells: 4 done' "${run[@]}" small.ini --dry-run
expect "what only a ViT reads makes no other run of a ResNet" 0 '^random-resnet-micro-.* done ' "${run[@]}" small.ini --dry-run --patch 8 --pool mean --drop_path 0.1
expect "begun: a protocol is missing" 0 '0 done, 3 begun' "${run[@]}" small.ini --dry-run --protocols knn,linear
expect "earlier runs say how long evaluation takes" 0 'evaluation takes about .* for 3 rows, as' "${run[@]}" small.ini --dry-run --seeds 5,
expect "a row that no run has" 0 'evaluation of 3 rows is not in the estimate' "${run[@]}" small.ini --dry-run --protocols knn,linear
expect "earlier runs say how fast" 0 'mae-vit.* to do .* runs$' "${run[@]}" small.ini --dry-run --seeds 5,
limited() { "${run[@]}" small.ini --limit 16 --backbone vit-micro; }
expect "a limit is marked" 0 'not complete: mae.*partial' limited
expect "beside the whole" 0 '^2$' bash -c 'ls -d out/mae-vit* | wc -l'
expect "a limited run leaves the whole complete" 0 'complete.*100 %' "$program" watch out

# ---- looking at it ----

mae=$(basename "$(dirname "$(grep -l complete out/mae-vit*/run.h5)")")
expect "verify" 0 '2 suites, 6 cells, 6 runs, 0 findings' "$program" verify out
expect "watch, no terminal" 0 "^$mae +(complete|partial) +[0-9]+/[0-9]+ +100 %" "$program" watch out
expect "watch draws without a terminal's codes" 1 '' grep -q $'\033' <("$program" watch out)
expect "watch in plain letters" 1 '' grep -qP '[^\x00-\x7F]' <(LC_ALL=C "$program" watch out)
mkdir bare && cp -r out/mae-* bare && rm bare/mae-*/journal.jsonl
expect "watch of runs without their journals" 0 "^$mae +(complete|partial) +[1-9][0-9]* " "$program" watch bare
expect "watch of nothing" 2 'nowhere' "$program" watch nowhere
expect "rerun" 0 'the same bits' "$program" rerun "$mae" --quiet
expect "rerun again is refused" 2 'there already' "$program" rerun "out/$mae" --quiet
expect "rows of an earlier command" 0 '' "$program" run --data shapes:size=16,train=64,test=32 --patch 4 --methods random --seeds 0 --protocols lowshot --lowshot.draws 2 --out twice --quiet
expect "and of a later one" 0 '' "$program" run --data shapes:size=16,train=64,test=32 --patch 4 --methods random --seeds 0 --protocols knn --out twice --quiet
expect "keep their options" 0 'the same bits' "$program" rerun --quiet twice/random* --into twice-again
expect "rerun with other options" 2 'linear.epochs says how a new run is made' "$program" rerun "$mae" --linear.epochs 2 --into other
expect "rerun of nothing" 2 'nowhere' "$program" rerun nowhere
expect "diff of a run and its rerun" 0 'no difference' "$program" diff "out/$mae" "out-rerun/$mae"
"${run[@]}" small.ini --methods mae --backbone vit-micro --mae.mask_ratio 0.5 --out other >/dev/null 2>&1
expect "diff names the option" 1 '^  mae.mask_ratio +0.75 +0.5' "$program" diff out/"$mae" other
expect "diff leaves equal options out" 1 '' grep -q 'batch' <("$program" diff out/"$mae" other 2>&1)
expect "diff of folders" 1 'only in the first: random' "$program" diff out other
expect "diff of one" 2 'two folders' "$program" diff out

# ---- stale, failed, damaged ----

# A run of the same settings that says of itself that other code made it.
cp -r out stale
perl -0pi -e 's/(pretraining \d+), mae \d+/$1, mae 0/; s/\nssvbench-run sha256 [0-9a-f]{64}\n\z//' stale/"$mae"/run.h5
mv stale/"$mae" stale/"${mae%????????}00000000"
expect "a stale cell is refused with its reason" 1 'is stale: .*pretraining [0-9]+, mae 0; now pretraining [0-9]+, mae [1-9]' "${run[@]}" small.ini --out stale

cp -r out changed
perl -0pi -e 's/\nssvbench-run sha256 [0-9a-f]{64}\n\z//; s/complete/comqlete/' changed/"$mae"/run.h5
perl -0pi -e 's/partial/partiel/' changed/"$mae"/run.h5
expect "verify finds an edited attribute" 1 "$mae: its status is" "$program" verify changed
expect "verify finds a file without its checksum" 1 'no checksum' "$program" verify changed

cp -r out removed
rm -r removed/"$mae"
expect "verify finds what was removed" 1 "^! $mae: missing" "$program" verify removed
cp -r out damaged
printf 'x' | dd of=damaged/"$mae"/run.h5 bs=1 seek=3000 conv=notrunc 2>/dev/null
expect "verify names a damaged file" 1 "damaged/$mae/run.h5" "$program" verify damaged
cp -r out torn
printf 'x' | dd of=torn/"$mae"/checkpoint.safetensors bs=1 seek=$(($(stat -c %s torn/"$mae"/checkpoint.safetensors) - 99)) conv=notrunc 2>/dev/null
expect "verify names damaged weights" 1 'checkpoint.safetensors: damaged' "$program" verify torn
rm torn/"$mae"/features*
expect "which nothing is computed with" 2 'checkpoint.safetensors: damaged' "$program" eval --protocols logistic torn/"$mae"
other=$(basename "$(dirname "$(grep -L complete out/mae-vit*/run.h5)")")
cp out/"$other"/checkpoint.safetensors torn/"$mae"
expect "verify names weights of another run" 1 'checkpoint.safetensors: of another run' "$program" verify torn
expect "which nothing is computed with either" 2 'checkpoint.safetensors: of another run' "$program" eval --protocols logistic torn/"$mae"
cp -r out lost
rm lost/"$mae"/run.h5
"${run[@]}" small.ini --out lost >/dev/null 2>&1
expect "a run.h5 that is made again says the same" 0 'no difference' "$program" diff out/"$mae" lost/"$mae"
cp -r out/"$mae" out/copy
expect "verify finds a copy" 1 'more than one of it' "$program" verify out
rm -r out/suites
expect "verify without a suite" 1 'no suite is stored' "$program" verify out

# ---- seconds: measured once, the same number after a restart ----

timed=("${run[@]}" small.ini --methods mae --backbone vit-micro --budget seconds:0.3 --out timed)
expect "a budget in seconds" 0 'seconds:0.3' "${timed[@]}"
expect "its steps are in the journal" 0 '"what":"budget","steps":' cat timed/mae-*/journal.jsonl
rm timed/mae-*/run.h5 timed/mae-*/checkpoint.safetensors
"${timed[@]}" >/dev/null 2>&1
expect "they are measured once" 0 '^1$' bash -c 'grep -c "\"what\":\"budget\"" timed/mae-*/journal.jsonl'
expect "and a rerun has as many" 0 'the same bits' "$program" rerun --out timed "$(basename timed/mae-*)" --quiet

# ---- a run of a version whose protocols had other options ----

cp -r out older
perl -0pi -e 's/\n\[knn\]\n(\w+)/"\n[knn]\n" . "x" x length $1/e; s/\nssvbench-run sha256 [0-9a-f]{64}\n\z//' older/mae*/run.h5
expect "its encoder can be evaluated" 0 'knn top-1' "$program" eval --protocols knn --knn.k 5 older/mae-vit*

# ---- several programs share a suite ----

shared=(--out shared --methods "random,mae" --seeds 0..2 --epochs 1 --batch 16 --patch 4 --protocols knn --data "$data")
expect "a part of the cells" 0 'mae.*' "${run[@]}" "${shared[@]}" --shard 2/2
expect "the others are to do" 0 '6 cells: 3 done, 0 begun, 3 to do' "${run[@]}" "${shared[@]}" --dry-run
expect "the other part" 0 'random.*' "${run[@]}" "${shared[@]}" --shard 1/2
expect "together all" 0 '6 cells: 6 done' "${run[@]}" "${shared[@]}" --dry-run
together() { # together FLAGS...: all parts, begun at once
    local part pids=() failed=0
    for part in 1 2 3; do
        "$program" run --quiet "$@" --shard $part/3 &
        pids+=($!)
    done
    for part in "${pids[@]}"; do wait "$part" || failed=1; done
    return $failed
}
expect "parts begun at once do not take each other's files" 0 '' together "${shared[@]}" --out at-once
expect "and make what one does" 0 '6 cells: 6 done' "${run[@]}" "${shared[@]}" --out at-once --dry-run
expect "no such part" 2 'shard = 3/2: expected I/N with I from 1 to N' "${run[@]}" "${shared[@]}" --shard 3/2

# ---- pretrained here, evaluated there ----

there="small=shapes:size=24,train=80,test=40 shapes:size=16,train=64,test=32 grey=hdf5:grey.h5"
flags=(--out moved --methods "random,mae" --seeds 0 --epochs 1 --batch 16 --patch 4 --data "unlike=shapes:size=16,train=96,test=16")
python3 - <<'END' 2>/dev/null || no_grey=1
import h5py, numpy
with h5py.File("grey.h5", "w") as f:
    for split, n in (("train", 40), ("test", 20)):
        f[split + "/images"] = numpy.arange(n * 256, dtype="uint8").reshape(n, 16, 16, 1)
        f[split + "/labels"] = numpy.arange(n) % 2
END
[ -n "${no_grey:-}" ] && there=${there% grey*}
expect "evaluation on other data" 0 'knn shapes +knn small' "${run[@]}" "${flags[@]}" --eval_data "$there" --protocols knn
[ -z "${no_grey:-}" ] && expect "data that the encoder cannot see" 0 'grey has 1 channels, the encoder takes 3' "$program" report csv moved
expect "each dataset has features of its own" 0 'features-small-train' ls moved/mae*
expect "nothing is to do" 0 '2 done' "${run[@]}" "${flags[@]}" --eval_data "$there" --protocols knn --dry-run
expect "verify knows all of the rows" 0 ' 0 findings' "$program" verify moved
expect "one more dataset, later" 0 'knn top-1' "$program" eval --eval_data "more=shapes:size=16,train=40,test=20" --protocols knn moved/mae*
expect "other content under the same name" 0 'knn top-1' "$program" eval --eval_data "more=shapes:size=16,train=50,test=20" --protocols knn moved/mae*
expect "a rerun evaluates on all of them" 0 'the same bits' "$program" rerun --quiet moved/mae* --into again
expect "one more protocol, of one of them" 0 'logistic top-1' "$program" eval --protocols logistic moved/mae*
expect "a rerun compares what was there" 0 'the same bits' "$program" rerun --quiet moved/mae* --into again_one
