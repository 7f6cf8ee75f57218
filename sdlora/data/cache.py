"""Latents and text on disk, so that the VAE and frozen text encoders run once and need not stay in memory.

    <cache>/latents/<key>.2.safetensors   mean, std: (C, h, w) fp32, one file per image and side
    <cache>/text/<key>.2.safetensors      text: any shape and dtype, one file per text
    <cache>/identities.json               hashes of model files, by path, size and time

A key is a hash of all that the content depends on, so nothing stale is ever found; a file is written whole under
another name and renamed, so two processes may work at once, and a kill leaves good files only. What a disk makes of
them later is noticed: every file carries the SHA-256 of its tensors (names, dtypes, shapes, bytes), which is checked
whenever it is read. Files of version 0.1.0 (<key>.safetensors) had none: they are taken if they are what that version
wrote as far as can be told (names, float32, shape, finite), and written again with a digest.
"""

import hashlib
import json
import os
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save

from sdlora.data.buckets import training_picture
from sdlora.data.dataset import Item
from sdlora.data.images import content_hash, load_image
from sdlora.errors import UserError
from sdlora.families.base import BaseInfo
from sdlora.families.shared.checkpoint import names_of
from sdlora.families.shared.folder import vae_folder
from sdlora.families.shared.header import read_header
from sdlora.files.intact import DIGEST, Damaged, read_json, write_json
from sdlora.files.regular import read_regular
from sdlora.messages import say

SUFFIX = ".2.safetensors"  # 2: with a digest
VERSION = 1  # of the keys: raised when the same inputs give other pixels
DECODERS = min(4, os.cpu_count() or 1)  # Pillow works outside Python's lock
AHEAD = 2 * DECODERS  # images decoded while the VAE works
PIECE = 1 << 22  # bytes read at once
IDENTITY_FILES = (".json", ".safetensors", ".bin", ".txt", ".model")

EncodeFn = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """Which part of the work a process does: ``index`` of ``of``, from where ``start`` (0 to below 1) of it is done."""

    index: int = 0
    of: int = 1
    start: float = 0.0

    def part(self, whole: Sequence[T]) -> list[T]:
        """Every ``of``-th, in order from the start on, then those before it."""
        mine = list(whole[self.index :: self.of])
        first = int(len(mine) * self.start)
        return mine[first:] + mine[:first]


WHOLE = Share()


