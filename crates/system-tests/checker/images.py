"""Looks at stored images with Pillow: what they are, how large, and whether they show what was served."""

import io
import warnings

import PIL.Image
import PIL.ImageOps

import options as kinds

PIL.Image.MAX_IMAGE_PIXELS = None
warnings.simplefilter("ignore")

PILLOW_NAMES = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "bmp": "BMP", "tiff": "TIFF", "ico": "ICO"}
# EXIF: values that stand for an image on its side.
ORIENTATION, ON_ITS_SIDE = 0x0112, {5, 6, 7, 8}
WHITE = (255, 255, 255)
# Both images are compared as a grid of so many cells a side; how much they may differ on average, of 255.
GRID, MOST_DIFFERENCE = 8, 24


def check(faults, where, row, data, source, options):
    """A stored image against its ledger row and the file that was served; `source` is None if that is not known."""
    if not options.transforms or row["format"] in kinds.NEVER_DECODED:
        return check_kept(faults, where, row, data)
    try:
        image = PIL.Image.open(io.BytesIO(data))
        image.load()
    except Exception as error:  # pylint: disable=broad-except
        return faults.add("not-decodable", f"{where} cannot be decoded: {error}")
    if image.format != PILLOW_NAMES[options.encode] or row["format"] != options.encode:
        faults.add("wrong-format", f"{where} is {image.format}, the ledger says {row['format']}, asked was {options.encode}")
    if image.size != (row["width"], row["height"]):
        faults.add("wrong-size", f"{where} has {image.size}, the ledger says {row['width']}x{row['height']}")
    if source is not None:
        check_against(faults, where, row, image, source, options)
    return None


def check_kept(faults, where, row, data):
    """An image as it came: the ledger's size is that of its header."""
    if row["format"] not in PILLOW_NAMES or row["format"] == "ico":
        return
    try:
        size = PIL.Image.open(io.BytesIO(data)).size
    except Exception:  # pylint: disable=broad-except
        # Pillow need not be able to read everything that has a good header.
        return
    if size != (row["width"], row["height"]):
        faults.add("wrong-size", f"{where} has {size}, the ledger says {row['width']}x{row['height']}")


def check_against(faults, where, row, image, source, options):
    """A transformed image against its source."""
    try:
        original = PIL.Image.open(source)
        size = original.size
        upright = size[::-1] if original.getexif().get(ORIENTATION) in ON_ITS_SIDE else size
    except Exception:  # pylint: disable=broad-except
        return
    if (row["original_width"], row["original_height"]) not in (size, upright):
        told = f"{row['original_width']}x{row['original_height']}"
        faults.add("wrong-size", f"{where} came with {size}, the ledger says {told}")
    if not fits(image.size, upright, options):
        faults.add("wrong-size", f"{where} has {image.size} after {options.resize_mode} of {upright}")
        return
    try:
        difference = compare(image, reference(original, options))
    except Exception:  # pylint: disable=broad-except
        return
    if difference > MOST_DIFFERENCE:
        faults.add("wrong-pixels", f"{where} differs from what was served by {difference:.0f} of 255 on average")


def fits(size, original, options):
    """Whether an image of this size can have come of such an original."""
    mode, side = options.resize_mode, options.image_size
    if mode in (None, "no"):
        return size == original
    if mode in ("border", "center_crop"):
        return size == (side, side)
    pick = min if mode == "keep_ratio" else max
    scale = side / pick(original)
    near = lambda have, want: abs(have - max(1, want * scale)) <= 1
    return pick(size) == side and near(size[0], original[0]) and near(size[1], original[1])


def reference(original, options):
    """What Pillow makes of the original."""
    mode, side = options.resize_mode, options.image_size
    # A JPEG can be decoded at a fraction of its size, which is enough here.
    original.draft("RGB", (side, side))
    image = flat(PIL.ImageOps.exif_transpose(original))
    if mode == "center_crop":
        return PIL.ImageOps.fit(image, (side, side))
    if mode == "border":
        return PIL.ImageOps.pad(image, (side, side), color=WHITE)
    return image


def flat(image):
    """Opaque, on white."""
    if image.mode == "P" or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        image = image.convert("RGBA")
        white = PIL.Image.new("RGBA", image.size, WHITE + (255,))
        return PIL.Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def compare(one, other):
    """The mean difference of two images on a grid."""
    grids = [flat(image).resize((GRID, GRID), PIL.Image.Resampling.BOX).tobytes() for image in (one, other)]
    return sum(abs(a - b) for a, b in zip(*grids)) / len(grids[0])
