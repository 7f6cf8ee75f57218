"""What of the disk the page may read, and the one folder that browsers may read from."""

import hashlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from sdlora.check import stack_of
from sdlora.data.buckets import Placement, training_picture
from sdlora.data.images import load_image
from sdlora.errors import Problem, UserError
from sdlora.files.paths import tidy_path
from sdlora.runs.run import safe_name
from sdlora.settings import PathKind, all_settings
from ui import text
from ui.shell.downloads import HUB_ID

ON_THEIR_OWN = ("data.folder", "run.folder")  # ``Place.folder``; and the page has one runs folder


def path_settings() -> dict[str, PathKind]:
    """The settings that name a file or a folder, but for those two, and of what kind it is."""
    return {info.key: info.path for info in all_settings() if info.path and info.key not in ON_THEIR_OWN}


@dataclass
class Place:
    """What of the disk the page may read and show.

    runs: where run folders are. data_root: typed folders must be inside it; None allows any of this computer's.
    models: with a ``data_root``, base models, VAEs and LoRA files may also lie inside this folder.
    Browsers see ``shown`` alone: thumbnails and pictures that this class has drawn, and LoRA files linked into it.
    """

    runs: Path
    data_root: Path | None = None
    models: Path | None = None
    shown: Path = field(init=False)

    def __post_init__(self) -> None:
        self.runs = Path(self.runs).resolve()
        self.data_root = self.data_root and Path(self.data_root).resolve()
        self.models = self.models and Path(self.models).resolve()
        self.shown = self.runs / ".page"
        try:
            self.shown.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                text.RUNS_NOT_WRITABLE.format(path=self.runs, reason=error.strerror), fix=text.RUNS_NOT_WRITABLE_FIX
            ) from error

    def folder(self, typed: str) -> Path:
        """The existing folder that a person typed; UserError for anything else, whatever was typed."""
        typed = tidy_path(str(typed or ""))
        if not typed:
            raise UserError(text.NO_FOLDER, where="data.folder")
        if len(typed) > 4096 or any(ord(c) < 32 for c in typed) or typed.startswith(("\\\\", "//")):
            raise UserError(text.FOLDER_ODD, where="data.folder")
        if self.data_root and not _is_inside(typed, [self.data_root]):  # before the disk is asked anything
            raise UserError(text.FOLDER_OUTSIDE.format(root=self.data_root), where="data.folder")
        try:
            path = Path(typed).expanduser().resolve()
            is_folder, exists = path.is_dir(), path.exists()
        except (OSError, ValueError, RuntimeError):
            raise UserError(text.FOLDER_ODD, where="data.folder") from None
        if not is_folder:
            sentence = text.FOLDER_IS_FILE if exists else text.FOLDER_MISSING
            raise UserError(sentence.format(path=typed), where="data.folder")
        return path

    # ---- the other settings that are paths

    def allows(self, key: str, value: object) -> bool:
        """May this setting of ``path_settings`` have this value? Tells nothing of which files there are."""
        if self.data_root is None or not value:
            return True
        if isinstance(value, list) and not all(isinstance(entry, str) for entry in value):
            return False
        kind = path_settings()[key]
        roots = [self.data_root, self.runs, *([self.models] if self.models and kind != "folder" else [])]
        given = [path for path, _ in stack_of(value)] if isinstance(value, list) else [value]
        given = [tidy_path(path) if isinstance(path, str) else path for path in given]  # as the settings will have it
        return all(isinstance(path, str) and self._may_be(path, kind == "model", roots) for path in given)

    def _may_be(self, path: str, hub: bool, roots: list[Path]) -> bool:
        # "organisation/model" may be a folder here as well. Whether there is an "organisation" is all that this tells.
        if hub and (path in ("", "tiny") or (HUB_ID.fullmatch(path) and not os.path.lexists(path.split("/")[0]))):
            return True
        return _is_inside(path, roots)

    def held(self, values: dict[str, object]) -> list[Problem]:
        """Takes out of settings by key whatever ``allows`` forbids, and says so."""
        problems = []
        for key in path_settings():
            if key in values and not self.allows(key, values[key]):
                del values[key]
                roots = text.names_listed([str(r) for r in (self.data_root, self.runs, self.models) if r])
                problems.append(
                    Problem(text.PATH_OUTSIDE.format(key=key), text.PATH_OUTSIDE_FIX.format(roots=roots), key)
                )
        return problems

    @property
    def uploads(self) -> Path:
        """The folder in which dropped pictures get a folder of their own."""
        return self.data_root or self.runs.parent / "datasets"

    def picture(self, source: Path, side: int, crop: Placement | None = None) -> Path | None:
        """``source`` drawn anew as WebP of at most ``side`` pixels; None if it can't be read. Drawn once, then kept.

        crop: draw what training makes of it instead.
        """
        try:
            stat = source.stat()
            mark = hashlib.sha256(
                f"{source}\0{stat.st_mtime_ns}\0{stat.st_size}\0{side}\0{crop}".encode("utf-8", "replace")
            )
            target = self.shown / "pictures" / f"{mark.hexdigest()[:32]}.webp"
            if not target.exists():
                image = load_image(source, at_least=0 if crop else side)
                if crop:
                    image = training_picture(image, crop)
                image.thumbnail((side, side))
                target.parent.mkdir(exist_ok=True)
                temporary = target.with_name(f"{target.stem}.{os.getpid()}.{id(image)}.tmp")
                image.info.clear()  # no profile, no EXIF: pixels alone
                image.save(temporary, "WEBP", quality=90, method=2)  # a third of the time, a tenth more bytes
                os.replace(temporary, target)
            return target
        except (OSError, ValueError, UserError):
            return None

    def blank(self) -> Path:
        """A grey square, for a picture that can't be read."""
        target = self.shown / "pictures" / "blank.webp"
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            Image.new("RGB", (128, 128), "#94a3b8").save(target, "WEBP")
        return target

    def download(self, source: Path, run: str) -> Path | None:
        """A hard link to a LoRA file (a copy where links don't work) that browsers may fetch; None if it is gone."""
        try:
            stat = source.stat()
            mark = hashlib.sha256(f"{source}\0{stat.st_mtime_ns}\0{stat.st_size}".encode("utf-8", "replace"))
            target = self.links_of(run) / mark.hexdigest()[:16] / f"{safe_name(source.stem)}.safetensors"
            if target.exists():
                return target
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except FileExistsError:
                return target
            except OSError:
                temporary = target.with_suffix(f".{os.getpid()}.tmp")
                shutil.copyfile(source, temporary)
                os.replace(temporary, target)
            return target
        except OSError:
            return None

    def links_of(self, run: str) -> Path:
        """The folder of the links to a run's LoRA files: as long as they are there, so are the files' bytes."""
        return self.shown / "files" / safe_name(run)

    def url(self, shown: Path) -> str:
        """The address of a file below ``shown``, relative to the page."""
        return f"gradio_api/file={quote(shown.as_posix(), safe='/:')}"


def _is_inside(typed: str, roots: list[Path]) -> bool:
    """Does a path, links followed, lie in one of the folders? False for what is no path, or one of a network."""
    if typed.startswith(("\\\\", "//")):
        return False  # asking for it would give another computer this one's name and password
    try:
        path = Path(typed).expanduser().resolve()
    except (OSError, ValueError, RuntimeError):
        return False
    return any(path.is_relative_to(root) for root in roots)
