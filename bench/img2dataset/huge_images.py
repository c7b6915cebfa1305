"""Makes images of 168 megapixels, each below 20 MB: huge_images.py PHOTO DRAWING FOLDER.

A photo as JPEG, baseline and progressive, and a drawing as PNG, with transparency and without.
"""

import sys
from pathlib import Path

from PIL import Image

SIDES = (16384, 10240)


def main(photo_path, drawing_path, folder):
    Image.MAX_IMAGE_PIXELS = None
    folder = Path(folder)
    photo = Image.open(photo_path).convert("RGB").resize(SIDES, Image.Resampling.BICUBIC)
    photo.save(folder / "baseline.jpg", quality=75)
    photo.save(folder / "progressive.jpg", quality=75, progressive=True)
    del photo
    # Without smoothing a drawing stays small as a file, however many pixels it has.
    drawing = Image.open(drawing_path).convert("RGBA").resize(SIDES, Image.Resampling.NEAREST)
    drawing.save(folder / "rgba.png", compress_level=6)
    drawing.convert("RGB").save(folder / "rgb.png", compress_level=6)


main(*sys.argv[1:])
