"""Read image files of any kind as the RGB that the trainer wants. No torch."""

import hashlib
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageFile, TiffImagePlugin

from sdlora.data.quiet import libtiff_quiet
from sdlora.errors import Problem, UserError
from sdlora.files.kinds import is_lfs_pointer, is_page
from sdlora.files.regular import NotRegular, open_regular
from sdlora.messages import reason_of, say

# A .png that holds PostScript is not opened: these alone, known by their first bytes, whatever the name says …
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF", "JPEG2000")
# … and these, which nearly any bytes could be, by their names only.
BY_NAME = {
    **dict.fromkeys((".tga", ".icb", ".vda", ".vst"), "TGA"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PPM"),
    ".dib": "DIB",
}
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".tif", ".tiff")
    + (".gif", ".avif", ".heic", ".heif", ".hif", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", *BY_NAME)
)
HEAD = 128  # bytes that tell what a file is that is no picture
pillow_heif.register_heif_opener(thumbnails=False)

# 200 million pixels are 600 MB as RGB and what the largest phone camera takes; a 20,000 x 20,000 picture is twice that.
MAX_PIXELS = 200_000_000
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow's own limit; from here on it warns, where this module refuses
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

CLEAR = "clear_share"  # in ``info`` of a picture that was read
UNSURE = "unsure_colours"
SOLID = 250  # of 255: what lets less through looks solid
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


def looks_like_image(head: bytes) -> bool:
    """Are these the first bytes (32 or more) of a picture in one of ``FORMATS``?"""
    if head[4:8] == b"ftyp":  # ISO base media: the brands tell pictures from films
        return bool(re.search(rb"avif|avis|hei[cxms]|mif1|msf1", head[8:32]))
    marks = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")
    if head.startswith(marks):
        return True
    windows = head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in (12, 40, 52, 56, 64, 108, 124)
    return windows or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def load_image(path: Path | str, name: str = "", at_least: int = 0) -> Image.Image:
    """The picture as 8-bit sRGB, turned as its EXIF says, transparency on white; the first frame of an animation.

    16-bit and float grey are scaled to 8 bits (round(v / 257)), 16-bit colour keeps its high byte (at most one level
    off); an embedded colour profile other than sRGB is converted. ``at_least``: for a thumbnail of so many pixels; a
    JPEG may then come at a half, a quarter or an eighth, many times faster. Raises UserError (not fatal) for what can't
    be read whole.
    """
    with _reading(Path(path), name), _open(path, name) as image:
        picture, orientation, _ = _decode(image, at_least)
        clear, unsure = picture.info.get(CLEAR, 0.0), ""
        try:
            converted = _to_srgb(picture)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted, unsure = None, "profile"
        if converted is None and picture.mode == "CMYK":
            unsure = unsure or "print"
        picture = converted or (picture if picture.mode == "RGB" else picture.convert("RGB"))
        picture.info.update({CLEAR: clear, UNSURE: unsure})
        return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture


def load_alpha(path: Path | str, name: str = "") -> Image.Image:
    """How solid each pixel is, as 8-bit grey of the size that ``load_image`` gives; white where nothing is transparent.

    UserError as there.
    """
    with _reading(Path(path), name), _open(path, name) as image:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        with libtiff_quiet() if image.format == "TIFF" else nullcontext():
            image.load()
        orientation = _orientation(image)
        clear = image.has_transparency_data and not image.mode.startswith("I")
        alpha = image.convert("RGBA").getchannel("A") if clear else Image.new("L", image.size, 255)
        return alpha.transpose(TURNS[orientation]) if orientation in TURNS and image.format != "TIFF" else alpha


def transparent_share(picture: Image.Image) -> float:
    """The share of pixels, 0 to 1, that were transparent to a degree one can see in what ``load_image`` has read."""
    return picture.info.get(CLEAR, 0.0)


def unsure_colours(picture: Image.Image) -> str:
    """Why the colours of what ``load_image`` has read may be others than a viewer shows; "" if they are not.

    "profile": its colour profile can't be used. "print": it is in CMYK and has none.
    """
    return picture.info.get(UNSURE, "")


def image_size(path: Path | str, name: str = "") -> tuple[int, int]:
    """(width, height) in pixels as ``load_image`` would give it, from the file's head alone. UserError as above."""
    with _reading(Path(path), name), _open(path, name) as image:
        turned = image.format != "TIFF" and _orientation(image) in (5, 6, 7, 8)  # Pillow turns TIFFs by itself
        return (image.height, image.width) if turned else image.size


