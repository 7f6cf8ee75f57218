"""What one visitor of the Images tab sees and has typed, as the handlers get it."""

from dataclasses import dataclass
from pathlib import Path

from sdlora.data.edit import Edit
from ui.tabs.images.album import PAGE, Filter, Limits
from ui.tabs.images.sight import Training


@dataclass(frozen=True)
class Where:
    """What one visitor sees: the folder, the names that the filter let through when it was set, the page of them."""

    folder: Path | None = None
    names: tuple[str, ...] = ()
    page: int = 0
    apart: bool = False  # the next files that are dropped begin a folder of their own
    asked: bool = False  # the visitor has asked for a folder; what the page opens by itself comes too late

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-len(self.names) // PAGE))

    @property
    def shown(self) -> tuple[str, ...]:
        """The names on this page."""
        return self.names[self.page * PAGE : (self.page + 1) * PAGE]


@dataclass(frozen=True)
class Context:
    """A handler's context, taken apart."""

    where: Where
    wanted: Filter
    sees: bool
    chosen: str  # the image in the editor
    edit: Edit  # of many captions, as it is typed
    promised: str  # what its button has promised to do
    training: Training

    @property
    def limits(self) -> Limits:
        """What of the settings decides on an image's problems."""
        return self.training.limits
