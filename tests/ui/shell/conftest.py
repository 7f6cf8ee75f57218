"""Fixtures of this folder's tests."""

from collections.abc import Iterator

import pytest
from browser import Server


@pytest.fixture(scope="module")
def open_to_scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page with --api, with an upload folder of its own."""
    folder = tmp_path_factory.mktemp("attacked")
    server = Server(folder, options=("--api",))
    server.environment["GRADIO_TEMP_DIR"] = str(folder / "uploads")
    with server:
        yield server
