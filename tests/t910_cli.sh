#!/bin/bash
# The program from outside: exit codes, messages that name what to do, output where it belongs.
# shellcheck source=tests/outside.sh
. "$(dirname "$0")/outside.sh"

tiny=(--methods "random,mae" --seeds 0 --data "shapes:size=16,train=64,test=32" --patch 4 --epochs 1
    --batch 16 --linear.epochs 2 --quiet)

expect "no command is the usage" 0 'usage: ssvbench' "$program"
expect "help names every command" 0 'report' "$program" help
expect "help of a command lists options" 0 'mae\.mask_ratio' "$program" help run
expect "--help of a command" 0 'mask_ratio' "$program" run --help
expect "--help of no command is that of all" 0 'usage: ssvbench COMMAND' "$program" --help
expect "a flag of a run that a command does not read" 2 'shard means nothing to .ssvbench eval.: leave it out' "$program" eval --shard 1/2 nowhere
expect "help of a command leaves out what it does not read" 1 '' sh -c '"$0" help verify | grep -e --threads' "$program"
expect "options of protocols where nothing is judged" 2 'knn.k means nothing to .ssvbench features' "$program" features shapes --weights nowhere --knn.k 3
expect "options of training with published weights" 2 'lr is of encoders that are made here' "$program" eval knn --weights nowhere --lr 1
expect "what such a command reads may stay in the environment" 0 'shapes' env SSVBENCH_THREADS=2 SSVBENCH_KNN_K=3 "$program" list data
expect "an option of a method that is not run" 2 'mae.mask_ratio is read by mae alone, which --methods does not name' "$program" run --methods simclr --mae.mask_ratio 0.5
expect "one of a part of a sum is read" 0 '1 to do' "$program" run "${tiny[@]}" --methods mae+simclr --mae.mask_ratio 0.5 --dry-run
expect "an option of a protocol that is not asked for" 2 'knn.k is read by knn alone' "$program" run "${tiny[@]}" --protocols linear --knn.k 3
expect "nor when runs are evaluated again" 2 'knn.k is read by knn alone' "$program" eval --protocols linear --knn.k 3 nowhere
expect "an option of a ViT for another backbone" 0 'warning: --patch is read by a ViT alone' "$program" run "${tiny[@]}" --methods random --backbone resnet-micro --dry-run
expect "an untrained encoder is one run whatever training is told" 0 random sh -c 'for flags in --quiet "--preset paper" "--watch_every 5" "--drop_path 0.1"; do
    "$@" $flags --dry-run | grep -o "^random[^ ]*"; done | sort | uniq -c | grep "^ *4 random"' run "$program" run "${tiny[@]}" --methods random
