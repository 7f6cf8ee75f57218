"""A folder of captioned images as the Images tab shows it: pages of thumbnails, notes, one caption at a time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sdlora.data.captions import Caption, read_caption, read_captions, write_caption
from sdlora.data.images import find_images
from sdlora.errors import Problem, UserError
from ui import text
from ui.place import Place
from ui.render import THUMB

PAGE = 60
SHORT = 90  # characters of a caption under its thumbnail


@dataclass
class Album:
    """The images of one folder (``Place.folder`` has allowed it), their captions, and where the visitor is."""

    folder: Path
    images: list[Path]
    captions: dict[Path, Caption]
    notes: list[Problem]
    page: int = 0
    chosen: int | None = None  # index into images
    unreadable: set[Path] = field(default_factory=set)

    @classmethod
    def open(cls, folder: Path) -> "Album":
        """Names and captions of every image; no image is decoded yet."""
        images = find_images(folder)
        captions, notes = read_captions(images, folder)
        return cls(folder, images, captions, notes)

    @property
    def pages(self) -> int:
        return max(1, -(-len(self.images) // PAGE))

    @property
    def summary(self) -> str:
        captioned = sum(bool(c.text) and c.source != "name" for c in self.captions.values())
        return text.images_found(len(self.images), captioned, len(self.all_notes()))

    def all_notes(self) -> list[Problem]:
        """Unreadable images in one sentence, then what the captions have."""
        lost = [path.name for path in self.images if path in self.unreadable]
        return [*([Problem(text.unreadable(lost), fatal=False)] if lost else []), *self.notes]

    def turn(self, by: int) -> None:
        self.page = min(max(self.page + by, 0), self.pages - 1)

    def shown(self) -> list[Path]:
        return self.images[self.page * PAGE : (self.page + 1) * PAGE]

    def thumbnails(self, place: Place) -> list[tuple[str, str]]:
        """(thumbnail, short caption) of this page. Drawn side by side: decoding leaves the interpreter's lock."""
        with ThreadPoolExecutor(4) as pool:
            drawn = list(pool.map(lambda image: place.picture(image, THUMB), self.shown()))
        self.unreadable.update(image for image, picture in zip(self.shown(), drawn, strict=False) if picture is None)
        return [(str(d or place.blank()), self._short(i)) for i, d in zip(self.shown(), drawn, strict=False)]

    def _short(self, image: Path) -> str:
        caption = self.captions[image].text or text.NO_CAPTION
        return caption if len(caption) <= SHORT else caption[: SHORT - 1] + "…"

    def choose(self, index_on_page: int) -> None:
        index = self.page * PAGE + index_on_page
        self.chosen = index if 0 <= index < len(self.images) else None

    @property
    def image(self) -> Path | None:
        return None if self.chosen is None else self.images[self.chosen]

    def save(self, caption: str) -> bool:
        """Write the chosen image's caption to disk; False if it was that already. UserError if it can't be written."""
        image = self.image
        if image is None or self.captions[image].text == caption.strip():
            return False
        if not image.exists():
            raise UserError(text.GONE)
        write_caption(image, caption)
        self.captions[image] = read_caption(image)
        return True
