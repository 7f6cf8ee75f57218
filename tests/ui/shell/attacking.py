"""Requests as attackers send them."""

import asyncio
import http.client
import http.server
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from browser import Server

T = TypeVar("T")

FORM = "multipart/form-data; boundary=b"
FILE = b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.txt"\r\n\r\nEVIL\r\n--b--\r\n'
UPLOAD = "/gradio_api/upload"


def ask(server: Server, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict, bytes]:
    """(status, headers in lower case, body) of one request; an underscore in a header's name stands for "-"."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        sent = {name.replace("_", "-"): value.format(port=server.port) for name, value in headers.items()}
        connection.request(method, path, body or None, sent)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def uploads(server: Server) -> list[Path]:
    return [path for path in (server.folder / "uploads").rglob("*") if path.is_file()]


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns. In a thread: this one may hold the event loop of a browser that other tests share."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def call(app, method: str, path: str, headers: list, client: str = "10.0.0.1") -> list[dict]:
    return run(called(app, method, path, headers, client))


async def called(app, method: str, path: str, headers: list, client: str = "10.0.0.1") -> list[dict]:
    """The messages with which an ASGI application answers."""
    answers = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        answers.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": headers, "client": (client, 1)}
    await app({**scope, "query_string": b"", "root_path": "", "scheme": "http"}, receive, send)
    return answers
