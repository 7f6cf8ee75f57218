"""The pictures generated ones are judged against, read from the files beside this one."""

from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "datasets_example"
SIDE, COLUMNS = 128, 8
BASE_STYLES = ("noto", "flat")  # those of the taught styles that every subject was shown in
JUDGED = ("glossy", "chalk", "stained glass")  # never shown to the base: tools/tiny_base/styles.py
EXAMPLE_STYLE = "chalk"  # the one that datasets_example/style teaches, and with it the demo


def held_out() -> list[str]:
    """Subjects that exist in the base styles and are in no LoRA training folder."""
    return _lines("held_out.txt")


def taught() -> list[str]:
    """Subjects that a style LoRA is taught with."""
    return _lines("style_subjects.txt")


def _lines(file: str) -> list[str]:
    lines = (HERE / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def write_sheet(pictures: np.ndarray, path: Path, columns: int = COLUMNS) -> None:
    """uint8 (n, 128, 128, 3), row by row, lossless."""
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * SIDE, columns * SIDE, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = i // columns * SIDE, i % columns * SIDE
        sheet[y : y + SIDE, x : x + SIDE] = picture
    Image.fromarray(sheet).save(path, lossless=True, method=6)


def read_sheet(path: Path, count: int) -> np.ndarray:
    """The inverse of write_sheet: uint8 (count, 128, 128, 3)."""
    sheet = np.asarray(Image.open(path).convert("RGB"))
    columns = sheet.shape[1] // SIDE
    cells = sheet.reshape(-1, SIDE, columns, SIDE, 3).swapaxes(1, 2).reshape(-1, SIDE, SIDE, 3)
    return cells[:count]


def sheet_of(style: str, kind: str = "held_out") -> Path:
    return HERE / f"{kind}_{style.replace(' ', '_')}.webp"


def held_out_pictures(style: str) -> np.ndarray:
    """noto or flat pictures, or those of a judged style (glossy, chalk, stained glass), in the order of held_out()."""
    return read_sheet(sheet_of(style), len(held_out()))


def taught_pictures(style: str) -> np.ndarray:
    """What a LoRA of a judged style is taught with, in the order of taught()."""
    return read_sheet(sheet_of(style, "taught"), len(taught()))


def unseen_mascots() -> np.ndarray:
    """Poses and backgrounds of the mascot that are in no training folder."""
    return read_sheet(HERE / "mascot_unseen.webp", 12)


def example_pictures(folder: str) -> list[Image.Image]:
    """The pictures of datasets_example/<folder>, by name."""
    files = sorted(f for f in (EXAMPLES / folder).iterdir() if f.suffix in {".png", ".jpg", ".webp"})
    return [Image.open(f).convert("RGB") for f in files]
