"""The picture inside a LoRA file: SwarmUI reads ``modelspec.thumbnail``, A1111 and ComfyUI ``ssmd_cover_images``."""

import base64
import io
import json

from PIL import Image, ImageOps, UnidentifiedImageError

from sdlora.errors import UserError
from sdlora.messages import say

_COVER_BYTES = 300_000  # of base64; two of them, and the tags, stay below the readers' limit for the header
# Longest side in pixels and JPEG quality, the best first
_STEPS = ((512, 90), (512, 75), (384, 75), (256, 75), (192, 70), (128, 60))


def cover_metadata(picture: bytes, room: int) -> dict[str, str]:
    """The entries with the picture as JPEG, in at most ``room`` bytes; empty if there is no room for a useful one.

    picture: in any format that Pillow reads; UserError if it is none. What a camera wrote beside the pixels stays out.
    """
    frame = open_picture(picture)
    for side, quality in _STEPS:
        text = base64.b64encode(_jpeg(frame, side, quality)).decode("ascii")
        entries = {
            "modelspec.thumbnail": f"data:image/jpeg;base64,{text}",
            "ssmd_cover_images": json.dumps([text]),
        }
        if len(text) <= _COVER_BYTES and sum(len(k) + len(v) + 20 for k, v in entries.items()) <= room:
            return entries
    return {}


def open_picture(picture: bytes) -> Image.Image:
    """RGB pixels, upright, on white where transparent. UserError if it is no picture."""
    try:
        with Image.open(io.BytesIO(picture)) as image:
            image = ImageOps.exif_transpose(image).convert("RGBA")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(say("saving.cover_unreadable"), fix=say("saving.use_png_cover"), where="cover") from error
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _jpeg(image: Image.Image, side: int, quality: int) -> bytes:
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()
