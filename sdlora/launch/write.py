"""The files of an engine: the run folder with its settings, as they hold on the other machines, and the job."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path

from sdlora.errors import explain
from sdlora.files.intact import write_atomically
from sdlora.launch.job import LABEL, PLACE, RUNS, RemoteJob
from sdlora.launch.table import ENGINES
from sdlora.runs.run import Run, safe_name
from sdlora.settings import Settings, all_settings, dump_settings

INSTALL = "pip install sdlora"
IMAGE = "python:3.12"


def elsewhere(settings: Settings) -> tuple[Settings, dict[str, str]]:
    """(the settings as they hold there, path there -> path here) of every file and folder here that they name.

    A name of the hub stays; the cache of encoded images is made anew there.
    """
    moved: dict[str, str] = {}
    made = settings.model_copy(deep=True)
    for info in all_settings():
        section, name = info.key.split(".")
        value = getattr(getattr(settings, section), name)
        if not info.path or info.key in ("run.folder", "data.cache"):
            continue
        several = isinstance(value, list)
        there = [_moved(entry, moved) for entry in (value if several else [value])]
        setattr(getattr(made, section), name, there if several else there[0])
    made.data.cache, made.run.folder = f"{PLACE}/cache", RUNS
    return made, moved


def _moved(entry: str, moved: dict[str, str]) -> str:
    """A path's name on the other machine; FILE=STRENGTH keeps its strength. Noted in ``moved``."""
    path, sign, rest = entry, "", ""
    if not Path(entry).exists():
        path, sign, rest = entry.rpartition("=") if "=" in entry else (entry, "", "")
    if not path or not Path(path).exists():
        return entry
    here = Path(path).resolve()
    there = f"{PLACE}/{len(moved)}-{safe_name(here.stem)}{here.suffix if LABEL.fullmatch(here.suffix[1:]) else ''}"
    moved[there] = str(here)
    return f"{there}{sign}{rest}"


def write_job(
    engine: str, settings: Settings, nodes: int, gpus: int, time: str, options: dict[str, str], out: Path
) -> tuple[Path, str]:
    """Make the run folder and write the engine's file; returns (the file, the command that hands it in).

    settings: resolved. out: where both are written, but for engines with a shared disk: there the run folder is where
    the settings have it, and the file in it. UserError: an option that does not belong into a file, a folder that can't
    be written.
    """
    to = ENGINES[engine]
    there, moved = (settings, {}) if to.shared_disk else elsewhere(settings)
    root = Path(settings.run.folder) if to.shared_disk else out
    environment = Path(sys.executable).parent
    install, known = options.get("install") or INSTALL, {"image": IMAGE, **options}
    job = RemoteJob(root / safe_name(settings.run.name), RUNS, moved, nodes, gpus, time, install, known)
    to.text(job, environment)  # what is wrong with an option is told before a folder is made
    run = Run.create(root, settings.run.name, dump_settings(there))
    remote = str(run.folder.resolve()) if to.shared_disk else f"{RUNS}/{run.name}"
    file = (run.folder if to.shared_disk else out) / to.file
    try:
        write_atomically(file, to.text(replace(job, run=run.folder, remote=remote), environment))
    except OSError as error:
        raise explain(error) from error
    return file, shlex.join([*to.hand_in, str(file)])
