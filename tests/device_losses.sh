# device_losses.sh -- for tests of training through the CUDA kernels, which an emulator runs on the processor: each
# loss is near that of the processor's own kernels.
# shellcheck shell=bash
# shellcheck source=tests/outside.sh
. "$(dirname "$0")/outside.sh"
plugin=$(dirname "$program")/emulated/libssvbench_cuda.so
export SSVBENCH_CUDNN=none # a real one would look for a device

losses() { # losses FOLDER
    grep -h '"type":"step"' "$1"/*/journal.jsonl | grep -o '"loss":[^,]*' | cut -d: -f2
}

# near A B SHARE ROUNDED: as many numbers, each within SHARE; with ROUNDED 1 not all of them the same
near() {
    paste "$1" "$2" | awk -v share="$3" -v rounded="$4" '
        NF != 2 || $1 - $2 > share * $2 || $2 - $1 > share * $2 { bad = 1 }
        $1 != $2 { differs = 1 }
        END { exit bad || !NR || (rounded && !differs) }'
}

# losses_agree NAME SHARE ROUNDED MATH FLAGS...: of a pretraining in MATH
losses_agree() {
    local name=$1 share=$2 rounded=$3 math=$4
    shift 4
    "$program" pretrain --out "cpu-$name" "$@" >log 2>&1 &&
        SSVBENCH_CUDA_PLUGIN=$plugin "$program" pretrain --device cuda --math "$math" --out "cuda-$name" "$@" >>log 2>&1
    losses "cpu-$name" >a 2>>log
    losses "cuda-$name" >b 2>>log
    if near b a "$share" "$rounded"; then
        echo "ok - $name in $math: $(wc -l <a) steps"
    else
        tail -3 log | sed 's/^/# /'
        paste a b | sed 's/^/# /'
        echo "not ok - $name in $math"
    fi
}
