"""A model hub on this computer: the few calls of the hub's HTTP interface that its own client makes for a download."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse

COMMIT = "0123456789" * 4
API = "/api/models/"


class Hub:
    """org/model is ``folder``; org/secret is restricted; nothing else is there. ``fetched``: the files asked for."""

    def __init__(self, folder: Path):
        self.files = {str(p.relative_to(folder)): p for p in sorted(folder.rglob("*")) if p.is_file()}
        self.fetched: list[str] = []
        self.url = ""

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body) for a path of the hub."""
        if "org/secret" in path:
            return 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."}, b""
        if "org/model" not in path:
            return 401, {"X-Error-Code": "RepoNotFound"}, b""
        rest = path.split("org/model", 1)[1].strip("/")
        if path.startswith(API):
            return self._listing(rest)
        _, revision, name = rest.split("/", 2)
        file = self.files.get(unquote(name))
        if revision not in ("main", COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        if file is None:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        body = file.read_bytes()
        return 200, {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": COMMIT}, body

    def _listing(self, rest: str) -> tuple[int, dict[str, str], bytes]:
        what, _, revision = rest.partition("/")
        if what in ("revision", "tree") and unquote(revision).split("/")[0] not in ("main", COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        if what == "tree":
            told = [
                {"type": "file", "path": name, "size": path.stat().st_size, "oid": "0" * 40}
                for name, path in self.files.items()
            ]
        else:
            told = {"id": "org/model", "sha": COMMIT, "siblings": [{"rfilename": name} for name in self.files]}
        return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()


@contextmanager
def serve(folder: Path) -> Iterator[Hub]:
    hub = Hub(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlparse(self.path).path
            status, headers, body = hub.answer(path)
            if "/resolve/" in path and self.command == "GET" and status == 200:
                hub.fetched.append(unquote(path.split(COMMIT + "/", 1)[-1]))
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
