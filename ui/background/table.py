"""The jobs by name, a line each: a command of ``sdlora`` that prints JSON as it goes on."""

import sys
from collections.abc import Callable

SDLORA = (sys.executable, "-m", "sdlora")
# Name -> command line; each gets the task's folder and what the task was started with.
JOBS: dict[str, Callable[..., list[str]]] = {
    "download": lambda _, base, revision: [*SDLORA, "download", f"--revision={revision}", "--json", "--", base],
    "caption": lambda folder, pictures, *flags: [
        *SDLORA,
        "caption",
        *flags,
        *([f"--images-from={folder / 'names.json'}"] if (folder / "names.json").exists() else []),
        "--json",
        "--",
        pictures,
    ],
    "doctor": lambda folder, pictures, side, step: [
        *SDLORA,
        "doctor",
        f"--resolution={side}",
        f"--step={step}",
        f"--settings={folder / 'settings.toml'}",
        "--json-lines",
        "--",
        pictures,
    ],  # fmt: skip
    "probe": lambda folder: [*SDLORA, "probe", str(folder / "settings.toml"), "--json"],
}