class LatentCache:
    """Latents of images. ``vae_id``: ``vae_identity`` and whatever else changes the numbers (the VAE's precision).

    Kept as fp32: what is trained from the cache is then bit for bit what would be trained without it, at
    2 x 4 x 4 bytes per latent pixel (131 kB for 512 x 512, about the size of the JPEG).
    """

    def __init__(self, folder: Path | str, vae_id: str):
        self.folder, self.vae_id = Path(folder) / "latents", vae_id
        self.damaged: list[str] = []  # names of images, as the last ``missing`` found them

    def path(self, item: Item, flipped: bool) -> Path:
        """Where an image's latents are; depends on its bytes, its placement, the VAE and the side."""
        return self.folder / _key(item.content_hash, astuple(item.placement), self.vae_id, flipped)

    def missing(self, items: Sequence[Item], flip: bool, share: Share = WHOLE) -> list[tuple[Item, bool]]:
        """(item, flipped) of all in the share that is not in the cache, or damaged there; equal images once.

        Every file is read and its digest compared. ``damaged`` then holds the images whose files were there and not
        whole; those of older versions are written anew with a digest.
        """
        wanted = {self.path(i, side): (i, side) for i in items for side in ((False, True) if flip else (False,))}
        wanted = dict(share.part(list(wanted.items())))
        there = _names(self.folder)
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # hashlib works outside Python's lock
            states = list(pool.map(lambda path: self._look(path, wanted[path][0], there), wanted))
        self.damaged = [item.name for (item, _), state in zip(wanted.values(), states, strict=True) if state is None]
        return [what for what, state in zip(wanted.values(), states, strict=True) if not state]

    def _look(self, path: Path, item: Item, there: set[str]) -> bool | None:
        """Is it there and whole? None for a file that is not."""
        if path.name not in there and _old(path).name not in there:
            return False
        return self._read(path, item) is not None or None

    def _read(self, path: Path, item: Item) -> dict[str, torch.Tensor] | None:
        return _read(path, {"mean", "std"}, lambda tensors: _plausible(tensors, item))

    def encode(
        self,
        items: Sequence[Item],
        encode_fn: EncodeFn,
        flip: bool,
        todo: Sequence[tuple[Item, bool]] | None = None,
    ) -> Iterator[tuple[int, int]]:
        """Encode what is missing, image by image; yields (done, of) after each, and nothing if nothing is missing.

        What another process, that shares the cache, has encoded meanwhile is not encoded again.

        todo: what ``missing`` gave, if it was asked just now.

        encode_fn: (1, 3, H, W) fp32 in -1..1 on the CPU -> mean and std of the VAE's posterior, each (1, C, h, w).
        Memory does not grow with the number of images. Closing the generator ends it between two images; all that was
        yielded is kept. Raises UserError for a latent that is not finite and for an image that changed since the scan,
        OSError where the cache can't be written.
        """
        todo = self.missing(items, flip) if todo is None else todo
        if todo:
            self.folder.mkdir(parents=True, exist_ok=True)
        before = _names(self.folder) if todo else set()  # what is there and wanted all the same is damaged
        pool = ThreadPoolExecutor(DECODERS)

        def made(what: tuple[Item, bool]) -> bool:
            path = self.path(*what)
            return path.name not in before and path.exists()

        def start(what: tuple[Item, bool]) -> Future | None:
            return None if made(what) else pool.submit(_pixels, *what)

        try:
            waiting = iter(todo)
            ready = deque((what, start(what)) for what in islice(waiting, AHEAD))
            for done in range(1, len(todo) + 1):
                (item, flipped), pixels = ready.popleft()
                ready.extend((what, start(what)) for what in islice(waiting, 1))
                if pixels is not None and not made((item, flipped)):
                    self._write(item, flipped, *encode_fn(pixels.result()))
                yield done, len(todo)
        finally:
            pool.shutdown(cancel_futures=True)

    def load(self, item: Item, flipped: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """(mean, std), each (C, h, w) fp32. UserError if they are not there or damaged (a restart encodes them)."""
        found = self._read(self.path(item, flipped), item)
        if found is None:
            raise UserError(say("images.latents_lost", name=item.name), fix=say("images.renew_latents"))
        return found["mean"], found["std"]

    def _write(self, item: Item, flipped: bool, mean: torch.Tensor, std: torch.Tensor) -> None:
        tensors = {"mean": mean, "std": std}
        tensors = {name: t.detach()[0].to("cpu", torch.float32).contiguous() for name, t in tensors.items()}
        if not all(t.isfinite().all() for t in tensors.values()):
            raise UserError(
                say("images.vae_not_finite", name=item.name),
                fix=say("images.use_fp32_or_mend_vae"),
                where="precision",
            )
        path = self.path(item, flipped)
        _write(path, sealed(tensors, path.name))


class TextCache:
    """Outputs of a frozen text encoder on disk. ``encoder_id``: ``encoder_identity``, precision, the layer taken."""

    def __init__(self, folder: Path | str, encoder_id: str):
        self.folder, self.encoder_id = Path(folder) / "text", encoder_id
        self.damaged: set[str] = set()  # texts whose files were found there and not whole

    def get(self, text: str) -> torch.Tensor | None:
        """The tensor put for this text, as it was put (on the CPU); None if there is none or it is damaged."""
        path = self._path(text)
        found = _read(path, {"text"}, lambda tensors: bool(tensors["text"].isfinite().all()))
        if found is None and (os.path.lexists(path) or os.path.lexists(_old(path))):
            self.damaged.add(text)
        return found["text"] if found else None

    def put(self, text: str, tensor: torch.Tensor) -> None:
        """Keep the tensor. UserError if it is not finite, OSError where the cache can't be written."""
        if not tensor.isfinite().all():
            raise UserError(say("images.text_encoder_not_finite", caption=repr(text[:80])), fix=say("images.use_fp32"))
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(text)
        _write(path, sealed({"text": tensor.detach().to("cpu").contiguous()}, path.name))

    def _path(self, text: str) -> Path:
        return self.folder / _key("text", text, self.encoder_id)


def vae_identity(base: BaseInfo, memo: Path | str | None = None) -> str:
    """A hash of a base model's VAE (hexadecimal): configuration and weights, without loading them.

    Of a single file only the VAE's own bytes count, so two checkpoints with the same VAE share their latents.
    ``memo``: a cache folder in which hashes are remembered by path, size and time. UserError for a folder with no such
    files.
    """
    if base.vae:
        return _identity([vae_folder(base.vae)] if base.vae.is_dir() else [(base.vae, None)], memo)
    return _identity([(base.source, "vae") if base.single_file else base.source / "vae"], memo)


def encoder_identity(base: BaseInfo, memo: Path | str | None = None) -> str:
    """A hash of all its text encoders and their tokenizers together (hexadecimal), as ``vae_identity``."""
    if base.single_file:
        return _identity([(base.source, part) for part in base.text_encoders], memo)
    names = [name for part in base.spec.text_encoders for name in (part.root, part.tokenizer)]
    return _identity([base.source / name for name in names], memo)


def denoiser_identity(base: BaseInfo, memo: Path | str | None = None) -> str:
    """A hash of its UNet (hexadecimal), as ``vae_identity``."""
    return _identity([(base.source, base.denoiser) if base.single_file else base.source / base.denoiser], memo)


def _identity(sources: Sequence[Path | tuple[Path, str | None]], memo: Path | str | None) -> str:
    """sources: a folder, all of whose model files count, or (single file, part of it; None for the whole)."""
    memo = Path(memo) / "identities.json" if memo else None
    known = _load_memo(memo) if memo else {}
    digest, used = hashlib.sha256(), dict(known)
    for source in sources:
        for file, part in _identity_files(source) if isinstance(source, Path) else [source]:
            stat = file.stat()
            key = f"{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns}"
            key += f"|{part}" if part else ""
            used[key] = used.get(key) or (part_hash(file, part) if part else content_hash(file))
            digest.update(f"{part or file.name} {used[key]}\n".encode())
    if memo and used != known:
        memo.parent.mkdir(parents=True, exist_ok=True)
        write_json(memo, used)
    return digest.hexdigest()


def _identity_files(folder: Path) -> list[tuple[Path, None]]:
    files = sorted(p for p in folder.glob("*") if p.suffix in IDENTITY_FILES) if folder.is_dir() else []
    if not files:
        raise UserError(say("images.no_model_files", path=folder), fix=say("images.check_base"), where="base")
    return [(file, None) for file in files]


def part_hash(file: Path, part: str) -> str:
    """SHA-256 of one part of a single-file checkpoint: names, dtypes, shapes and bytes, read in pieces."""
    header, digest = read_header(file), hashlib.sha256()
    with open(file, "rb") as content:
        for name in sorted(names_of(header.tensors, part)):
            start, end = header.places[name]
            digest.update(f"{name} {header.tensors[name]}\n".encode())
            content.seek(start)
            while start < end:
                piece = content.read(min(PIECE, end - start))
                if not piece:
                    break  # cut off since its header was checked
                digest.update(piece)
                start += len(piece)
    return digest.hexdigest()


def _load_memo(path: Path) -> dict[str, str]:
    """What is remembered; nothing if the file is missing or not as it was written. 0.1.0 wrote no digest."""
    try:
        content = read_json(path, digest=False)
    except (OSError, Damaged):
        return {}
    return {k: v for k, v in content.items() if isinstance(v, str)}


def _pixels(item: Item, flipped: bool) -> torch.Tensor:
    """The training picture as (1, 3, H, W) fp32 in -1..1."""
    try:
        unchanged = content_hash(item.path) == item.content_hash
        picture = training_picture(load_image(item.path), item.placement) if unchanged else None
    except (OSError, UserError):
        picture = None
    if picture is None:
        raise UserError(
            say("images.changed_after_check", name=item.name), fix=say("images.start_again"), where=item.name
        )
    array = np.asarray(picture, dtype=np.float32) / 127.5 - 1
    array = array[:, ::-1] if flipped else array
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1))).unsqueeze(0)


