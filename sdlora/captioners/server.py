"""Any server on this computer that speaks OpenAI's chat API: Ollama, LM Studio, vLLM, llama.cpp and others."""

import base64
import io
import json
import os
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from sdlora.captioners.captioner import PROMPT, Captioner, Describe, Options
from sdlora.captioners.local import as_seen
from sdlora.captioners.words import cleaned
from sdlora.errors import UserError
from sdlora.messages import listed, say

USUAL = "http://127.0.0.1:11434/v1"  # Ollama's
KEY = "SDLORA_CAPTION_KEY"  # environment: for a server that wants one
PATIENCE = 300  # seconds: a large model on a CPU
LONGEST = 1 << 20  # bytes of an answer
LOCAL = ("localhost", "127.0.0.1", "::1")


class _Stay(urllib.request.HTTPRedirectHandler):
    """Pictures go to the address that was given, and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def is_local(address: str) -> bool:
    """Does an address lie on this computer?"""
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and parts.hostname in LOCAL and not parts.username
    except ValueError:
        return False


class _Server:
    """A server at an address up to and with "/v1"."""

    def __init__(self, address: str):
        self.address = address.rstrip("/")
        try:
            parts = urlsplit(self.address)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            sound = False
        if not sound:
            raise UserError(
                say("captioning.no_address", address=repr(address)), fix=say("captioning.like_address", address=USUAL)
            )
        proxies = [urllib.request.ProxyHandler({})] if is_local(self.address) else []
        self._opener = urllib.request.build_opener(_Stay(), *proxies)

    def ask(self, path: str, content: dict[str, Any] | None = None) -> Any:
        """The JSON that it answers to a path below the address. UserError for anything else."""
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.address}/{path}", body, {"Content-Type": "application/json"})
        if os.environ.get(KEY):
            request.add_header("Authorization", f"Bearer {os.environ[KEY]}")
        try:
            with self._opener.open(request, timeout=PATIENCE) as reply:
                return json.loads(reply.read(LONGEST))
        except urllib.error.HTTPError as error:
            said = " ".join(error.read(2000).decode("utf-8", "replace").split())[:300]
            raise UserError(
                say("captioning.server_refused", address=self.address, code=error.code, said=said)
            ) from error
        except (urllib.error.URLError, OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            what = say("captioning.no_server", address=self.address, reason=str(reason)[:200])
            raise ServerGone(what, fix=say("captioning.start_server")) from error
        except (ValueError, RecursionError) as error:
            raise UserError(say("captioning.odd_answer", address=self.address)) from error

    def model(self) -> str:
        """The only model it has; UserError where there is a choice, or none."""
        try:
            names = [str(entry["id"]) for entry in self.ask("models")["data"]]
        except (KeyError, TypeError) as error:
            raise UserError(say("captioning.odd_answer", address=self.address)) from error
        if len(names) == 1:
            return names[0]
        what = say("captioning.which_model", address=self.address, names=listed(names, 12)) if names else (
            say("captioning.server_without_model", address=self.address)
        )  # fmt: skip
        raise UserError(what, fix=say("captioning.name_model"))


class ServerGone(UserError):
    """No answer at all: the next picture would get none either."""


def _open(options: Options) -> Describe:
    server = _Server(options.server or USUAL)
    model = options.model or server.model()

    def describe(picture: Image.Image) -> str:
        asked = [
            {"type": "text", "text": options.prompt or PROMPT},
            {"type": "image_url", "image_url": {"url": _as_url(picture)}},
        ]
        content = {"model": model, "messages": [{"role": "user", "content": asked}], "max_tokens": options.tokens}
        reply = server.ask("chat/completions", {**content, "temperature": 0, "stream": False})
        try:
            choice = reply["choices"][0]
            said = choice["message"]["content"] or ""
            text = said if isinstance(said, str) else "".join(part.get("text", "") for part in said)
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise UserError(say("captioning.odd_answer", address=server.address)) from error
        return cleaned(text, cut=choice.get("finish_reason") == "length")

    return describe


def _as_url(picture: Image.Image) -> str:
    file = io.BytesIO()
    as_seen(picture).save(file, "JPEG", quality=92)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


CAPTIONER = Captioner(
    "server", "a server on this computer: Ollama, LM Studio, vLLM, llama.cpp", "text", _open, "server", PROMPT
)
