"""Attacks on the served page, replayed: SECURITY.md says what is promised. Headers by hand, and a real browser."""

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
from attacking import FILE, FORM, UPLOAD, ask, call, run, uploads
from browser import ARGUMENTS, chromium_path
from playwright.sync_api import sync_playwright

from ui.shell.guard import BODY, Guard
from ui.shell.guesses import Guesses
from ui.shell.room import Room

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

    assert run(go()) == ["websocket.close"]


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
