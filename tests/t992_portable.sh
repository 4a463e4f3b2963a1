#!/usr/bin/env bash
# What tools/portable makes runs elsewhere, with nothing of this system but glibc.
set -u
# shellcheck source=tests/expect.sh
. "$(dirname "$0")/expect.sh"
program=${SSVBENCH:?}
tool=$PWD/tools/portable
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

case $(ldd "$program") in
*libasan*) echo 'skip portable: a program with sanitizers'; exit ;;
esac
install -D "$program" here/bin/ssvbench
expect 'it is made' 0 "$("$tool" here "$work/all.tar.gz" >said 2>&1; echo $?)"
mkdir there && tar -xzf all.tar.gz -C there && mv here gone
expect 'libraries are those beside it' '' "$(env -i ldd there/ssvbench/bin/ssvbench |
    awk '$2 == "=>" && $3 !~ /there\/ssvbench\/bin\/\.\.\/lib\/ssvbench/ { print $1 }' |
    grep -vE '^lib(c|m|resolv|dl|rt|pthread)\.so')"
expect 'it runs' "$("$program" list methods 2>&1)" \
    "$(cd / && env -i "$work/there/ssvbench/bin/ssvbench" list methods 2>&1)"

mkdir bin
printf '#!/bin/sh\necho "\tlibodd.so.1 => not found"\n' >bin/ldd
chmod +x bin/ldd
expect 'a missing library is named' 'libodd.so.1' "$(PATH=$work/bin:$PATH "$tool" there/ssvbench 2>&1 |
    grep -o 'libodd.so.1')"
