# Makes cmyk.jpg with Pillow: a bright bar at the left of a dark picture, in CMYK,
# which the standard library of Go can read but not write.
from PIL import Image

rgb = Image.new("RGB", (16, 16), (40, 50, 45))
rgb.paste((230, 220, 200), (0, 0, 5, 16))
rgb.convert("CMYK").save("cmyk.jpg", quality=90)
