"""Writes the pictures of this folder with Pillow: one for each kind that is decoded.

pillow.txt has what Pillow reads of each: its name, width and height, and the bytes of
its pixels as RGB, turned as the EXIF orientation says.
"""
import io
import pathlib
import struct
import zlib

from PIL import Image, ImageOps

W, H = 11, 7
rgba = Image.new("RGBA", (W, H))
for y in range(H):
    for x in range(W):
        rgba.putpixel((x, y), (20 * x, 30 * y, x * y, 255 - 9 * x))
rgb = rgba.convert("RGB")
grey = rgb.convert("L")
palette = rgb.quantize(5)
pictures = {
    "grey": grey,
    "grey1": grey.convert("1"),
    "grey16": Image.new("I;16", (W, H), 12345),
    "rgb": rgb,
    "rgba": rgba,
    "palette": palette,
    "grey_alpha": rgba.convert("LA"),
}
for name, img in pictures.items():
    img.save(name + ".png")
rgb.save("colour.jpg")
rgb.save("progressive.jpg", progressive=True)
rgb.save("full.jpg", subsampling=0, optimize=True)
rgb.save("restarts.jpg", restart_marker_blocks=1)
grey.save("grey.jpg")
grey.save("progressive_grey.jpg", progressive=True)
rgb.convert("CMYK").save("cmyk.jpg")
rgb.convert("CMYK").save("progressive_cmyk.jpg", progressive=True)

# YCCK: what Pillow writes as CMYK is marked as YCbCr and K.
ycc = [Image.eval(c, lambda v: 255 - v) for c in rgb.convert("YCbCr").split()]
file = io.BytesIO()
Image.merge("CMYK", ycc + [Image.new("L", (W, H), 0)]).save(file, "JPEG", quality=95)
file = bytearray(file.getvalue())
file[file.index(b"Adobe") + 11] = 2
pathlib.Path("ycck.jpg").write_bytes(file)

# Some programs leave out Adobe's marker.
file = pathlib.Path("cmyk.jpg").read_bytes()
at = file.index(b"\xff\xee")
pathlib.Path("cmyk_unmarked.jpg").write_bytes(file[:at] + file[at + 2 + int.from_bytes(file[at + 2 : at + 4], "big") :])


# Pillow writes no PNG of 16 bits with colours.
def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png16(alpha):
    rows = b""
    for y in range(H):
        rows += b"\0" + b"".join(
            struct.pack(">4H" if alpha else ">3H", *(257 * v for v in rgba.getpixel((x, y))[: 4 if alpha else 3]))
            for x in range(W)
        )
    head = struct.pack(">IIBBBBB", W, H, 16, 6 if alpha else 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


pathlib.Path("rgb16.png").write_bytes(png16(False))
pathlib.Path("rgba16.png").write_bytes(png16(True))

palette.save("palette.gif")
palette.save("interlaced.gif", interlace=1)
grey.save("grey.gif")
mirrored = ImageOps.mirror(palette)
palette.save("animated.gif", save_all=True, append_images=[mirrored], duration=100)

rgb.save("rgb.bmp")
rgba.save("rgba.bmp")
grey.save("grey.bmp")
palette.save("palette.bmp")
grey.convert("1").save("grey1.bmp")

rgb.save("rgb.tiff")
rgba.save("rgba.tiff")
palette.save("palette.tiff")
grey.save("lzw_grey.tiff", compression="tiff_lzw")
for compression in "group3", "group4":
    for meaning in 0, 1:
        bits = grey.point(lambda v: 255 * (v > 80)).convert("1")
        bits.save(f"{compression}_{meaning}.tiff", compression=compression, tiffinfo={262: meaning})
Image.new("I;16", (W, H), 12345).save("grey16.tiff")
for compression in "tiff_lzw", "tiff_adobe_deflate", "packbits":
    rgb.save(compression.removeprefix("tiff_") + ".tiff", compression=compression, strip_size=3 * W * 2)

rgb.save("lossless.webp", lossless=True)
rgba.save("lossless_alpha.webp", lossless=True, exact=True)
palette.convert("RGB").save("lossless_palette.webp", lossless=True)
rgb.save("lossy.webp", quality=95)
rgba.save("lossy_alpha.webp", quality=95)
rgb.save("animated.webp", save_all=True, append_images=[ImageOps.mirror(rgb)], lossless=True, duration=100)


def exif(orientation, order="<"):
    entry = struct.pack(order + "HHI", 0x112, 3, 1) + struct.pack(order + "HH", orientation, 0)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "I", 8) + struct.pack(order + "H", 1) + entry + bytes(4)


for n in range(10):  # 0 and 9 are no orientation
    rgb.save(f"orientation{n}.jpg", subsampling=0, quality=95, exif=b"Exif\0\0" + exif(n))
    rgb.save(f"orientation{n}.png", exif=exif(n))
rgb.save("orientation6_big.jpg", subsampling=0, quality=95, exif=b"Exif\0\0" + exif(6, ">"))
rgb.save("orientation6.webp", lossless=True, exif=exif(6))
grey.save("orientation8_grey.jpg", quality=95, exif=b"Exif\0\0" + exif(8))
for n in 5, 8:
    rgb.save(f"orientation{n}.tiff", tiffinfo={0x112: n})

with open("pillow.txt", "w") as out:
    for path in sorted(pathlib.Path().iterdir()):
        if path.suffix in (".py", ".txt"):
            continue
        img = ImageOps.exif_transpose(Image.open(path))
        if img.mode.startswith("I;16"):  # Pillow clips these at 255
            img = Image.merge("RGB", [Image.frombytes("L", img.size, img.tobytes()[1::2])] * 3)
        out.write(f"{path} {img.width} {img.height} {img.convert('RGB').tobytes().hex()}\n")
