#!/usr/bin/env python3
"""Writes tests/golden/families.h: small networks of every family of published weights, made by the
libraries that the weights are for (timm, transformers, open_clip, torchvision), with weights that are
a formula of their names, and what they make of two images and two texts.

tests/golden/parity.py takes the networks from here in their real sizes."""
import copy
import os
import sys
import tempfile
import warnings

# The libraries look for modules that scripts beside this one are called like (kernels).
sys.path = [p for p in sys.path if os.path.realpath(p or ".") != os.path.dirname(os.path.realpath(__file__))]

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

warnings.filterwarnings("ignore")
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

N = 2  # images, texts


def chirp(count, shift):
    i = np.arange(count, dtype=np.float64)
    m = i % 1009
    return np.sin(0.37 * m * m + 0.7 * i + shift)


def key(name):
    return sum((j + 1) * ord(c) for j, c in enumerate(name)) % 101


def formula(name, tensor):
    """The same as value_of in tests/t345_weights_families.c."""
    if not tensor.is_floating_point():
        return torch.zeros_like(tensor)
    gain = name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight"))
    x = gain + 0.2 * chirp(tensor.numel(), 1.3 * key(name))
    return torch.from_numpy(x.astype(np.float32)).reshape(tensor.shape)


def images(h, w, c=3, n=N):
    return torch.from_numpy(chirp(n * c * h * w, 0).astype(np.float32)).reshape(n, c, h, w)


def texts(context, vocabulary, n=N):
    """The end token is the highest id; what follows it counts for nothing."""
    t = torch.tensor([[(7 * i + 3 * j) % (vocabulary - 1) for j in range(context)] for i in range(n)])
    for i in range(n):
        t[i, context - 2 - i] = vocabulary - 1
    return t


def record(modules):
    """Outputs of modules, in a list that fills when they run."""
    out = []
    for m in modules:
        m.register_forward_hook(lambda _, __, y: out.append(y[0] if isinstance(y, tuple) else y))
    return out


def layers_of(blocks, last, first=1):
    """layerN.cls and layerN.mean, from the first patch on; last: those of the last layer."""
    f = {}
    for i, b in enumerate(blocks):
        f[f"layer{i + 1}.cls"], f[f"layer{i + 1}.mean"] = b[:, 0], b[:, first:].mean(1)
    f[f"layer{len(blocks)}.cls"], f[f"layer{len(blocks)}.mean"] = last
    return f


# ---- each returns (tensors to be filled and saved, function of the filled tensors) ----


def run_timm(model, x):
    blocks = record(model.blocks)
    model.eval()
    logits = model(x)
    b, first = blocks[-1], model.num_prefix_tokens
    if isinstance(model.fc_norm, nn.Identity):
        b = model.norm(b)
        f = layers_of(blocks, (b[:, 0], b[:, first:].mean(1)), first)
    else:
        f = layers_of(blocks, (b[:, 0], model.fc_norm(b[:, 1:].mean(1))))
    if not isinstance(model.head, nn.Identity):
        f["logits"] = logits
    return f


def timm_vit(size, name="vit_base_patch16_224", **kw):
    import timm

    def run(sd):
        m = timm.create_model(name, dynamic_img_size=True, **kw)
        m.load_state_dict(sd)
        return run_timm(m, images(*size))

    return timm.create_model(name, **kw).state_dict(), run


def mae_positions(table, rows, cols):
    """util/pos_embed.py of MAE: interpolate_pos_embed."""
    g = int((table.shape[1] - 1) ** 0.5)
    p = table[:, 1:].reshape(1, g, g, -1).permute(0, 3, 1, 2)
    p = F.interpolate(p, size=(rows, cols), mode="bicubic", align_corners=False)
    return torch.cat([table[:, :1], p.permute(0, 2, 3, 1).flatten(1, 2)], 1)


def dino_positions(table, rows, cols):
    """vision_transformer.py of DINO: interpolate_pos_encoding."""
    g = int((table.shape[1] - 1) ** 0.5)
    if rows == g and cols == g:
        return table
    p = table[:, 1:].reshape(1, g, g, -1).permute(0, 3, 1, 2)
    p = F.interpolate(p, scale_factor=((rows + 0.1) / g, (cols + 0.1) / g), mode="bicubic")
    assert p.shape[-2:] == (rows, cols)
    return torch.cat([table[:, :1], p.permute(0, 2, 3, 1).flatten(1, 2)], 1)


