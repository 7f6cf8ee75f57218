"""What stands before every request: only the page itself may use the page, uploads have an end, guessing is slow.

A browser says with each request which site it comes from (``Origin`` and ``Sec-Fetch-Site``, see the Fetch standard and
Fetch Metadata). Programs that are no browsers say neither; they are people's own, and are let in.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse

from ui import text
from ui.shell.guesses import Guesses
from ui.shell.room import Room

Scope, Message = dict[str, Any], dict[str, Any]
Receive, Send = Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

UPLOAD, LOGIN = "/gradio_api/upload", "/login"
BODY = 64 << 20  # bytes of a request that is no upload; the page's own are under 1 MB
PORTS = {"http": 80, "https": 443}
# Gradio writes its settings into the page as a script and makes functions of strings, as its charts do: hence the two
# "unsafe". What holds: nothing comes from or goes to another address, and no other site can show the page in a frame.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "media-src 'self' data: blob:",
        "frame-src 'none'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
CROSS_ORIGIN = "access-control-"  # Gradio's answers to other ports of this computer


class Guard:
    """ASGI middleware around the whole application, Gradio's own CORS headers included.

    It refuses with 403 what another site asks for, with 411 or 413 what has no stated or too large a size, with 507
    what the disk has no room for, with 429 too many passwords at once.
    """

    def __init__(self, app: App, guesses: Guesses, room: Room):
        self.app, self.guesses, self.room = app, guesses, room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        method, path = scope.get("method", "GET"), scope["path"].rstrip("/")
        if is_foreign(headers) and not _is_link(headers, method, path):
            await _refuse(scope, receive, send, 403, text.FOREIGN_SITE)
        elif scope["type"] == "websocket":  # the page has none
            await self.app(scope, receive, send)
        elif fault := _size_fault(headers, path):
            await _refuse(scope, receive, send, *fault)
        elif method == "POST" and path == UPLOAD:
            await self._upload(int(headers.get("content-length", 0)), scope, receive, send)
        elif method == "POST" and path == LOGIN:
            await self._login(scope, receive, send)
        else:
            await self.app(scope, receive, _with_headers(send))

    async def _upload(self, size: int, scope: Scope, receive: Receive, send: Send) -> None:
        if not await run_in_threadpool(self.room.reserve, size):
            await _refuse(scope, receive, send, 507, text.NO_ROOM_FOR_UPLOAD)
            return
        try:
            await self.app(scope, receive, _with_headers(send))
        finally:
            self.room.release(size)

    async def _login(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a password on once it is its turn; what became of it is read from the answer."""
        address = (scope.get("client") or ("", 0))[0]
        status: list[int] = []

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
            await send(message)

        async with self.guesses.turn(address) as admitted:
            if not admitted:
                await _refuse(scope, receive, send, 429, text.TOO_MANY_PASSWORDS)
                return
            await self.app(scope, receive, _with_headers(watch))
            if status and status[0] in (200, 400):
                self.guesses.note(address, right=status[0] == 200)


def around(guesses: Guesses, room: Room) -> Callable[[Any], Any]:
    """A lifespan for ``Blocks.launch``: before the first request it puts the guard outside of all that Gradio adds.

    Middleware given to ``launch`` would come inside, after Gradio has answered other ports' questions.
    """

    @asynccontextmanager
    async def lifespan(app: Any):
        app.middleware_stack = Guard(app.middleware_stack, guesses, room)
        yield

    return lifespan


# ---- whose request it is


def is_foreign(headers: Headers) -> bool:
    """Does a browser say that another site asks? Other ports of this computer are other sites, extensions too."""
    site = headers.get("sec-fetch-site", "none")
    if site != "none":  # the browser's own word, true behind a proxy as well
        return site != "same-origin"
    said = headers.get("origin") or headers.get("referer")
    if not said:
        return False
    return _place(said) not in (
        _place(f"{urlsplit(said).scheme}://{headers.get(name, '')}") for name in ("host", "x-forwarded-host")
    )


def _place(address: str) -> tuple[str, str, int | None]:
    """(scheme, host, port) of an origin; something that equals no other where there is none, as for "null"."""
    try:
        parts = urlsplit(address)
        if parts.scheme in PORTS and parts.hostname:
            return parts.scheme, parts.hostname.lower(), parts.port or PORTS[parts.scheme]
    except ValueError:
        pass  # a port that is none
    return "", str(time.monotonic_ns()), None


def _is_link(headers: Headers, method: str, path: str) -> bool:
    """Somebody followed a link to the page, which anyone may set: the whole window shows it then, in no frame."""
    top = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    plain_http = "sec-fetch-mode" not in headers and "origin" not in headers  # over a network: no such headers
    return (top or plain_http) and method in ("GET", "HEAD") and path == ""


def _size_fault(headers: Headers, path: str) -> tuple[int, str] | None:
    """Status and sentence for a body that is too large, or that does not say how large it is."""
    if "transfer-encoding" in headers:
        return 411, text.NO_LENGTH
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdecimal():
        return 400, text.NO_LENGTH
    return (413, text.TOO_LONG_A_REQUEST) if path != UPLOAD and int(length) > BODY else None


# ---- answers


def _with_headers(send: Send) -> Send:
    async def more(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name in [name for name in headers if name.startswith(CROSS_ORIGIN)]:
                del headers[name]
            headers.update(HEADERS)
        await send(message)

    return more


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": sentence})
        return
    json = scope["path"].rstrip("/") == LOGIN
    answer = JSONResponse({"detail": sentence}, status) if json else PlainTextResponse(sentence, status)
    answer.headers["Connection"] = "close"  # what is left of the body is not read
    await answer(scope, receive, _with_headers(send))