expect "a folder of runs in place of one" 2 'nowhere holds no run.h5: name the folder of one run' "$program" eval nowhere
expect "a family of weights without weights" 2 '--as names the family' "$program" eval nowhere --as mae
expect "flags of figures for lines" 2 'only means nothing to .report csv' "$program" report csv --only main
expect "help for two commands" 2 'one command' "$program" help run report
expect "more threads than processors" 0 'there are [0-9]+ processors' "$program" env --threads 4096
expect "version" 0 '^ssvbench [0-9]' "$program" --version
expect "unknown command" 2 'did you mean "report"' "$program" reprot
expect "unknown option" 2 'did you mean.*epochs' "$program" run --epoch 3
expect "an option by the words that it begins with" 2 'did you mean "batch"' "$program" run --batch_size 3
expect "an option by what others call it" 2 'did you mean "loader_threads"' "$program" run --num-workers 3
expect "an option by its beginning" 2 'did you mean "dry_run"' "$program" run --dry
expect "an option of another name is none that is as short" 2 'no option "simclr.tau"; valid here' "$program" run --simclr.tau 3
expect "a flag with one dash" 2 '"-epochs": flags begin with two dashes' "$program" run -epochs 3
expect "unknown method" 2 'did you mean "supervised".*random' "$program" run --methods suprvised
expect "unknown protocol" 2 'linear, logistic' "$program" run --protocols lineer
expect "unknown dataset" 2 'shapes' "$program" run --data shape
expect "unknown backbone" 2 'vit-micro' "$program" run --backbone vit-mikro
expect "seeds that are no numbers" 2 'seeds' "$program" run --seeds 0,x
expect "a number out of range" 2 'batch' "$program" run --batch 0
expect "a number that is none" 2 'epochs' "$program" run --epochs 3x
expect "a patch that does not divide" 2 'patch' "$program" run --methods mae --seeds 0 --data shapes:size=32,train=64,test=32 --patch 5
expect "a batch larger than the data" 2 'fewer than a batch' "$program" run --methods mae --seeds 0 --data shapes:size=16,train=64,test=32 --batch 100
expect "a missing folder of data" 2 'nowhere' "$program" run --data cifar10:nowhere
expect "a surplus argument" 2 'surplus' "$program" run surplus
expect "eval without a folder" 2 'folder' "$program" eval
expect "report without runs" 2 'nowhere' "$program" report nowhere
expect "an impossible instruction set" 2 'SSVBENCH_ISA' env SSVBENCH_ISA=vax "$program" env
expect "print-config shows origins" 0 'epochs' "$program" run --epochs 3 --print-config
expect "the environment sets options" 0 'epochs.*7' env SSVBENCH_EPOCHS=7 "$program" run --print-config
expect "list" 0 'fashion-mnist' "$program" list
expect "list of one kind" 0 'supervised' "$program" list methods
expect "a list too many" 2 '"extra" is a second' "$program" list data extra
expect "a protocol in place of a run" 2 'eval --protocols knn RUN-FOLDER' "$program" eval knn out
printf '\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P' >old.th
expect "a pickle" 2 'old.th: a pickle .* tools/pth_to_safetensors.py' "$program" eval knn --weights old.th --data shapes
expect "an unknown list" 2 'methods, protocols' "$program" list methosd
expect "env" 0 'kernels' "$program" env
expect "help of a command with flags of its own" 0 'self_test' "$program" help kernels
expect "help of one with flags of a run beside them" 0 'weights TEXT' "$program" step --help
expect "bench without a name" 2 'steps' "$program" bench
expect "bench with a wrong expression" 2 'regular expression' "$program" bench steps --filter '('
expect "bench that matches nothing" 2 'no step matches' "$program" bench steps --filter nothing
expect "kernels on the shapes of a step" 0 '^attention_forward 8x5x4x32x0 ' "$program" kernels --shapes step:^mae/vit-micro/32px-p8 --filter ^attention_forward --seconds 0.001
expect "kernels on the shapes of no step" 2 'step:nothing: none of the steps' "$program" kernels --shapes step:nothing
expect "kernels on the shapes of a wrong expression" 2 'expression' "$program" kernels --shapes 'step:('
expect "kernels on shapes that there are not" 2 'there are quick, vit' "$program" kernels --shapes odd
expect "kernels in 16 bits without a device" 2 '--math bf16 is for devices: .*--backend cuda' "$program" kernels --math bf16 --filter '^mse'
expect "kernels that match nothing" 2 'no kernel matches' "$program" kernels --filter nothing
expect "kernels of a backend that is not there" 2 'there is no "vax" here; there are: ref' "$program" kernels --backend vax
expect "kernels of two backends" 0 '^argmax_rows 512x512 +cpu-' "$program" kernels --backend ref,cpu --filter '^argmax' --seconds 0.001
expect "a kernel on every shape of its tests" 0 '^fill 4097 +ref ' "$program" kernels --filter '^fill ' --backend ref --shapes tests --seconds 0.001
cat >faster.sh <<END
#!/bin/sh
# The same program, its times a tenth.
"$program" "\$@" | perl -pe 's/("warm": \[)([0-9.e-]+)/\$1 . \$2 * 0.1/e'
END
chmod +x faster.sh
expect "kernels against a faster program" 5 '^argmax_rows 64x1024 .* slower ' "$program" kernels --shapes tests --filter '^argmax_rows 64x' --seconds 0.001 --against ./faster.sh
expect "kernels kept in a file" 0 '^argmax_rows 64x1024 ' "$program" kernels --shapes tests --filter '^argmax_rows 64x' --seconds 0.001 --slowed 300 --launches 8 --out kernels.h5
expect "kernels against slower ones that were kept" 0 '^argmax_rows 64x1024 .* faster .* 8$' "$program" kernels --against kernels.h5
expect "options beside those of a file" 2 '^ssvbench: --seconds: .* options of the file, kernels.h5$' "$program" kernels --seconds 0.002 --against kernels.h5
expect "kernels against what has none" 2 'true: it has none of these kernels' "$program" kernels --shapes tests --filter '^argmax_rows 64x' --seconds 0.001 --pairs 5 --against /bin/true
expect "kernels that are slowed, against itself" 5 '^argmax_rows 64x1024 .* slower ' "$program" kernels --shapes tests --filter '^argmax_rows 64x' --seconds 0.001 --slowed 300 --against "$program"
expect "that it is weaker is said" 0 'not launched in turns' "$program" kernels --against kernels.h5
expect "kernels kept in a folder" 0 'are in kept/2.*h5' "$program" kernels --shapes tests --filter '^argmax_rows 64x' --seconds 0.001 --out kept
for _ in 1 2 3; do "$program" kernels --shapes tests --filter '^fill 4097' --backend ref --seconds 0.001 --out together >/dev/null 2>&1 & done
wait
expect "kernels kept in one folder at a time" 0 '^3$' sh -c 'ls together | wc -l'
mkdir empty
expect "kept kernels as a table" 0 '^argmax_rows 64x1024 .* 1 ' "$program" kernels report kept
expect "their roofline" 0 '' test -s kept/figures/roofline.svg
expect "kept kernels on more threads" 0 'left out, the times of .*, not to be compared with the last: threads: 1, there 2' sh -c 'cp -r kept mixed && "$0" kernels --shapes tests --filter "^argmax_rows 64x" --seconds 0.001 --threads 2 --out mixed >/dev/null 2>&1; "$0" kernels report mixed' "$program"
cp kernels.h5 times && expect "kept kernels of a file with another ending" 0 'figures are in ./figures' "$program" kernels report times
expect "kept kernels as CSV" 0 ',argmax_rows,rows cols,64x1024,' "$program" kernels csv kept kernels.h5
expect "kept kernels that are none" 2 'kernels --out' "$program" kernels report empty
expect "kept kernels of nowhere" 2 'nowhere: No such file' "$program" kernels csv nowhere
echo broken >kept/z.h5
expect "a kept file that is broken" 1 '1 file could not be read' "$program" kernels csv kept
rm kept/z.h5
expect "kernels against what has no launches" 2 'it has 0 launches, and .* 8 are needed' sh -c '"$0" kernels --against "$(echo kept/*.h5)"' "$program"
expect "pairs of one program" 2 'pairs is for --against or --self_test' "$program" kernels --pairs 6
expect "a planted regression without a test" 2 'planted is for --self_test' "$program" kernels --planted 6
expect "launches without a file" 2 'launches is for --out' "$program" kernels --launches 3
expect "kernels into a file that cannot be" 3 'none/kernels.h5' "$program" kernels --shapes tests --filter '^argmax_rows 64x' --seconds 0.001 --out none/kernels.h5
expect "which is found before they are timed" 1 '^0$' sh -c '"$0" kernels --shapes tests --filter "^argmax_rows 64x" --seconds 0.001 --out none/kernels.h5 2>&1 | grep -c ^argmax' "$program"
expect "two threads on one processor" 2 'pin is one processor' "$program" kernels --pin 0 --threads 2
expect "kernels on a processor that there is not" 2 'pin 4000: ' "$program" kernels --pin 4000
expect "kernels against itself and another" 2 'not both' "$program" kernels --self_test --against ./faster.sh
expect "what a comparison is worth" 0 '^itself, 100 % slower +1 +1 ' "$program" kernels --shapes tests --filter '^argmax_rows 64x1024' --seconds 0.005 --self_test --planted 100
expect "what it is worth where nothing can be seen" 1 '0 of 1 found' "$program" kernels --shapes tests --filter '^argmax_rows 64x1024' --seconds 0.001 --self_test --planted 0
# A repository whose first commit is fast and whose second one does not build.
git init -q others && mkdir others/src && cp faster.sh others/src/ssvbench
printf 'build/ssvbench: src/ssvbench\n\tmkdir -p $(@D)\n\tcp $< $@\n' >others/Makefile
git -C others add . && git -C others -c user.name=a -c user.email=b commit -qm one
git -C others -c user.name=a -c user.email=b rm -q Makefile
git -C others -c user.name=a -c user.email=b commit -qm two
expect "kernels against a revision" 5 '^argmax_rows 64x1024 .* slower ' env -C others "$program" kernels --shapes tests --filter '^argmax_rows 64x' --seconds 0.001 --against HEAD~1
git -C others branch some/where HEAD~1
expect "kernels against a branch" 5 '^argmax_rows 64x1024 .* slower ' env -C others "$program" kernels --shapes tests --filter '^argmax_rows 64x' --seconds 0.001 --against some/where
expect "kernels against one that does not build" 2 'HEAD as a git revision: make -s ended' env -C others "$program" kernels --shapes tests --filter '^argmax_rows 64x' --against HEAD
expect "nothing is left of them" 0 '^1$' sh -c 'git -C others worktree list | wc -l'
expect "a variable that is almost an option's" 0 'SSVBENCH_EPOCH is not an option; did you mean SSVBENCH_EPOCHS' env SSVBENCH_EPOCH=7 "$program" run --print-config
expect "a variable of another command" 1 '' sh -c 'SSVBENCH_SECONDS=1 SSVBENCH_SAMPLES=0 "$1" kernels --print-config 2>&1 | grep "did you mean"' sh "$program"
expect "the environment sets a command's own options" 2 'shapes odd: there are' env SSVBENCH_SHAPES=odd "$program" kernels
expect "kernels against nothing" 2 'cannot start ./nowhere' "$program" kernels --shapes tests --filter '^argmax_rows 64x' --seconds 0.001 --against ./nowhere
expect "kernels against what fails" 3 'false kernels ended with status 1' "$program" kernels --shapes tests --filter '^argmax_rows 64x' --seconds 0.001 --against false
expect "kernels against what is no ssvbench" 3 "not a kernel's time: kernels" "$program" kernels --shapes tests --filter '^argmax_rows 64x' --seconds 0.001 --against echo
expect "kernels as JSON" 0 '"kernel": "adamw".*"right": true.*"cold": \[' "$program" kernels --filter '^adamw ' --json --seconds 0.001 --seed 3
expect "bench views that match nothing" 2 'no view matches' "$program" bench views --filter nothing
expect "bench views of nowhere" 2 'nowhere' "$program" bench views folder:nowhere --seconds 0.1
expect "bench views as JSON" 0 '"simclr/32px/of-32x32", "views_per_s"' "$program" bench views --json --seconds 0.1
expect "bench views of a dataset" 0 '^read\+simclr-blur/16px/of-drawn ' "$program" bench views drawn=shapes:size=16,train=20,test=10 --seconds 0.1
expect "bench loader" 0 '^mae/32px/of-shapes +1 +[1-9]' "$program" bench loader --filter mae --threads 1 --seconds 0.1
expect "bench loader of a dataset as JSON" 0 '"name": "mae/32px/of-drawn", "threads": 1, "images_per_s": [1-9]' "$program" bench loader drawn=shapes:size=16,train=200,test=10 --filter mae --threads 1 --seconds 0.1 --json
expect "bench loader that matches nothing" 2 'no method' "$program" bench loader --filter nothing
expect "bench loader with what is of steps" 2 '^ssvbench: --out means nothing to `bench loader`: leave it out' "$program" bench loader --filter mae --seconds 0.1 --out x.h5
expect "bench views with what is of the loader" 2 '^ssvbench: --batch means nothing to `bench views`' "$program" bench views --seconds 0.1 --batch 8
expect "bench report of a part" 2 '^ssvbench: --filter means nothing to `bench report`' "$program" bench report x.h5 --filter mae
expect "kept kernels of a part" 2 '^ssvbench: --filter means nothing to `kernels csv`' "$program" kernels csv kept --filter gemm
expect "bench steps as JSON" 0 '"percent_of_peak"' "$program" bench steps --json --seconds 0.1 --filter 'mae/vit-micro/32px-p8'
# Asked to stop while it measures, it does so, and ends by the signal: not killed a minute later.
expect "bench steps that is stopped" 130 'stopped in mae/vit-micro/32px-p8/b64' timeout --preserve-status -s INT -k 60 2 "$program" bench steps --seconds 3600 --filter 'mae/vit-micro/32px-p8'
expect "16 bits without a device" 0 '--math bf16 is for devices: networks run on the processor' "$program" bench steps --json --seconds 0.1 --batch 16 --math bf16 --filter 'mae/vit-micro/32px-p8'
expect "bench steps of a published size" 0 'resnet50/224px/b2"' "$program" bench steps --json --seconds 0.1 --batch 2 --published --filter resnet50
expect "bench steps with another batch" 0 'p8/b16"' "$program" bench steps --json --seconds 0.1 --batch 16 --filter 'mae/vit-micro/32px-p8'

