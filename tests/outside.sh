# outside.sh -- for tests of the program from outside: `program`, an empty folder to be in, and expect.
# shellcheck shell=bash
set -u
export SSVBENCH_SAMPLES=0 # pictures of encoders have tests of their own
program=${SSVBENCH:-build/ssvbench}
program=$(realpath "$program")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# expect NAME STATUS PATTERN COMMAND...: the exit code, and the pattern in what it says
expect() {
    local name=$1 status=$2 pattern=$3 said got
    shift 3
    said=$("$@" 2>&1)
    got=$?
    if [ $got -eq "$status" ] && grep -qE -- "$pattern" <<<"$said"; then
        echo "ok - $name"
    else
        printf '%s\n' "$said" | tail -5 | sed 's/^/# /'
        echo "not ok - $name: exit code $got instead of $status, or no \"$pattern\""
    fi
}