def wide_positions(table, rows, cols):
    """vision_transformer.py of DINOv2 with interpolate_antialias, no offset: those with registers."""
    g = int((table.shape[1] - 1) ** 0.5)
    p = table[:, 1:].reshape(1, g, g, -1).permute(0, 3, 1, 2)
    p = F.interpolate(p, size=(rows, cols), mode="bicubic", antialias=True)
    return torch.cat([table[:, :1], p.permute(0, 2, 3, 1).flatten(1, 2)], 1)


def registers_vit(size, registers, name="vit_base_patch16_224", **kw):
    """DINOv2's names for timm's network, which has the position of CLS in the token."""
    import timm
    kw = {**kw, "num_classes": 0, "reg_tokens": registers, "no_embed_class": True}
    sd = dict(timm.create_model(name, **kw).state_dict())
    sd["register_tokens"] = sd.pop("reg_token")
    sd["mask_token"] = torch.zeros(1, kw["embed_dim"])
    sd["pos_embed"] = torch.zeros(1, 1 + sd["pos_embed"].shape[1], kw["embed_dim"])

    def run(sd):
        own = {k: v for k, v in sd.items() if k != "mask_token"}
        patch = own["patch_embed.proj.weight"].shape[-1]
        p = wide_positions(own["pos_embed"], size[0] // patch, size[1] // patch)
        own["cls_token"], own["pos_embed"] = own["cls_token"] + p[:, :1], p[:, 1:]
        own["reg_token"] = own.pop("register_tokens")
        m = timm.create_model(name, **{**kw, "img_size": size})
        m.load_state_dict(own)
        return run_timm(m, images(*size))

    return sd, run


def plain_vit(size, positions, more, name="vit_base_patch16_224", **kw):
    """Networks that are timm's ViT but for their positions and for what else is in the file."""
    import timm
    made = timm.create_model(name, num_classes=0, **kw)
    sd = dict(made.state_dict())
    sd.update({k: torch.zeros(s) for k, s in more.items()})

    def run(sd):
        own = {k: v for k, v in sd.items() if k not in more}
        patch = own["patch_embed.proj.weight"].shape[-1]
        own["pos_embed"] = positions(own["pos_embed"], size[0] // patch, size[1] // patch)
        m = timm.create_model(name, num_classes=0, **{**kw, "img_size": size})
        m.load_state_dict(own)
        return run_timm(m, images(*size))

    return sd, run


def gated_dinov2(size, positions, more, **kw):
    """DINOv2's names for the MLPs of its giant."""
    sd, run = plain_vit(size, positions, more, "vit_giant_patch14_dinov2", **kw)
    names = {k: k.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3") for k in sd}
    return {names[k]: v for k, v in sd.items()}, lambda own: run({k: own[names[k]] for k in sd})


def beit(size, own=None, **kw):
    """own: the size that the tables are for, when that is another one."""
    import timm
    name = "beit_base_patch16_224"

    def run(sd):
        m = timm.create_model(name, img_size=size, **kw)
        m.load_state_dict(timm.models.beit.checkpoint_filter_fn(dict(sd), m))
        return run_timm(m, images(*size))

    return timm.create_model(name, img_size=own or size, **kw).state_dict(), run


def save_hf(model):
    """Names as in published files, which in memory may be others."""
    from safetensors.torch import load_file
    with tempfile.TemporaryDirectory() as d:
        model.save_pretrained(d)
        return load_file(d + "/model.safetensors")


def load_hf(cls, config, sd):
    from safetensors.torch import save_file
    with tempfile.TemporaryDirectory() as d:
        config.save_pretrained(d)
        save_file({k: v.contiguous() for k, v in sd.items()}, d + "/model.safetensors", {"format": "pt"})
        model, info = cls.from_pretrained(d, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    return model.eval()


def hf_vit(size, **kw):
    import transformers
    config = transformers.ViTConfig(num_labels=5, **kw)

    def run(sd):
        m = load_hf(transformers.ViTForImageClassification, config, sd)
        inner = m.vit
        blocks = record(inner.layers if hasattr(inner, "layers") else inner.encoder.layer)
        logits = m(images(*size), interpolate_pos_encoding=True).logits
        b = inner.layernorm(blocks[-1])
        return {**layers_of(blocks, (b[:, 0], b[:, 1:].mean(1))), "logits": logits}

    return save_hf(transformers.ViTForImageClassification(config)), run


def hf_dinov2(size, registers=0, **kw):
    import transformers
    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    more = {"num_register_tokens": registers} if registers else {}
    config = getattr(transformers, kind + "Config")(mlp_ratio=2, **more, **kw)
    cls = getattr(transformers, kind + "Model")

    def run(sd):
        m = load_hf(cls, config, sd)
        blocks = record(m.encoder.layer)
        m(images(*size))
        b, first = m.layernorm(blocks[-1]), 1 + registers
        return layers_of(blocks, (b[:, 0], b[:, first:].mean(1)), first)

    return save_hf(cls(config)), run


def timm_dinov3(size, name, **kw):
    import timm

    def run(sd):
        m = timm.create_model(name, **{**kw, "img_size": size})
        m.load_state_dict(sd)
        return run_timm(m, images(*size))

    return timm.create_model(name, **kw).state_dict(), run


def hf_dinov3(size, rename=None, **kw):
    """rename: of the names that transformers writes to those of another version of it."""
    import transformers
    config = transformers.DINOv3ViTConfig(num_register_tokens=3, **kw)
    sd = transformers.DINOv3ViTModel(config).state_dict()
    sd = {rename(k) if rename else k: v for k, v in sd.items()}

    def run(sd):
        m = load_hf(transformers.DINOv3ViTModel, config, sd)
        blocks = record(m.model.layer)
        b, first = m(images(*size)).last_hidden_state, 4
        return layers_of(blocks, (b[:, 0], b[:, first:].mean(1)), first)

    return sd, run


def clip_towers(sd, size, act, vision, text, embed, positions):
    import open_clip
    m = open_clip.CLIP(embed_dim=embed, vision_cfg={**vision, "image_size": size}, text_cfg=text,
                       quick_gelu=act)
    sd = {k: v.float() for k, v in sd.items() if k not in ("input_resolution",)}
    open_clip.model.resize_pos_embed(sd, m)
    m.load_state_dict(sd)
    m.eval()
    v = m.visual
    blocks = record(v.transformer.resblocks)
    x = images(*size)
    f = {"projection": m.encode_image(x)}
    b = v.ln_post(blocks[-1])
    f.update(layers_of(blocks, (b[:, 0], b[:, 1:].mean(1))))
    f["text"] = m.encode_text(texts(text["context_length"], text["vocab_size"]))
    return f


def open_clip_vit(size, vision, text, embed, quick=False, more=()):
    import open_clip
    made = open_clip.CLIP(embed_dim=embed, vision_cfg=vision, text_cfg=text, quick_gelu=quick)
    sd = dict(made.state_dict())
    sd.update({k: torch.zeros((), dtype=torch.int64) for k in more})
    return sd, lambda sd: clip_towers(sd, size, quick, vision, text, embed, None)


def pool_positions(table, rows, cols):
    """What timm's AttentionPool2d does for another size; open_clip's has one size only."""
    from timm.layers import resample_abs_pos_embed
    return resample_abs_pos_embed(table[None], (rows, cols), num_prefix_tokens=1)[0]


def clip_resnet(size, vision, text, embed, quick=False):
    """A ResNet beside the text tower, in open_clip's code."""
    import open_clip
    made = open_clip.CLIP(embed_dim=embed, vision_cfg=vision, text_cfg=text, quick_gelu=quick)
    own = vision["image_size"] // 32

    def run(sd):
        m = copy.deepcopy(made)
        m.load_state_dict(sd)
        m.eval()
        v, grid = m.visual, (size[0] // 32, size[1] // 32)
        if grid != (own, own):
            v.attnpool.positional_embedding = nn.Parameter(
                pool_positions(v.attnpool.positional_embedding, *grid))
        stages = record([v.layer1, v.layer2, v.layer3, v.layer4])
        f = {"projection": m.encode_image(images(*size))}
        f.update({f"stage{i + 1}.mean": y.mean((2, 3)) for i, y in enumerate(stages)})
        f["text"] = m.encode_text(texts(text["context_length"], text["vocab_size"]))
        return f

    return made.state_dict(), run


def hf_clip(size, vision, text, embed):
    import transformers
    last = text["vocab_size"] - 1
    config = transformers.CLIPConfig(
        vision_config=vision, projection_dim=embed,
        text_config={**text, "eos_token_id": last, "bos_token_id": 0, "pad_token_id": 1})

    def run(sd):
        m = load_hf(transformers.CLIPModel, config, sd)
        blocks = record(m.vision_model.encoder.layers)
        x = m.vision_model(images(*size), interpolate_pos_encoding=True)
        b = m.vision_model.post_layernorm(blocks[-1])
        f = layers_of(blocks, (b[:, 0], b[:, 1:].mean(1)))
        f["projection"] = m.visual_projection(x.pooler_output)
        t = m.text_model(texts(text["max_position_embeddings"], text["vocab_size"]))
        f["text"] = m.text_projection(t.pooler_output)
        return f

    return save_hf(transformers.CLIPModel(config)), run


def run_resnet(m, x, stages, head):
    out = record(stages)
    m.eval()
    logits = m(x)
    f = {f"stage{i + 1}.mean": y.mean((2, 3)) for i, y in enumerate(out)}
    return {**f, "logits": logits} if head else f


def torchvision_resnet(size, block, counts, head=True, **kw):
    from torchvision.models import resnet
    made = resnet.ResNet(getattr(resnet, block), counts, **kw)
    if not head:
        made.fc = nn.Identity()

    def run(sd):
        m = copy.deepcopy(made)
        m.load_state_dict(sd)
        return run_resnet(m, images(*size), [m.layer1, m.layer2, m.layer3, m.layer4], head)

    return made.state_dict(), run


def moco_resnet(size, block, counts, width):
    """What stands under MoCo's module.encoder_q: no classifier but a head of two layers."""
    sd, run = torchvision_resnet(size, block, counts, head=False)
    head = {"fc.0.weight": (width, width), "fc.0.bias": (width,), "fc.2.weight": (8, width),
            "fc.2.bias": (8,)}
    return ({**sd, **{k: torch.zeros(s) for k, s in head.items()}},
            lambda sd: run({k: v for k, v in sd.items() if k not in head}))


def sequential_resnet(size, block, counts):
    """lightly's backbones: all children of torchvision's network but the last."""
    from torchvision.models import resnet
    made = nn.Sequential(*list(resnet.ResNet(getattr(resnet, block), counts).children())[:-1])

    def run(sd):
        m = copy.deepcopy(made)
        m.load_state_dict(sd)
        return run_resnet(m, images(*size), list(m)[4:8], False)

    return made.state_dict(), run


def simclr_v2_name(name):
    """torchvision's names as github.com/Separius/SimCLRv2-Pytorch has them (sk0)."""
    parts = name.split(".")
    if parts[0] == "fc":
        return name
    if not parts[0].startswith("layer"):
        return {"conv1": "net.0.0.", "bn1": "net.0.1.0."}[parts[0]] + parts[-1]
    kind = parts[2]
    if kind == "downsample":
        inner = "projection.shortcut" if parts[3] == "0" else "projection.bn.0"
    else:
        place = 2 * (int(kind[-1]) - 1)
        inner = f"net.{place}" if kind.startswith("conv") else f"net.{place + 1}.0"
    return f"net.{parts[0][5:]}.blocks.{parts[1]}.{inner}.{parts[-1]}"


def simclr_v2(size, block, counts):
    sd, run = torchvision_resnet(size, block, counts, num_classes=7)
    return ({simclr_v2_name(k): v for k, v in sd.items()},
            lambda filled: run({k: filled[simclr_v2_name(k)] for k in sd}))


class CifarBlock(nn.Module):
    """github.com/akamaster/pytorch_resnet_cifar10, resnet.py."""

    def __init__(self, i, o, stride, option):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.pad = o // 4 if (stride != 1 or i != o) and option == "A" else 0
        self.shortcut = nn.Sequential()
        if (stride != 1 or i != o) and option == "B":
            self.shortcut = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        s = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad)) if self.pad else self.shortcut(x)
        return F.relu(y + s)


class CifarResNet(nn.Module):
    def __init__(self, n, option, width=16):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        for s in range(3):
            o, i = width << s, width << max(s - 1, 0)
            setattr(self, f"layer{s + 1}", nn.Sequential(*[
                CifarBlock(i if j == 0 else o, o, 2 if s and j == 0 else 1, option) for j in range(n)]))
        self.linear = nn.Linear(4 * width, 10)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.linear(F.avg_pool2d(x, x.shape[2:]).flatten(1))


def cifar_resnet(size, n, option, **kw):
    made = CifarResNet(n, option, **kw)

    def run(sd):
        m = copy.deepcopy(made)
        m.load_state_dict(sd)
        return run_resnet(m, images(*size), [m.layer1, m.layer2, m.layer3], True)

    return made.state_dict(), run


# ---- the small ones ----

VIT = dict(embed_dim=32, depth=2, num_heads=4, img_size=16, patch_size=4)
HF = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
          image_size=16, patch_size=4)
VISION = dict(layers=2, width=32, head_width=8, patch_size=4, image_size=16)
RESNET = dict(layers=[1, 2, 1, 1], width=8, head_width=8, image_size=64)
TEXT = dict(context_length=9, vocab_size=40, width=16, heads=2, layers=2)
HF_TEXT = dict(hidden_size=16, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
               vocab_size=40, max_position_embeddings=9)

# name, family that is recognised, --as, (height, width), dtype, prefix, heads, heads of texts
CASES = [
    ("timm", "timm-vit", "", (16, 16), "F32", "", 4, 0,
     lambda s: timm_vit(s, num_classes=5, **VIT)),
    ("timm_other_size", "timm-vit", "", (24, 12), "F32", "module.", 4, 0,
     lambda s: timm_vit(s, num_classes=5, global_pool="avg", **VIT)),
    ("timm_layer_scale", "timm-vit", "", (16, 16), "F64", "", 4, 0,
     lambda s: timm_vit(s, num_classes=0, init_values=0.1, **VIT)),
    ("timm_registers", "timm-vit", "", (24, 16), "F32", "", 4, 0,
     lambda s: timm_vit(s, num_classes=5, reg_tokens=3, no_embed_class=True, init_values=0.1, **VIT)),
    ("dinov2", "dinov2", "", (20, 12), "F32", "", 4, 0,
     lambda s: plain_vit(s, dino_positions, {"mask_token": (1, 32)}, init_values=0.1, **VIT)),
    ("dinov2_registers", "dinov2-registers", "", (12, 20), "F32", "teacher.backbone.", 4, 0,
     lambda s: registers_vit(s, 4, init_values=0.1, **VIT)),
    ("hf_dinov2", "hf-dinov2", "", (20, 12), "F32", "", 4, 0,
     lambda s: hf_dinov2(s, **{k: v for k, v in HF.items() if k != "intermediate_size"})),
    ("hf_dinov2_registers", "hf-dinov2-registers", "", (12, 24), "F32", "", 4, 0,
     lambda s: hf_dinov2(s, 4, **{k: v for k, v in HF.items() if k != "intermediate_size"})),
    ("timm_gated", "timm-vit", "", (16, 16), "F32", "", 4, 0,
     lambda s: timm_vit(s, "vit_giant_patch14_dinov2", num_classes=5, **VIT)),
    ("dinov2_gated", "dinov2", "", (20, 12), "F32", "", 4, 0,
     lambda s: gated_dinov2(s, dino_positions, {"mask_token": (1, 32)}, **VIT)),
    ("hf_dinov2_gated", "hf-dinov2", "", (20, 12), "F32", "", 4, 0,
     lambda s: hf_dinov2(s, use_swiglu_ffn=True,
                         **{k: v for k, v in HF.items() if k != "intermediate_size"})),
    ("timm_dinov3", "timm-dinov3", "", (20, 12), "F32", "", 4, 0,
     lambda s: timm_dinov3(s, "vit_small_patch16_dinov3", **VIT)),
    ("timm_dinov3_biases", "timm-dinov3", "", (16, 16), "F32", "backbone.", 2, 0,
     lambda s: timm_dinov3(s, "vit_small_patch16_dinov3_qkvb", **{**VIT, "num_heads": 2})),
    ("timm_dinov3_gated", "timm-dinov3", "", (12, 16), "F32", "", 4, 0,
     lambda s: timm_dinov3(s, "vit_small_plus_patch16_dinov3_qkvb", **VIT)),
    ("hf_dinov3_gated", "hf-dinov3", "", (16, 12), "F32", "", 4, 0,
     lambda s: hf_dinov3(s, use_gated_mlp=True, hidden_act="silu", **HF)),
    ("hf_dinov3", "hf-dinov3", "", (12, 20), "F32", "", 4, 0, lambda s: hf_dinov3(s, **HF)),
    ("hf_dinov3_published", "hf-dinov3", "", (16, 16), "F32", "", 4, 0,
     lambda s: hf_dinov3(s, lambda k: k.removeprefix("model."), key_bias=True, **HF)),
    ("mae_full", "mae", "", (20, 28), "F32", "", 4, 0,
     lambda s: plain_vit(s, mae_positions, {"mask_token": (1, 1, 8), "decoder_embed.weight": (8, 32),
                                            "decoder_pos_embed": (1, 17, 8)}, **VIT)),
    ("dino", "dino", "dino", (20, 12), "F32", "", 4, 0,
     lambda s: plain_vit(s, dino_positions, {}, **VIT)),
    ("dino_with_head", "dino", "", (16, 16), "F32", "teacher.backbone.", 4, 0,
     lambda s: plain_vit(s, dino_positions, {"head.mlp.0.weight": (8, 32)}, **VIT)),
    ("hf_vit", "hf-vit", "", (16, 16), "F32", "", 4, 0, lambda s: hf_vit(s, **HF)),
    ("hf_vit_other_size", "hf-vit", "", (12, 24), "BF16", "", 4, 0, lambda s: hf_vit(s, **HF)),
    ("beit", "beit", "", (16, 16), "F32", "", 4, 0, lambda s: beit(s, num_classes=5, init_values=0.1, **{
        k: v for k, v in VIT.items() if k != "img_size"})),
    ("beit_shared", "beit", "", (16, 16), "F32", "", 4, 0,
     lambda s: beit(s, num_classes=0, global_pool="token", use_rel_pos_bias=False, init_values=0.1,
                    use_shared_rel_pos_bias=True, **{k: v for k, v in VIT.items() if k != "img_size"})),
    ("beit_larger", "beit", "", (24, 24), "F32", "", 4, 0,
     lambda s: beit(s, own=(16, 16), num_classes=5, init_values=0.1,
                    **{k: v for k, v in VIT.items() if k != "img_size"})),
    ("beit_not_square", "beit", "", (28, 12), "F32", "", 4, 0,
     lambda s: beit(s, own=(16, 16), num_classes=0, global_pool="token", use_rel_pos_bias=False,
                    use_abs_pos_emb=True, use_shared_rel_pos_bias=True, init_values=0.1,
                    **{k: v for k, v in VIT.items() if k != "img_size"})),
    ("clip_resnet", "open-clip", "", (64, 64), "F32", "", 32, 2,
     lambda s: clip_resnet(s, RESNET, TEXT, 24)),
    ("clip_resnet_other_size", "openai-clip", "openai-clip", (128, 96), "F16", "", 32, 2,
     lambda s: clip_resnet(s, RESNET, TEXT, 24, True)),
    ("open_clip", "open-clip", "", (16, 16), "F32", "", 4, 2,
     lambda s: open_clip_vit(s, VISION, TEXT, 24)),
    ("open_clip_other_size", "open-clip", "", (24, 12), "F32", "", 4, 2,
     lambda s: open_clip_vit(s, VISION, TEXT, 24)),
    ("openai_clip", "openai-clip", "", (16, 16), "F16", "", 4, 2,
     lambda s: open_clip_vit(s, VISION, TEXT, 24, True, ["input_resolution"])),
    ("hf_clip", "hf-clip", "", (16, 16), "F32", "", 4, 2,
     lambda s: hf_clip(s, {**HF, "hidden_act": "quick_gelu"}, HF_TEXT, 24)),
    ("torchvision_basic", "torchvision", "", (64, 48), "F32", "", 0, 0,
     lambda s: torchvision_resnet(s, "BasicBlock", [1, 2, 1, 1], num_classes=7)),
    ("torchvision_bottleneck", "torchvision", "", (40, 40), "F32", "", 0, 0,
     lambda s: torchvision_resnet(s, "Bottleneck", [1, 1, 1, 1], num_classes=7)),
    ("dino_resnet", "dino-resnet", "dino-resnet", (40, 40), "F32", "backbone.", 0, 0,
     lambda s: torchvision_resnet(s, "Bottleneck", [1, 1, 1, 1], head=False)),
    ("moco", "torchvision", "", (40, 40), "F32", "module.encoder_q.", 0, 0,
     lambda s: moco_resnet(s, "BasicBlock", [1, 1, 1, 1], 512)),
    ("lightly", "lightly", "", (40, 48), "F32", "backbone.", 0, 0,
     lambda s: sequential_resnet(s, "BasicBlock", [1, 1, 2, 1])),
    ("simclr_v2", "simclr-v2", "", (40, 40), "F32", "", 0, 0,
     lambda s: simclr_v2(s, "Bottleneck", [1, 1, 1, 1])),
    ("cifar_a", "cifar-resnet", "", (32, 32), "F32", "", 0, 0, lambda s: cifar_resnet(s, 2, "A", width=8)),
    ("cifar_b", "cifar-resnet", "", (20, 24), "F32", "", 0, 0, lambda s: cifar_resnet(s, 1, "B", width=8)),
]

TYPES = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "BF16": torch.bfloat16}
MOST = 12  # of the numbers of one image in each array


def emit(out, case):
    name, family, how, size, dtype, prefix, heads, text_heads, make = case
    torch.manual_seed(0)
    sd, run = make(size)
    filled = {k: formula(prefix + k, v) for k, v in sd.items()}
    rounded = {k: v.to(TYPES[dtype]).float() if v.is_floating_point() else v for k, v in filled.items()}
    with torch.no_grad():
        features = run(rounded)
    out.write(f"static const struct golden_tensor {name}_tensors[] = {{\n")
    for k, v in sd.items():
        t = dtype if v.is_floating_point() else "I64"
        dims = ", ".join(str(d) for d in v.shape) or "0"
        out.write(f'    {{"{prefix}{k}", "{t}", {v.ndim}, {{{dims}}}}},\n')
    out.write("};\n")
    for k, v in features.items():
        width = v.shape[1]
        step = (width + MOST - 1) // MOST
        flat = v[:, ::step].flatten().tolist()
        out.write(f"static const double {name}_{k.replace('.', '_')}[] = {{\n")
        for i in range(0, len(flat), 6):
            out.write("    " + ", ".join("%.9g" % x for x in flat[i:i + 6]) + ",\n")
        out.write("};\n")
    out.write(f"static const struct golden_array {name}_arrays[] = {{\n")
    for k, v in features.items():
        width = v.shape[1]
        step = (width + MOST - 1) // MOST
        out.write(f'    {{"{k}", {width}, {step}, {name}_{k.replace(".", "_")}}},\n')
    out.write("};\n")
    return f'    GOLDEN("{name}", "{family}", "{how}", {size[0]}, {size[1]}, {heads}, {text_heads}, {name}),\n'


if __name__ == "__main__":
    with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/families.h", "w") as out:
        out.write("/* Written by tests/golden/families.py. */\n/* clang-format off */\n")
        lines = [emit(out, c) for c in CASES]
        out.write("static const struct golden_network golden_networks[] = {\n" + "".join(lines) + "};\n")
