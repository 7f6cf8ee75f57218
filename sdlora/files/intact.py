"""Files that are read again: written whole or not at all, and known by their digest. The standard library only."""

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from sdlora.files.regular import open_regular, read_regular
from sdlora.messages import say

PIECE = 1 << 20  # bytes read at once
DIGEST = "digest"  # the key of a JSON file's digest
NAME = 40  # characters of the file's name in the temporary one: what both add up to is never too long for a disk


MARK = "# sha256 "  # begins the last line of a text that is sealed


class Damaged(ValueError):
    """A file does not hold what was written: cut, changed, or no JSON object at all. ``str()``: in what way."""


def write_atomically(path: Path | str, data: bytes | str) -> None:
    """Write to a temporary file beside ``path``, fsync, rename: readers see the old or the new, never half.

    data: text is written as UTF-8, its line ends as they are. Raises OSError; then ``path`` is as it was, and nothing
    is left beside it. A killed process may leave ``.<name>.<pid>.<thread>.tmp``.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:NAME]}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data.encode("utf-8") if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def digest_of(content: Path | str | bytes | bytearray | memoryview) -> str:
    """SHA-256 as 64 hexadecimal digits: of a file (a path), read in pieces, or of the bytes themselves.

    Raises OSError where the file can't be read, and is none (a pipe is never opened).
    """
    digest = hashlib.sha256()
    if not isinstance(content, (str, os.PathLike)):
        digest.update(content)
        return digest.hexdigest()
    with open_regular(content) as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def write_json(path: Path | str, content: dict[str, Any]) -> None:
    """``content`` as a JSON file that carries the digest of itself (key "digest"), written atomically."""
    write_atomically(path, json.dumps({**content, DIGEST: _digest(content)}))


def read_json(path: Path | str, digest: bool = True) -> dict[str, Any]:
    """What ``write_json`` wrote, without the digest.

    digest: False where files without one are good, too (those of older versions). Raises OSError where the file can't
    be read (NotRegular for a pipe in its place), and Damaged for everything that was
    not written so: no JSON, no object, nested too deep, another digest.
    """
    try:
        content = json.loads(read_regular(path))
    except RecursionError:
        raise Damaged(say("runs.fault_nested")) from None
    except ValueError:  # bytes that are no text, text that is no JSON, a number of thousands of digits
        raise Damaged(say("runs.fault_not_json")) from None
    if not isinstance(content, dict):
        raise Damaged(say("runs.fault_no_object"))
    said = content.pop(DIGEST, None)
    if said is None and digest:
        raise Damaged(say("runs.fault_no_digest"))
    if said is not None and said != _digest(content):
        raise Damaged(say("runs.fault_torn"))
    return content


def sealed_text(text: str) -> str:
    """The text with a last line, a comment in TOML, that holds the digest of all lines above it."""
    body = text if text.endswith("\n") or not text else text + "\n"
    return f"{body}{MARK}{digest_of(body.encode())} of the lines above; whoever changes them deletes this line\n"


def seal_of(text: str) -> bool | None:
    """Is a text still what ``sealed_text`` made? None if it has no such line. Kinds of line ends don't count."""
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if not lines[-1].startswith(MARK):
        return None
    body = "".join(f"{line}\n" for line in lines[:-1])
    return lines[-1][len(MARK) :].split(" ")[0] == digest_of(body.encode())


def _digest(content: dict[str, Any]) -> str:
    """Of the content as JSON reads it back (keys are text there), whatever the order of its keys."""
    plain = json.loads(json.dumps(content))
    return digest_of(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode())
