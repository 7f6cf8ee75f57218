"""The frozen denoiser's weights in the run's precision, kept as a file beside the cache and mapped from there.

A copy is whole or not there: it is written under another name, and noted (size, time, digest) when it is. A file that
was touched since is compared with its digest. Two processes that make the same copy at once write the same bytes, and
the second takes the place of the first. It may be deleted at any time; a run that has mapped it goes on.
"""

import hashlib
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from sdlora.errors import UserError, explain
from sdlora.events import Event, Progress, Warned
from sdlora.families.base import BaseInfo
from sdlora.families.shared.copies import SPARE, copy_bytes, copy_path, wants_copy
from sdlora.families.shared.load import load_unet
from sdlora.files.intact import Damaged, digest_of, read_json, write_json
from sdlora.lorafiles.stream import TensorWriter, header_bytes, shown_bytes, spec_of
from sdlora.messages import say

WORDS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
ABANDONED = 3600.0  # seconds without a write after which a half-written copy is nobody's


def copied(base: BaseInfo, dtype: torch.dtype, cache: Path) -> Path | None:
    """The copy in that dtype, if one is wanted, there and whole."""
    if not wants_copy(base, WORDS[dtype]):
        return None
    with suppress(OSError, Damaged):
        path = copy_path(base, WORDS[dtype], cache)
        noted, stat = read_json(_note(path)), path.stat()
        if noted.get("size") == stat.st_size:
            if noted.get("mtime_ns") == stat.st_mtime_ns:
                return path
            if noted.get("sha256") == digest_of(path):  # copied elsewhere and back, say
                _write_note(path, noted["sha256"])
                return path
    return None


def copy_weights(base: BaseInfo, dtype: torch.dtype, cache: Path) -> Iterator[Event]:
    """Make the copy if one is wanted and not there; a Warned says where it is, or why there is none.

    Nothing is lost without it: the weights are then in memory.
    """
    precision = WORDS[dtype]
    if not wants_copy(base, precision) or copied(base, dtype, cache):
        return
    yield Progress("model", 0, 1)
    try:
        path = copy_path(base, precision, cache)
        path.parent.mkdir(parents=True, exist_ok=True)
        _tidy(path)
        size, free = copy_bytes(base, precision), shutil.disk_usage(path.parent).free
        if free < size + SPARE:
            need, left = shown_bytes(size), shown_bytes(free)
            yield Warned(say("training.weights_no_room", precision=precision, size=need, free=left, path=path.parent))
            return
        _write_note(path, _write(base, dtype, path))
    except (OSError, UserError) as error:
        yield Warned(say("training.weights_not_copied", precision=precision, reason=str(explain(error))))
        return
    amount = shown_bytes(path.stat().st_size)
    yield Warned(say("training.weights_copied", precision=precision, stored=base.precision, size=amount, path=path))


def load_denoiser(
    base: BaseInfo, dtype: torch.dtype, cache: Path | None
) -> Generator[Event, None, UNet2DConditionModel]:
    """The frozen denoiser, on the CPU: mapped from its copy in ``cache``, else from the base's own files.

    A copy that can't be read although it was there a moment ago (somebody empties the cache, a network disk goes) is
    no hindrance: a Warned says so, and the next start makes it again. cache: None where no copy is used.
    """
    copy = copied(base, dtype, cache) if cache else None
    if copy:
        try:
            return load_unet(base, dtype, mapped=True, copy=copy)
        except UserError:
            with suppress(OSError):
                _note(copy).unlink()  # what was believed of it
            yield Warned(say("training.weights_copy_lost", precision=WORDS[dtype], path=copy))
    return load_unet(base, dtype, mapped=True)


def _write(base: BaseInfo, dtype: torch.dtype, path: Path) -> str:
    """Write the copy, a tensor at a time, so that no more than one is in memory; returns the file's SHA-256."""
    stored = load_unet(base, None, mapped=True).state_dict()
    kinds = {name: dtype if tensor.is_floating_point() else tensor.dtype for name, tensor in stored.items()}
    plan = {name: spec_of(tensor.to("meta", kinds[name])) for name, tensor in stored.items()}
    digest = hashlib.sha256(header_bytes(plan, None))
    with TensorWriter(path, plan) as writer:
        for name, tensor in stored.items():
            cast = tensor.to(kinds[name]).contiguous()
            writer.write(name, cast)
            digest.update(cast.view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _write_note(path: Path, sha256: str) -> None:
    stat = path.stat()
    write_json(_note(path), {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256})


def _tidy(path: Path) -> None:
    """Delete copies of what the same base was before, damaged ones, and what a killed process left half-written."""
    for old in path.parent.glob(f"{path.name.partition('-')[0]}-*"):
        with suppress(OSError):  # Windows keeps a file that another process has mapped
            old.unlink()
    for left in path.parent.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED:
                left.unlink()
