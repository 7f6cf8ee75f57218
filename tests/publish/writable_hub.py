"""A model hub on this computer that takes uploads: the calls that the hub's own client makes for one."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

TOKEN = "hf_ThisIsNobodysSecret0123456789"
READS_ONLY = "hf_ThisOneMayOnlyRead0123456789"


class WritableHub:
    """created: what was asked for of repositories. files: path -> bytes, as the commits have left them.

    unknown: what was asked for besides what this hub can do.
    """

    def __init__(self) -> None:
        self.created: list[dict] = []
        self.files: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.commits = 0
        self.unknown: list[str] = []
        self.url = ""

    def answer(self, method: str, path: str, body: bytes, token: str) -> tuple[int, dict]:
        if method == "PUT":  # an address of its own, that needs no login
            self.blobs[hashlib.sha256(body).hexdigest()] = body
            return 200, {}
        if token not in (TOKEN, READS_ONLY):
            return 401, {"error": "Invalid username or password."}
        if path == "/api/whoami-v2":
            return 200, {"name": "ann", "type": "user", "auth": {"accessToken": {"role": "write"}}}
        if token == READS_ONLY:
            return 403, {"error": f"The token {token} may not write."}
        if path == "/api/repos/create":
            self.created.append(json.loads(body))
            return 200, {"url": f"{self.url}/ann/{self.created[-1]['name']}"}
        if path.endswith("/preupload/main"):
            told = json.loads(body)["files"]
            large = (".safetensors", ".png")
            return 200, {"files": [{**mode(file["path"], large), "shouldIgnore": False} for file in told]}
        if path.endswith("/info/lfs/objects/batch"):
            return 200, {"transfer": "basic", "objects": [self._place(each) for each in json.loads(body)["objects"]]}
        if path.endswith("/commit/main"):
            return 200, self._commit(body)
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        self.unknown.append(f"{method} {path}")
        return 404, {"error": path}

    def _place(self, wanted: dict) -> dict:
        action = {"upload": {"href": f"{self.url}/blob/{wanted['oid']}"}}
        return {"oid": wanted["oid"], "size": wanted["size"], "actions": action}

    def _commit(self, body: bytes) -> dict:
        self.commits += 1
        for line in body.decode().splitlines():
            told = json.loads(line)
            value = told["value"]
            if told["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif told["key"] == "lfsFile":
                self.files[value["path"]] = self.blobs[value["oid"]]
        return {"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.url}/ann/x/commit/{'0' * 40}"}


def mode(path: str, large: tuple[str, ...]) -> dict:
    return {"path": path, "uploadMode": "lfs" if path.endswith(large) else "regular"}


@contextmanager
def serve() -> Iterator[WritableHub]:
    hub = WritableHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, told = hub.answer(self.command, urlparse(self.path).path, body, token)
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

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
