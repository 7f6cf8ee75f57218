"""Files of a run as one zip, made piece by piece while it is sent or written. No torch.

Stored, not compressed: weights don't get smaller, and so it costs no more than reading.
"""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from sdlora.errors import UserError, explain
from sdlora.files.regular import open_regular
from sdlora.messages import say
from sdlora.runs.remarks import FILE as REMARKS
from sdlora.runs.run import Run

PIECE = 1 << 20  # bytes read and handed on at once


def written_loras(run: Run) -> list[Path]:
    """The LoRA files of a run: its own, then those that were written of its checkpoints. Links are left out."""
    found = [path for part in (run.folder, run.folder / "exports") for path in sorted(part.glob("[!.]*.safetensors"))]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def packed_files(run: Run) -> list[tuple[str, Path]]:
    """(name in the zip, file): every LoRA file, the settings and the remarks. UserError if there is no LoRA file."""
    loras = written_loras(run)
    if not loras:
        raise UserError(say("pictures.no_lora_file", name=run.name), fix=say("runs.export_first"))
    more = [path for path in (run.folder / "settings.toml", run.folder / REMARKS) if path.is_file()]
    return [(f"{run.name}/{path.name}", path) for path in (*loras, *more)]


def pieces(files: list[tuple[str, Path]]) -> Iterator[bytes]:
    """The bytes of a zip with these files. Holds about ``PIECE`` bytes in memory, whatever their size is. OSError."""
    out = _Collected()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]  # it only writes
        for name, path in files:
            entry = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
            with open_regular(path) as source, archive.open(entry, "w", force_zip64=entry.file_size >= 1 << 31) as into:
                while piece := source.read(PIECE):
                    into.write(piece)
                    yield out.taken()
            yield out.taken()
    yield out.taken()


def write_zip(run: Run, path: Path) -> int:
    """Write the run's LoRA files as a zip, whole or not at all; its bytes. UserError if there is none, or no room."""
    files = packed_files(run)
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}.tmp")
    size = 0
    try:
        with open(temporary, "wb") as file:
            for piece in pieces(files):
                size += file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise explain(error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return size


class _Collected:
    """A file that can only be written to, and forgets what was taken from it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def taken(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