expect "a small run" 0 'mae' "$program" run "${tiny[@]}"
expect "kernels against a run" 2 'not times that' sh -c 'cp "$(find . -name run.h5 | head -1)" run.h5; "$0" kernels --against run.h5' "$program"
expect "run again does nothing new" 0 'mae' "$program" run "${tiny[@]}"
expect "a table" 0 '95 %' "$program" report out
expect "lines" 0 '^.*mae.*knn' "$program" report csv out
for reads in report compare leaderboard watch verify diff data list env rerun; do
    expect "flags of a run to $reads" 2 'mae.mask_ratio says how a new run is made' "$program" "$reads" --mae.mask_ratio 0.5
    expect "in the help of $reads" 0 '^0$' sh -c '"$0" help "$1" | grep -c -e --methods || true' "$program" "$reads"
done
expect "an unknown figure" 2 'did you mean "loss"' "$program" report out --only los
expect "an unknown format" 2 'svg, png, pdf' "$program" report out --only main --format jpg
expect "-o without a folder" 2 'needs a value' "$program" report out -o
expect "a figure that has nothing to draw" 1 'evaluated by lowshot' "$program" report out -o drawn --only lowshot
expect "one figure in another folder" 0 'figures are in drawn/figures' "$program" report out -odrawn --only main --format svg
expect "and no other" 0 '^main.dat main.gp main.svg style.gp $' sh -c 'ls drawn/figures | tr "\n" " "'
expect "figures" 0 '' test -s out/figures/main.png
echo 'garbage(' >>out/figures/main.gp && rm out/index.html
expect "a script that fails" 2 'main.gp: gnuplot says: garbage' "$program" report out --format svg
expect "costs neither page nor tables" 0 '' test -s out/index.html
rm out/figures/main.gp
expect "two reports in one folder" 2 'out: another report is being written there' flock out "$program" report out
run=$(echo out/mae-*)
expect "eval of a run with other options" 0 '' "$program" eval --linear.epochs 3 --quiet "$run"
expect "eval of a run on data of another name" 2 'data is stored with a run.*eval_data' "$program" eval --data shapes "$run"
expect "eval of a run of another method" 2 'mae.mask_ratio is stored with a run' "$program" eval --mae.mask_ratio 0.5 "$run"
expect "eval of a run elsewhere" 2 'out is stored with a run' "$program" eval --out elsewhere "$run"
expect "eval of a run under another name" 2 'name is stored with a run' "$program" eval --name another "$run"
expect "profile" 0 'attention' "$program" run "${tiny[@]}" --out profiled --profile --methods mae
printf 'methods = random\nseeds = 1\ndata = shapes:size=16,train=64,test=32\npatch = 4\n[linear]\nepochs = 2\n' >run.ini
expect "a configuration file" 0 'random' "$program" run --config run.ini --out from_file --quiet
printf 'methods = random\nsseeds = 1\n' >wrong.ini
expect "a wrong line in a file has its number" 2 'wrong.ini:2' "$program" run --config wrong.ini

