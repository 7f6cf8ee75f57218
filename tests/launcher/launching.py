"""An installer and a page of make-believe, for the launcher's tests."""

import argparse
import collections
import socket
from http.server import BaseHTTPRequestHandler
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def one_sentence(text: str) -> bool:
    """A person's sentence: one line, no traceback, ends with a full stop."""
    return text.strip().count("\n") == 0 and text.strip().endswith(".") and "Traceback" not in text


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if "torch" in self.path else 200)
        self.end_headers()

    def log_message(self, *_):
        """No lines on the terminal."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---------------------------------------------------------------------------------------------- the installation


def options(**changed) -> argparse.Namespace:
    unset = {"cpu": False, "torch_index": "", "no_cuda": False, "allow_cuda": False, "reinstall": False}
    return argparse.Namespace(**{**unset, **changed})


def usage(free: float):
    return collections.namedtuple("usage", "total used free")(100e9, 100e9 - free, free)


WHOLE = ["venv", "setuptools", "torch==2.13.0+cpu", ".", "import torch"]
