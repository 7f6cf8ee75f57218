"""Files as files: pipes, devices and sockets are named, never opened. The standard library only."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
FLAGS = os.O_RDONLY
for _name in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK"):  # those that the system has
    FLAGS |= getattr(os, _name, 0)


class NotRegular(OSError):
    """What lies at a path is no regular file, nor a link to one. ``strerror``: "it is a pipe, not a file"."""


def open_regular(path: Path | str) -> BinaryIO:
    """Open a regular file, or a link to one, to read its bytes.

    Reading a pipe waits for ever, and a device such as /dev/zero never ends, so both are refused before they are opened
    and, should they change places with a file in that moment, once more after it (opened so that it can't wait).
    Raises NotRegular for them and for folders, OSError as ``open`` does.
    """
    _refuse(os.stat(path), path)
    descriptor = os.open(path, FLAGS)
    try:
        _refuse(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path | str, limit: int = -1) -> bytes:
    """The bytes of a regular file, at most ``limit`` of them (-1: all). Raises as ``open_regular`` does."""
    with open_regular(path) as file:
        return file.read(limit)


def kind_of(status: os.stat_result) -> str:
    """What a path is if it is no regular file: "a folder", "a pipe", "a device", "a socket", "something else"; ""."""
    if stat.S_ISREG(status.st_mode):
        return ""
    return next((kind for test, kind in KINDS if test(status.st_mode)), "something else")


def _refuse(status: os.stat_result, path: Path | str) -> None:
    kind = kind_of(status)
    if kind:
        raise NotRegular(22, f"it is {kind}, not a file", str(path))
