"""What earlier versions wrote is read by this one: runs, checkpoints, settings, caches, LoRA files."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sdlora.cli import main
from sdlora.events import Finished, StepDone, Warned
from sdlora.lorafiles.read import read_lora
from sdlora.runs.run import Run, list_runs
from sdlora.settings import load_settings
from sdlora.train import caching
from sdlora.train.loop import training

KEPT = Path(__file__).with_name("kept")
RUNS = ("2026-11-27_0328_kept", "2026-11-27_0328_dora")


@pytest.fixture(params=["0.1.0", "0.1.0-own-base"])
def kept(request, tmp_path):
    """A copy whose settings name the folder it lies in: on the embedded base of then, and on one kept here."""
    return copy_of(request.param, tmp_path)


def copy_of(name: str, tmp_path: Path) -> Path:
    home = tmp_path / "kept"
    shutil.copytree(KEPT / name, home)
    for file in home.glob("runs/*/settings.toml"):
        file.write_text(file.read_text().replace("@HERE@", home.as_posix()))
    return home


def test_its_runs_are_listed_with_their_state_and_steps(kept, capsys):
    assert {run.name for run in list_runs(kept / "runs")} == set(RUNS)
    assert main(["runs", str(kept / "runs")]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in RUNS:
        line = next(line for line in lines if line.startswith(name))
        assert "step 4" in line and ".safetensors" in line
    steps = [event.step for _, event in Run(kept / "runs" / RUNS[0]).events() if isinstance(event, StepDone)]
    assert steps == [1, 2, 3, 4]


@pytest.mark.parametrize("name", RUNS)
def test_its_settings_mean_what_they_meant(kept, name):
    settings = load_settings(kept / "runs" / name / "settings.toml")
    assert (settings.adapter.rank, settings.adapter.alpha, settings.train.lr, settings.train.steps) == (2, 1, 1e-3, 4)
    assert settings.train.text_encoder_lr == 5e-4 and settings.data.folder == f"{kept.as_posix()}/pictures"
    assert (settings.validation.every, settings.validation.held_out) == (2, 0)  # none was held out, and none is now


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_its_checkpoints_are_gone_on_from(name, tmp_path, monkeypatch):
    """To the file that the old version itself ended with. The old cache serves: no VAE is loaded."""
    kept = copy_of("0.1.0-own-base", tmp_path)
    monkeypatch.setattr(caching, "load_vae", lambda *_: pytest.fail("the cached latents were not used"))
    run = Run(kept / "runs" / name)
    old = load_file(run.folder / f"{name.split('_')[-1]}.safetensors")
    events = list(training(load_settings(run.folder / "settings.toml"), run))
    assert [e.step for e in events if isinstance(e, StepDone)] == [3, 4] and isinstance(events[-1], Finished)
    assert not [e for e in events if isinstance(e, Warned) and "damaged" in e.text]
    new = load_file(run.folder / f"{name.split('_')[-1]}.safetensors")
    assert new.keys() == old.keys()
    # Another processor rounds otherwise, and AdamW's first steps make much of it: alike, not equal.
    cosine = torch.nn.functional.cosine_similarity(
        *(torch.cat([t.double().flatten() for k, t in sorted(file.items()) if "lora_up" in k]) for file in (old, new)),
        dim=0,
    )
    assert cosine > 0.999


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_runs_on_the_embedded_base_of_then_go_on_with_that_of_now(name, tmp_path):
    """What was cached of the old base is not used: other weights, other latents."""
    run = Run(copy_of("0.1.0", tmp_path) / "runs" / name)
    file = run.folder / f"{name.split('_')[-1]}.safetensors"
    old, cached = load_file(file), set((tmp_path / "kept/cache/latents").iterdir())
    events = list(training(load_settings(run.folder / "settings.toml"), run))
    assert [e.step for e in events if isinstance(e, StepDone)] == [3, 4] and isinstance(events[-1], Finished)
    new = load_file(file)
    assert {k: t.shape for k, t in new.items()} == {k: t.shape for k, t in old.items()}
    assert all(torch.isfinite(t).all() for t in new.values())
    assert len(set((tmp_path / "kept/cache/latents").iterdir()) - cached) == 2


def test_its_lora_files_are_read(kept):
    lora, dora = (read_lora(kept / "runs" / name / f"{name.split('_')[-1]}.safetensors") for name in RUNS)
    assert lora.family == "sd1"
    if (kept / "kept-diffusers.safetensors").is_file():
        other = read_lora(kept / "kept-diffusers.safetensors")
        assert lora.changes.keys() == other.changes.keys()
        for name, (down, up, scale) in lora.modules.items():
            delta = scale * up.flatten(1) @ down.flatten(1)
            assert (delta - other.delta(name).flatten(1)).norm() < 2e-3 * delta.norm()  # two roundings to fp16
    assert all(change.magnitudes is not None for change in dora.changes.values())
    assert 'name = "kept"' in lora.metadata["sdlora_settings"]
