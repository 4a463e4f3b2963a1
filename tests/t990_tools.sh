#!/usr/bin/env bash
# The tools that judge everything else must notice what they are there for.
set -u
# shellcheck source=tests/expect.sh
. "$(dirname "$0")/expect.sh"
tools=$PWD/tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

program() { # name body
    printf '#!/bin/sh\n%s\n' "$2" >"$1"
    chmod +x "$1"
}

sum_of() { # programs...
    "$tools/run-tests" -t 1 "$@" 2>&1 | tail -1
}

program passes 'echo 1..3; echo ok 1 - a; echo ok 2 - b; echo "not ok 3 # SKIP c"'
program fails 'echo ok a; echo not ok b; exit 1'
program crashes 'echo ok a; kill -SEGV $$'
program hangs 'echo ok a; sleep 60'
program stops_early 'echo 1..2; echo ok a'
program says_nothing 'exit 0'
program ends_badly 'echo ok a; exit 3'
expect 'a skipped case is neither passed nor failed' '2 passed, 0 failed, 1 skipped' "$(sum_of ./passes)"
expect 'sums over programs' '3 passed, 1 failed, 1 skipped' "$(sum_of ./passes ./fails)"
for bad in crashes hangs stops_early ends_badly; do
    expect "$bad counts as failed" '1 passed, 1 failed' "$(sum_of ./$bad)"
done
for bad in says_nothing is_missing; do
    expect "$bad counts as failed" '0 passed, 1 failed' "$(sum_of ./$bad)"
done
expect 'no program is a failure' 1 "$("$tools/run-tests" >/dev/null; echo $?)"
expect 'a failure is in the exit code' 1 "$("$tools/run-tests" ./fails >/dev/null; echo $?)"
expect 'success is in the exit code' 0 "$("$tools/run-tests" ./passes >/dev/null; echo $?)"
expect 'the output of a failure is shown' 1 "$("$tools/run-tests" ./fails | grep -c '^not ok b')"

# Writes one source file and counts what a checker says of it.
complaints() { # checker file text
    mkdir -p tree/"$(dirname "$2")"
    printf '%b\n' "$3" >tree/"$2"
    "$tools/$1" tree | grep -c "^$2:"
    rm -rf tree
}
includes() { complaints check-includes "$@"; }
expect 'an include points down' 0 "$(includes nn/a.c '#include "core/x.h"\n#include <stdio.h>')"
expect 'an include never points up' 1 "$(includes core/a.c '#include "nn/x.h"')"
expect 'data does not know nn' 1 "$(includes data/a.c '  # include "nn/x.h"')"
expect 'methods share what is no method' 0 "$(includes methods/a.c '#include "methods/b.h"')"
mkdir -p tree/methods
echo 'const struct method method_b = {0};' >tree/methods/b.c
expect 'methods do not include each other' 1 "$(includes methods/a.c '#include "methods/b.h"')"
expect 'an include has its folder' 1 "$(includes bench/a.c '#include "a.h"')"

codes() { complaints check-exit-codes "$@"; }
f='int f(int a,\n      struct error *err) {\n'
expect 'names are fine' 0 "$(codes core/a.c "${f}    return STATUS_USAGE;\n}")"
expect 'a number is no status' 1 "$(codes core/a.c "${f}    return 2;\n}")"
expect 'other functions may return numbers' 0 "$(codes core/a.c 'int f(int a) {\n    return 2;\n}')"
expect 'exit by number' 1 "$(codes bench/a.c 'void f(void) {\n    exit(1);\n}')"
expect 'error_set by number' 1 "$(codes bench/a.c "${f}    return error_set(err, 3, \"x\");\n}")"

# Only what was installed goes again; and a checkout may lie in a folder of any name.
mkdir -p 'a b' usr/bin usr/share/ssvbench/suites usr/share/man/man1
touch usr/bin/{ssvbench,libssvbench_mpi.so,another} usr/share/man/man1/{ssvbench,another}.1
cp "$tools/../Makefile" 'a b'
make -s -C 'a b' uninstall PREFIX=/usr DESTDIR="$work" >said 2>&1
expect 'what was installed is removed' './bin/another ./share/man/man1/another.1' "$(cd usr && find . -type f | sort | paste -sd ' ')"
expect 'folders that are empty then, too' '' "$(find usr -name ssvbench)"
expect 'tests find the program in a path with a space' 1 "$(make -n -i -C 'a b' test 2>/dev/null | grep -c "SSVBENCH='$work/a b/build/ssvbench' ")"

# A machine on which a library is missing until apt-get installs it, and that needs an update first.
mkdir bin
for name in bash env grep sort; do ln -s "$(type -P $name)" bin/; done
for name in gcc make gnuplot; do ln -s "$(type -P true)" bin/$name; done
program bin/pkg-config "[ \$2 != hdf5 ] || [ -e $work/installed ]"
program bin/id 'echo 0'
# shellcheck disable=SC2016
program bin/apt-get 'case "$*" in
*update*) : >updated ;;
*install*libhdf5-dev*) [ -e updated ] && : >installed ;;
esac'
setup() { # os-release
    PATH=$work/bin OS_RELEASE=$1 env -u CC "$tools/setup.sh" >said 2>&1
    echo $?
}
if compgen -G '/usr/share/datasets/fashion-mnist/train-images*' >/dev/null; then
    echo ID=other >other
    echo ID=debian >debian
    expect 'elsewhere set-up stops' 3 "$(setup other)"
    expect 'and names the package' 1 "$(grep -c 'missing.*: libhdf5-dev;' said)"
    program bin/id 'echo 1000'
    expect 'neither root nor sudo' 3 "$(setup debian)"
    program bin/id 'echo 0'
    expect 'set-up installs what is missing' 0 "$(setup debian)"
    rm bin/apt-get
    expect 'and does no package work again' 0 "$(setup other)"
else
    echo 'skip set-up: dataset-fashion-mnist is not installed'
fi
