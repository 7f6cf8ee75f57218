"""What lies in the folders of drawing programs: base models are told, everything else is passed over unharmed."""

import json
import os
import pickle
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from base_models import write_single_file
from safetensors.numpy import save_file

from sdlora.families.base import inspect_base
from sdlora.models import found as looking
from sdlora.models.found import find_bases
from sdlora.models.places import ModelFolder


class Trap:
    """Unpickled, it would leave a mark."""

    mark = Path()

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.fixture
def models(tmp_path, bases):
    """A program's folder: a file, a folder and much that is no base model."""
    root = tmp_path / "models"
    (root / "sub" / "deep").mkdir(parents=True)
    write_single_file(bases("sd1"), "sd1", root / "sub" / "deep" / "Photo v1.safetensors")
    shutil.copytree(bases("sdxl"), root / "my-sdxl")
    save_file({"lora_unet_x.lora_down.weight": np.zeros((4, 8), np.float32)}, root / "a-lora.safetensors")
    (root / "torn.safetensors").write_bytes(b"\xff" * 64)
    (root / "empty.safetensors").touch()
    (root / "page.safetensors").write_text("<html>404</html>")
    Trap.mark = tmp_path / "opened"
    (root / "old.ckpt").write_bytes(pickle.dumps(Trap()))
    (root / "fake.safetensors").write_bytes(pickle.dumps(Trap()))
    (root / ".hidden").mkdir()
    shutil.copy(root / "sub" / "deep" / "Photo v1.safetensors", root / ".hidden" / "h.safetensors")
    return root


def names(found):
    return [Path(one.base).name for one in found.bases]


def test_families_predictions_and_sizes_are_those_of_the_model_itself(models, bases):
    found = find_bases([ModelFolder(models, "ComfyUI")])
    assert sorted(names(found)) == ["Photo v1.safetensors", "my-sdxl"]
    for one in found.bases:
        info = inspect_base(one.base)
        assert (one.info.family, one.info.prediction, one.info.precision) == (
            info.family,
            info.prediction,
            info.precision,
        )
        path = Path(one.base)
        files = [path] if path.is_file() else path.rglob("*.safetensors")
        assert one.size == sum(file.stat().st_size for file in files) > 0
        assert one.program == "ComfyUI"
    assert found.pickled == 1 and not found.cut


def test_no_pickle_is_opened(models, tmp_path):
    find_bases([ModelFolder(models, "")])
    assert not (tmp_path / "opened").exists()
    pickle.loads((models / "old.ckpt").read_bytes())
    assert (tmp_path / "opened").exists()  # it would have told


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
def test_links_in_circles_pipes_and_what_can_not_be_read_bear_no_harm(models, tmp_path, monkeypatch):
    (models / "sub" / "up").symlink_to(models)
    (models / "itself").symlink_to(models / "itself")
    (models / "linked.safetensors").symlink_to(models / "sub" / "deep" / "Photo v1.safetensors")
    (models / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    os.mkfifo(models / "pipe.safetensors")
    (models / "device.safetensors").symlink_to("/dev/zero")
    (models / "closed").mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "no", str(path))
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    begin = time.monotonic()
    found = find_bases([ModelFolder(models, ""), ModelFolder(models / "sub", "")])
    assert len(found.bases) == 2 and time.monotonic() - begin < 10 and not found.cut


def test_a_look_has_an_end_by_depth_number_and_time(models, tmp_path, monkeypatch):
    single = models / "sub" / "deep" / "Photo v1.safetensors"
    deep = tmp_path / "deep" / "/".join("abcdefgh")
    deep.mkdir(parents=True)
    os.link(single, deep / "far.safetensors")
    assert find_bases([ModelFolder(tmp_path / "deep", "")]).bases == []
    assert len(find_bases([ModelFolder(models, "")], most=1).bases) == 1
    assert find_bases([ModelFolder(models, "")], most=1).cut
    assert find_bases([ModelFolder(models, "")], seconds=0).cut
    many = tmp_path / "many"
    many.mkdir()
    for number in range(300):
        (many / f"{number}.txt").touch()
    monkeypatch.setattr(looking, "ENTRIES", 100)
    look = looking._Look(time.monotonic() + 10)
    list(look.below(many))
    assert look.cut and look.entries == 100


def test_the_hubs_cache_gives_hub_ids_and_the_newest_snapshot(tmp_path, bases):
    cache = tmp_path / "hub"
    for revision, family in (("aaa", "sd2"), ("bbb", "sd1")):
        shutil.copytree(bases(family), cache / "models--org--photo" / "snapshots" / revision)
    (cache / "models--org--photo" / "refs").mkdir()
    (cache / "models--org--photo" / "refs" / "main").write_text("bbb")
    torn = cache / "models--org--torn" / "snapshots" / "ccc"
    torn.mkdir(parents=True)
    (torn / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    (cache / "datasets--org--pictures" / "snapshots" / "d").mkdir(parents=True)
    found = find_bases([ModelFolder(cache, "hub cache", hub=True)])
    assert [(one.base, one.info.family) for one in found.bases] == [("org/photo", "sd1")]