def check_image(path: Path | str, name: str = "") -> tuple[int, int]:
    """(width, height) of a picture that ``load_image`` will read: it takes the same way, whatever is wrong raises here.

    JPEGs are decoded at an eighth: every byte is read, in a fraction of the time. The colours stay as they are, which
    nothing depends on. UserError as above.
    """
    with _reading(Path(path), name), _open(path, name) as image:
        return _decode(image, 1)[2]


def content_hash(path: Path | str) -> str:
    """SHA-256 of the file's bytes, in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    with open_regular(path) as file:
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
        what = say("images.left_out", name=self.name, fault_of_image=_reason(self.path, error))
        raise UserError(Problem(what, where=self.name, fatal=False)) from error


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, NotRegular):
        return say("images.fault_unreadable_because", reason=reason_of(error))
    if isinstance(error, Image.DecompressionBombError):
        return say("images.fault_too_many_pixels", count=MAX_PIXELS // 10**6)
    if isinstance(error, PermissionError):
        return say("images.fault_no_permission")
    if isinstance(error, FileNotFoundError):
        return say("images.fault_gone")
    try:
        with open_regular(path) as file:
            start = file.read(HEAD)
    except OSError:
        return say("images.fault_unreadable")
    if not start:
        return say("images.fault_empty")
    if is_lfs_pointer(start):
        return say("images.fault_git_lfs_pointer")
    if is_page(start):
        return say("images.fault_web_page")
    return say("images.fault_damaged") if "truncated" in str(error).lower() else say("images.fault_unreadable")


@contextmanager
def _open(path: Path | str, name: str = "") -> Iterator[Image.Image]:
    """The picture with its head read; ``name`` tells its format where the path does not."""
    by_name = (BY_NAME.get(os.path.splitext(str(n))[1].lower()) for n in (name, path))
    formats = (*FORMATS, *dict.fromkeys(filter(None, by_name)))
    with open_regular(path) as file, _identified(file, formats) as image:
        if image.width * image.height > MAX_PIXELS:  # also when somebody lifted Pillow's own limit
            raise Image.DecompressionBombError(f"{image.width} x {image.height}")
        yield image


_LIBTIFF = threading.Lock()


def _identified(file: BinaryIO, formats: tuple[str, ...]) -> Image.Image:
    image = Image.open(file, formats=formats)
    raw = image.format == "TIFF" and any(tile[0] == "raw" for tile in image.tile)
    if raw and image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 6:
        # YCbCr: Pillow leaves its arithmetic to libtiff, but not if the file is uncompressed; then it finds no end
        with _LIBTIFF:
            before, TiffImagePlugin.READ_LIBTIFF = TiffImagePlugin.READ_LIBTIFF, True
            try:
                file.seek(0)
                return Image.open(file, formats=("TIFF",))
            finally:
                TiffImagePlugin.READ_LIBTIFF = before
    return image


def _decode(image: Image.Image, at_least: int) -> tuple[Image.Image, int, tuple[int, int]]:
    """(all its pixels in 8 bits, without transparency, orientation, upright size): the one place that decodes.

    ``at_least`` as in ``load_image``. The pixels come first: asking a PNG for its EXIF loads them as well, and what
    that swallows is never told again.
    """
    size = image.size
    if at_least:
        image.draft(None if at_least > 1 else image.mode, (at_least, at_least))
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # some libraries switch it on for the whole process
    with libtiff_quiet() if image.format == "TIFF" else nullcontext():
        image.load()
    orientation = _orientation(image)
    if image.format == "TIFF":
        size = image.size  # Pillow has turned it
    return _flat(image), orientation, (size[1], size[0]) if orientation in (5, 6, 7, 8) else size


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # broken EXIF (it raises nearly anything) in a picture that is fine: take it as it is
        return 1


def _flat(image: Image.Image) -> Image.Image:
    """8 bits, on white, in the file's own colour space: RGB or CMYK, with its profile in ``info`` if it has one."""
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep_grey(image)
    if image.mode == "CMYK":
        return image
    if image.has_transparency_data:
        cutout = image.convert("RGBA")
        picture = Image.new("RGB", image.size, "white")
        alpha = cutout.getchannel("A")
        picture.paste(cutout, mask=alpha)
        picture.info[CLEAR] = sum(alpha.histogram()[:SOLID]) / max(1, picture.width * picture.height)
    else:
        picture = image.convert("RGB")
    picture.info["icc_profile"] = image.info.get("icc_profile") if image.mode not in ("L", "LA", "1") else None
    return picture


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
    """Colours moved from the embedded profile to sRGB; None if there is none or it is sRGB already.

    Raises PyCMSError, OSError, ValueError or TypeError for a profile that can't be used.
    """
    profile = image.info.get("icc_profile")
    if not profile:
        return None
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    if "srgb" in ImageCms.getProfileDescription(source).lower():
        return None
    return ImageCms.profileToProfile(
        image, source, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB"
    )
