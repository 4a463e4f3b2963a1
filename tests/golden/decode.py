#!/usr/bin/env python3
"""What Pillow makes of small image files: tests/golden/decode.h.

    python3 tests/golden/decode.py >tests/golden/decode.h      Pillow 13.0.0, NumPy 2

Expected pixels are ImageOps.exif_transpose(image).convert("RGB") of the stored bytes; of 16 bits,
which Pillow does not round, v * 255 / 65535 by NumPy.
"""

import io

import numpy as np
from PIL import Image, ImageOps

H, W = 5, 7


def picture(channels, scale=1):
    """Smooth, so that lossy formats keep it; different along both axes and in each channel."""
    y, x, c = np.mgrid[0:H, 0:W, 0:channels]
    return ((30 + 11 * x + 19 * y + 45 * c + 3 * x * y) * scale).astype(np.uint16)


def save(image, form, **how):
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue()


def image(mode):
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    pixels = picture(channels).astype(np.uint8)
    return Image.fromarray(pixels.squeeze(), mode)


def palette():
    p = Image.fromarray((np.arange(H * W) % 11).reshape(H, W).astype(np.uint8), "P")
    p.putpalette([(37 * i) % 256 for i in range(33)])
    return p


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def as_ycck(jpeg):
    """The Adobe marker says YCCK instead of CMYK: a sound file of other colours."""
    at = jpeg.index(b"\xff\xeeXXAdobe".replace(b"XX", b"\x00\x0e")) + 15
    return jpeg[:at] + b"\x02" + jpeg[at + 1 :]


def without_adobe(jpeg):
    at = jpeg.index(b"\xff\xee\x00\x0eAdobe")
    return jpeg[:at] + jpeg[at + 16 :]


def xmp(orientation):
    return b'<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>' % orientation


JPEG = dict(form="JPEG", optimize=True, quality=92)
rgb, grey, rgba = image("RGB"), image("L"), image("RGBA")
cmyk = save(image("CMYK"), **JPEG)
sixteen = picture(1, 200).squeeze()

# name, bytes, largest difference that is allowed
files = [
    ("jpeg_420", save(rgb, **JPEG, subsampling="4:2:0"), 2),
    ("jpeg_422", save(rgb, **JPEG, subsampling="4:2:2"), 2),
    ("jpeg_grey", save(grey, **JPEG), 2),
    ("jpeg_progressive", save(rgb, **JPEG, progressive=True), 2),
    ("jpeg_cmyk", cmyk, 2),
    ("jpeg_ycck", as_ycck(cmyk), 2),
    ("jpeg_cmyk_without_adobe", without_adobe(cmyk), 2),
    ("jpeg_xmp", save(rgb, **JPEG, xmp=xmp(6)), 2),
    ("jpeg_profile", save(rgb, **JPEG, icc_profile=b"not a profile"), 2),
    ("png_rgb", save(rgb, "PNG"), 0),
    ("png_grey", save(grey, "PNG"), 0),
    ("png_bits", save(grey.point(lambda v: 255 * (v > 99)).convert("1"), "PNG"), 0),
    ("png_grey_alpha", save(image("LA"), "PNG"), 0),
    ("png_rgba", save(rgba, "PNG"), 0),
    ("png_palette", save(palette(), "PNG"), 0),
    ("png_palette_alpha", save(palette(), "PNG", transparency=bytes(range(0, 110, 10))), 0),
    ("png_rgb_transparent", save(rgb, "PNG", transparency=(30, 75, 120)), 0),
    ("png_16", save(Image.fromarray(sixteen), "PNG"), 0),
    ("png_profile", save(rgb, "PNG", icc_profile=b"not a profile"), 0),
    ("png_exif", save(rgb, "PNG", exif=turned(7)), 0),
    ("webp_lossless", save(rgb, "WebP", lossless=True), 0),
    ("webp_lossless_alpha", save(rgba, "WebP", lossless=True, exact=True), 0),
    ("webp_lossy", save(rgb, "WebP", quality=90), 2),
    ("webp_lossy_alpha", save(rgba, "WebP", quality=90), 2),
    ("webp_exif", save(rgb, "WebP", lossless=True, exif=turned(8)), 0),
    ("webp_xmp", save(rgb, "WebP", lossless=True, xmp=xmp(5)), 0),
    ("webp_profile", save(rgb, "WebP", lossless=True, icc_profile=b"not a profile"), 0),
    (
        "webp_animated",
        save(rgb, "WebP", lossless=True, save_all=True, append_images=[rgb.rotate(180)]),
        0,
    ),
]
files += [(f"jpeg_exif_{o}", save(rgb, **JPEG, exif=turned(o)), 2) for o in range(1, 9)]


def array(name, data):
    lines = []
    text = ",".join(str(b) for b in data)
    while text:
        cut = len(text) if len(text) <= 96 else text.rindex(",", 0, 96) + 1
        lines.append("    " + text[:cut])
        text = text[cut:]
    print(f"static const uint8_t {name}[] = {{\n" + "\n".join(lines) + "};")


print("/* Made by tests/golden/decode.py. */\n/* clang-format off */")
for name, data, _ in files:
    opened = Image.open(io.BytesIO(data))
    upright = ImageOps.exif_transpose(opened)
    pixels = np.asarray(upright.convert("RGB"))
    if name == "png_16":
        assert np.array_equal(np.asarray(opened), sixteen)
        pixels = np.repeat(np.rint(sixteen.astype(float) * 255 / 65535)[..., None], 3, 2).astype(np.uint8)
    array(f"file_{name}", data)
    array(f"rgb_{name}", pixels.tobytes())

print("""static const struct golden_image {
    const char *name;
    const uint8_t *file;
    size_t bytes;
    int height, width;
    const uint8_t *rgb; /* (height, width, 3) */
    int tolerance;
} golden_images[] = {""")
for name, data, tolerance in files:
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    print(
        f'    {{"{name}", file_{name}, sizeof file_{name}, '
        f"{upright.height}, {upright.width}, rgb_{name}, {tolerance}}},"
    )
print("};\n/* clang-format on */")
