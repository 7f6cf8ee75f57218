"""safetensors, tensor by tensor: a checkpoint of 7 GB is read and written without ever being in memory.

The header of a file is checked here before anything in it is believed: its length, JSON, dtypes, shapes and offsets.
The format: 8 bytes (little endian) with the header's length N, N bytes of JSON, then the tensors' bytes without gaps.
"""

import json
import math
import mmap
import os
import shutil
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdlora.errors import UserError, explain
from sdlora.files.kinds import FIXES, told_by_first_bytes
from sdlora.files.regular import NotRegular, open_regular
from sdlora.messages import reason_of, say

LARGEST_HEADER = 100_000_000  # the safetensors library's own limit
# In the order in which the library lays tensors out (last first), so that files come out as its own would.
DTYPES: dict[str, torch.dtype] = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3": torch.float8_e4m3fn,
    "I16": torch.int16,
    "U16": torch.uint16,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I32": torch.int32,
    "U32": torch.uint32,
    "F32": torch.float32,
    "F64": torch.float64,
    "I64": torch.int64,
    "U64": torch.uint64,
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Spec:
    """What a tensor in a file looks like. dtype: safetensors' name, a key of ``DTYPES``."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


@dataclass(frozen=True)
class StoredTensor(Spec):
    """A tensor of a file: its bytes are file[start:start + nbytes]."""

    start: int


def spec_of(tensor: Tensor) -> Spec:
    """Dtype and shape of a tensor in memory."""
    return Spec(_NAMES[tensor.dtype], tuple(tensor.shape))


class TensorSource(ABC):
    """Tensors by key: of a file (``TensorFile``), or in memory. path: what they are called.

    entries: key -> Spec. metadata: text by key.
    """

    path: Path
    entries: Mapping[str, Spec]
    metadata: dict[str, str]

    @abstractmethod
    def tensor(self, key: str) -> Tensor:
        """The tensor of a key, on the CPU, in the dtype it was stored in."""


class InMemory(TensorSource):
    """Tensors that were read already, under the name of the file that they come from."""

    def __init__(self, path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None):
        self.path, self.metadata, self._tensors = path, dict(metadata or {}), dict(tensors)
        self.entries = {key: spec_of(tensor) for key, tensor in self._tensors.items()}

    def tensor(self, key: str) -> Tensor:
        """The tensor of a key, as it was given."""
        return self._tensors[key]


class TensorFile(TensorSource):
    """A safetensors file, read lazily: ``tensor`` maps the file's own pages, which cost no memory of the process.

    entries: key -> Entry, in the order of the bytes. metadata: text by key. data_start: where the header ends.
    Raises UserError with one sentence for a file that is missing, unreadable, truncated, damaged or lying.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        try:
            with open_regular(self.path) as file:
                self.size = os.fstat(file.fileno()).st_size
                header, self.data_start = _header(self.path, file, self.size)
                self.metadata = _metadata(self.path, header)
                self.entries: dict[str, StoredTensor] = _entries(self.path, header, self.data_start, self.size)
                # Copy on write: torch wants writable memory, and the file must not change.
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except FileNotFoundError:
            raise UserError(say("files.missing", path=path), fix=say("files.check_path"), where=str(path)) from None
        except NotRegular as error:
            raise UserError(
                say("files.unreadable", file=path, reason=reason_of(error)),
                fix=say("files.check_path"),
                where=str(path),
            ) from None
        except OSError as error:
            raise explain(error) from error

    def tensor(self, key: str) -> Tensor:
        """The tensor, in the file's dtype, on the CPU: a view of the mapped file. Don't write into it."""
        entry = self.entries[key]
        dtype, count = DTYPES[entry.dtype], math.prod(entry.shape)
        if not count:
            return torch.empty(entry.shape, dtype=dtype)
        if entry.start % dtype.itemsize:  # only files not written by the library
            data = bytearray(self.raw(key))
            return torch.frombuffer(data, dtype=dtype).view(entry.shape)
        return torch.frombuffer(self._map, dtype=dtype, count=count, offset=entry.start).view(entry.shape)

    def raw(self, key: str) -> memoryview:
        """The tensor's bytes."""
        entry = self.entries[key]
        return memoryview(self._map)[entry.start : entry.start + entry.nbytes]

    def data(self) -> memoryview:
        """All bytes after the header."""
        return memoryview(self._map)[self.data_start :]


