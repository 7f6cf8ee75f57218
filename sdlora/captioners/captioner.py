"""What one captioner is. No torch is imported here: the page and the command line read the table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from PIL.Image import Image

PROMPT = (
    "Describe this picture in one or two plain sentences for training an image model: what is in it, its setting, "
    "light, colours and framing. No introduction, no guesses, no opinions."
)
Describe = Callable[[Image], str]  # a picture (RGB, upright) -> its caption, or its tags with commas between them


@dataclass(frozen=True)
class Options:
    """What a captioner is told; each takes what it knows.

    model: a folder, a hub id with its commit in ``revision``, or a server's own name of a model. server: its address,
    up to and with "/v1". prompt: what is asked; "" for the captioner's own. threshold, character_threshold: the least
    probability of a tag, 0 to 1. ratings: are "general", "sensitive" and their like tags, too? underscores: do tags
    keep theirs? tokens: the longest answer. device: as a run's.
    """

    model: str = ""
    revision: str = ""
    server: str = ""
    prompt: str = ""
    threshold: float = 0.35
    character_threshold: float = 0.85
    ratings: bool = False
    underscores: bool = False
    tokens: int = 200
    device: str = "auto"


@dataclass(frozen=True)
class Captioner:
    """One entry of ``CAPTIONERS``.

    text: what it is, as ``--help`` says it; no capital, no full stop. gives: "text", sentences; "tags", a list with
    commas. prompt: what it asks where nothing else is given. places: does it run elsewhere ("server") or here
    ("model")? open: gets it ready, once for all pictures; UserError if that can't be.
    """

    name: str
    text: str
    gives: Literal["text", "tags"]
    open: Callable[[Options], Describe]
    places: Literal["server", "model"] = "model"
    prompt: str = ""
