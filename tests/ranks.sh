# ranks.sh -- for tests of several ranks on MPI: ranks, on one machine or what they take for several, and whether two
# folders hold the same numbers.  After outside.sh; without mpirun the test is skipped.
# shellcheck shell=bash disable=SC2154
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
mpi=${SSVBENCH_MPI_PLUGIN:-$(dirname "$program")/libssvbench_mpi.so}
if ! command -v mpirun >/dev/null || [ ! -e "$mpi" ]; then
    echo "skip ranks: no mpirun here, or the program was built without MPI"
    exit 0
fi
trap 'kill -9 $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT

say() { # say STATUS NAME
    if [ "$1" -eq 0 ]; then echo "ok - $2"; else echo "not ok - $2"; fi
}

ranks() { # ranks N COMMAND...
    local n=$1
    shift
    timeout 250 mpirun -n "$n" "$program" "$@"
}

# Each G ranks in a row are on a machine by its name; who may not give names is on one.
on_machines() { # on_machines G N COMMAND...
    local n=$2 own=()
    # shellcheck disable=SC2016
    unshare --uts true 2>/dev/null &&
        own=(unshare --uts sh -c 'hostname "machine$((OMPI_COMM_WORLD_RANK / $0))"; exec "$@"' "$1")
    shift 2
    timeout 250 mpirun -n "$n" "${own[@]}" "$program" "$@"
}

# What must be equal: every loss, rate and norm of the journals, every weight, every result.
numbers() { # numbers FOLDER
    for journal in "$1"/*/journal.jsonl; do
        grep '"type":"step"' "$journal" | sed -E 's/"(img_per_s|wall_s|wait_s)":[^,}]*,?//g'
        sha256sum <"$(dirname "$journal")/checkpoint.safetensors"
    done
    "$program" report csv "$1" 2>/dev/null | sed -E 's/,[^,]*\r$//' # but for the seconds
}

same() { # same NAME FOLDER FOLDER: and not nothing
    numbers "$2" >one.txt
    numbers "$3" >other.txt
    if grep -q grad_norm one.txt && cmp -s one.txt other.txt; then
        echo "ok - $1"
    else
        diff one.txt other.txt | head -4 | cut -c 1-200 | sed 's/^/# /'
        echo "not ok - $1"
    fi
}

pid_of() { # pid_of RANK: of the program, of our own session
    local p
    for p in $(pgrep -x ssvbench); do
        tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -q "^OMPI_COMM_WORLD_RANK=$1\$" &&
            [ "$(readlink "/proc/$p/cwd")" = "$work" ] && echo "$p"
    done
}

begin() { # begin N COMMAND FLAGS...: in the background, into the folder `part`
    local n=$1 command=$2
    shift 2
    timeout 250 mpirun -n "$n" "$program" "$command" --out part "$@" >said 2>&1 &
    job=$!
}

finish() { # finish NAME PATTERN: the job ends by itself, not well, and says so
    wait "$job"
    local got=$?
    if [ $got -ne 0 ] && [ $got -ne 124 ] && grep -qE -- "$2" said; then
        echo "ok - $1"
    else
        tail -5 said | sed 's/^/# /'
        echo "not ok - $1: exit code $got, or no \"$2\""
    fi
}