def _key(*parts: object) -> str:
    return hashlib.sha256(repr((VERSION, *parts)).encode("utf-8")).hexdigest()[:40] + SUFFIX


def _old(path: Path) -> Path:
    """Where version 0.1.0 kept the same, without a digest."""
    return path.with_name(path.name.removesuffix(SUFFIX) + ".safetensors")


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return set()


def sealed(tensors: dict[str, torch.Tensor], name: str) -> bytes:
    """A safetensors file, to be called ``name``, whose metadata holds the digest of its tensors and that name."""
    return save(tensors, {DIGEST: _tensor_digest(save(tensors), name)[0]})


def _tensor_digest(data: bytes, name: str) -> tuple[str, str]:
    """(SHA-256 of a safetensors file's tensors: names, dtypes, shapes, places and bytes; the digest it claims).

    name: the file's own, which counts too: another entry's file in its place is noticed.

    ValueError for what is no such file.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length]) if 0 < length <= len(data) - 8 else None
    if not isinstance(header, dict):
        raise ValueError("no safetensors file")
    metadata = header.pop("__metadata__", None)
    claimed = metadata.get(DIGEST, "") if isinstance(metadata, dict) else ""
    digest = hashlib.sha256(f"{name} {json.dumps(header, sort_keys=True)}".encode())
    digest.update(memoryview(data)[8 + length :])
    return digest.hexdigest(), claimed


def _read(
    path: Path, names: set[str], plausible: Callable[[dict[str, torch.Tensor]], bool]
) -> dict[str, torch.Tensor] | None:
    """The tensors of those names, as they were written; None if they are not there or damaged.

    plausible: judges a file of version 0.1.0, which holds no digest; a good one is written anew with it.
    """
    try:
        data = read_regular(path)
        digest, claimed = _tensor_digest(data, path.name)
        tensors = load(data) if digest == claimed else {}
        return tensors if set(tensors) == names else None
    except FileNotFoundError:
        pass
    except (OSError, ValueError, RecursionError, SafetensorError):
        return None
    old = _old(path)
    try:
        tensors = load_file(old)
    except (OSError, ValueError, SafetensorError):
        return None
    if set(tensors) != names or not plausible(tensors):
        return None
    with suppress(OSError):  # a cache that can't be written still serves
        _write(path, sealed(tensors, path.name))
        old.unlink(missing_ok=True)
    return tensors


def _plausible(tensors: dict[str, torch.Tensor], item: Item) -> bool:
    """Are these latents of that image's size, as far as can be told?"""
    mean, std = tensors["mean"], tensors["std"]
    if mean.dtype != torch.float32 or std.dtype != torch.float32 or mean.shape != std.shape or mean.ndim != 3:
        return False
    (width, height), (_, down, across) = item.placement.bucket, mean.shape
    same = down > 0 and across > 0 and width % across == 0 and width // across * down == height
    return same and bool(mean.isfinite().all() and std.isfinite().all() and (std >= 0).all())


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, without the fsync of intact.write_atomically, which takes ten times as long: what a power
    loss tears is noticed by its digest and made again. The name is unique, so any number of processes may write."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except PermissionError:  # Windows, while another process reads the same content
        if not path.exists():
            raise
    finally:
        temporary.unlink(missing_ok=True)
