"""Latents and text on disk, so that the VAE and frozen text encoders run once and need not stay in memory.

    <cache>/latents/<key>.safetensors   mean, std: (C, h, w) fp32, one file per image and side
    <cache>/text/<key>.safetensors      text: any shape and dtype, one file per text
    <cache>/identities.json             hashes of model files, by path, size and time

A key is a hash of all that the content depends on, so nothing stale is ever found; a file is written whole under
another name and renamed, so two processes may work at once, and a kill leaves good files only.
"""

import hashlib
import json
import os
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from sdlora.data.buckets import apply
from sdlora.data.dataset import Item
from sdlora.data.images import content_hash, load_image
from sdlora.errors import UserError
from sdlora.intact import write_atomically
from sdlora.models.checkpoint import names_of
from sdlora.models.families import BaseInfo
from sdlora.models.folder import vae_folder
from sdlora.models.header import read_header

VERSION = 1  # of the keys: raised when the same inputs give other pixels
AHEAD = 2  # images decoded while the VAE works
PIECE = 1 << 22  # bytes read at once
IDENTITY_FILES = (".json", ".safetensors", ".bin", ".txt", ".model")

EncodeFn = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class LatentCache:
    """Latents of images. ``vae_id``: ``vae_identity`` and whatever else changes the numbers (the VAE's precision).

    Kept as fp32: what is trained from the cache is then bit for bit what would be trained without it, at
    2 x 4 x 4 bytes per latent pixel (131 kB for 512 x 512, about the size of the JPEG).
    """

    def __init__(self, folder: Path | str, vae_id: str):
        self.folder, self.vae_id = Path(folder) / "latents", vae_id

    def path(self, item: Item, flipped: bool) -> Path:
        """Where an image's latents are; depends on its bytes, its placement, the VAE and the side."""
        return self.folder / _key(item.content_hash, astuple(item.placement), self.vae_id, flipped)

    def missing(self, items: Sequence[Item], flip: bool) -> list[tuple[Item, bool]]:
        """(item, flipped) of all that is not in the cache, or damaged there; equal images once."""
        wanted = {self.path(i, side): (i, side) for i in items for side in ((False, True) if flip else (False,))}
        there = _names(self.folder)
        return [what for path, what in wanted.items() if path.name not in there or not _whole(path, {"mean", "std"})]

    def encode(self, items: Sequence[Item], encode_fn: EncodeFn, flip: bool) -> Iterator[tuple[int, int]]:
        """Encode what is missing, image by image; yields (done, of) after each, and nothing if nothing is missing.

        encode_fn: (1, 3, H, W) fp32 in -1..1 on the CPU -> mean and std of the VAE's posterior, each (1, C, h, w).
        Memory does not grow with the number of images. Closing the generator ends it between two images; all that was
        yielded is kept. Raises UserError for a latent that is not finite and for an image that changed since the scan,
        OSError where the cache can't be written.
        """
        todo = self.missing(items, flip)
        if todo:
            self.folder.mkdir(parents=True, exist_ok=True)
        pool = ThreadPoolExecutor(1)
        try:
            waiting = iter(todo)
            ready = deque((what, pool.submit(_pixels, *what)) for what in islice(waiting, AHEAD))
            for done in range(1, len(todo) + 1):
                (item, flipped), pixels = ready.popleft()
                ready.extend((what, pool.submit(_pixels, *what)) for what in islice(waiting, 1))
                self._write(item, flipped, *encode_fn(pixels.result()))
                yield done, len(todo)
        finally:
            pool.shutdown(cancel_futures=True)

    def load(self, item: Item, flipped: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """(mean, std), each (C, h, w) fp32. UserError if they are not there or damaged (a restart encodes them)."""
        found = _read(self.path(item, flipped))
        if found is None or set(found) != {"mean", "std"}:
            raise UserError(f"The cached latents of {item.name} are gone or damaged.", fix="Start again to renew them.")
        return found["mean"], found["std"]

    def _write(self, item: Item, flipped: bool, mean: torch.Tensor, std: torch.Tensor) -> None:
        tensors = {"mean": mean, "std": std}
        tensors = {name: t.detach()[0].to("cpu", torch.float32).contiguous() for name, t in tensors.items()}
        if not all(t.isfinite().all() for t in tensors.values()):
            raise UserError(
                f"The VAE gave no finite numbers for {item.name}.",
                fix='Set train.precision to "fp32"; if it is that already, the VAE files of model.base are damaged.',
                where="train.precision",
            )
        _write(self.path(item, flipped), save(tensors))


class TextCache:
    """What a frozen text encoder makes of texts. ``encoder_id``: ``encoder_identity``, precision, the layer taken."""

    def __init__(self, folder: Path | str, encoder_id: str):
        self.folder, self.encoder_id = Path(folder) / "text", encoder_id

    def get(self, text: str) -> torch.Tensor | None:
        """The tensor put for this text, as it was put (on the CPU); None if there is none or it is damaged."""
        found = _read(self._path(text))
        return found.get("text") if found else None

    def put(self, text: str, tensor: torch.Tensor) -> None:
        """Keep the tensor. UserError if it is not finite, OSError where the cache can't be written."""
        if not tensor.isfinite().all():
            raise UserError(
                f"The text encoder gave no finite numbers for {text[:80]!r}.", fix='Set train.precision to "fp32".'
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self._path(text), save({"text": tensor.detach().to("cpu").contiguous()}))

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
    """The same for all its text encoders and their tokenizers together."""
    if base.single_file:
        return _identity([(base.source, part) for part in base.text_encoders], memo)
    names = [name for part in base.text_encoders for name in (part, part.replace("text_encoder", "tokenizer"))]
    return _identity([base.source / name for name in names], memo)


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
        write_atomically(memo, json.dumps(used))
    return digest.hexdigest()


def _identity_files(folder: Path) -> list[tuple[Path, None]]:
    files = sorted(p for p in folder.glob("*") if p.suffix in IDENTITY_FILES) if folder.is_dir() else []
    if not files:
        raise UserError(f"There are no model files in {folder}.", fix="Check model.base.", where="model.base")
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
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in content.items() if isinstance(v, str)} if isinstance(content, dict) else {}


