"""What a model card tells of a run, gathered from its folder. No private path gets in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdlora.adapters.table import KINDS
from sdlora.errors import UserError
from sdlora.events import Finished, Sampled, Started
from sdlora.families.shared.header import read_header
from sdlora.families.shared.hub import MOVED
from sdlora.families.table import FAMILIES
from sdlora.files.paths import last_part
from sdlora.lorafiles.readers.cards import seen_as
from sdlora.messages import say
from sdlora.runs.run import Run
from sdlora.settings import Settings

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True)
class Facts:
    """A LoRA as its card shows it.

    file: the LoRA. family: of its base model. base: the base's hub id, "" where it is none; base_name: what to call it.
    pictures: (prompt, picture on disk), "" for a prompt that is kept back. licence: as the hub calls it, or "".
    readers: what loads the file: names as ``adapters.kind.Kind`` has them. hash: SHA-256 of all after the header.
    details: (what, value) of how it was made, in order.
    """

    name: str
    file: Path
    family: str
    base: str
    base_name: str
    trigger: str
    pictures: tuple[tuple[str, Path], ...]
    licence: str
    readers: tuple[str, ...]
    hash: str
    details: tuple[tuple[str, str], ...]


def gather(run: Run, file: Path | None = None, base: str = "", licence: str = "") -> Facts:
    """The facts of a run. file: another LoRA than its own; base, licence: in place of what is found.

    With save.metadata = "minimum" prompts, trigger word and numbers of the training are kept back here as well.
    Raises UserError: no LoRA yet, one that can't be read, a base that is no hub id.
    """
    settings, (own, pictures, images) = run.settings(), _of_events(run)
    file = file or (run.folder / own if own else None)
    if file is None or not file.is_file():
        raise UserError(say("publishing.no_lora", name=run.name), fix=say("runs.train_first"))
    if base and not HUB_ID.fullmatch(base):
        raise UserError(say("publishing.no_hub_id", name=repr(base)), fix=say("pictures.write_as_hub_id"))
    metadata = read_header(file, "").metadata
    family, private = seen_as(metadata), settings.save.metadata == "minimum"
    known = base or _hub_id(settings.model.base)
    labels = FAMILIES[family].labels if family in FAMILIES else None
    prompts = settings.sample.prompts
    return Facts(
        name=settings.run.name,
        file=file,
        family=family,
        base=known,
        base_name=last_part(settings.model.base),
        trigger="" if private else settings.data.trigger,
        pictures=tuple(
            ("" if private or place >= len(prompts) else prompts[place], run.folder / picture)
            for place, picture in enumerate(pictures)
            if (run.folder / picture).is_file()
        ),
        licence=licence or (labels.licence if labels and known else ""),
        readers=("diffusers",) if settings.save.container == "diffusers" else KINDS[settings.adapter.kind].readers,
        hash=metadata.get("sshs_model_hash", ""),
        details=() if private else _details(settings, metadata, images),
    )


def _of_events(run: Run) -> tuple[str, list[str], int]:
    """(LoRA, newest test pictures, images), the files relative to the run folder."""
    pictures: list[str] = []
    file, images = "", 0
    for _, event in run.events():
        match event:
            case Finished():
                file = event.file or file
            case Sampled():
                pictures = event.files or pictures
            case Started():
                images = event.images
    return file, pictures, images


def _hub_id(base: str) -> str:
    """The hub id that a base is given by; "" for a file, a folder, or the embedded one."""
    return MOVED.get(base, base) if HUB_ID.fullmatch(base) and not Path(base).exists() else ""


def _details(settings: Settings, metadata: Mapping[str, str], images: int) -> tuple[tuple[str, str], ...]:
    adapter, train = settings.adapter, settings.train
    told = {
        "Images": images,
        "Steps": metadata.get("ss_steps", ""),
        "Epochs": metadata.get("ss_epoch", ""),
        "Resolution": settings.data.resolution,
        "Rank": adapter.rank,
        "Alpha": f"{adapter.alpha:g}",
        "Optimizer": train.optimizer,
        "Learning rate": f"{train.lr:g}",
    }
    return tuple((what, str(value)) for what, value in told.items() if value)
