#!/bin/bash
# compare and leaderboard from outside: what they print, what they say of wrong input.
# shellcheck source=tests/outside.sh
. "$(dirname "$0")/outside.sh"

tiny=(--data "shapes:size=16,train=64,test=32" --patch 4 --epochs 1 --batch 16 --linear.epochs 2
    --protocols "linear,knn" --quiet)

"$program" run --methods random,mae --seeds 0..1 "${tiny[@]}" --out out >/dev/null
"$program" run --methods mae --seeds 2..2 "${tiny[@]}" --out other >/dev/null
runs=(out/mae-*)

expect "a figure of a method against itself" 2 'two different methods' "$program" report --only classes --pair mae,mae -o self
expect "two methods" 0 '^linear shapes .*paired, n=2 ' "$program" compare mae random
expect "two methods of a folder" 0 '^A: random; B: mae$' "$program" compare random mae out
expect "over two folders" 0 '^A: mae; B: random$' "$program" compare mae random out other
expect "image by image" 0 '^knn shapes +1 +32 +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ ' "$program" compare mae random
expect "images of averaged seeds" 0 '^linear shapes +mean of 2 +32 ' "$program" compare mae random
expect "nothing goes to stderr" 0 '^0$' sh -c '"$0" compare mae random 2>&1 >/dev/null | wc -c' "$program"
expect "a margin" 0 'margin 2.5 points' "$program" compare mae random --margin 2.5
expect "a margin that is none" 2 'margin' "$program" compare mae random --margin x
expect "two folders of runs" 0 '^A: mae \(out/mae' "$program" compare "${runs[0]}" "${runs[1]}"
expect "of which nothing is known of seeds" 0 '^one seed: nothing is known' "$program" compare "${runs[0]}" "${runs[1]}"
expect "two files" 0 '^Over test images' "$program" compare "${runs[0]}/run.h5" "${runs[1]}/run.h5"
expect "a folder of many runs and one of one" 0 'n=2 vs 1' "$program" compare out other
mkdir foreign empty
cp -r out/random-* foreign
mkdir foreign/sub && cp -r "${runs[0]}" foreign/sub && rm -r foreign/random-*-s1-*
expect "methods that both folders have, one after the other" 0 '^A: random \(out\)' "$program" compare out foreign

expect "compare with one" 2 'two methods, or two folders' "$program" compare mae
expect "an unknown method" 2 'did you mean "random"\?; there are: "random", "mae"' "$program" compare mae randm
expect "a method against itself" 2 'A and B are the same' "$program" compare mae mae
expect "a folder of nowhere" 2 'nowhere' "$program" compare mae random nowhere
expect "a folder without runs" 2 'no run.h5 below empty' "$program" compare mae random empty
expect "a folder without runs on one side" 2 'no run.h5 below empty' "$program" compare out empty
expect "a file of something else" 1 '1 file could not be read' sh -c 'mkdir odd; cp -r out/. odd; echo no >odd/run.h5; "$0" compare mae random odd' "$program"

expect "the leaderboard" 0 '^ *1 +(mae|random) ' "$program" leaderboard
expect "its tasks" 0 '^2 tasks: ' "$program" leaderboard out
expect "its other bootstrap" 0 'over the seeds of each task' "$program" leaderboard out --resample tasks
expect "a bootstrap that there is not" 2 'runs' "$program" leaderboard out --resample images
expect "the leaderboard of one seed" 0 'with one seed' "$program" leaderboard other
expect "of nothing" 2 'no run.h5 below empty' "$program" leaderboard empty
expect "of nowhere" 2 'nowhere' "$program" leaderboard nowhere
expect "of what is broken in part" 1 '1 file could not be read' "$program" leaderboard odd
expect "the report has verdicts" 0 '^Against random, adjusted' "$program" report out