def _pixels(item: Item, flipped: bool) -> torch.Tensor:
    """The training picture as (1, 3, H, W) fp32 in -1..1."""
    try:
        unchanged = content_hash(item.path) == item.content_hash
        picture = apply(load_image(item.path), item.placement) if unchanged else None
    except (OSError, UserError):
        picture = None
    if picture is None:
        raise UserError(f"{item.name} was changed or removed after the check.", fix="Start again.", where=item.name)
    array = np.asarray(picture, dtype=np.float32) / 127.5 - 1
    array = array[:, ::-1] if flipped else array
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1))).unsqueeze(0)


def _key(*parts: object) -> str:
    return hashlib.sha256(repr((VERSION, *parts)).encode("utf-8")).hexdigest()[:40] + ".safetensors"


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return set()


def _whole(path: Path, names: set[str]) -> bool:
    """Is this a complete safetensors file with these tensors? Reads the head only; it knows the length."""
    try:
        with safe_open(path, framework="pt") as file:
            return set(file.keys()) == names
    except (OSError, SafetensorError):
        return False


def _read(path: Path) -> dict[str, torch.Tensor] | None:
    try:
        return load_file(path)
    except (OSError, SafetensorError):
        return None


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, without the fsync of run.write_atomically, which takes ten times as long: what a power loss
    tears is noticed and made again. The name is unique, so any number of processes and threads may write."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except PermissionError:  # Windows, while another process reads the same content
        if not path.exists():
            raise
    finally:
        temporary.unlink(missing_ok=True)
