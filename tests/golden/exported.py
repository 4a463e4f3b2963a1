#!/usr/bin/env python3
"""exported.py PROGRAM -- what `export-weights` writes is loaded strictly by timm and transformers, and
gives the features that PROGRAM itself computes."""
import glob
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path = [p for p in sys.path if os.path.realpath(p or ".") != HERE]

import h5py
import numpy as np
import timm
import torch
import transformers

DATA = "shapes:size=32,train=8,test=8"
program = os.path.realpath(sys.argv[1])
bad = 0


def call(*args):
    subprocess.run([program, *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env={**os.environ, "SSVBENCH_THREADS": "2"})


def compare(what, got, want):
    global bad
    off = np.abs(got - want).max() / np.abs(want).max()
    bad |= not off < 1e-4
    print(("ok - " if off < 1e-4 else "not ok - ") + f"{what}: {off:.1e}", flush=True)


def check(method, backbone, *flags):
    run = f"{method}-{backbone}"
    call("pretrain", "--methods", method, "--backbone", backbone, "--data", DATA, "--seeds", "0", "--epochs",
         "1", "--batch", "8", "--out", run, *flags)
    folder = glob.glob(f"{run}/{method}-*")[0]
    call("export-weights", folder, "--out", f"{run}.timm")
    config = json.load(open(f"{run}.timm/config.json"))
    call("features", DATA, "--weights", folder, "--out", "features.h5")
    model = timm.create_model(config["architecture"], checkpoint_path=f"{run}.timm/model.safetensors",
                              **config["model_args"]).eval()
    pre = config["pretrained_cfg"]
    # Images come back from the program: its features of an encoder that passes them on are they.
    call("data", "convert", DATA, "images.h5")
    with h5py.File("images.h5") as f:
        x = torch.from_numpy(f["test/images"][:]).float().permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor(pre["mean"]).view(-1, 1, 1)) / torch.tensor(pre["std"]).view(-1, 1, 1)
    with torch.no_grad(), h5py.File("features.h5") as f:
        y = model.forward_features(x)
        if backbone.startswith("vit"):
            last = max(int(k[5:].split(".")[0]) for k in f["test"] if k.startswith("layer"))
            compare(f"{run} in timm, CLS", y[:, 0].numpy(), f[f"test/layer{last}.cls"][:])
            compare(f"{run} in timm, patches", y[:, 1:].mean(1).numpy(), f[f"test/layer{last}.mean"][:])
        else:
            compare(f"{run} in timm", y.mean((2, 3)).numpy(), f["test/stage4.mean"][:])
            return
        call("export-weights", folder, "--format", "hf", "--out", f"{run}.hf")
        hf, info = transformers.ViTModel.from_pretrained(f"{run}.hf", add_pooling_layer=False,
                                                         output_loading_info=True)
        assert not info["missing_keys"] and not info["unexpected_keys"], info
        y = hf.eval()(x).last_hidden_state
        compare(f"{run} in transformers, CLS", y[:, 0].numpy(), f[f"test/layer{last}.cls"][:])


with tempfile.TemporaryDirectory() as place:
    os.chdir(place)
    check("mae", "vit-micro")
    check("supervised", "vit-tiny", "--position", "learned", "--pool", "mean")
    DATA = "shapes:size=96,train=8,test=8"
    check("supervised", "resnet18")
    check("simclr", "resnet50")
sys.exit(bad)
