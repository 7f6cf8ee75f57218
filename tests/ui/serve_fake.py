"""The real page with the fake trainer behind it: ``python -m tests.ui.serve_fake --port N --runs FOLDER``."""

import sys
from pathlib import Path

from ui.background.table import JOBS
from ui.shell.app import main
from ui.shell.process import Trainers

FAKE = Path(__file__).with_name("fake_trainer.py")


def trainers() -> Trainers:
    return Trainers(
        train=lambda folder: [sys.executable, str(FAKE), str(folder)],
        resume=lambda folder: [sys.executable, str(FAKE), str(folder), "--resume"],
        export=lambda folder, options: [sys.executable, str(FAKE), str(folder), "--export", *options],
        draw=lambda folder: [sys.executable, str(FAKE), str(folder), "--draw"],
    )


def probe_command(folder: Path) -> list[str]:
    return [sys.executable, str(FAKE.with_name("fake_probe.py")), str(folder / "settings.toml")]


if __name__ == "__main__":
    JOBS["probe"] = probe_command
    sys.exit(main(trainers=trainers()))
