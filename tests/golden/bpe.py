#!/usr/bin/env python3
"""Writes tests/golden/bpe.h: token ids by a plain implementation of CLIP's tokenizer, in the
published vocabulary and in one trained here.

usage: bpe.py [bpe_simple_vocab_16e6.txt.gz [OUTPUT]]

Written from Radford et al. 2021 (2.4), Radford et al. 2019 (2.2), Sennrich et al. 2016 (algorithm 1)
and the layout of the vocabulary file.  Everything here is as slow as it looks."""
import codecs
import collections
import gzip
import os
import sys
import unicodedata

SPACES = set("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {
    chr(c) for c in range(0x2000, 0x200B)}
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'\u017f"]

# A byte is a character: printable Latin-1 as itself and first, the rest from U+0100 on.
printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
others = [b for b in range(256) if b not in printable]
CHARACTER = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}

codecs.register_error("each", lambda e: ("\ufffd", e.start + 1))


def lower(c):
    return c.lower() if len(c.lower()) == 1 else c.lower()[0]


def clean(raw):
    text = unicodedata.normalize("NFC", raw.decode("utf-8", "each"))
    text = "".join(" " if c in SPACES else c for c in text)
    return "".join(lower(c) for c in " ".join(text.split(" ")).strip())


def kind(c):
    category = unicodedata.category(c)[0]
    return " " if c in SPACES else category if category in "LN" else "other"


def words(text):
    i = 0
    while i < len(text):
        for c in CONTRACTIONS:
            if text.startswith(c, i):
                yield c
                i += len(c)
                break
        else:
            k, n = kind(text[i]), 1
            while k in ("L", "other") and i + n < len(text) and kind(text[i + n]) == k:
                n += 1
            if k != " ":
                yield text[i:i + n]
            i += n


def symbols(word):
    s = [CHARACTER[b] for b in word.encode()]
    return s[:-1] + [s[-1] + "</w>"]


def merge(s, pair):
    out, i = [], 0
    while i < len(s):
        both = tuple(s[i:i + 2]) == pair
        out.append("".join(pair) if both else s[i])
        i += 1 + both
    return out


class Vocabulary:
    def __init__(self, merges):
        self.merges = merges
        self.rank = {m: i for i, m in enumerate(merges)}
        names = [CHARACTER[b] for b in printable + others]
        names += [n + "</w>" for n in names] + ["".join(m) for m in merges]
        self.id = {n: i for i, n in enumerate(names)}
        self.start, self.end = len(names), len(names) + 1
        assert len(self.id) == len(names)

    def encode(self, raw):
        ids = []
        for w in words(clean(raw)):
            s = symbols(w)
            while True:
                found = [self.rank[p] for p in zip(s, s[1:]) if p in self.rank]
                if not found:
                    break
                s = merge(s, self.merges[min(found)])
            ids += [self.id[x] for x in s]
        return [self.start] + ids + [self.end]


def train(captions, n_merges):
    count = collections.Counter(w for c in captions for w in words(clean(c)))
    split = {w: symbols(w) for w in count}
    v = Vocabulary([])
    for _ in range(n_merges):
        pairs = collections.Counter()
        for w, n in count.items():
            for p in zip(split[w], split[w][1:]):
                pairs[p] += n
        if not pairs or max(pairs.values()) < 2:
            break
        best = min(pairs, key=lambda p: (-pairs[p], v.id[p[0]], v.id[p[1]]))
        split = {w: merge(s, best) for w, s in split.items()}
        v = Vocabulary(v.merges + [best])
    return v


# What others say that the published vocabulary gives.
PUBLISHED = {
    "a photo of a cat": [320, 1125, 539, 320, 2368],
    "a painting of a cat": [320, 3086, 539, 320, 2368],
    "bozuman": [647, 4091, 786],
    "Hello, world!": [3306, 267, 1002, 256],
    "grandma's 2 birthday cakes": [10525, 568, 273, 1166, 5950],
    "café au lait": [15304, 2566, 572, 585],
    "snow-capped mountains, 4k": [2583, 268, 24659, 5873, 267, 275, 330],
    "  HELLO   World  ": [3306, 1002],
    "MacBook Pro 16-inch": [20617, 2630, 272, 277, 268, 6523],
    "A photograph of an astronaut riding a horse": [320, 8853, 539, 550, 18376, 6765, 320, 4558],
}

