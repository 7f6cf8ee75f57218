"""Caption a folder: which pictures, what is written, where it goes on after a stop. No torch at import."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from PIL.Image import Image

from sdlora.captioners.captioner import Describe, Options
from sdlora.captioners.server import ServerGone
from sdlora.captioners.table import CAPTIONERS
from sdlora.captioners.words import Mode, joined, without
from sdlora.data.captions import Caption, read_captions
from sdlora.data.history import History
from sdlora.data.images import load_image
from sdlora.data.listing import find_images
from sdlora.errors import Problem, UserError, ran_out_of_memory
from sdlora.messages import say

WRITTEN = ("sidecar", "metadata")  # where a caption comes from that was written for its picture
PACE = 2.0  # seconds between two writes: what a kill may cost
IN_A_ROW = 3  # pictures that fail one after another before anything came: the next ones would, too


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    captioner: a key of ``CAPTIONERS``. mode: of pictures that have a caption, ``skip`` them, ``append`` to it or
    ``replace`` it. trigger: comes in front, where the caption lacks it. unwanted: tags or words that are left out.
    images: names below the folder; none for all.
    """

    captioner: str
    options: Options = Options()
    mode: Mode = "skip"
    trigger: str = ""
    unwanted: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    @property
    def job(self) -> str:
        """What a job that was cut off is known by: equal for equal wishes."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode("utf-8", "replace")).hexdigest()[:24]


@dataclass
class Captioned:
    """What a job came to: pictures whose caption was written, now and before it was cut off; passed over; failed.

    silent: pictures of which the captioner had nothing to say, and whose caption stays.
    """

    written: int = 0
    before: int = 0
    skipped: int = 0
    silent: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    failed: int = 0  # of these, what the captioner could not do


@dataclass(frozen=True)
class Step:
    """How far a job is: pictures done of how many, the last one's name and what its caption is now ("" if it stays)."""

    done: int
    of: int
    name: str
    caption: str


def caption_folder(folder: Path, wish: Wish, on_step: Callable[[Step], None] | None = None) -> Captioned:
    """Write captions as asked, every ``PACE`` seconds what has come; all of it is one change of the ``History``.

    A job that was cut off goes on where it was if it is asked for again. UserError if there is nothing to caption, the
    captioner can't be had, or the first ``IN_A_ROW`` pictures all fail; what has come until then is kept.
    """
    chosen = _chosen(folder, wish.images)
    captions, _ = read_captions(chosen, folder)
    history, result = History(folder), Captioned()
    number, there = history.unfinished(wish.job)
    todo = [image for image in chosen if image not in there and _wants(captions[image], wish.mode)]
    result.before = sum(image in there for image in chosen)
    result.skipped = len(chosen) - len(todo) - result.before
    if not todo:
        if number:
            history.finish(number)
        return result
    captioner = CAPTIONERS[wish.captioner]
    pen = _Pen(history, number, Path(wish.options.model).name or captioner.name, wish.job)
    describe = captioner.open(wish.options)
    try:
        for done, image in enumerate(todo, result.before + 1):
            name = image.relative_to(folder).as_posix()
            caption = _caption_of(image, name, captions[image], describe, wish, result)
            if caption:
                pen.take(image, caption)
            if on_step:
                on_step(Step(done, len(todo) + result.before, name, caption))
    finally:
        pen.write()
    if pen.number:
        history.finish(pen.number)
    return result


def _chosen(folder: Path, names: tuple[str, ...]) -> list[Path]:
    there = {image.relative_to(folder).as_posix(): image for image in find_images(folder)}
    missing = [name for name in names if name not in there]
    if missing:
        raise UserError(
            say("captioning.no_such_picture", name=missing[0], folder=folder), fix=say("images.check_folder")
        )
    if not there:
        raise UserError(say("images.folder_without_images", path=folder), fix=say("images.add_images"))
    return [there[name] for name in dict.fromkeys(names)] if names else list(there.values())


def _wants(caption: Caption, mode: Mode) -> bool:
    return mode != "skip" or not (caption.text and caption.source in WRITTEN)


class _Pen:
    """Writes what has come, several captions at a time, as one change."""

    def __init__(self, history: History, number: int, words: str, job: str):
        self.history, self.number, self.words, self.job = history, number, words, job
        self._waiting: dict[Path, str] = {}
        self._since = time.monotonic()

    def take(self, image: Path, caption: str) -> None:
        self._waiting[image] = caption
        if time.monotonic() - self._since >= PACE:
            self.write()

    def write(self) -> None:
        if self._waiting:
            self.number = self.history.grow(self.number, self._waiting, self.words, self.job)
        self._waiting, self._since = {}, time.monotonic()


def _caption_of(image: Path, name: str, now: Caption, describe: Describe, wish: Wish, result: Captioned) -> str:
    """The picture's new caption; "" where none comes, which ``result`` names. UserError if no picture has got any."""
    try:
        picture = load_image(image, name)
    except UserError as error:
        result.problems += error.problems
        return ""
    try:
        new = without(_asked(describe, picture), wish.unwanted)
    except ServerGone:
        raise
    except UserError as error:
        result.failed += 1
        result.problems += [Problem(p.what, p.fix, name, fatal=False) for p in error.problems]
        if result.failed == IN_A_ROW and not result.written + len(result.silent):
            raise
        return ""
    if not new:
        result.silent.append(name)
        return ""
    result.written += 1
    return joined(now.text if now.source in WRITTEN else "", new, wish.mode, wish.trigger)


def _asked(describe: Describe, picture: Image) -> str:
    """What the captioner says. UserError for whatever its library raises: the next picture may go well."""
    try:
        return describe(picture)
    except (ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
        if ran_out_of_memory(error):
            raise
        reason = (str(error).strip() or type(error).__name__).split("\n")[0][:200]
        raise UserError(say("captioning.broke_off", reason=reason)) from error
