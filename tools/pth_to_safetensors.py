#!/usr/bin/env python3
"""pth_to_safetensors.py IN.pth OUT.safetensors -- a PyTorch checkpoint as safetensors.

Reads .pth, .pt, .th and .bin files, of today's format and of the one before 1.6, with weights_only=True:
nothing in the file is executed.  Where a checkpoint holds more than weights, the dictionary under
--key (a.b.c: one in another), or under the first of state_dict, model, teacher, student and VISSL's
classy_state_dict.base_model.model.trunk that is there, is taken; what is no tensor is left out and named.  Needs torch and safetensors."""
import argparse
import sys

import torch
from safetensors.torch import save_file

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("input")
parser.add_argument("output")
parser.add_argument("--key", help="of the dictionary of weights in the checkpoint")
args = parser.parse_args()

try:
    found = torch.load(args.input, map_location="cpu", weights_only=True)
except Exception as problem:  # pickle, zip and torch each have their own
    sys.exit(f"{args.input}: cannot be read without executing it: {str(problem).splitlines()[0]}")
USUAL = ["state_dict", "model", "teacher", "student", "classy_state_dict.base_model.model.trunk"]


def inner(dictionary, path):
    """The dictionary at a.b.c, or None."""
    for key in path.split("."):
        dictionary = dictionary.get(key) if isinstance(dictionary, dict) else None
    return dictionary if isinstance(dictionary, dict) else None


for key in [args.key] if args.key else USUAL:
    if inner(found, key) is not None:
        found = inner(found, key)
        print(f"the weights under \"{key}\"", file=sys.stderr)
        break
else:
    if args.key:
        sys.exit(f"{args.input}: holds no dictionary \"{args.key}\"")
if not isinstance(found, dict):
    sys.exit(f"{args.input}: holds a {type(found).__name__}, not a dictionary of tensors")
left_out = [k for k, v in found.items() if not isinstance(v, torch.Tensor)]
# Tensors that share memory are written one by one.
tensors = {k: v.detach().clone().contiguous() for k, v in found.items() if isinstance(v, torch.Tensor)}
if not tensors:
    sys.exit(f"{args.input}: holds no tensors; name the dictionary that does with --key: "
             + ", ".join(map(str, found)))
save_file(tensors, args.output, {"format": "pt"})
print(f"{args.output}: {len(tensors)} tensors" + (f"; left out: {', '.join(left_out)}" if left_out else ""),
      file=sys.stderr)