TEXTS = [*PUBLISHED, "", " \t\n", "!", "a", "they'RE we'll I'm he'd it's can't we've",
         "''s 'student's' o'clock 'll", "it'\u017f", "the year 2024, \u00bd cup, \u2167 \u00b2\u2075",
         "cafe\u0301 \u1e9b\u0323 \u212b A\u030a", "J\u030c \u01f0", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!",
         "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8", "\u1112\u1161\u11ab\uae00", "\u0928\u092e\u0938\u094d\u0924\u0947",
         "\u039f\u0394\u039f\u03a3 \u00df \u1e9e", "\U0001f44d\U0001f3fd ok \U0001f468\u200d\U0001f469\u200d\U0001f467",
         "no\u00a0break\u3000wide\u2003em\u200bzero", "<|endoftext|> </w>", "a_b-c...d?!", "\u0130\u0131",
         "A child in a pink dress is climbing up a set of stairs in an entry way .",
         "supercalifragilisticexpialidocious", "aaaaaaaaaaaaaaaaaaaaaaaaa", b"\xff ok \xe2\x82 \xc0\xaf \xed\xa0\x80z\xf5"]

CAPTIONS = ["A red circle above a blue square.", "a Red square, below two red circles",
            "the circle's squares aren't red", "bananas, banana; ana nana anana", "aaaa aaa aa aaaaaa",
            "t\u00eate-\u00e0-t\u00eate \u65e5\u672c \u65e5\u672c", "12 121 1212", b"\xff\xff a\xfe\xfe"]
TINY_TEXTS = [*CAPTIONS, "", "three bananas & a SQUARED circle", "aaaaaaaaaaa", "\u65e5", "unrelated words"]


def raw(text):
    return text if isinstance(text, bytes) else text.encode()


def c_string(data):
    out = ""
    for b in data:
        c = chr(b)
        out += c if 32 <= b < 127 and c not in '"\\?' else f"\\{b:03o}"
    return f'"{out}"'


def write(out, name, vocabulary, texts):
    for i, t in enumerate(texts):
        ids = ", ".join(map(str, vocabulary.encode(raw(t))))
        out.write(f"static const int32_t {name}_{i}[] = {{{ids}}};\n")
    out.write(f"static const struct golden_text {name}[] = {{\n")
    for i, t in enumerate(texts):
        out.write(f"    {{{c_string(raw(t))}, {len(vocabulary.encode(raw(t)))}, {name}_{i}}},\n")
    out.write("};\n")


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.expanduser(
        "~/.cache/ssvbench-data/weights/bpe_simple_vocab_16e6.txt.gz")
    lines = gzip.open(path).read().decode().split("\n")[1:48894 + 1]
    clip = Vocabulary([tuple(line.split()) for line in lines])
    assert (clip.start, clip.end) == (49406, 49407)
    for text, ids in PUBLISHED.items():
        assert clip.encode(raw(text))[1:-1] == ids, text
    tiny = train([raw(c) for c in CAPTIONS], 60)
    with open(sys.argv[2] if len(sys.argv) > 2 else "tests/golden/bpe.h", "w") as out:
        out.write("/* Written by tests/golden/bpe.py. */\n/* clang-format off */\n")
        out.write("struct golden_text {\n    const char *text;\n    int n;\n    const int32_t *ids;\n};\n")
        write(out, "golden_published", clip, TEXTS)
        out.write("static const char *const golden_captions[] = {\n")
        for c in CAPTIONS:
            out.write(f"    {c_string(raw(c))},\n")
        out.write("};\nstatic const char golden_vocabulary[] =\n    \"#version: 0.2\\n\"\n")
        for m in tiny.merges:
            out.write(f"    {c_string(' '.join(m).encode())[:-1]}\\n\"\n")
        out.write("    ;\n")
        write(out, "golden_tiny", tiny, TINY_TEXTS)


if __name__ == "__main__":
    main()
