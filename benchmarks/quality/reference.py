"""The pictures generated ones are judged against, read from the files beside this one."""

from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "datasets_example"
SIDE, COLUMNS = 128, 8


def held_out() -> list[str]:
    """Subjects that exist in the base styles and are in no LoRA training folder."""
    lines = (HERE / "held_out.txt").read_text(encoding="utf-8").splitlines()
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


def sheet_of(style: str) -> Path:
    return HERE / f"held_out_{style.replace(' ', '_')}.webp"


def held_out_pictures(style: str) -> np.ndarray:
    """noto or flat pictures, or those of a judged style (glossy, chalk, stained glass), in the order of held_out()."""
    return read_sheet(sheet_of(style), len(held_out()))


def unseen_mascots() -> np.ndarray:
    """Poses and backgrounds of the mascot that are in no training folder."""
    return read_sheet(HERE / "mascot_unseen.webp", 12)


def example_pictures(folder: str) -> list[Image.Image]:
    """The pictures of datasets_example/<folder>, by name."""
    files = sorted(f for f in (EXAMPLES / folder).iterdir() if f.suffix in {".png", ".jpg", ".webp"})
    return [Image.open(f).convert("RGB") for f in files]
