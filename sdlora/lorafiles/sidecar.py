"""The two files beside a LoRA that A1111, Forge and InvokeAI read: ``<name>.json`` and the preview ``<name>.png``.

The json is A1111's user metadata; from it alone A1111 and InvokeAI insert the trigger word. People edit it in their
tool, so a field that differs from what was written here last is theirs and stays. What was written is kept in the json
itself, under "sdlora"; the tools carry unknown fields along.
"""

import hashlib
import io
import json
from pathlib import Path

from PIL import Image

from sdlora.errors import UserError, explain
from sdlora.families.table import FAMILIES
from sdlora.files.intact import write_atomically
from sdlora.files.regular import NotRegular, read_regular
from sdlora.lorafiles.cover import open_picture
from sdlora.messages import say

_OURS = "sdlora"
_PREVIEW = "preview sha256"
_SIDE = 768  # pixels, the longer side of the preview


def write_sidecars(
    path: Path | str,
    *,
    family: str,
    trigger: str = "",
    preferred_weight: float = 1.0,
    negative: str = "",
    description: str = "",
    cover: bytes | None = None,
) -> list[Path]:
    """Write ``<name>.json`` and, with a cover, ``<name>.png`` beside the LoRA at ``path``; returns what was written.

    preferred_weight: the strength that tools put into the prompt. negative: text for the negative prompt.
    cover: a picture in any format that Pillow reads; its own metadata stays out.
    A json that is no A1111 metadata and a preview that somebody else made are left alone. Each file is written whole
    or not at all. Raises UserError: the cover is no picture, the folder can't be written.
    """
    path = Path(path)
    side, preview = path.with_suffix(".json"), path.with_suffix(".png")
    fields = {
        "description": description,
        "sd version": FAMILIES[family].labels.sidecar if family in FAMILIES else "Unknown",
        "activation text": trigger,
        "preferred weight": preferred_weight,
        "negative text": negative,
        "notes": "",
    }
    picture = _png(cover) if cover else None
    try:
        present = _read(side)
        before = present.get(_OURS) if isinstance(present, dict) else None
        ours = dict(before) if isinstance(before, dict) else {}
        written = []
        if picture and _may_replace(preview, ours.get(_PREVIEW)):
            write_atomically(preview, picture)
            ours[_PREVIEW] = hashlib.sha256(picture).hexdigest()
            written.append(preview)
        if present is not None:
            merged = _merged(present, ours, fields)
            write_atomically(side, json.dumps(merged, indent=4, ensure_ascii=False))
            written.insert(0, side)
    except OSError as error:
        raise explain(error) from error
    except UnicodeError:
        what = say("saving.text_broken", file=side.name)
        raise UserError(what, fix=say("saving.retype_text")) from None
    return written


def _read(side: Path) -> dict | None:
    """What the json holds; empty if there is none yet, None if it is something else."""
    try:
        present = json.loads(read_regular(side))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError, NotRegular):
        return None
    return present if isinstance(present, dict) else None


def _merged(present: dict, ours: dict, fields: dict) -> dict:
    """A field is written if it is absent or still what was written last time."""
    merged = dict(present)
    for key, value in fields.items():
        if key not in present or present[key] == ours.get(key):
            merged[key] = ours[key] = value
    return merged | {_OURS: ours}


def _may_replace(preview: Path, ours: str | None) -> bool:
    return not preview.exists() or hashlib.sha256(preview.read_bytes()).hexdigest() == ours


def _png(cover: bytes) -> bytes:
    image = open_picture(cover)
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
