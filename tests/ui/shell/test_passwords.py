"""Passwords that are guessed."""

import asyncio
import time
import urllib.error
import urllib.request

import pytest
from attacking import FILE, FORM, UPLOAD, ask, call, called, run
from browser import Server

from sdlora.runs.run import Run
from ui.shell.guard import Guard
from ui.shell.guesses import AT_ONCE, FREE, LONGEST, Guesses
from ui.shell.room import Room

# ---- passwords


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self):
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    def __call__(self) -> float:
        return self.now


def guarded_login(said: list[str], clock: Clock) -> Guard:
    """A guard before a login that answers as Gradio's does: right with the header "right"."""

    async def login(scope, receive, send):
        right = (b"right", b"1") in scope["headers"]
        await send({"type": "http.response.start", "status": 200 if right else 400, "headers": []})

    return Guard(login, Guesses(clock.sleep, clock, said.append), Room())


def test_guessing_becomes_slow_and_is_told():
    said, clock = [], Clock()
    guard = guarded_login(said, clock)
    for _ in range(FREE):
        assert call(guard, "POST", "/login", [])[0]["status"] == 400
    assert clock.now == 0  # mistyping costs nothing
    for _ in range(195):
        call(guard, "POST", "/login/", [])
    assert clock.now > 190 * LONGEST * 0.95  # 200 took two seconds once
    assert len(said) == 200 and "10.0.0.1" in said[0] and "(200 in a row)" in said[-1]
    before = clock.now
    call(guard, "POST", "/login", [], client="10.0.0.2")
    assert clock.now == before  # others are not made to wait
    assert call(guard, "POST", "/login", [(b"right", b"1")])[0]["status"] == 200
    before = clock.now
    call(guard, "POST", "/login", [])
    assert clock.now == before and len(said) == 202  # the right one begins anew


def test_guesses_at_once_are_refused_and_ipv6_is_one_address_per_network():
    said, clock = [], Clock()
    guard = guarded_login(said, clock)

    async def go() -> list[int]:
        clients = [f"2001:db8::{n:x}" for n in range(1, 9)]
        found = await asyncio.gather(*(called(guard, "POST", "/login", [], client) for client in clients))
        return [messages[0]["status"] for messages in found]

    statuses = run(go())
    assert statuses.count(400) == AT_ONCE and statuses.count(429) == 8 - AT_ONCE


@pytest.mark.slow
def test_wrong_passwords_on_the_real_page(tmp_path, monkeypatch):
    monkeypatch.setenv("SDLORA_PASSWORD", "correct horse")
    with Server(tmp_path, options=("--listen",)) as server:

        def login(password: str) -> int:
            form = {"Content_Type": "application/x-www-form-urlencoded"}
            return ask(server, "POST", "/login", f"username=sdlora&password={password}".encode(), **form)[0]

        begun = time.monotonic()
        assert [login(f"wrong{n}") for n in range(FREE + 2)] == [400] * (FREE + 2)
        assert time.monotonic() - begun > 3
        assert "Wrong password from 127.0.0.1" in (tmp_path / "server.txt").read_text()
        assert login("correct+horse") == 200
        assert ask(server, "POST", UPLOAD, FILE, Content_Type=FORM)[0] == 401


@pytest.mark.slow
def test_without_the_password_no_run_is_told_of_and_no_file_sent(tmp_path, monkeypatch):
    monkeypatch.setenv("SDLORA_PASSWORD", "correct horse")
    mine = Run.create(tmp_path / "runs", "mine", "")
    (mine.folder / "mine.safetensors").write_bytes(b"weights")
    addresses = [f"runs/zip?run={mine.name}", f"runs/states?run={mine.name}"]
    with Server(tmp_path, options=("--listen",)) as server:
        for address in addresses:
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(server.url + address, timeout=30)
        visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        visitor.open(f"{server.url}login", b"username=sdlora&password=correct+horse", timeout=30)
        archive, states = (visitor.open(server.url + address, timeout=30).read() for address in addresses)
        assert b"weights" in archive and mine.name.encode() in states
