#!/usr/bin/env python3
"""Training steps, images a second, against plain PyTorch: interleaved rounds, medians.

    bench/peers/steps.py [--rounds 5] [--seconds 5] [--threads 2] [--filter RE] [--compile]
                         [--program build/ssvbench]
                         [--device cuda --math fp32|tf32|bf16 --times K] [--published]

A round times one step kind here and in PyTorch, each in a process of its own, so that the peak
memory is its own too; the rows are those of `ssvbench bench steps`, with batches K times as large.
On a device PyTorch finds its inputs there already, and bf16 is its autocast; here they are copied
in each step.  Both sides work in single
precision on data prepared before the clock starts.  --compile lets torch.compile at the model.
--published: the networks of published sizes, as `ssvbench bench steps --published`.
Needs torch and torchvision; the program itself does not.
"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time

WORDS = 665  # that the captions of `shapes` have


def models(torch):
    """The models as one would write them, from their papers; only what the steps below use."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, dim, heads, causal=False):
            super().__init__()
            self.heads, self.causal = heads, causal
            self.norm1, self.norm2 = nn.LayerNorm(dim, 1e-6), nn.LayerNorm(dim, 1e-6)
            self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
            self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

        def forward(self, x):
            n, t, c = x.shape
            qkv = self.qkv(self.norm1(x)).reshape(n, t, 3, self.heads, c // self.heads)
            q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
            x = x + self.proj(y.transpose(1, 2).reshape(n, t, c))
            return x + self.mlp(self.norm2(x))

    class ViT(nn.Module):
        def __init__(self, dim, depth, heads, patch=4, image=32, classes=0):
            super().__init__()
            self.side = image // patch
            self.embed = nn.Conv2d(3, dim, patch, patch)
            self.cls = nn.Parameter(torch.zeros(1, 1, dim))
            self.register_buffer("position", torch.randn(1, 1 + self.side**2, dim) * 0.02)
            self.blocks = nn.Sequential(*[Block(dim, heads) for _ in range(depth)])
            self.norm = nn.LayerNorm(dim, 1e-6)
            self.head = nn.Linear(dim, classes) if classes else nn.Identity()

        def positions(self, side):
            if side == self.side:
                return self.position
            grid = self.position[:, 1:].unflatten(1, (self.side, self.side)).permute(0, 3, 1, 2)
            grid = F.interpolate(grid, (side, side), mode="bicubic").flatten(2).transpose(1, 2)
            return torch.cat([self.position[:, :1], grid], 1)

        def patches(self, images):
            x = self.embed(images)
            p = self.positions(x.shape[-1])
            return x.flatten(2).transpose(1, 2) + p[:, 1:], self.cls + p[:, :1]

        def encode(self, patches, cls):
            x = torch.cat([cls.expand(len(patches), -1, -1), patches], 1)
            return self.norm(self.blocks(x))

        def forward(self, images):
            return self.head(self.encode(*self.patches(images))[:, 0])

    class Supervised(nn.Module):
        def __init__(self, dim, depth, heads, patch=4, image=32):
            super().__init__()
            self.net = ViT(dim, depth, heads, patch, image, classes=10)

        def forward(self, x, y):
            return F.cross_entropy(self.net(x), y)

    class MAE(nn.Module):
        """75 % masked; the decoder has this width and so many blocks and heads."""

        def __init__(self, dim=192, depth=12, heads=3, width=96, blocks=4, width_heads=3, patch=4,
                     image=32):
            super().__init__()
            self.net, self.patch = ViT(dim, depth, heads, patch, image), patch
            self.embed, self.mask = nn.Linear(dim, width), nn.Parameter(torch.zeros(1, 1, width))
            self.register_buffer("position", torch.randn(1, 1 + self.net.side**2, width) * 0.02)
            self.blocks = nn.Sequential(*[Block(width, width_heads) for _ in range(blocks)])
            self.norm, self.pred = nn.LayerNorm(width), nn.Linear(width, 3 * patch**2)

        def forward(self, images, noise):
            x, cls = self.net.patches(images)
            n, length, dim = x.shape
            keep, order = length // 4, noise.argsort(1)
            visible = x.gather(1, order[:, :keep, None].expand(-1, -1, dim))
            x = self.embed(self.net.encode(visible, cls))
            hidden = self.mask.expand(n, length - keep, -1)
            back = order.argsort(1)[..., None].expand(-1, -1, x.shape[-1])
            y = torch.cat([x[:, 1:], hidden], 1).gather(1, back)
            x = self.blocks(torch.cat([x[:, :1], y], 1) + self.position)[:, 1:]
            of = order[:, keep:, None]  # predictions are needed of hidden patches only
            x = self.pred(self.norm(x.gather(1, of.expand(-1, -1, x.shape[-1]))))
            t = F.pixel_unshuffle(images, self.patch).flatten(2).transpose(1, 2)
            t = t.gather(1, of.expand(-1, -1, t.shape[-1]))
            t = (t - t.mean(-1, keepdim=True)) / (t.var(-1, keepdim=True) + 1e-6).sqrt()
            return F.mse_loss(x, t)

    class SimCLR(nn.Module):
        def __init__(self, network="resnet18", dim=512, small=True):
            import torchvision
            super().__init__()
            self.net = getattr(torchvision.models, network)(weights=None)
            if small:
                self.net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
                self.net.maxpool = nn.Identity()
            self.net.fc = nn.Identity()
            self.head = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(True), nn.Linear(dim, 128))

        def forward(self, views):
            z = F.normalize(self.head(self.net(views)), dim=1)
            n = len(z) // 2
            logits = (z @ z.T / 0.5).masked_fill(torch.eye(2 * n, dtype=torch.bool), float("-inf"))
            return F.cross_entropy(logits, torch.arange(2 * n).roll(n))

    class Head(nn.Module):
        def __init__(self, dim, prototypes, hidden, out):
            super().__init__()
            self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, hidden),
                                     nn.GELU(), nn.Linear(hidden, out))
            self.weight = nn.Parameter(torch.randn(prototypes, out))

        def forward(self, x):
            return F.linear(F.normalize(self.mlp(x), dim=-1), F.normalize(self.weight, dim=-1))

    class DINO(nn.Module):
        def __init__(self, head=(4096, 512, 128), dim=128, depth=6, heads=4, patch=4, image=32):
            super().__init__()
            prototypes = head[0]

            def network():
                return nn.Sequential(ViT(dim, depth, heads, patch, image), Head(dim, *head))
            self.student, self.teacher = network(), network()
            self.teacher.load_state_dict(self.student.state_dict())
            self.teacher.requires_grad_(False)
            self.register_buffer("centre", torch.zeros(1, prototypes))

        def forward(self, large, small):
            with torch.no_grad():
                t = self.teacher(large)
                target = ((t - self.centre) / 0.04).softmax(-1).chunk(2)
                self.centre.lerp_(t.mean(0, keepdim=True), 0.1)
            body, head = self.student
            out = head(torch.cat([body(large), body(small)])) / 0.1
            logs = F.log_softmax(out, -1).chunk(2 + len(small) * 2 // len(large))
            pairs = [-(q * p).sum(-1).mean() for i, q in enumerate(target)
                     for j, p in enumerate(logs) if i != j]
            return sum(pairs) / len(pairs)

        @torch.no_grad()
        def after(self):
            torch._foreach_lerp_(list(self.teacher.parameters()),
                                 list(self.student.parameters()), 0.004)

    class CLIP(nn.Module):
        def __init__(self, image, features, text=(128, 4, 4), context=32):
            super().__init__()
            dim, depth, heads = text
            self.image, self.embed = image, nn.Embedding(WORDS, dim)
            self.position = nn.Parameter(torch.randn(context, dim) * 0.01)
            self.text = nn.Sequential(*[Block(dim, heads, causal=True) for _ in range(depth)],
                                      nn.LayerNorm(dim))
            self.to_image = nn.Linear(features, dim, bias=False)
            self.to_text = nn.Linear(dim, dim, bias=False)
            self.scale = nn.Parameter(torch.tensor(2.659))

        def forward(self, images, tokens, end):
            x = self.text(self.embed(tokens) + self.position)
            t = F.normalize(self.to_text(x[torch.arange(len(x)), end]), dim=-1)
            i = F.normalize(self.to_image(self.image(images)), dim=-1)
            logits, y = self.scale.exp() * i @ t.T, torch.arange(len(i))
            return (F.cross_entropy(logits, y) + F.cross_entropy(logits.T, y)) / 2

    return ViT, Supervised, MAE, SimCLR, DINO, CLIP


def steps(torch, published, times=1):
    """name: (batch, model, inputs), made when called; inputs of times as many images"""
    ViT, Supervised, MAE, SimCLR, DINO, CLIP = models(torch)

    def images(n, side=32):
        return torch.randn(n * times, 3, side, side)

    def labels(n, classes=10):
        return torch.randint(classes, (n * times,))

    def texts(n, context=32):
        return torch.randint(WORDS, (n * times, context)), labels(n, 8)

    def noise(n, patches=64):
        return torch.rand(n * times, patches)

    if published:
        base, small = (768, 12, 12), (384, 12, 6)
        return {
            "supervised/vit-base/224px-p16/b128":
                lambda: (128, Supervised(*base, 16, 224), (images(128, 224), labels(128))),
            "supervised/vit-small/224px-p16/b256":
                lambda: (256, Supervised(*small, 16, 224), (images(256, 224), labels(256))),
            "mae/vit-base/224px-p16/b256":
                lambda: (256, MAE(*base, 512, 8, 16, 16, 224), (images(256, 224), noise(256, 196))),
            "simclr/resnet50/224px/b64":
                lambda: (64, SimCLR("resnet50", 2048, False), (images(128, 224),)),
            "dino/vit-small/224px-p16/b32":
                lambda: (32, DINO((65536, 2048, 256), *small, 16, 224),
                         (images(64, 224), images(256, 96))),
            "clip/vit-base/224px-p32/b512":
                lambda: (512, CLIP(ViT(*base, 32, 224), 768, (512, 12, 8), 77),
                         (images(512, 224), *texts(512, 77))),
        }
    return {
        "supervised/vit-tiny/32px-p4/b64":
            lambda: (64, Supervised(192, 12, 3), (images(64), labels(64))),
        "supervised/vit-micro/32px-p4/b128":
            lambda: (128, Supervised(128, 6, 4), (images(128), labels(128))),
        "mae/vit-tiny/32px-p4/b64": lambda: (64, MAE(), (images(64), noise(64))),
        "simclr/resnet18/32px/b128": lambda: (128, SimCLR(), (images(256),)),
        "dino/vit-micro/32px-p4/b64": lambda: (64, DINO(), (images(128), images(256, 16))),
        "clip/vit-micro/32px-p4/b128":
            lambda: (128, CLIP(ViT(128, 6, 4), 128), (images(128), *texts(128))),
    }


def resident():
    """The most memory of this process; getrusage would count what its parent had."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024


def time_peer(name, a):
    """In a process of its own: prints one row as JSON."""
    begin = time.perf_counter()
    import torch
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    torch.set_default_device(a.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = a.math != "fp32"
    batch, model, inputs = steps(torch, a.published, a.times)[name]()
    if name.startswith("simclr"):
        model = model.to(memory_format=torch.channels_last)
        inputs = tuple(x.contiguous(memory_format=torch.channels_last) for x in inputs)
    loss_of = torch.compile(model) if a.compile else model
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, weight_decay=0.05, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(a.device, torch.bfloat16, enabled=a.math == "bf16"):
            loss = loss_of(*inputs)
        loss.backward()
        optimizer.step()
        loss.item()
        if hasattr(model, "after"):
            model.after()

    step()
    first, took, start = time.perf_counter() - begin, [], time.perf_counter()
    while len(took) < 3 or time.perf_counter() - start < a.seconds:
        begin = time.perf_counter()
        step()
        took.append(time.perf_counter() - begin)
    print(json.dumps({"images_per_s": batch * a.times / statistics.median(took), "first_s": first,
                      "resident_bytes": resident(),
                      "parameters": sum(p.numel() for p in model.parameters())}))


def ask(command):
    return json.loads(subprocess.check_output(command, text=True))


def compare(name, a):
    here, there = [], []
    flags = ["--seconds", str(a.seconds), "--threads", str(a.threads), "--device", a.device,
             "--math", a.math] + ["--published"] * a.published
    batch = int(name[name.rindex("/b") + 2:]) * a.times
    for _ in range(a.rounds):
        here.append(ask([a.program, "bench", "steps", "--json", "--filter", f"^{name}$", "--batch",
                         str(batch)] + flags))
        there.append(ask([sys.executable, __file__, "--one", name] + flags
                         + ["--times", str(a.times)] + ["--compile"] * a.compile))
    ratios = [x["images_per_s"] / y["images_per_s"] for x, y in zip(here, there)]

    def middle(rows, key, scale=1.0):
        return statistics.median(row[key] for row in rows) * scale

    print(f"{name:36} {middle(here, 'images_per_s'):8.1f} {middle(there, 'images_per_s'):8.1f}"
          f" {statistics.median(ratios):6.2f} {middle(here, 'percent_of_peak'):6.0f}"
          f" {middle(here, 'resident_bytes', 2**-20):7.0f}"
          f" {middle(there, 'resident_bytes', 2**-20):7.0f}"
          f" {middle(here, 'first_s'):6.2f} {middle(there, 'first_s'):6.2f}   "
          + " ".join(f"{r:.2f}" for r in ratios), flush=True)


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--seconds", type=float, default=5)
    flags.add_argument("--threads", type=int, default=2)
    flags.add_argument("--filter", default="")
    flags.add_argument("--compile", action="store_true")
    flags.add_argument("--program", default=str(pathlib.Path("build/ssvbench")))
    flags.add_argument("--device", default="cpu")
    flags.add_argument("--math", default="fp32", choices=["fp32", "tf32", "bf16"])
    flags.add_argument("--times", type=int, default=1)
    flags.add_argument("--published", action="store_true")
    flags.add_argument("--one", help=argparse.SUPPRESS)
    a = flags.parse_args()
    if a.one:
        time_peer(a.one, a)
        return
    import torch
    print(f"{'':36} {'images a second':>17} {'':6} {'% of':>6} {'peak MiB':>15} {'first step':>13}")
    print(f"{'':36} {'here':>8} {'PyTorch':>8} {'ratio':>6} {'peak':>6} {'here':>7} {'PyTorch':>7}"
          f" {'here':>6} {'PyT.':>6}   ratios; PyTorch {torch.__version__}")
    for name in steps(torch, a.published):
        if re.search(a.filter, name):
            compare(name, a)


if __name__ == "__main__":
    main()
