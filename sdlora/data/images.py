"""Pictures as people have them, in: RGB as the trainer wants it, out. No torch."""

import hashlib
import os
import re
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFile

from sdlora.errors import Problem, UserError

SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"})
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")  # a .png that holds PostScript is not opened
CACHE_FOLDER = ".sdlora_cache"

# 200 million pixels are 600 MB as RGB and what the largest phone camera takes; a 20,000 x 20,000 picture is twice that.
MAX_PIXELS = 200_000_000
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow's own limit; from here on it warns, where this module refuses
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

ORIENTATION = 0x0112  # EXIF tag
TURNS = {  # EXIF orientation -> what puts it right
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def find_images(folder: Path | str, onerror: Callable[[OSError], None] | None = None) -> list[Path]:
    """Every image file in ``folder`` and below, in natural order (2.png before 10.png).

    Hidden files and folders are passed over, and with them ``._*`` and the cache folder. Links to folders are followed,
    each folder once. ``onerror`` gets the OSError of a folder that can't be listed; without it such folders are empty.
    """
    folder = Path(folder)
    found, seen = [], set()
    for here, folders, files in os.walk(folder, followlinks=True, onerror=onerror):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(here, name) for name in files if is_image_name(name)]
    return sorted(found, key=lambda path: natural_key(path.relative_to(folder).as_posix()))


def is_image_name(name: str) -> bool:
    """Does a file of this name count as an image?"""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def natural_key(text: str) -> tuple:
    """Sorting key with numbers by value; the text itself comes last, so that the order is total."""
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in re.split(r"(\d+)", text.casefold())), text


def load_image(path: Path | str, name: str = "", at_least: int = 0) -> Image.Image:
    """The picture as 8-bit sRGB, turned as its EXIF says, transparency on white; the first frame of an animation.

    16-bit and float grey are scaled to 8 bits (round(v / 257)), 16-bit colour keeps its high byte (at most one level
    off); an embedded colour profile other than sRGB is converted. ``at_least``: for a thumbnail of so many pixels; a
    JPEG may then come at a half, a quarter or an eighth, many times faster. Raises UserError (not fatal) for what can't
    be read whole.
    """
    with _reading(Path(path), name), _open(path) as image:
        if at_least:
            image.draft(None, (at_least, at_least))
        ImageFile.LOAD_TRUNCATED_IMAGES = False  # some libraries switch it on for the whole process
        image.load()
        orientation = _orientation(image)
        picture = _to_rgb(image)
        return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture


def probe(path: Path | str, name: str = "") -> tuple[int, int]:
    """(width, height) in pixels as ``load_image`` would give it, from the file's head alone. UserError as above."""
    with _reading(Path(path), name), _open(path) as image:
        return _turned_size(image)


def check_image(path: Path | str, name: str = "") -> tuple[int, int]:
    """``probe`` that reads every byte, so that a torn file raises too. JPEGs are decoded at an eighth: faster."""
    with _reading(Path(path), name), _open(path) as image:
        size = _turned_size(image)
        if image.format in ("JPEG", "MPO"):
            image.draft(image.mode, (max(1, image.width // 8), max(1, image.height // 8)))
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        image.load()
        return size


def content_hash(path: Path | str) -> str:
    """SHA-256 of the file's bytes, in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class _reading:
    """Turns whatever a decoder raises on a damaged file into one sentence; Pillow raises nearly every type there is."""

    def __init__(self, path: Path, name: str):
        self.path, self.name = path, name or path.name

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: type | None, error: BaseException | None, _trace: object) -> None:
        if error is None or not isinstance(error, Exception) or isinstance(error, MemoryError):
            return
        what = f"{self.name} {_reason(self.path, error)} and is left out."
        raise UserError(Problem(what, where=self.name, fatal=False)) from error


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"has more than {MAX_PIXELS // 10**6} million pixels"
    if isinstance(error, PermissionError):
        return "cannot be read (no permission)"
    if isinstance(error, FileNotFoundError):
        return "cannot be read (it is gone)"
    try:
        empty = path.stat().st_size == 0
    except OSError:
        empty = False
    if empty:
        return "is an empty file"
    return "is cut off or damaged" if "truncated" in str(error).lower() else "cannot be read"


def _open(path: Path | str) -> Image.Image:
    image = Image.open(path, formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:  # also when somebody lifted Pillow's own limit
        image.close()
        raise Image.DecompressionBombError(f"{image.width} x {image.height}")
    return image


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # broken EXIF (it raises nearly anything) in a picture that is fine: take it as it is
        return 1


def _turned_size(image: Image.Image) -> tuple[int, int]:
    turned = image.format != "TIFF" and _orientation(image) in (5, 6, 7, 8)  # Pillow turns TIFFs by itself
    return (image.height, image.width) if turned else image.size


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep_grey(image)
    if image.mode == "CMYK":
        return _to_srgb(image) or image.convert("RGB")
    if image.has_transparency_data:
        cutout = image.convert("RGBA")
        picture = Image.new("RGB", image.size, "white")
        picture.paste(cutout, mask=cutout.getchannel("A"))
    else:
        picture = image.convert("RGB")
    picture.info["icc_profile"] = image.info.get("icc_profile") if image.mode not in ("L", "LA", "1") else None
    return _to_srgb(picture) or picture


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """16-bit ("I;16"), 32-bit ("I") or float ("F") grey. Pillow's own conversion clips these at 255."""
    values = np.asarray(image)
    if values.dtype.itemsize == 2:
        grey = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)  # = round(v * 255 / 65535)
    else:
        values = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
        peak = float(values.max())
        tops = (1, 255, 65535) if image.mode == "F" else (65535, 2**31 - 1)
        top = next((t for t in tops if peak <= t), peak)  # floats don't say their range: the smallest usual one
        grey = np.rint(np.clip(values / top, 0, 1) * 255).astype(np.uint8)
    if "transparency" in image.info:  # a PNG may name one grey value that is transparent
        grey = np.where(values == image.info["transparency"], np.uint8(255), grey)
    return Image.fromarray(grey).convert("RGB")


def _to_srgb(image: Image.Image) -> Image.Image | None:
    """Colours moved from the embedded profile to sRGB; None if there is none, it is sRGB already, or is not usable."""
    profile = image.info.get("icc_profile")
    if not profile:
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
