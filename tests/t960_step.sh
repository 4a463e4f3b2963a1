#!/bin/bash
# ssvbench step: what it writes can be read back, gives the same bits, and is refused when it is wrong.
set -u
program=${SSVBENCH:?}
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here" || exit 3
failed=0
report() { # status, name
    if [ "$1" -eq 0 ]; then echo "ok - $2"; else echo "not ok - $2"; failed=1; fi
}
refuses() { # name, pattern, arguments
    local name=$1 pattern=$2 said status
    shift 2
    said=$("$program" step "$@" 2>&1)
    status=$?
    [ $status -eq 2 ] && grep -q "$pattern" <<<"$said"
    report $? "$name"
}
mae=(--methods mae --seeds "3," --data "shapes:size=16,train=20,test=10" --patch 4 --quiet)

"$program" step "${mae[@]}" --batch 5 --out a.h5
report $? "a step from drawn weights and the first images"
"$program" step "${mae[@]}" --batch a.h5 --threads 1 --out b.h5 && cmp a.h5 b.h5
report $? "its file as the batch gives the same file on another number of threads"
"$program" step "${mae[@]}" --batch a.h5 --values --out c.h5 && [ "$(stat -c %s c.h5)" -gt "$(stat -c %s a.h5)" ]
report $? "every value on request"
for method in simclr clip context_prediction; do # which refuse a batch of one image
    pairs=(--methods "$method" --seeds "3," --data "shapes:size=32,train=20,test=10" --patch 8 --quiet)
    "$program" step "${pairs[@]}" --batch 5 --out pairs.h5 && "$program" step "${pairs[@]}" --batch pairs.h5 --out again.h5 &&
        cmp pairs.h5 again.h5
    report $? "a file as the batch of $method, too"
done
refuses "a method that does not train" "does not train" --methods random --quiet
refuses "a stage that there is not" "no stage" "${mae[@]}" --batch 5 --stage tokenizer
refuses "a batch that is not there" "none.h5" "${mae[@]}" --batch none.h5
refuses "a batch of another method" "labels" --methods supervised --seeds 0 --data "shapes:size=16,train=20,test=10" --patch 4 --batch a.h5
refuses "weights that are none" "safetensors" "${mae[@]}" --batch 5 --weights a.h5
head -c 3000 a.h5 >torn.h5
refuses "a torn batch" "torn.h5" "${mae[@]}" --batch torn.h5
if python3 -c 'import h5py' 2>/dev/null; then
    python3 - <<'PYTHON'
import h5py, shutil
shutil.copy("a.h5", "wrong.h5")
with h5py.File("wrong.h5", "r+") as f:
    f["inputs/visible"][2, 1] = 99
with h5py.File("a.h5") as f:
    assert f["inputs/images"].shape == (5, 3, 16, 16)
    assert f["gradients/encoder.patch_embed.proj.weight"].shape == (128, 48)
    assert set(f["weights"]) == set(f["gradients"])
PYTHON
    report $? "h5py reads it"
    refuses "an index out of range" "inputs/visible has 99" "${mae[@]}" --batch wrong.h5
else
    echo "skip h5py is not installed"
fi
exit $failed
