"""Commands that work on what a run left behind, and the demo; each as a person would use it."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from sdlora.cli import main
from sdlora.runs.run import list_runs
from sdlora.train.loop import training


@pytest.fixture
def finished(make_run):
    """A run of four steps with checkpoints at 2 and 4."""
    run, settings = make_run(**{"save.every": 2, "sample.prompts": [], "data.trigger": "zib"})
    for event in training(settings, run):
        run.write(event)
    return run


def test_export_writes_any_checkpoint_in_any_layout(finished, base_folder, capsys):
    assert main(["export", str(finished.folder), "--step", "4", "--dtype", "fp32"]) == 0
    assert "relative error" in capsys.readouterr().out
    again = load_file(finished.folder / "test-000004.safetensors")
    first = load_file(finished.folder / "test.safetensors")
    assert again.keys() == first.keys() and all(torch.equal(again[k], first[k]) for k in first)

    out = finished.folder / "two.safetensors"
    assert main(["export", str(finished.folder), "--step", "2", "--container", "diffusers", "--out", str(out)]) == 0
    pipeline = StableDiffusionPipeline.from_pretrained(base_folder)
    pipeline.load_lora_weights(out)
    assert all(k.split(".")[0] in ("unet", "text_encoder") for k in load_file(out))
    assert main(["export", str(finished.folder), "--step", "3"]) == 1
    assert "There are: 2, 4." in capsys.readouterr().err


def test_a_dora_trains_resumes_and_becomes_a_plain_lora(make_run, base_folder, capsys):
    changes = {"adapter.kind": "dora", "sample.prompts": [], "train.steps": 3}
    whole, settings = make_run(**changes)
    for event in training(settings, whole):
        whole.write(event)
    parts, settings = make_run(**changes)
    for _ in range(2):
        for event in training(settings, parts):
            parts.write(event)
            if type(event).__name__ == "StepDone" and event.step == 1:
                parts.request("stop")
    first, second = (load_file(run.checkpoints()[-1][1] / "lora.safetensors") for run in (whole, parts))
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
    assert any(key.endswith(".dora_scale") for key in load_file(whole.folder / "test.safetensors"))

    told = []
    for rank in ("1", "64"):
        out = whole.folder / f"plain{rank}.safetensors"
        assert main(["export", str(whole.folder), "--plain", "--rank", rank, "--dtype", "fp32", "--out", str(out)]) == 0
        told.append(float(capsys.readouterr().out.split("rank ")[1].split(": ")[1].split("%")[0]))
        assert not any(key.endswith(".dora_scale") for key in load_file(out))
        StableDiffusionPipeline.from_pretrained(base_folder).load_lora_weights(out)
    assert told[0] > 5 and told[1] < 0.1  # percent; full rank loses nothing


def test_the_file_tells_how_it_was_made_but_not_where(finished, tmp_path):
    with safe_open(finished.folder / "test.safetensors", framework="np") as file:
        metadata = file.metadata()
    assert metadata["ss_network_dim"] == "2" and metadata["ss_steps"] == "4"
    assert metadata["modelspec.trigger_phrase"] == "zib"
    assert "train" in metadata["sdlora_settings"] and float(metadata["ss_training_started_at"]) > 0
    assert not any(str(tmp_path) in value for value in metadata.values())


def test_samples_at_several_strengths(finished, tmp_path, capsys):
    out = tmp_path / "grid.png"
    command = ["sample", str(finished.folder), "--prompt", "zib", "--strength", "0", "0", "1", "--steps", "2"]
    assert main([*command, "--size", "32", "--out", str(out)]) == 0, capsys.readouterr().err
    pixels = np.asarray(Image.open(out))
    rows = [pixels[32 + 32 * r : 64 + 32 * r, 90:] for r in range(3)]
    assert (rows[0] == rows[1]).all() and (rows[0] != rows[2]).any()


def test_a_run_without_a_file_says_so(make_run, capsys):
    run, _ = make_run()
    assert main(["sample", str(run.folder)]) == 1 and "no LoRA file yet" in capsys.readouterr().err
    assert main(["export", str(run.folder)]) == 1 and "no checkpoint" in capsys.readouterr().err


@pytest.mark.slow
def test_the_demo_trains_and_agrees_with_diffusers(tmp_path, capsys):
    assert main(["demo", "--steps", "2", "--folder", str(tmp_path)]) == 0
    told, errors = capsys.readouterr()
    assert "Loading weights" not in told + errors
    (run,) = list_runs(tmp_path)
    assert run.state() == "done"
    sheet = Image.open(run.folder / "before-after.png")
    assert sheet.width > 6 * 128 and sheet.height > 2 * 128
    assert float(told.split("mean difference ")[1].split()[0]) < 2
    for name in ("chalk-demo.safetensors", "before-after.png"):
        assert str(run.folder / name) in told
    assert "python launch.py" in told.splitlines()[-1]  # what to do next