# An unwritable place: a file where a folder should be, and a file size limit in place of a full disk.
touch file
expect "a file where the folder should be" 3 'file' "$program" run "${tiny[@]}" --out file/below
expect "an empty name is not the root of all folders" 2 '--out is empty' "$program" run "${tiny[@]}" --out ''
expect "a sheet is a PNG file" 2 'photo.jpg: the sheet is a PNG file' "$program" data preview shapes photo.jpg
(
    ulimit -f 64
    "$program" run "${tiny[@]}" --out full >/dev/null 2>message
    echo $? >code
)
expect "a full disk is exit code 3" 0 '^3$' cat code
expect "a full disk names the file" 0 'full/' cat message
expect "after a full disk the same command completes" 0 'mae' "$program" run "${tiny[@]}" --out full

for command in "features shapes:size=16,train=256,test=64 --weights $(echo out/mae-*/checkpoint.safetensors) --out full.h5" \
    'data convert shapes:size=32,train=200,test=100 full.h5' "step --methods mae --seeds 0 --batch 4 --data shapes:size=32 --out full.h5"; do
    # shellcheck disable=SC2016,SC2086
    expect "a full disk for ${command%% *}" 3 '^ssvbench: full.h5: cannot write it: File too large' \
        bash -c 'ulimit -f 20; "$0" "$@"' "$program" $command
