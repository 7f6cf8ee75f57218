"""Safetensors files told from their headers: names, shapes, dtypes, metadata. No torch, no tensor read."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from sdlora.errors import UserError
from sdlora.files import kinds
from sdlora.files.kinds import told_by_first_bytes
from sdlora.files.regular import open_regular, read_regular
from sdlora.messages import reason_of, say

PICKLED = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
LONGEST = 100_000_000  # bytes of header that safetensors accepts
WORDS = {"F64": "fp64", "F32": "fp32", "F16": "fp16", "BF16": "bf16"}
AGAIN = say("files.get_again")
# What a base model or VAE of another kind needs; only of LoRAs the pickled ones are converted here.
FIXES = {**kinds.FIXES, kinds.PICKLE: say("modelfiles.convert_to_safetensors")}


@dataclass(frozen=True)
class Header:
    """tensors: name -> (dtype as safetensors spells it, shape). metadata: the file's free strings.

    places: name -> (first byte, byte after the last) in the file.
    """

    tensors: Mapping[str, tuple[str, tuple[int, ...]]]
    metadata: Mapping[str, str]
    places: Mapping[str, tuple[int, int]]

    def shape(self, name: str) -> tuple[int, ...]:
        """The tensor's shape; () if there is no such tensor."""
        return self.tensors[name][1] if name in self.tensors else ()


def read_header(path: Path, where: str = "base") -> Header:
    """The header of a safetensors file, checked against the file's length.

    UserError, naming the file, for a missing, pickled, GGUF, empty, truncated or lying file.
    """
    name = path.name
    if path.suffix.lower() in PICKLED:
        raise UserError(
            say("modelfiles.pickled", file=name),
            fix=say("modelfiles.convert_with_tools"),
            where=where,
        )
    try:
        stat = path.stat()
        with open_regular(path) as file:
            start = file.read(8)
            text = file.read(min(struct.unpack("<Q", start)[0], LONGEST)) if len(start) == 8 else b""
    except OSError as error:
        reason = reason_of(error)
        raise UserError(
            say("files.not_readable", file=name, reason=reason), fix=say("files.check_path"), where=where
        ) from None
    if not stat.st_size:
        raise UserError(say("files.empty", file=name), fix=AGAIN, where=where)
    try:
        return _parse(path, stat.st_size, text)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if other := told_by_first_bytes(path):
            raise UserError(say("common.fault", name=name, fault=other), fix=FIXES[other], where=where) from None
        reason = _reason(start, stat.st_size) or say(
            "modelfiles.damage_header_unreadable", reason=(str(error) or say("common.unknown")).splitlines()[0][:120]
        )
        raise UserError(say("files.damaged", file=name, damage=reason), fix=AGAIN, where=where) from None


def read_numbers(path: Path, header: Header, name: str) -> np.ndarray | None:
    """One tensor's numbers as float32 in its shape, read by themselves; None for dtypes that are no fp16, bf16 or fp32.

    numpy has no bf16: it is the upper half of a float32. OSError if the file can't be read.
    """
    dtype, shape = header.tensors[name]
    if dtype not in ("F16", "BF16", "F32"):
        return None
    begin, end = header.places[name]
    with open(path, "rb") as file:
        file.seek(begin)
        data = file.read(end - begin)
    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    return np.frombuffer(data, "<f2" if dtype == "F16" else "<f4").astype("f4").reshape(shape)


@lru_cache(maxsize=32)
def _parse(path: Path, size: int, text: bytes) -> Header:
    """``text``: the header; with ``size``, the file's, it tells whether what was read before still holds."""
    with safe_open(path, framework="np"):
        pass  # the library checks lengths, offsets and shapes against each other and against the file
    content = json.loads(text)
    metadata = content.pop("__metadata__", None) or {}
    tensors = {name: (entry["dtype"], tuple(entry["shape"])) for name, entry in content.items()}
    places = {
        name: tuple(8 + len(text) + offset for offset in entry["data_offsets"]) for name, entry in content.items()
    }
    return Header(tensors, metadata, places)


def _reason(start: bytes, size: int) -> str:
    """The commonest causes in words."""
    if len(start) < 8:
        return say("modelfiles.damage_too_short")
    (length,) = struct.unpack("<Q", start)
    if length > LONGEST:
        return say("modelfiles.damage_not_safetensors")
    if length + 8 > size:
        return say("modelfiles.damage_header_cut_off")
    return ""


def read_json_object(path: Path) -> dict:
    """A JSON object; {} if there is none."""
    try:
        value = json.loads(read_regular(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def dtype_word(dtypes: set[str]) -> str:
    """The floating-point dtypes of a model in words, "fp16" for example; several are joined."""
    return "+".join(sorted(WORDS[d] for d in dtypes if d in WORDS))


def quantised(header: Header) -> str:
    """Words for weights that were cut to 8 bits or fewer; empty if there are none."""
    kinds = {dtype for dtype, shape in header.tensors.values() if len(shape) >= 2}
    if any(kind.startswith("F8") for kind in kinds):
        return "fp8"
    if any(kind.startswith(("F4", "F6")) for kind in kinds - {"F64"}):
        return "fp4"
    weights = {d for name, (d, shape) in header.tensors.items() if len(shape) >= 2 and name.endswith("weight")}
    return say("modelfiles.bits_8") if weights & {"I8", "U8"} else ""
