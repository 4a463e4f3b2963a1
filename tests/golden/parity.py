#!/usr/bin/env python3
"""parity.py PROGRAM [NAME...] -- the families of published weights in their real sizes.

Makes each network with seeded random weights, writes them as their library would and what it makes of
two images, and has PROGRAM (build/tests/t345_weights_families) compare every layer to 1e-4 of the
largest number.  A file is gone again before the next one is made."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
import importlib.util

spec = importlib.util.spec_from_file_location("families", HERE + "/families.py")
families = importlib.util.module_from_spec(spec)
sys.path = [p for p in sys.path if os.path.realpath(p or ".") != HERE]
spec.loader.exec_module(families)
import h5py
import torch

torch.set_num_threads(1)
from safetensors.torch import save_file

f = families
HF = dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072)
VISION = dict(layers=12, width=768, patch_size=32, image_size=224)
TEXT = dict(context_length=77, vocab_size=49408, width=512, heads=8, layers=12)
RN50 = dict(layers=[3, 4, 6, 3], width=64, image_size=224)
RN50X4 = dict(layers=[4, 6, 10, 6], width=80, image_size=288)
BEIT = dict(num_classes=1000)
WIDE = (192, 256)

# name: (family to say, (height, width), what makes it)
CASES = {
    "vit-b16-224": ("", (224, 224), lambda s: f.timm_vit(s)),
    "vit-b16-192x256": ("", WIDE, lambda s: f.timm_vit(s)),
    "vit-b16-512": ("", (512, 512), lambda s: f.timm_vit(s)),
    "vit-s16-avg-256": ("", (256, 256),
                        lambda s: f.timm_vit(s, "vit_small_patch16_224", global_pool="avg")),
    "mae-b16-224": ("mae", (224, 224), lambda s: f.plain_vit(s, f.mae_positions, {})),
    "mae-l16-160x256": ("mae", (160, 256),
                        lambda s: f.plain_vit(s, f.mae_positions, {}, "vit_large_patch16_224")),
    "dino-s8-384": ("dino", (384, 384), lambda s: f.plain_vit(
        s, f.dino_positions, {}, "vit_small_patch8_224")),
    "dino-s8-200x240": ("dino", (200, 240), lambda s: f.plain_vit(
        s, f.dino_positions, {}, "vit_small_patch8_224")),
    "hf-vit-b16-224": ("", (224, 224), lambda s: f.hf_vit(s, **HF)),
    "hf-vit-b16-192x256": ("", WIDE, lambda s: f.hf_vit(s, **HF)),
    "dinov3-s16-256 (timm)": ("", (256, 256),
                              lambda s: f.timm_dinov3(s, "vit_small_patch16_dinov3")),
    "dinov3-s16plus-256 (timm)": ("", (256, 256),
                                  lambda s: f.timm_dinov3(s, "vit_small_plus_patch16_dinov3")),
    "dinov2-g14-224 (hf, 12 of 40 blocks)": ("", (224, 224), lambda s: f.hf_dinov2(
        s, hidden_size=1536, num_hidden_layers=12, num_attention_heads=24, image_size=518,
        patch_size=14, use_swiglu_ffn=True)),
    "dinov3-b16-192x256 (timm)": ("", WIDE,
                                  lambda s: f.timm_dinov3(s, "vit_base_patch16_dinov3_qkvb")),
    "dinov3-b16-224 (hf)": ("", (224, 224), lambda s: f.hf_dinov3(s, **HF)),
    "dinov3-s16-512 (hf)": ("", (512, 512), lambda s: f.hf_dinov3(s)),
    "beit-b16-224": ("", (224, 224), lambda s: f.beit(s, **BEIT)),
    "beit-b16-288": ("", (288, 288), lambda s: f.beit(s, own=(224, 224), **BEIT)),
    "beit-b16-192x256": ("", WIDE, lambda s: f.beit(s, own=(224, 224), **BEIT)),
    "beit-b16-384": ("", (384, 384), lambda s: f.beit(s, **BEIT)),
    "open-clip-b32-224": ("", (224, 224), lambda s: f.open_clip_vit(s, VISION, TEXT, 512)),
    "openai-clip-b32-192x256": ("openai-clip", WIDE,
                                lambda s: f.open_clip_vit(s, VISION, TEXT, 512, True)),
    "open-clip-rn50-224": ("", (224, 224), lambda s: f.clip_resnet(s, RN50, TEXT, 1024)),
    "openai-clip-rn50-192x256": ("openai-clip", WIDE,
                                 lambda s: f.clip_resnet(s, RN50, TEXT, 1024, True)),
    "openai-clip-rn50x4-288": ("openai-clip", (288, 288), lambda s: f.clip_resnet(
        s, RN50X4, {**TEXT, "width": 640, "heads": 10}, 640, True)),
    "resnet50-224": ("", (224, 224), lambda s: f.torchvision_resnet(s, "Bottleneck", [3, 4, 6, 3])),
    "resnet50-192x256": ("", WIDE, lambda s: f.torchvision_resnet(s, "Bottleneck", [3, 4, 6, 3])),
    "resnet18-224": ("", (224, 224), lambda s: f.torchvision_resnet(s, "BasicBlock", [2, 2, 2, 2])),
    "resnet101-224": ("", (224, 224),
                      lambda s: f.torchvision_resnet(s, "Bottleneck", [3, 4, 23, 3])),
    "simclr-50x2-160": ("simclr", (160, 160), lambda s: wide_resnet(s)),
    "simclr-v2-50-224": ("", (224, 224), lambda s: f.simclr_v2(s, "Bottleneck", [3, 4, 6, 3])),
    "lightly-resnet18-224": ("", (224, 224),
                             lambda s: f.sequential_resnet(s, "BasicBlock", [2, 2, 2, 2])),
    "cifar-110": ("", (32, 32), lambda s: f.cifar_resnet(s, 18, "A")),
}


def wide_resnet(size):
    """ResNet-50 2x of SimCLR: every width is doubled."""
    from torchvision.models import resnet

    class Twice(resnet.ResNet):
        def __init__(self):
            super().__init__(resnet.Bottleneck, [3, 4, 6, 3])
            self.inplanes = 128
            self.conv1 = torch.nn.Conv2d(3, 128, 7, 2, 3, bias=False)
            self.bn1 = torch.nn.BatchNorm2d(128)
            for i, n in enumerate([3, 4, 6, 3]):
                setattr(self, f"layer{i + 1}",
                        self._make_layer(resnet.Bottleneck, 128 << i, n, stride=2 if i else 1))
            self.fc = torch.nn.Linear(4096, 1000)

    made = Twice()

    def run(sd):
        made.load_state_dict(sd)
        m = made
        return f.run_resnet(m, f.images(*size), [m.layer1, m.layer2, m.layer3, m.layer4], True)

    return made.state_dict(), run


def perturb(name, t):
    """What is zero or one at the start is something else after training."""
    if not t.is_floating_point():
        return t
    if name.endswith("running_var"):
        return 1 + 0.5 * torch.rand_like(t)
    return t + 0.02 * torch.randn_like(t)


def check(program, name):
    how, size, make = CASES[name]
    torch.manual_seed(1)
    f.images = lambda h, w, c=3, n=2: torch.randn(n, c, h, w, generator=torch.Generator().manual_seed(2))
    sd, run = make(size)
    sd = {k: perturb(k, v).contiguous() for k, v in sd.items()}
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        features = run(dict(sd))
        save_file(sd, f"{folder}/{name}.safetensors",
                  {"format": "pt", "as": how, "image": f"{size[0]}x{size[1]}"})
        with h5py.File(f"{folder}/{name}.h5", "w") as h:
            h["inputs/images"] = f.images(*size).numpy()
            h["inputs/tokens"] = f.texts(TEXT["context_length"], TEXT["vocab_size"]).numpy().astype("i4")
            for k, v in features.items():
                h[f"features/{k}"] = v.numpy()
        del sd, features
        r = subprocess.run([program], env={**os.environ, "SSV_PARITY": folder}, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = [line for line in r.stdout.splitlines() if line.startswith(name)]
    print(("ok - " if r.returncode == 0 else "not ok - ") + (said[0] if said else name), flush=True)
    if r.returncode:
        print("# " + r.stdout.replace("\n", "\n# "), flush=True)
    return r.returncode


if __name__ == "__main__":
    named = sys.argv[2:] or list(CASES)
    sys.exit(any([check(os.path.realpath(sys.argv[1]), name) for name in named]))
