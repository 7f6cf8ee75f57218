"""A server that speaks as much of OpenAI's chat API as captions need."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def server(reply: Callable[[dict], tuple[int, dict]], names: list[str]) -> Iterator[tuple[str, list[dict]]]:
    """(its address, what it was asked). reply: a request -> (status, JSON)."""
    asked: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._send(200, {"object": "list", "data": [{"id": name} for name in names]})

        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._send(*reply(asked[-1]))

        def _send(self, status, content):
            body = json.dumps(content).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", content["to"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(BrokenPipeError):  # whoever asked was stopped
                self.wfile.write(body)

        def log_message(self, *_):
            """Nothing on the screen."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}/v1", asked
    finally:
        httpd.shutdown()
        httpd.server_close()


def saying_so(words: str, ends: str = "stop") -> tuple[int, dict]:
    return 200, {"choices": [{"message": {"role": "assistant", "content": words}, "finish_reason": ends}]}
