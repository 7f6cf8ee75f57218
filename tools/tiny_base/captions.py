"""What a picture shows, the caption that says so, and which combinations the base never sees.

A `Spec` is everything that a picture depends on. `picture` draws it, `caption`
says it. One in eight pairs of subject and style, and one in eight of subject and
colour, is left out of training for good, by a hash of the words: a base that
draws them all the same knows subject, style and colour as separate things.
"""

import hashlib
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from layers import join, of_subject, open_layers, place
from styles import COLOURS, GROUNDS, NEEDS, STYLES, TAKES_COLOUR, TAKES_GROUND, draw

ONE_IN = 8
ALWAYS_SHOWN = ("noto", "flat")  # every subject is in these: the base that this one starts from has seen them all
SMALL = 0.55
PLACES = {  # where the middle of a small subject is: (x, y)
    "left": (0.28, 0.5),
    "right": (0.72, 0.5),
    "top": (0.5, 0.28),
    "bottom": (0.5, 0.72),
    "top left": (0.28, 0.28),
    "top right": (0.72, 0.28),
    "bottom left": (0.28, 0.72),
    "bottom right": (0.72, 0.72),
}
TURNS = {"upside down": 180, "tilted left": 28, "tilted right": -28}
OWN_COLOUR = re.compile(r"\b(red|orange|yellow|green|blue|purple|pink|black|white|brown|rainbow)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Spec:
    style: str
    subject: int  # the row in the list of names
    second: int | None = None  # side by side with the first, on the right
    colour: str | None = None
    ground: str | None = None
    small: str | None = None  # a key of PLACES, or "middle"
    turn: str | None = None  # a key of TURNS


def left_out(subject: str, other: str) -> bool:
    """Whether this subject is never shown in this style or colour; one in eight, for ever the same."""
    if other in ALWAYS_SHOWN:
        return False
    return int.from_bytes(hashlib.sha256(f"{subject}|{other}".lower().encode()).digest()[:4], "big") % ONE_IN == 0


class World:
    """All that can be drawn: names of the subjects, their keywords and layers (layers.open_layers)."""

    def __init__(self, names: list[str], keywords: dict[str, list[str]], layers: dict[str, np.ndarray]):
        self.names, self.keywords, self.layers = names, keywords, layers
        self.lacks = {layer: {i for i in range(len(names)) if not layers[layer][i].any()} for layer in NEEDS.values()}

    @classmethod
    def open(cls, data: Path, subjects_only: bool = True) -> "World":
        """What prepare.py wrote to a folder: the subjects, or all names (the others have no keywords)."""
        listing = json.loads((data / "names.json").read_text(encoding="utf-8"))
        names = listing["names"][: listing["subjects"] if subjects_only else None]
        layers = {layer: rows[: len(names)] for layer, rows in open_layers(data / "layers.npz").items()}
        return cls(names, {name: listing["keywords"].get(name, []) for name in names}, layers)

    def exists(self, row: int, style: str) -> bool:
        return style not in NEEDS or row not in self.lacks[NEEDS[style]]

    def shown(self, row: int, style: str) -> bool:
        """Whether the base is trained on this subject in this style."""
        return self.exists(row, style) and not left_out(self.names[row], style)

    def plain(self) -> list[Spec]:
        """Every subject once in every style it is shown in."""
        return [Spec(s, i) for s in STYLES for i in range(len(self.names)) if self.shown(i, s)]

    def held_out(self) -> list[Spec]:
        """The pairs of subject and style that are kept out of training."""
        rows = range(len(self.names))
        return [Spec(s, i) for s in STYLES for i in rows if self.exists(i, s) and not self.shown(i, s)]

    def variant(self, rng: random.Random) -> Spec:
        """Anything but a plain one: two subjects, a colour, a ground, a size with its place, a turn."""
        while True:
            kind = rng.choices(("two", "colour", "ground", "place", "turn"), (14, 4, 2, 2, 1))[0]
            row = rng.randrange(len(self.names))
            colour = ground = small = turn = second = None
            style = rng.choice({"colour": TAKES_COLOUR, "ground": TAKES_GROUND}.get(kind, tuple(STYLES)))
            if kind == "two":
                second = rng.randrange(len(self.names))
                if second == row or not self.shown(second, style):
                    continue
            elif kind == "colour":
                colour = rng.choice(list(COLOURS))
                if OWN_COLOUR.search(self.names[row]) or left_out(self.names[row], colour):
                    continue
                if style in TAKES_GROUND and rng.random() < 0.15:
                    ground = rng.choice(list(GROUNDS))
            elif kind == "ground":
                ground = rng.choice(list(GROUNDS))
            elif kind == "place":
                small = rng.choice([*PLACES, "middle"])
            else:
                turn = rng.choice(list(TURNS))
            if self.shown(row, style):
                return Spec(style, row, second, colour, ground, small, turn)

    def picture(self, spec: Spec) -> np.ndarray:
        """uint8 (128, 128, 3)."""
        drawn = of_subject(self.layers, spec.subject)
        if spec.second is not None:
            drawn = join(drawn, of_subject(self.layers, spec.second))
        elif spec.small:
            drawn = place(drawn, SMALL, *PLACES.get(spec.small, (0.5, 0.5)))
        elif spec.turn:
            drawn = place(drawn, 1 if spec.turn == "upside down" else 0.85, turn=TURNS[spec.turn])
        return draw(spec.style, drawn, spec.colour, spec.ground)

    def caption(self, spec: Spec, rng: random.Random | None = None) -> str:
        """Such as "a sticker emoji of blue dog face, pet"; without rng the plainest wording."""
        name = self.names[spec.subject]
        what = f"{spec.colour} {name}" if spec.colour else name
        tail = []
        if spec.second is not None:
            between = rng.choice(("and", "and", "beside", "next to")) if rng else "and"
            what += f" {between} {self.names[spec.second]}"
        elif rng:
            words = self.keywords[name]
            tail += rng.sample(words, min(len(words), rng.choice((0, 0, 0, 1, 2))))
        if spec.ground:
            tail.append(f"on a {spec.ground} ground")
        if spec.small:
            tail.append("small" if spec.small == "middle" else f"small, {spec.small}")
        if spec.turn:
            tail.append(spec.turn)
        head = rng.choice(("", "", "", "a ")) if rng else ""
        return ", ".join([f"{head}{spec.style} emoji of {what}", *tail]).lower()
