"""Base models from the hub: which of a repository's files training reads, their download, and what can go wrong."""

import shutil
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sdlora.errors import UserError
from sdlora.families.table import parts
from sdlora.messages import say

# Repositories that were taken down, and where the same weights are now.
MOVED = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "runwayml/stable-diffusion-inpainting": "stable-diffusion-v1-5/stable-diffusion-inpainting",
    **{
        f"stabilityai/stable-diffusion-{kind}": f"sd2-community/stable-diffusion-{kind}"
        for kind in ("2", "2-base", "2-1", "2-1-base", "2-inpainting")
    },
}
PACE = 0.5  # seconds between two looks at a download


def configs() -> tuple[str, ...]:
    """The small files that say what a base model is, as patterns, of every family."""
    tokenizers = dict.fromkeys(part.tokenizer for part in parts() if part.role == "text")
    return (
        "model_index.json",
        "scheduler/scheduler_config.json",
        *(f"{root}/config.json" for root in stems()),
        *(f"{folder}/*" for folder in tokenizers),
    )


def stems() -> dict[str, str]:
    """root -> what the files of its weights begin with, in a diffusers folder."""
    return {part.root: part.stem for part in parts()}


def wanted(files: Iterable[str], prefix: str = "") -> list[str]:
    """Which weights of a repository to download: of each part the fp16 variant, half the size, before fp32."""
    there, chosen = set(files), []
    for part, stem in stems().items():
        folder = "" if prefix == part else f"{part}/"
        for name in (f"{stem}.fp16.safetensors", f"{stem}.safetensors"):
            if folder + name in there:
                chosen.append(folder + name)
                break
        else:
            chosen += sorted(f for f in there if f.startswith(f"{folder}{stem}") and ".safetensors" in f)
    return chosen


def download(base: str, revision: str = "", where: str = "base", tqdm_class: type | None = None) -> Path:
    """The folder of a hub id in the hub's cache, downloaded if it is not there. UserError if that can't be.

    base: "organisation/model". revision: branch, tag or commit; "" for the newest. where: "base" or "vae",
    the setting that named it. tqdm_class: what counts the bytes, as huggingface_hub takes it.
    """
    from huggingface_hub import snapshot_download

    def get() -> Path:
        allowed = _allowed(base, revision, where)
        return Path(snapshot_download(base, revision=revision or None, allow_patterns=allowed, tqdm_class=tqdm_class))

    return _told(get, base, revision, where)


def download_in_steps(base: str, revision: str = "", where: str = "base") -> Iterator[tuple[int, int]]:
    """``download``, telling (bytes done, bytes in all) as it goes; what is in the cache already counts as done."""
    from huggingface_hub import snapshot_download

    def ask() -> list:
        return snapshot_download(
            base, revision=revision or None, allow_patterns=_allowed(base, revision, where), dry_run=True
        )

    files = _told(ask, base, revision, where)
    of, there = sum(file.file_size for file in files), sum(file.file_size for file in files if not file.will_download)
    _room_for(of - there, where)
    counts, failed = _counting(), []

    def work() -> None:
        try:
            download(base, revision, where, counts)
        except Exception as error:  # for the thread that asked
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        yield min(there + counts.done, of), of
        thread.join(PACE)
    if failed:
        raise failed[0]
    yield of, of


def _room_for(size: int, where: str) -> None:
    from huggingface_hub.constants import HF_HUB_CACHE

    cache = Path(HF_HUB_CACHE)
    free = shutil.disk_usage(next(p for p in (cache, *cache.parents) if p.exists())).free
    if size > free:
        what = say("models.no_space_for_download", size=f"{size / 1e9:.1f}", free=f"{free / 1e9:.1f}", path=cache)
        raise UserError(what, fix=say("models.free_space_or_move_cache"), where=where)


def _counting() -> Any:
    """A bar that draws nothing and counts bytes: ``done`` of the class."""
    from tqdm.auto import tqdm

    class Counting(tqdm):
        done = 0

        def display(self, *_: object, **__: object) -> bool:
            return True

        def update(self, n: float | None = 1) -> bool | None:
            told = super().update(n)
            if self.unit == "B":  # there are bars for files too
                Counting.done = max(Counting.done, int(self.n))
            return told

    return Counting


def _told(get, base: str, revision: str, where: str):
    """What ``get`` gives; its errors in our words."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    what = say("models.kind_vae" if where == "vae" else "models.kind_base")
    try:
        return get()
    except GatedRepoError:
        fix = say("models.accept_licence")
        raise UserError(say("models.restricted", model=what, name=base), fix=fix, where=where) from None
    except RevisionNotFoundError:
        raise UserError(
            say("models.revision_missing", name=base, revision=repr(revision)),
            fix=say("models.check_revision"),
            where=where,
        ) from None
    except RepositoryNotFoundError:
        fix = say("models.use_successor", name=MOVED[base]) if base in MOVED else say("models.check_spelling")
        raise UserError(say("models.not_on_hub", model=what, name=base), fix=fix, where=where) from None
    except (OSError, ValueError) as error:  # no network, not cached, proxy refused, a malformed id
        if base in MOVED:
            raise UserError(
                say("models.taken_down", model=what, name=base),
                fix=say("models.use_instead", name=MOVED[base]),
                where=where,
            ) from None
        raise UserError(
            say("models.download_failed", model=what, name=base, reason=type(error).__name__),
            fix=say("models.check_connection"),
            where=where,
        ) from None


def _allowed(base: str, revision: str, where: str) -> list[str]:
    vae = where == "vae"
    return [*(("config.json",) if vae else configs()), *_listed(base, revision, "vae" if vae else "")]


def _listed(base: str, revision: str, prefix: str) -> list[str]:
    """Which weights of a hub repository to download; all of them if there is no asking (the cache then serves)."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        files = HfApi().model_info(base, revision=revision or None, timeout=10).siblings or []
    except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except Exception:  # no network, in whatever words the hub's HTTP library of the day has for it
        return ["*.safetensors"]
    return wanted((file.rfilename for file in files), prefix)