done
expect "leaves nothing" 0 '^0$' sh -c 'ls | grep -c "^full.h5" || :'
# shellcheck disable=SC2016 # the shell that closes the stream expands it
expect "where stderr is closed no file takes the messages" 0 '^0$' \
    sh -c '"$0" "$@" --no-quiet 2>&- >/dev/null; cat closed/*/lock | wc -c' "$program" run "${tiny[@]}" --out closed
expect "a full disk for diff" 3 'the differences: No space' sh -c '"$0" diff out profiled >/dev/full' "$program"

# Broken results are named, the others shown.
cp -r out broken
run=$(echo broken/mae-*)
head -c 1000 "$run/run.h5" >half && mv half "$run/run.h5"
expect "a broken result is a finding with its name" 1 "$run/run.h5" "$program" report csv broken

# Ctrl-C: saved, resumable, and the shell sees the signal.
long=(--methods mae --seeds 0 --data "shapes:size=32,train=2000,test=64" --patch 4 --epochs 100 --batch 32)
"$program" run "${long[@]}" --out stopped >/dev/null 2>message &
pid=$!
sleep 2
kill -INT $pid
wait $pid
expect "Ctrl-C ends with its signal" 0 '^130$' echo $?
expect "Ctrl-C says how to go on" 0 'goes on from here' cat message
expect "Ctrl-C leaves results that open" 0 'run_status' "$program" report csv stopped
# Where nothing is kept, it is not said that something goes on.
"$program" data convert shapes:size=64,train=50000,test=1000 stopped.h5 2>message &
pid=$!
sleep 1
kill -INT $pid
wait $pid
expect "Ctrl-C ends a conversion" 0 '^130$' echo $?
expect "which is not there then" 0 '^ssvbench: .*stopped; stopped.h5 is not complete$' cat message
expect "nor a part of it" 0 '^0$' sh -c 'ls | grep -c "^stopped.h5" || :'
# A terminal that is closed stops it in the same way, unless nohup has that ignored.
"$program" run "${long[@]}" --out closed >/dev/null 2>message &
pid=$!
sleep 2
kill -HUP $pid
wait $pid
expect "a closed terminal ends it with its signal" 0 '^129$' echo $?
expect "after saving" 0 'goes on from here' cat message
(trap '' HUP && exec "$program" run "${long[@]}" --out closed >/dev/null 2>message) &
pid=$!
sleep 2
kill -HUP $pid
kill -TERM $pid
wait $pid
expect "but not where that is ignored" 0 '^143$' echo $?
expect "Ctrl-C leaves a checkpoint" 0 '' test -s "$(echo stopped/mae-*/checkpoint.safetensors)"