def is_safetensors(path: Path | str) -> bool:
    """Is there a file of that ending?"""
    path = Path(path)
    return path.suffix.lower() in (".safetensors", ".sft") and path.is_file()


# ---- checks of a header


def _refuse(path: Path, why: str, fix: str = say("lorafiles.get_file_again")) -> UserError:
    return UserError(say("lorafiles.damaged", file=path.name, fault_of_file=why), fix=fix, where=str(path))


def not_safetensors(path: Path | str) -> UserError | None:
    """The sentence for a whole file of another kind (pickle, Git LFS pointer, web page), by its first bytes."""
    what = told_by_first_bytes(path)
    return (
        UserError(say("common.fault", name=Path(path).name, fault=what), fix=FIXES[what], where=str(path))
        if what
        else None
    )


def _header(path: Path, file: Any, size: int) -> tuple[dict, int]:
    try:
        return _parsed_header(path, file, size)
    except UserError as damaged:
        raise not_safetensors(path) or damaged from None


def _parsed_header(path: Path, file: Any, size: int) -> tuple[dict, int]:
    length = int.from_bytes(file.read(8), "little")
    if size < 8:
        raise _refuse(path, say("lorafiles.header_too_short", count=size))
    if length > LARGEST_HEADER:
        raise _refuse(path, say("lorafiles.header_too_large", count=length, most=LARGEST_HEADER))
    if 8 + length > size:
        raise _refuse(path, say("lorafiles.header_beyond_file", count=length, all=size))
    text = file.read(length)
    if not text.startswith(b"{"):
        raise _refuse(path, say("lorafiles.header_no_brace"))
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except _Duplicate as twice:
        raise _refuse(path, say("lorafiles.header_key_twice", name=repr(twice.args[0][:120]))) from None
    except (ValueError, RecursionError):
        raise _refuse(path, say("lorafiles.header_not_json")) from None
    return header, 8 + length


class _Duplicate(Exception):
    pass


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(key for key, _ in pairs)
        raise _Duplicate(next(key for key, number in times.items() if number > 1))
    return found


def _metadata(path: Path, header: dict) -> dict[str, str]:
    metadata = header.pop("__metadata__", None)
    if metadata is None:
        return {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _refuse(path, say("lorafiles.header_metadata_not_text"))
    return metadata


def _entries(path: Path, header: dict, start: int, size: int) -> dict[str, StoredTensor]:
    entries = {key: _entry(path, key, value, start, size) for key, value in header.items()}
    ordered = dict(sorted(entries.items(), key=lambda item: (item[1].start, item[1].nbytes)))
    at, before = start, ""
    for key, entry in ordered.items():
        if entry.start < at:
            raise _refuse(path, say("lorafiles.tensors_overlap", first=repr(before[:120]), second=repr(key[:120])))
        if entry.start > at:
            raise _refuse(path, say("lorafiles.tensor_after_gap", name=repr(key[:120])))
        at, before = entry.start + entry.nbytes, key
    if at != size:
        raise _refuse(path, say("lorafiles.tensors_then_bytes", count=size - at))
    return ordered


def _entry(path: Path, key: str, value: Any, data_start: int, size: int) -> StoredTensor:
    shown = repr(key[:120])
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise _refuse(path, say("lorafiles.tensor_description", name=shown))
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if dtype not in DTYPES if isinstance(dtype, str) else True:
        raise _refuse(path, say("lorafiles.tensor_dtype", name=shown, dtype=repr(str(dtype)[:40])))
    if not (_sizes(shape) and len(shape) <= 16 and _sizes(offsets) and len(offsets) == 2):
        raise _refuse(path, say("lorafiles.tensor_place", name=shown))
    entry = StoredTensor(dtype, tuple(shape), data_start + offsets[0])
    if offsets[1] - offsets[0] != entry.nbytes:
        raise _refuse(
            path,
            say(
                "lorafiles.tensor_size",
                name=shown,
                count=offsets[1] - offsets[0],
                needed=entry.nbytes,
            ),
        )
    if data_start + offsets[1] > size:
        raise _refuse(path, say("lorafiles.tensor_beyond_file", name=shown, count=data_start + offsets[1] - size))
    return entry


def _sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)


