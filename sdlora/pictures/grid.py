"""Pictures as files: one by one, and as labelled grids."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from sdlora.files.intact import write_atomically


def save_png(image: Image.Image, path: Path) -> None:
    """Write atomically; OSError if the disk is full."""
    data = io.BytesIO()
    image.save(data, "PNG")
    write_atomically(path, data.getvalue())


def grid(rows: Sequence[tuple[str, Sequence[Image.Image]]], columns: Sequence[str] = ()) -> Image.Image:
    """One labelled row of pictures per entry, column titles above; pictures of the first one's size."""
    width, height = rows[0][1][0].size
    left, line = 90, 16
    top = line * 2 if columns else 0
    sheet = Image.new("RGB", (left + width * max(len(r) for _, r in rows), top + height * len(rows)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, title in enumerate(columns):
        words, lines = title.split(), [""]
        for word in words:
            if pen.textlength(f"{lines[-1]} {word}") > width - 6 and lines[-1]:
                lines.append("")
            lines[-1] = f"{lines[-1]} {word}".strip()
        pen.multiline_text((left + number * width + 3, 2), "\n".join(lines[:2]), "black", spacing=2)
    for r, (label, images) in enumerate(rows):
        pen.multiline_text((4, top + r * height + height // 2 - 8), label, "black")
        for c, image in enumerate(images):
            sheet.paste(image.resize((width, height)), (left + c * width, top + r * height))
    return sheet
