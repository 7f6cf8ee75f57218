"""Hub ids against a hub over HTTP, asked by the hub's own client, each in a process of its own as for a user."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub import COMMIT, serve

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import json, sys
from sdlora.errors import UserError
from sdlora.models.families import inspect_base
try:
    info = inspect_base(sys.argv[1], sys.argv[2])
    print(json.dumps({"family": info.family, "source": str(info.source)}))
except UserError as error:
    print(json.dumps({"error": str(error)}))
"""


def ask(hub, home: Path, base: str, revision: str = "", **more: str) -> dict:
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("HF_")},
        "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "PYTHONPATH": str(ROOT), **more,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", CODE, base, revision], env=environment, capture_output=True, text=True, timeout=300
    )
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


@pytest.mark.parametrize(
    ("base", "revision", "sentence"),
    [("org/secret", "", "access-restricted"), ("org/nothing", "", "The hub has no base model org/nothing"),
     ("org/model", "v9", "org/model has no revision 'v9'")],
)  # fmt: skip
def test_what_the_hub_refuses_is_told(hub, tmp_path, base, revision, sentence):
    assert sentence in ask(hub, tmp_path, base, revision)["error"]
