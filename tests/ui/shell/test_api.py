"""The calls for scripts: what they do, and who may use them."""

import json
import time
import urllib.error
import urllib.request

import pytest
from browser import Server
from example import make_images
from serve_fake import trainers as fake_trainers

from sdlora.runs.run import list_runs
from sdlora.settings import dump_settings, make_settings
from ui.shell.api import Calls
from ui.shell.place import Place
from ui.shell.queue import Queue
from ui.shell.watch import Watch


def settings(base, images, **run) -> str:
    values = {"model": {"base": str(base)}, "data": {"folder": str(images)}, "train": {"steps": 4}, "run": run}
    return dump_settings(make_settings(values))


@pytest.fixture
def calls(tmp_path, monkeypatch, base):
    monkeypatch.setenv("FAKE_SECONDS", "0.05")
    place = Place(tmp_path / "runs", tmp_path / "data", models=base.parent)
    return Calls(Watch(place.runs, Queue(place.runs, fake_trainers())), place)


def test_start_status_list_and_stop(calls, base, tmp_path):
    images = make_images(tmp_path / "data" / "discs", 6)
    assert calls.list() == {"ok": True, "runs": []}
    assert not calls.status()["ok"] and not calls.stop("x")["ok"]
    first = calls.start(settings(base, images, name="one", folder="/etc"))
    assert first["ok"] and first["run"]["state"] in ("starting", "running")
    second = calls.start(settings(base, images, name="two"))["run"]
    assert (second["state"], second["place_in_queue"]) == ("waiting", 1)
    assert [run["name"] for run in calls.list()["runs"]] == [first["run"]["name"], second["name"]]
    assert calls.stop(second["name"])["run"]["state"] == "removed"
    end = time.monotonic() + 60
    while calls.status()["run"]["state"] != "done":
        assert time.monotonic() < end
        time.sleep(0.1)
    told = calls.status(first["run"]["name"])["run"]
    assert told["step"] == told["steps"] == 4 and told["file"].endswith("one.safetensors")
    assert told["file"].startswith(str(calls.place.runs))
    assert not calls.stop(told["name"])["ok"]
    json.dumps(calls.list(), allow_nan=False)


@pytest.mark.parametrize("name", ["../x", "/etc", "x" * 5000, "\0"])
def test_names_lead_nowhere(calls, name):
    assert not calls.status(name)["ok"] and not calls.stop(name)["ok"]


def test_everything_wrong_is_said_and_nothing_starts(calls, base, tmp_path):
    (tmp_path / "data").mkdir()
    outside = make_images(tmp_path / "elsewhere", 6)
    for typed, said in {
        "= 3": "not TOML",
        "x" * 300_000: "longer than",
        "[train]\nsteps = 0\n[adapter]\nrank = 0": "adapter.rank is 0",
        settings(base, outside): "inside",
        settings(base.parent / "no-such", tmp_path / "data"): "no-such",
    }.items():
        answer = calls.start(typed)
        assert not answer["ok"] and any(said in problem["text"] for problem in answer["problems"]), answer
    assert list_runs(calls.place.runs) == []


def post(server: Server, call: str, data: list, **headers: str) -> dict:
    headers = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"data": data}).encode()
    request = urllib.request.Request(f"{server.url}gradio_api/run/{call}", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())["data"][0]


@pytest.mark.slow
def test_over_http_with_api_only(tmp_path, server):
    with Server(tmp_path, options=("--api",)) as open_to_scripts:
        assert post(open_to_scripts, "list", []) == {"ok": True, "runs": []}
        assert not post(open_to_scripts, "status", [""])["ok"]
        assert not post(open_to_scripts, "start", ["= 3"])["ok"]
        for headers in ({"Content_Type": "text/plain"}, {"Host": "evil.example"}):
            with pytest.raises(urllib.error.HTTPError):
                post(open_to_scripts, "list", [], **headers)
    with pytest.raises(urllib.error.HTTPError):
        post(server, "list", [])
