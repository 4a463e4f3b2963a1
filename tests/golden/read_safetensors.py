#!/usr/bin/env python3
"""Reads or writes a safetensors file by the published format, with the standard library alone.

    read_safetensors.py FILE          prints "name dtype shape sum" per tensor, "key=value" per
                                      metadata entry; fails when the file breaks a rule
    read_safetensors.py --write FILE  writes a file as another program might: spaces in the header,
                                      no padding, the tensors in another order than their data

When the safetensors package is there, it must accept the file too.
"""
import array
import json
import struct
import sys

CODES = {"F64": "d", "F32": "f", "I64": "q", "I32": "i", "U8": "B"}


def read(path):
    blob = open(path, "rb").read()
    (length,) = struct.unpack("<Q", blob[:8])
    assert length % 8 == 0 and length <= 100_000_000
    assert blob[8:9] == b"{"
    header = json.loads(blob[8 : 8 + length])
    data = blob[8 + length :]
    for key, value in header.pop("__metadata__", {}).items():
        print(f"{key}={value}")
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = entry["data_offsets"]
        assert first == end, "hole or overlap"
        end = last
        values = array.array(CODES[entry["dtype"]], data[first:last])
        assert first % values.itemsize == 0, "not aligned"
        count = 1
        for size in entry["shape"]:
            count *= size
        assert count == len(values), "shape"
        shape = "x".join(map(str, entry["shape"]))
        print(f"{name} {entry['dtype']} {shape} {float(sum(values)):.6g}")
    assert end == len(data), "bytes left over"
    try:
        from safetensors import safe_open
    except ImportError:
        return
    with safe_open(path, "np") as file:
        assert set(file.keys()) == set(header)


def write(path):
    numbers = struct.pack("<3f", 0.5, -1.5, 4.0)
    flags = bytes([7, 9, 11])
    header = (
        '{ "numbers": {"shape": [3, 1], "dtype": "F32", "data_offsets": [3, 15]},\n'
        '  "flags":   {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]},\n'
        '  "scalar":  {"dtype": "F64", "shape": [], "data_offsets": [15, 23]},\n'
        '  "empty":   {"dtype": "I64", "shape": [0, 5], "data_offsets": [15, 15]},\n'
        '  "__metadata__": {"format": "pt", "näme": "größe"} }'
    ).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + flags + numbers + struct.pack("<d", 2.5))


if __name__ == "__main__":
    if sys.argv[1] == "--write":
        write(sys.argv[2])
    else:
        read(sys.argv[1])
