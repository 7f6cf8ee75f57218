"""WD taggers (SmilingWolf), through ONNX Runtime: the tags of an anime board with their probabilities.

A tagger is ``model.onnx`` and ``selected_tags.csv`` (columns name, category: 0 general, 4 character, 9 rating). It
takes a white square, BGR, float32 of 0 to 255, (1, side, side, 3), and gives a probability for each line of the table.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sdlora.captioners.captioner import Captioner, Describe, Options
from sdlora.captioners.weights import model_folder
from sdlora.errors import UserError
from sdlora.files.regular import read_regular
from sdlora.messages import say

MODEL, TAGS = "model.onnx", "selected_tags.csv"
GENERAL, CHARACTER, RATING = "0", "4", "9"
TABLE_LIMIT = 1 << 25  # bytes
FACE_LENGTH = 3  # a tag of so few characters with an underscore, such as ^_^, is a face and keeps it


@dataclass(frozen=True)
class Tag:
    """One line of the table: the tag as the board spells it, and its category."""

    name: str
    category: str


def read_tags(path: Path) -> list[Tag]:
    """The table, in the model's order. UserError if it is none."""
    try:
        rows = csv.DictReader(io.StringIO(read_regular(path, TABLE_LIMIT).decode("utf-8-sig")))
        tags = [Tag(row["name"], row["category"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UserError(say("captioning.no_tag_table", path=path), fix=say("captioning.give_tagger")) from error
    if not tags:
        raise UserError(say("captioning.no_tag_table", path=path), fix=say("captioning.give_tagger"))
    return tags


def as_square(picture: Image.Image, side: int) -> np.ndarray:
    """The whole picture on a white square: float32 (1, side, side, 3), blue first, 0 to 255."""
    longer = max(picture.size)
    square = Image.new("RGB", (longer, longer), "white")
    square.paste(picture, ((longer - picture.width) // 2, (longer - picture.height) // 2))
    small = square.resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(small, np.float32)[None, :, :, ::-1].copy()


def chosen_tags(probabilities: np.ndarray, tags: list[Tag], options: Options) -> list[str]:
    """The tags that are likely enough: the rating if wanted, then characters, then all others, each the surest first.

    probabilities: float (number of tags,), 0 to 1.
    """
    least = {CHARACTER: options.character_threshold, GENERAL: options.threshold}
    order = np.argsort(-probabilities, kind="stable")
    found: dict[str, list[str]] = {RATING: [], CHARACTER: [], GENERAL: []}
    for index in order:
        tag = tags[index]
        if tag.category == RATING:
            found[RATING] += [tag.name] if options.ratings and not found[RATING] else []
        elif probabilities[index] >= least.get(tag.category, options.threshold):
            found[CHARACTER if tag.category == CHARACTER else GENERAL].append(tag.name)
    names = [name for several in found.values() for name in several]
    return names if options.underscores else [_spoken(name) for name in names]


def _spoken(name: str) -> str:
    return name if len(name) <= FACE_LENGTH else name.replace("_", " ")


def _open(options: Options) -> Describe:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(say("captioning.no_onnx"), fix=say("captioning.install_onnx")) from error
    folder = model_folder(options, (MODEL, TAGS))
    tags = read_tags(folder / TAGS)
    session = _session(onnxruntime, folder / MODEL, options.device)
    (given,), (first, *_) = session.get_inputs(), session.get_outputs()
    side = given.shape[1]
    if len(given.shape) != 4 or given.shape[3] != 3 or not isinstance(side, int) or first.shape[-1] != len(tags):
        raise UserError(say("captioning.no_tagger", path=folder / MODEL), fix=say("captioning.give_tagger"))

    def describe(picture: Image.Image) -> str:
        (probabilities, *_) = session.run([first.name], {given.name: as_square(picture, side)})
        return ", ".join(chosen_tags(probabilities[0], tags, options))

    return describe


def _session(onnxruntime: Any, path: Path, device: str) -> Any:
    """On a GPU where the installed ONNX Runtime can, unless the CPU is asked for."""
    there = onnxruntime.get_available_providers()
    providers = [p for p in there if device != "cpu" and p in ("CUDAExecutionProvider", "CoreMLExecutionProvider")]
    try:
        return onnxruntime.InferenceSession(read_regular(path), providers=[*providers, "CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own kinds, which share no parent
        raise UserError(say("captioning.no_tagger", path=path), fix=say("captioning.give_tagger")) from error


CAPTIONER = Captioner("tagger", "a WD tagger (model.onnx, selected_tags.csv): tags of anime boards", "tags", _open)
