"""Hub ids against a hub over HTTP, asked by the hub's own client, each in a process of its own as for a user."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub import COMMIT, serve
from said import saying

from sdlora.errors import UserError
from sdlora.families.shared.hub import _room_for

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import json, sys
from sdlora.errors import UserError
from sdlora.families.base import inspect_base
try:
    info = inspect_base(sys.argv[1], sys.argv[2])
    print(json.dumps({"family": info.family, "source": str(info.source)}))
except UserError as error:
    print(json.dumps({"error": str(error)}))
"""


def environment(hub, home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    return {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "PYTHONPATH": str(ROOT)}


def ask(hub, home: Path, base: str, revision: str = "", **more: str) -> dict:
    command, env = [sys.executable, "-c", CODE, base, revision], environment(hub, home) | more
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def hub(base_folder):
    extra = base_folder / "model.ckpt"
    extra.write_bytes(b"a pickle that nobody asked for")
    with serve(base_folder) as served:
        yield served
    extra.unlink()


def test_a_hub_id_is_downloaded_once_and_pinned(hub, tmp_path):
    hub.fetched.clear()
    told = ask(hub, tmp_path, "org/model")
    assert told["family"] == "sd1"
    assert COMMIT in told["source"]  # the snapshot of one commit
    assert "unet/diffusion_pytorch_model.safetensors" in hub.fetched
    assert "model.ckpt" not in hub.fetched
    first = list(hub.fetched)
    for revision in ("", "main", COMMIT):
        assert ask(hub, tmp_path, "org/model", revision) == told
    assert hub.fetched == first  # nothing is fetched again
    assert ask(hub, tmp_path, "org/model", HF_HUB_OFFLINE="1") == told


def download(hub, home: Path, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "sdlora", "download", *words]
    return subprocess.run(command, env=environment(hub, home), capture_output=True, text=True, timeout=300)


def test_the_command_downloads_with_its_progress(hub, tmp_path):
    lines = download(hub, tmp_path, "org/model", "--json").stdout.splitlines()
    *looks, end = map(json.loads, lines)
    size = sum(path.stat().st_size for name, path in hub.files.items() if name in hub.fetched)
    assert {look["of"] for look in looks} == {size}
    assert [look["done"] for look in looks] == sorted(look["done"] for look in looks)
    assert looks[-1]["done"] == size and "SD 1.x" in end["described"]
    again = [json.loads(line) for line in download(hub, tmp_path, "org/model", "--json").stdout.splitlines()]
    assert again[0]["done"] == size  # it is there already
    assert "ready to train on" in download(hub, tmp_path, "org/model").stdout


def test_a_download_without_room_does_not_begin(hub, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10**9}))
    _room_for(10**9, "model.base")
    with pytest.raises(UserError, match=saying("models.no_space_for_download", size="4.0", free="1.0")):
        _room_for(4 * 10**9, "model.base")


@pytest.mark.parametrize("base", ["tiny", "a/b/c", "no-such"])
def test_what_is_no_hub_id_is_not_downloaded(hub, tmp_path, base):
    done = download(hub, tmp_path, base)
    assert done.returncode == 1 and "is no hub id" in done.stderr


@pytest.mark.parametrize(
    ("base", "revision", "sentence"),
    [("org/secret", "", "access-restricted"), ("org/nothing", "", "The hub has no base model org/nothing"),
     ("org/model", "v9", "org/model has no revision 'v9'")],
)  # fmt: skip
def test_what_the_hub_refuses_is_told(hub, tmp_path, base, revision, sentence):
    assert sentence in ask(hub, tmp_path, base, revision)["error"]
