"""Files as files: pipes, devices and sockets are named, never opened."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from sdlora.messages import say

KINDS = (
    (stat.S_ISDIR, say("files.thing_folder")),
    (stat.S_ISFIFO, say("files.thing_pipe")),
    (stat.S_ISCHR, say("files.thing_device")),
    (stat.S_ISBLK, say("files.thing_device")),
    (stat.S_ISSOCK, say("files.thing_socket")),
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


def irregular_kind(status: os.stat_result) -> str:
    """What a path is if it is no regular file: "a folder", "a pipe", "a device", "a socket", "something else"; ""."""
    if stat.S_ISREG(status.st_mode):
        return ""
    return next((kind for test, kind in KINDS if test(status.st_mode)), say("files.thing_other"))


def _refuse(status: os.stat_result, path: Path | str) -> None:
    kind = irregular_kind(status)
    if kind:
        raise NotRegular(22, say("files.because_not_a_file", thing=kind), str(path))
