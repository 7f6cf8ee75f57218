"""Fixtures of this folder's tests."""

import argparse
import os
import sys
import threading
from http.server import HTTPServer

import pytest
from launcher import install
from launcher.install import Installer
from launcher.packages import (
    Pip,
)
from launching import Answer, options, usage


@pytest.fixture
def server():
    with HTTPServer(("127.0.0.1", 0), Answer) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield http.server_address[1]
        http.shutdown()


@pytest.fixture
def made(monkeypatch, tmp_path):
    """An installer whose pip and venv only write down what they were asked for: ``made.calls``."""
    calls = []

    def make_python(self):
        calls.append("venv")
        self.pip.python.parent.mkdir(parents=True)
        # A Python that runs, as version_of() asks for; the real one, so that its version is true.
        self.pip.python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        self.pip.python.chmod(0o755)

    def pip_install(self, arguments, title, may_be_missing=False):
        calls.append(arguments[-1])
        self.touched |= arguments[-1] in made.touching
        fail = made.fail.get(arguments[-1])
        if callable(fail):
            fail()
        if isinstance(fail, BaseException):
            raise fail
        return fail is None

    monkeypatch.setattr(Installer, "make_python", make_python)
    monkeypatch.setattr(Pip, "install", pip_install)
    monkeypatch.setattr(Installer, "check_torch", lambda self, build: calls.append("import torch"))
    monkeypatch.setattr(install, "find_nvidia", lambda: made.nvidia)
    monkeypatch.setattr(install, "reachable", lambda index: True)
    monkeypatch.setattr(install.platform, "system", lambda: "Linux")
    monkeypatch.setattr(install.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(install.shutil, "disk_usage", lambda folder: usage(made.free))

    def ensure(extras=(), **changed):
        calls.clear()
        Installer(options(**changed), tmp_path / ".venv").ensure(list(extras))
        return list(calls)

    made = argparse.Namespace(
        ensure=ensure,
        calls=calls,
        fail={},
        touching=(),
        nvidia=None,
        free=50e9,
        venv=tmp_path / ".venv",
        folder=tmp_path,
    )
    return made


@pytest.fixture
def pip(tmp_path, monkeypatch) -> Pip:
    """This Python's own pip, with nothing of the environment that would lead it somewhere."""
    for name in [name for name in os.environ if name.upper().startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    made = Pip(tmp_path / ".venv")
    made.python.parent.mkdir(parents=True)
    made.python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    made.python.chmod(0o755)
    return made
