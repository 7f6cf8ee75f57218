"""Attacks on the served page, replayed: SECURITY.md says what is promised. Headers by hand, and a real browser."""

import asyncio
import functools
import http.client
import http.server
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import ARGUMENTS, Server, chromium_path
from example import make_images
from playwright.sync_api import sync_playwright

from sdlora.runs.run import list_runs
from sdlora.settings import all_settings, dump_settings, make_settings, merge
from ui.shell.api import Calls
from ui.shell.app import main
from ui.shell.guard import BODY, Guard
from ui.shell.guesses import AT_ONCE, FREE, LONGEST, Guesses
from ui.shell.place import Place
from ui.shell.queue import Queue
from ui.shell.room import Room
from ui.shell.watch import Watch
from ui.tabs.settings import form
from ui.tabs.settings.handlers import form_state

FORM = "multipart/form-data; boundary=b"
FILE = b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.txt"\r\n\r\nEVIL\r\n--b--\r\n'
UPLOAD = "/gradio_api/upload"


def all_paths() -> list[str]:
    """Settings that name a file or a folder, told by their help: a new one can't be forgotten."""
    words = ("folder", "file", "a diffusers folder")
    texts = {info.key: info.help.lower() for info in all_settings() if info.type in (str, list) and not info.choices}
    return [key for key, said in texts.items() if any(word in said for word in words) and key != "run.name"]


