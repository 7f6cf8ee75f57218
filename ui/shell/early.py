"""A script in the page's head before Gradio's own, which read the browser's language as soon as they are there.

What ``launch(head=...)`` is given, Gradio's frontend puts in later than that.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders

Message = dict[str, Any]
HEAD = b"<head>"


class EarlyScript:
    """ASGI middleware that puts a script at the beginning of the page's head. source: JavaScript of our own."""

    def __init__(self, app: Callable[..., Awaitable[None]], source: str):
        self.app, self.script = app, f"<script>{source}</script>".encode()

    async def __call__(self, scope: Message, receive: Callable, send: Callable[[Message], Awaitable[None]]) -> None:
        """Answer with the page and the script; anything else as it is."""
        if scope["type"] != "http" or scope["path"] not in ("", "/") or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        started: list[Message] = []
        body = bytearray()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and "text/html" in Headers(raw=message["headers"]).get(
                "content-type", ""
            ):
                started.append(message)
            elif not started:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    page = bytes(body).replace(HEAD, HEAD + self.script, 1)
                    MutableHeaders(raw=started[0]["headers"])["content-length"] = str(len(page))
                    await send(started[0])
                    await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, answer)
