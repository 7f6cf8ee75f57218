"""Paths and values from the page are hostile: what lies outside is neither read nor told of."""

import json
import time

import pytest
from attacking import ask
from example import make_images

from sdlora.runs.run import list_runs
from sdlora.settings import all_settings, dump_settings, make_settings, merge
from ui.shell.api import Calls
from ui.shell.app import main
from ui.shell.place import Place
from ui.shell.queue import Queue
from ui.shell.watch import Watch
from ui.tabs.settings import form
from ui.tabs.settings.state import form_state


def all_paths() -> list[str]:
    """Settings that name a file or a folder, told by their help: a new one can't be forgotten."""
    words = ("folder", "file", "a diffusers folder")
    texts = {info.key: info.help.lower() for info in all_settings() if info.type in (str, list) and not info.choices}
    return [key for key, said in texts.items() if any(word in said for word in words) and key != "run.name"]


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
MISSING += ["outside/none", "outside/x.y-z"]  # hub ids by their looks


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
    inside += (
        []
        if key in ("data.cache", "data.regularization")
        else [f"{tmp_path}/models/a.safetensors", "models/none.safetensors"]
    )
    inside += ["tiny", "organisation/model"] if key in ("model.base", "model.vae") else []
    for path in inside:
        found = {key: as_typed(path) if path else type(as_typed(path))()}
        assert held.held(found) == [] and key in found, path
    assert Place(tmp_path / "runs").held({key: as_typed("/etc/shadow")}) == []  # without --data everything may be typed


@pytest.mark.parametrize("sent", [1, [1], [None], [["x"]], {"a": 1}, [{}], True, "\ud800", ["\0"]])
def test_a_path_of_another_type_is_outside(held, sent):
    for key in all_paths():
        if key not in ("data.folder", "run.folder"):
            assert held.allows(key, sent) is False


def test_the_form_and_the_calls_hold_them(held, base, tmp_path):
    outside = {
        "model.base": str(base), "model.vae": "/etc/shadow", "data.cache": f"{tmp_path}/outside/new",
        "adapter.start_from": "~/.bashrc", "adapter.stack": f"{tmp_path}/outside/there.safetensors=1",
    }  # fmt: skip
    make_images(tmp_path / "data" / "discs", 6)
    typed = form.field_values(make_settings({"data": {"folder": f"{tmp_path}/data/discs"}})) | outside
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
