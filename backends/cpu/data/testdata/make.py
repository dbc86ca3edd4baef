"""Writes the pictures of this folder with Pillow: one for each kind that is decoded."""
from PIL import Image

W, H = 11, 7
rgba = Image.new("RGBA", (W, H))
for y in range(H):
    for x in range(W):
        rgba.putpixel((x, y), (20 * x, 30 * y, x * y, 255 - 9 * x))
rgb = rgba.convert("RGB")
grey = rgb.convert("L")
for name, img in {
    "grey": grey,
    "grey1": grey.convert("1"),
    "grey16": Image.new("I;16", (W, H), 12345),
    "rgb": rgb,
    "rgba": rgba,
    "palette": rgb.quantize(5),
    "grey_alpha": rgba.convert("LA"),
}.items():
    img.save(name + ".png")
rgb.save("colour.jpg")
rgb.save("progressive.jpg", progressive=True)
rgb.save("full.jpg", subsampling=0, optimize=True)
rgb.save("restarts.jpg", restart_marker_blocks=1)
grey.save("grey.jpg")
grey.save("progressive_grey.jpg", progressive=True)
rgb.convert("CMYK").save("cmyk.jpg")
rgb.convert("CMYK").save("progressive_cmyk.jpg", progressive=True)
