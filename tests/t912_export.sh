#!/bin/bash
# Exports, the page, the manual and the completion, from outside.
# shellcheck source=tests/outside.sh
. "$(dirname "$0")/outside.sh"

# said NAME PATTERN FILE: the pattern in a file
said() {
    if grep -qE -- "$2" "$3"; then echo "ok - $1"; else echo "not ok - $1: no \"$2\" in $3"; fi
}

"$program" run --methods random,mae --seeds 0,1 --data shapes:size=16,train=64,test=32 --patch 4 \
    --epochs 1 --batch 16 --protocols knn --quiet --out out >/dev/null 2>&1

expect "a table on standard output" 0 '^random,vit-micro/4,shapes,,knn,shapes,,top1,' "$program" export out
expect "the default folder" 0 '^method,backbone' "$program" export
expect "JSON" 0 '"name": "runs"' "$program" export --table runs --format json out
expect "LaTeX" 0 '\\begin\{tabular\}\{ll\}' "$program" export --table methods --format latex out
expect "Markdown" 0 '^\| random \|' "$program" export --table methods --format markdown out
expect "text" 0 '^random ' "$program" export --table methods --format text out
expect "seeds as report csv" 0 '^ok$' bash -c "cmp <('$program' report csv out) <('$program' export --table seeds out) && echo ok"
expect "an unknown table" 2 'did you mean "methods"' "$program" export --table method out
expect "an unknown format" 2 'choices: csv, json, latex' "$program" export --format xls out
mkdir empty
expect "no runs" 2 'no run.h5 below empty' "$program" export --table runs empty
expect "no such folder" 2 'nowhere' "$program" export nowhere
expect "all tables need a folder" 2 'FOLDER' "$program" export --table all out
expect "a table into a file" 0 '' "$program" export -o table.csv out
said "which has it" '^mae,' table.csv
expect "a page of one table" 0 '' "$program" export --table runs --format html -o runs.html out
said "which is a whole one" '</html>' runs.html
expect "all tables" 0 '' "$program" export --table all --format json -o tables out
if [ "$(find tables -name '*.json' | wc -l)" -ge 8 ]; then echo "ok - a file each"; else echo "not ok - a file each"; fi
expect "a folder that cannot be" 3 'table.csv' "$program" export --table all -o table.csv/x out
mkdir bad && echo nonsense >bad/run.h5
expect "a file that is none" 1 'bad/run.h5.*1 file could not be read|1 file could not be read' "$program" export out bad
expect "full disks" 3 'cannot write|cannot be written' bash -c "'$program' export out >/dev/full"

if gnuplot --version >/dev/null 2>&1; then
    expect "a report with a page" 1 '1 file could not be read' "$program" report out bad
    said "its figure" 'id="figure-main"' out/index.html
    said "its caption as text" '<figcaption>Top-1 accuracy' out/index.html
    said "what could not be read" '<li>.*bad/run.h5' out/index.html
    said "its end" '^</html>' out/index.html
    said "its tables" '^mae,' out/tables/results.csv
    # Every reference leads to a file beside the page.
    grep -oE ' href="[^"#]+' out/index.html | grep -v 'href="data:image/' | sed 's/ href="//' | sort -u >links
    missing=$(while read -r link; do [ -e "out/$link" ] || echo "$link"; done <links)
    if [ -s links ] && [ -z "$missing" ]; then echo "ok - links"; else echo "not ok - links: $missing"; fi
    if grep -qE 'https?:|<link|<img| src=' out/index.html; then echo "not ok - asks a network"; else echo "ok - asks nobody"; fi
else
    expect "without gnuplot" 3 'gnuplot is not in PATH' "$program" report out
fi

expect "the manual" 0 '^\.SH EXIT STATUS' "$program" help --man
"$program" help --man >manual.1
for word in 'SS "export' 'mae.mask_ratio' 'SSVBENCH_ISA' 'run.h5' 'Split-brain|split_brain' 'shapes'; do
    said "the manual has $word" "$word" manual.1
done
if command -v groff >/dev/null; then
    expect "the manual is roff" 0 '^$' groff -ww -man -Tutf8 -z manual.1
fi
if command -v mandoc >/dev/null; then
    expect "the manual has no lint" 0 '^$' mandoc -Tlint manual.1
fi

expect "completion of an unknown shell" 2 'bash, zsh, fish' "$program" help --completion csh
for shell in bash zsh fish; do
    "$program" help --completion $shell >completion.$shell
    if command -v $shell >/dev/null; then
        expect "the completion is $shell" 0 '^$' $shell -n completion.$shell
    fi
done
cat >complete.bash <<'END'
. ./completion.bash
COMP_WORDS=(ssvbench "$@")
COMP_CWORD=$#
_ssvbench
echo "${COMPREPLY[*]}"
END
mkdir elsewhere && cp completion.bash complete.bash elsewhere && cd elsewhere || exit 1
completes() { # completes WORDS RESULT
    # shellcheck disable=SC2086
    expect "completion of \"$1\"" 0 "^$2\$" bash complete.bash $1
}
completes 're' 'report rerun'
completes 'run --method' '--methods'
completes 'run --methods mae,sim' 'mae,simclr'
completes 'run --methods = rand' 'random'
completes 'run --mae.mask' '--mae.mask_ratio'
completes 'run --preset p' 'paper'
completes 'run --no-mae.f' '--no-mae.flip'
completes 'run --protocols linear,kn' 'linear,knn'
completes 'run --backbone vit-mic' 'vit-micro'
completes 'run --dry_run qui' 'quick'
completes 'run --epochs qui' ''
completes 'export --format m' 'markdown'
completes 'export --table run' 'runs'
completes 'export --mae' ''
completes 'data ver' 'verify'
completes 'help kern' 'kernels'
completes 'help --completion z' 'zsh'
completes 'report compl' 'complete.bash completion.bash'
