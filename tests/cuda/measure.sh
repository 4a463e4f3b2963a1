#!/bin/bash
# measure.sh FOLDER [PART...] -- what docs/gpu.md says of a card, measured on the one that is here, a
# file a part in FOLDER.  For cards that are there for minutes: parts go in this order, each has a
# limit of its own, and what one has measured stays when the next is stopped.  Without PART: all.
#
#   $SSVBENCH         the program; its plug-in beside it
#   $SSVBENCH_DEVICE_TEST  t270_device, beside the program in what `make portable ALSO=...` makes
#   $SSVBENCH_PYTHON  a python that has torch, for the peers; NVIDIA's libraries that came with it are
#                     used where the loader finds none
set -u
program=${SSVBENCH:-build/ssvbench} tests=${SSVBENCH_DEVICE_TEST:-build/tests/t270_device}
python=${SSVBENCH_PYTHON:-python3}
top=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:?a folder}
shift
mkdir -p "$out"

# Where pip has put them, one folder a line.
of_python() {
    "$python" -c 'import glob, nvidia; print(*(f for p in nvidia.__path__ for f in glob.glob(p + "/*/lib")), sep="\n")' 2>/dev/null
}
# Without one of them everything would be measured with the own kernels, which are slow.
for library in libcublasLt.so libcudnn.so libnccl.so; do
    ldconfig -p 2>/dev/null | grep -q "$library" && continue
    while read -r folder; do
        case ":${LD_LIBRARY_PATH-}:" in *":$folder:"*) continue ;; esac
        export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"
    done < <(of_python)
    break
done

say() { # say NAME LIMIT COMMAND...: its output into FOLDER/NAME, the end of it here
    local name=$1 limit=$2 began=$SECONDS status
    shift 2
    timeout -k 10 "$limit" "$@" >"$out/$name" 2>&1
    status=$?
    grep -m 1 'kernels of our own' "$out/$name"
    printf '== %s: %d s, exit code %d\n' "$name" $((SECONDS - began)) $status
    tail -n 25 "$out/$name"
}

part_card() {
    say card 20 nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm --format=csv
}
part_right() { # kernels and networks against ref, few shapes first
    SSV_DEVICE=1 SSV_FEW=1 SSV_MATH=bf16 say right-bf16 150 "$tests"
    SSV_DEVICE=1 SSV_FEW=1 SSV_MATH=fp32 say right-fp32 150 "$tests"
}
part_aims() {
    say aims-bf16 150 "$program" bench steps --published --device cuda --math bf16 --seconds 3
    say aims-tf32 120 "$program" bench steps --published --device cuda --math tf32 --seconds 2
}
part_peers() { # in turns with PyTorch
    say peers-bf16 400 "$python" "$top/bench/peers/steps.py" --published --device cuda --math bf16 --compile \
        --rounds 2 --seconds 2 --program "$program"
}
part_kernels() { # share of the bandwidth of a copy: of_roof of what has no product in it
    say kernels 400 "$program" kernels --backend cuda --math bf16 --shapes published --seconds 0.03
}
part_twice() { # the same steps give the same files
    SSVBENCH=$program SSV_MATH=bf16 say twice 240 bash "$top/tests/cuda/curves.sh"
}
part_views() {
    for views in processor device; do
        say "views-$views" 60 "$program" bench steps --filter 'simclr/resnet18|mae/vit-tiny' --device cuda --math bf16 \
            --views $views --seconds 2
    done
}
part_small() {
    say small-bf16 120 "$program" bench steps --device cuda --math bf16 --seconds 2
    say small-peers 300 "$python" "$top/bench/peers/steps.py" --device cuda --math bf16 --compile --times 8 \
        --rounds 2 --seconds 1 --program "$program"
}

parts=("$@")
[ $# -gt 0 ] || parts=(card right aims peers kernels twice views small)
for part in "${parts[@]}"; do
    if ! declare -F "part_$part" >/dev/null; then
        echo "measure.sh: there is no part \"$part\"; there are: card right aims peers kernels twice views small" >&2
        exit 2
    fi
done
for part in "${parts[@]}"; do
    "part_$part"
done
