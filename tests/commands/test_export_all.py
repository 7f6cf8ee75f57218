"""`sdlora export --all`: the LoRA file of each checkpoint, the same as one at a time would be."""

import pytest
from base_models import begin_run, draw_images
from driving import drive
from safetensors.numpy import load_file

from sdlora.cli import main
from sdlora.messages import say

pytestmark = pytest.mark.slow


def test_each_checkpoint_gets_the_file_that_it_would_get_alone(tmp_path, base_folder, capsys):
    images = draw_images(tmp_path / "images")
    values = {"train.steps": 3, "train.lr": 1e-2, "sample.prompts": [], "save.every": 1, "run.name": "cat"}
    run, settings = begin_run(tmp_path / "runs", base_folder, images, **values)
    drive(run, settings)
    assert main(["export", str(run.folder), "--all"]) == 0
    there = sorted((run.folder / "exports").glob("*.safetensors"))
    assert [path.name for path in there] == [f"cat-{step:06d}.safetensors" for step in (1, 2, 3)]
    made = [load_file(path) for path in there]
    assert any((made[0][key] != made[1][key]).any() for key in made[0])
    for step, together in zip((1, 2), made, strict=False):
        alone = tmp_path / "alone.safetensors"
        assert main(["export", str(run.folder), "--step", str(step), "--out", str(alone)]) == 0
        alone = load_file(alone)
        assert together.keys() == alone.keys() and all((together[key] == alone[key]).all() for key in alone)
    # What is there stays; a checkpoint that is damaged is named and passed over.
    there[0].unlink()
    there[1].unlink()
    (run.folder / "checkpoints" / "000002" / "lora.safetensors").write_bytes(b"\0" * 100)
    stamp = there[2].stat().st_mtime_ns
    capsys.readouterr()
    assert main(["export", str(run.folder), "--all"]) == 0
    out = capsys.readouterr().out
    assert there[0].exists() and not there[1].exists() and there[2].stat().st_mtime_ns == stamp
    assert say("runs.checkpoint_skipped", name="000002", fault=say("runs.fault_torn")) in out
    assert main(["export", str(run.folder), "--all", "--plain"]) == 1
