"""A person who presses Stop gets an answer at once, also while the images are still being prepared."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from sdlora.events import Finished, Progress
from sdlora.runs.run import Run
from ui.shell.view import RunView

pytestmark = pytest.mark.slow
COUNT, SIDE = 400, 128
SECONDS = 3.0  # from the request to the answer


def make_many(folder: Path) -> Path:
    """So many images that preparing them takes far longer than the answer may."""
    folder.mkdir()
    noise = Image.effect_noise((SIDE + COUNT, SIDE), 80).convert("RGB")
    for number in range(COUNT):
        noise.crop((number, 0, number + SIDE, SIDE)).save(folder / f"{number}.png", compress_level=1)
    return folder


def prepared(run: Run) -> Progress | None:
    found = [event for _, event in run.events() if isinstance(event, Progress) and event.what == "latents"]
    return found[-1] if found else None


def test_a_stop_while_many_images_are_prepared_is_answered_within_three_seconds(make_run, tmp_path):
    many = make_many(tmp_path / "many")
    run, _ = make_run(**{"data.folder": str(many), "data.resolution": SIDE})
    trainer = subprocess.Popen([sys.executable, "-m", "sdlora", "train", "--run", str(run.folder)])
    try:
        end = time.monotonic() + 120
        while (at := prepared(run)) is None or at.done < 5:
            assert trainer.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        asked = time.time()
        run.request("stop")
        assert RunView(run.folder).state(run.alive()) == "stopping"  # what the page says meanwhile
        trainer.wait(300)
    finally:
        trainer.kill()
    answered, last = [(at, event) for at, event in run.events()][-1]
    assert isinstance(last, Finished) and last.why == "stopped"
    assert answered - asked < SECONDS
    assert prepared(run).done < COUNT
    assert trainer.returncode == 0 and run.state() == "stopped"