# ---- writing


def library_order(plan: Mapping[str, Spec]) -> dict[str, Spec]:
    """The plan in the order in which the safetensors library would lay the tensors out."""
    position = {name: i for i, name in enumerate(DTYPES)}
    return dict(sorted(plan.items(), key=lambda item: (-position[item[1].dtype], item[0])))


def header_bytes(plan: Mapping[str, Spec], metadata: Mapping[str, str] | None) -> bytes:
    """Length and JSON of a file with these tensors in this order, padded to 8 bytes as the library does."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for key, spec in plan.items():
        header[key] = {"dtype": spec.dtype, "shape": list(spec.shape), "data_offsets": [at, at + spec.nbytes]}
        at += spec.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


class TensorWriter:
    """Writes a safetensors file tensor by tensor, in any order, in constant memory, and atomically.

        with TensorWriter(path, plan, metadata) as writer:
            for key in plan:
                writer.write(key, tensor)

    plan: key -> Spec in the order of the bytes. Before the first byte the free space is checked. The file appears
    under its name when the block ends and all tensors were written; if anything is raised, there is no trace of it.
    Raises UserError: no space, no permission.
    """

    def __init__(self, path: Path | str, plan: Mapping[str, Spec], metadata: Mapping[str, str] | None = None):
        self.path = Path(path)
        self._plan = dict(plan)
        self._header = header_bytes(plan, metadata)
        self._places: dict[str, int] = {}
        at = len(self._header)
        for key, spec in self._plan.items():
            self._places[key] = at
            at += spec.nbytes
        self.nbytes = at
        self._temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")

    def __enter__(self) -> "TensorWriter":
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            check_space(self.path.parent, self.nbytes)
            self._file = open(self._temporary, "wb")  # noqa: SIM115 (closed in __exit__)
            self._file.write(self._header)
        except OSError as error:
            raise explain(error) from error
        return self

    def write(self, key: str, tensor: Tensor | memoryview | bytes) -> None:
        """Write one tensor, or its bytes. ValueError if it is not what the plan says."""
        place, spec = self._places.pop(key), self._plan[key]
        if isinstance(tensor, Tensor):
            if spec_of(tensor) != Spec(spec.dtype, spec.shape):
                raise ValueError(f"{key} is {spec_of(tensor)}, planned was {spec}")
            tensor = _bytes_of(tensor)
        if len(tensor) != spec.nbytes:
            raise ValueError(f"{key} has {len(tensor)} bytes, planned were {spec.nbytes}")
        try:
            self._file.seek(place)
            self._file.write(tensor)
        except OSError as error:
            raise explain(error) from error

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if kind is None and self._places:
                raise ValueError(f"not written: {', '.join(list(self._places)[:3])}")
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
            self._file.close()
            if kind is None:
                os.replace(self._temporary, self.path)
        except OSError as error:
            raise explain(error) from error
        finally:
            self._file.close()
            self._temporary.unlink(missing_ok=True)


def write_tensors(path: Path | str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """A small file at once, laid out as the library does it."""
    plan = library_order({key: spec_of(tensor) for key, tensor in tensors.items()})
    with TensorWriter(path, plan, metadata) as writer:
        for key in plan:
            writer.write(key, tensors[key])


def _bytes_of(tensor: Tensor) -> memoryview:
    if sys.byteorder != "little":
        raise UserError(say("saving.big_endian"), fix=say("saving.use_another_machine"))
    flat = tensor.detach().to("cpu").contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy()) if flat.numel() else memoryview(b"")


def check_space(folder: Path, needed: int) -> None:
    """UserError if the folder's disk has not ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            say("saving.no_space", size=shown_bytes(needed), path=folder, free=shown_bytes(free)),
            fix=say("saving.free_space_or_write_elsewhere"),
            where=str(folder),
        )


def shown_bytes(count: float) -> str:
    """ "3.4 MB"; decimal units, as file managers show them."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def total_bytes(specs: Iterable[Spec]) -> int:
    """Bytes of all these tensors' numbers."""
    return sum(spec.nbytes for spec in specs)