@pytest.fixture(scope="module")
def open_to_scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page with --api, with an upload folder of its own."""
    folder = tmp_path_factory.mktemp("attacked")
    server = Server(folder, options=("--api",))
    server.environment["GRADIO_TEMP_DIR"] = str(folder / "uploads")
    with server:
        yield server


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


# ---- other sites

FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:9999"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://127.0.0.1:{port}.evil.example"},
    {"Origin": "http://127.0.0.1:99999999"},
    {"Origin": "chrome-extension://abcdefghijklmnop"},
    {"Origin": "moz-extension://0000", "Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},  # another port of this computer
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:{port}"},
    {"Referer": "http://evil.example/page"},
]
# Every kind of route that does something, and those that tell something.
ROUTES = [
    ("POST", UPLOAD, FILE, FORM),
    ("POST", "/gradio_api/upload/", FILE, FORM),
    ("POST", "/gradio_api/queue/join", b"{}", "text/plain"),
    ("POST", "/gradio_api/run/start", b'{"data": [""]}', "application/json"),
    ("POST", "/gradio_api/api/stop", b'{"data": [""]}', "application/json"),
    ("POST", "/gradio_api/call/list", b'{"data": []}', "application/json"),
    ("POST", "/gradio_api/cancel", b"{}", "application/json"),
    ("POST", "/gradio_api/component_server", FILE, FORM),
    ("POST", "/gradio_api/stream/x", b"{}", "application/json"),
    ("POST", "/login", b"username=sdlora&password=x", "application/x-www-form-urlencoded"),
    ("GET", "/config", b"", ""),
    ("GET", "/gradio_api/info", b"", ""),
    ("GET", "/logout", b"", ""),
    ("OPTIONS", UPLOAD, b"", ""),
    ("PUT", "/gradio_api/upload", b"x", ""),
]


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: " ".join(headers.values()))
def test_another_site_can_do_nothing_and_read_nothing(open_to_scripts, headers):
    for method, path, body, kind in ROUTES:
        status, answered, _ = ask(open_to_scripts, method, path, body, Content_Type=kind, **headers)
        assert status == 403, (method, path)
        assert not [name for name in answered if name.startswith("access-control-")], path
    assert uploads(open_to_scripts) == []


def test_a_preflight_from_another_port_is_not_granted(open_to_scripts):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for origin in ("http://localhost:9999", "null", "http://evil.example"):
        _, answered, _ = ask(open_to_scripts, "OPTIONS", "/gradio_api/run/start", Origin=origin, **asked)
        assert not [name for name in answered if name.startswith("access-control-")]


def test_the_page_and_scripts_can(open_to_scripts):
    own = {"Origin": "http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"}
    for headers in ({}, own, {"Origin": "http://127.0.0.1:{port}"}, {"Sec_Fetch_Site": "none"}):
        call = ask(
            open_to_scripts, "POST", "/gradio_api/run/list", b'{"data": []}', Content_Type="application/json", **headers
        )
        assert call[0] == 200 and json.loads(call[2])["data"][0]["ok"], headers
        assert not [name for name in call[1] if name.startswith("access-control-")]
    status, _, body = ask(open_to_scripts, "POST", UPLOAD, FILE, Content_Type=FORM, **own)
    assert status == 200
    assert [Path(path) for path in json.loads(body)] == uploads(open_to_scripts)
    uploads(open_to_scripts)[0].unlink()


def test_a_link_leads_to_the_page_and_nowhere_else(open_to_scripts):
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert ask(open_to_scripts, "GET", "/", **link)[0] == 200
    assert ask(open_to_scripts, "GET", "/?x=1", **link)[0] == 200
    assert ask(open_to_scripts, "GET", "/", Referer="http://elsewhere.example/")[0] == 200  # plain http in a network
    assert ask(open_to_scripts, "GET", "/logout", **link)[0] == 403
    assert ask(open_to_scripts, "POST", "/", b"x", **link)[0] == 403
    assert ask(open_to_scripts, "GET", "/", **{**link, "Sec_Fetch_Dest": "iframe"})[0] == 403


@pytest.mark.parametrize(
    "headers, foreign",
    [
        ({"Host": "gpu.lan:7860", "Origin": "http://gpu.lan:7860"}, False),  # --listen
        ({"Host": "GPU.lan", "Origin": "http://gpu.lan:80"}, False),
        ({"Host": "127.0.0.1:7860", "X-Forwarded-Host": "lora.example", "Origin": "https://lora.example"}, False),
        ({"Host": "127.0.0.1:7860", "Origin": "https://lora.example", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Host": "gpu.lan:7860", "Origin": "http://gpu.lan:8000"}, True),
        ({"Host": "[::1]:7860", "Origin": "http://[::1]:7860"}, False),
        ({"Host": "[::1]:7860", "Origin": "http://[::2]:7860"}, True),
        ({"Host": "", "Origin": "null"}, True),
    ],
)
def test_whose_request_it_is_behind_other_names_and_proxies(headers, foreign):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["path"])

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    answers = call(Guard(app, Guesses(), Room()), "POST", "/gradio_api/run/list", raw)
    assert (seen == []) is foreign and [m["status"] for m in answers if "status" in m] == ([403] if foreign else [])


def call(app, method: str, path: str, headers: list, client: str = "10.0.0.1") -> list[dict]:
    return asyncio.run(called(app, method, path, headers, client))


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


def test_web_sockets_of_another_site_are_closed():
    async def app(*_):
        pytest.fail("reached")

    async def go():
        sent = []

        async def send(message):
            sent.append(message["type"])

        scope = {"type": "websocket", "path": "/x", "headers": [(b"origin", b"http://evil.example"), (b"host", b"h")]}
        await Guard(app, Guesses(), Room())(scope, None, send)
        return sent

    assert asyncio.run(go()) == ["websocket.close"]


@pytest.mark.parametrize("path", ["/", "/config", "/no-such-page", "/gradio_api/file=/etc/passwd", "/theme.css"])
def test_every_answer_says_what_browsers_may_do_with_it(open_to_scripts, path):
    _, headers, _ = ask(open_to_scripts, "GET", path)
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    refused = ask(open_to_scripts, "GET", path, Origin="http://evil.example")[1]
    assert "frame-ancestors 'none'" in refused["content-security-policy"]


# ---- too much


def test_a_request_has_a_length_and_an_end(open_to_scripts):
    def status(**headers: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", open_to_scripts.port, timeout=30)
        try:
            connection.putrequest("POST", headers.pop("path", "/gradio_api/run/list"))
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            return connection.getresponse().status
        finally:
            connection.close()

    assert status(Content_Length=str(BODY + 1)) == 413
    assert status(Transfer_Encoding="chunked") == 411
    assert status(Transfer_Encoding="chunked", path=UPLOAD) == 411
    assert status(Content_Length=str(1 << 50), path=UPLOAD, Content_Type=FORM) == 507
    assert uploads(open_to_scripts) == []


def test_uploads_have_a_limit_together(tmp_path):
    room = Room(tmp_path / "uploads", most=1000, spare=0)
    assert room.reserve(600) and not room.reserve(600)  # two at once
    room.release(600)
    (tmp_path / "uploads/hash").mkdir(parents=True)
    (tmp_path / "uploads/hash/a.png").write_bytes(b"x" * 600)
    assert not room.reserve(600) and room.reserve(400)  # one after the other
    room.release(400)
    (tmp_path / "uploads/hash/a.png").unlink()
    assert room.reserve(1000)
    assert not Room(tmp_path, most=1 << 60, spare=1 << 60).reserve(1)  # the disk keeps some


def test_an_upload_that_broke_off_does_not_stay(tmp_path):
    torn = tmp_path / "tmpabc"
    torn.write_bytes(b"x" * 600)
    assert not Room(tmp_path, most=1000, spare=0).reserve(600)
    old = time.time() - 100_000
    os.utime(torn, (old, old))
    assert Room(tmp_path, most=1000, spare=0).reserve(600) and not torn.exists()


# ---- paths


@pytest.fixture
def held(tmp_path, monkeypatch) -> Place:
    """A page that is held to its folders, with something to find outside of them."""
    monkeypatch.chdir(tmp_path)
    for folder in ("data/discs", "runs", "models/base", "outside/base"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("outside/there.safetensors", "models/a.safetensors", "runs/a.safetensors", "outside/secret"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "data/link").symlink_to(tmp_path / "outside")
    (tmp_path / "outside/locked").mkdir(mode=0)
    return Place(tmp_path / "runs", tmp_path / "data", tmp_path / "models")


OUTSIDE = ["{}/outside/there.safetensors", "/etc/shadow", "~/.bashrc", "~root", "outside/there.safetensors", "/", ".."]
OUTSIDE += [
    "{}/data/link/there.safetensors",
    "{}/data/../outside/secret",
    "//server/share",
    "\\\\server\\x",
    "outside/base",
]
MISSING = ["{}/outside/none.safetensors", "/etc/no-such", "~/.no-such", "~nobody-so-named/x", "no/such/file", "a\0b"]
MISSING += ["{}/outside/there.safetensors/x", "{}/outside/locked/x", "/" + "x" * 300, "x" * 5000, "{}/data/link/none"]


@pytest.mark.parametrize("key", [key for key in all_paths() if key not in ("data.folder", "run.folder")])
def test_every_path_is_held_and_tells_nothing_of_what_is_outside(held, tmp_path, key):
    """The sentence is the same for what is there and what is not. A new setting that is a path comes in by itself."""
    as_typed = (lambda path: [f"{path}=0.5"]) if key == "adapter.stack" else (lambda path: path)
    said = set()
    for path in [path.format(tmp_path) for path in OUTSIDE + MISSING]:
        found = {key: as_typed(path)}
        said |= {str(problem) for problem in held.held(found)}
        assert found == {}, path
    assert len(said) == 1 and key in said.pop()
    inside = [f"{tmp_path}/data/x", f"{tmp_path}/runs/a.safetensors", "data/x", ""]
    inside += [] if key == "data.cache" else [f"{tmp_path}/models/a.safetensors", "models/none.safetensors"]
    inside += ["tiny", "organisation/model"] if key in ("model.base", "model.vae") else []
    for path in inside:
        found = {key: as_typed(path) if path else type(as_typed(path))()}
        assert held.held(found) == [] and key in found, path
    assert Place(tmp_path / "runs").held({key: as_typed("/etc/shadow")}) == []  # without --data everything may be typed


def test_the_form_and_the_calls_hold_them(held, base, tmp_path):
    outside = {
        "model.base": str(base), "model.vae": "/etc/shadow", "data.cache": f"{tmp_path}/outside/new",
        "adapter.start_from": "~/.bashrc", "adapter.stack": f"{tmp_path}/outside/there.safetensors=1",
    }  # fmt: skip
    make_images(tmp_path / "data" / "discs", 6)
    typed = form.values_of(make_settings({"data": {"folder": f"{tmp_path}/data/discs"}})) | outside
    state = form_state(held, typed)
    assert state.ready is None and {p.where for p in state.problems if p.fatal} == set(outside)
    calls = Calls(Watch(held.runs, Queue(held.runs)), held)
    settings = make_settings(merge({"data": {"folder": f"{tmp_path}/data/discs"}}, {
        **outside, "adapter.stack": [outside["adapter.stack"]]
    }))  # fmt: skip
    answer = calls.start(dump_settings(settings))
    assert {problem["where"] for problem in answer["problems"]} == set(outside)
    assert not (tmp_path / "outside/new").exists() and list_runs(held.runs) == []
    # Presets and the crop of the Images tab look at the base model too.
    assert not held.allows("model.base", str(base)) and Place(tmp_path / "runs").allows("model.base", str(base))


def test_listen_holds_without_being_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDLORA_PASSWORD", "correct horse")
    places = []
    monkeypatch.setattr("ui.shell.app.serve", lambda place, *_, **__: places.append(place))
    assert main(["--listen", "--port", "1"]) == main(["--port", "1"]) == 0
    assert places[0].data_root == tmp_path / "datasets" and places[0].models == tmp_path / "models"
    assert not places[0].allows("model.vae", "/etc/shadow") and places[1].allows("model.vae", "/etc/shadow")


# ---- calls that are meant to break something

NONSENSE = {
    "keys": "\n".join(f"k{n} = 1" for n in range(15_000)),
    "near keys": "[model]\n" + "\n".join(f"base{n} = 1" for n in range(13_000)),
    "string": f'x = "{"a" * 190_000}"',
    "key": f"{'a' * 190_000} = 1",
    "choice": f'[save]\ndtype = "{"a" * 190_000}"',
    "nested arrays": f"x = {'[' * 90_000}{']' * 90_000}",
    "nested arrays where text belongs": f"[data]\nfolder = {'[' * 150}{']' * 150}",
    "nested tables": f"x = {'{a = ' * 30_000}",
    "dotted": f"{'.'.join('a' * 90_000)} = 1",
    "dotted section": f"[{' . '.join('a' * 40_000)}]",
    "list": f"[sample]\nprompts = [{'1,' * 90_000}]",
    "sections": "[[a]]\n" * 30_000,
    "number": f"[train]\nsteps = 0x{'f' * 190_000}",
    "decimal": f"[train]\nsteps = {'9' * 190_000}",
    "quotes": '"' * 190_000,
    "dots": ". " * 90_000,
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_answered_at_once(held, name):
    calls = Calls(Watch(held.runs, Queue(held.runs)), held)
    begun = time.process_time()
    answer = calls.start(NONSENSE[name])
    took = time.process_time() - begun
    assert not answer["ok"] and 1 <= len(answer["problems"]) <= 52
    assert took < 5, took  # well under a second on a free machine; some took 30
    assert len(json.dumps(answer)) < 50_000


@pytest.mark.parametrize("sent", [None, 1, [], [["x"]], {"a": 1}, True, "\ud800", "\0"])
def test_other_things_than_text_are_problems(held, sent):
    calls = Calls(Watch(held.runs, Queue(held.runs)), held)
    for answer in (calls.start(sent), calls.stop(sent)):
        assert not answer["ok"] and answer["problems"][0]["text"]
    assert "ok" in calls.status(sent)


def test_over_http_too(open_to_scripts):
    def start(data: str) -> tuple[int, dict]:
        status, _, body = ask(
            open_to_scripts, "POST", "/gradio_api/run/start", data.encode(), Content_Type="application/json"
        )
        return status, json.loads(body)

    for sent in ([["x"]], [[[[]]]], [{"a": []}], [None], [NONSENSE["nested arrays"]], [NONSENSE["keys"]]):
        status, answer = start(json.dumps({"data": sent}))
        assert status == 200 and answer["data"][0]["problems"], sent
    for depth in (500, 100_000):  # no answer of the call's, but no crash either
        assert start('{"data": ' + "[" * depth + "]" * depth + "}")[0] in (200, 400, 422)
    assert ask(open_to_scripts, "GET", "/config")[0] == 200


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

    statuses = asyncio.run(go())
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


# ---- a browser at another site

ATTACKS = """
async (target) => {
  const told = {};
  const form = new FormData();
  form.append("files", new Blob(["EVIL"]), "evil.txt");
  const tries = {
    upload: [target + "gradio_api/upload", {method: "POST", mode: "no-cors", body: form}],
    read: [target + "config", {}],
    start: [target + "gradio_api/run/start", {method: "POST", headers: {"Content-Type": "application/json"},
            body: '{"data": [""]}'}],
    simple: [target + "gradio_api/run/list", {method: "POST", mode: "no-cors", body: '{"data": []}'}],
  };
  for (const [name, [url, options]] of Object.entries(tries)) {
    try { const answer = await fetch(url, options); told[name] = answer.type + " " + answer.status; }
    catch (error) { told[name] = "refused"; }
  }
  const frame = document.createElement("iframe");
  const loaded = new Promise(resolve => { frame.onload = resolve; setTimeout(resolve, 5000); });
  frame.src = target;
  document.body.append(frame);
  await loaded;
  return told;
}
"""


@pytest.fixture
def elsewhere(tmp_path) -> Iterator[int]:
    """The port of an attacker's own site."""
    (tmp_path / "index.html").write_text("<!doctype html><title>evil</title><body>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield site.server_address[1]
        site.shutdown()


@pytest.mark.slow
def test_a_browser_at_another_site(open_to_scripts, elsewhere):
    """Names of another site and other ports of this computer. Chrome's own guard against local addresses is off."""
    off = "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=chromium_path(),
            args=[*ARGUMENTS, off, "--host-resolver-rules=MAP evil.test 127.0.0.1"],
        )
        for host in ("evil.test", "localhost", "127.0.0.1"):
            page = chromium.new_page()
            page.goto(f"http://{host}:{elsewhere}/")
            told = page.evaluate(ATTACKS, open_to_scripts.url)
            assert told["read"] == told["start"] == "refused", (host, told)
            framed = [frame for frame in page.frames if frame != page.main_frame]
            assert all("1  Images" not in frame.content() and not frame.query_selector("#tabs") for frame in framed)
            page.close()
        chromium.close()
    assert uploads(open_to_scripts) == []


@pytest.mark.slow
def test_the_page_itself_breaks_none_of_its_rules(server, page):
    """Nothing that the page loads or runs is forbidden by its own policy."""
    told = []
    page.on("console", lambda message: told.append(message.text))
    page.goto(server.url)
    page.get_by_role("tab", name="2  Settings").first.click()
    page.wait_for_selector("#field-train-steps")
    page.get_by_role("tab", name="3  Runs").first.click()
    page.wait_for_timeout(1000)
    assert [line for line in told if "Content Security Policy" in line or "Refused to" in line or "403" in line] == []
