"""A run that starts from another run's checkpoint, with any setting changed. No torch.

<run>/origin.json         which run and step it starts from, and where that was
<run>/checkpoints/000500  the checkpoint, copied: the new run needs the old one no more
"""

from sdlora.messages import say, words_of
import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdlora.runs.checkpoints import checkpoints_in, is_whole, newest_intact, settle, verified
from sdlora.settings import Settings, dump_settings, keys_into, merge, opened, value_of
from sdlora.errors import Problem, UserError, explain
from sdlora.files.intact import Damaged, read_json, write_json
from sdlora.runs.run import Run, is_folder

FILE = "origin.json"
CALM = 1e-4  # the highest learning rate to advise after a training that blew up


@dataclass(frozen=True)
class Origin:
    """Where a run starts from. run: the folder's name; step: of the checkpoint, 0 for none; folder: its full path."""

    run: str
    step: int
    folder: str

    def __str__(self) -> str:
        return f"{self.run}@{self.step}"


def origin_of(run_folder: Path | str) -> Origin | None:
    """Where the run starts from; None if it starts at its own beginning, or if the file can't be read."""
    try:
        told = read_json(Path(run_folder) / FILE)
        return Origin(str(told["run"]), int(told["step"]), str(told["folder"]))
    except (OSError, Damaged, KeyError, TypeError, ValueError):
        return None


def parse_origin(text: str) -> tuple[Run, int | None]:
    """(run, step) of "RUN" or "RUN@STEP"; step is None for the newest. UserError if there is no such run."""
    head, sign, step = text.rpartition("@")
    if sign and re.fullmatch(r"[0-9]{1,18}", step) and not is_folder(text):
        return Run.open(Path(head)), int(step)
    return Run.open(Path(text)), None


def settings_for(run: Run, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The run's settings as nested values with ``changes`` ({"train.lr": 1e-5}) put in.

    What ``check.resolve`` had filled in from a setting that changes is left open again: the text encoder's rate with
    train.lr, for example (``settings.Follows``).
    """
    return merge(opened(run.settings(), changes.keys()), changes)


def choose_checkpoint(run: Run, step: int | None) -> tuple[int, Path | None, list[str]]:
    """(step, checkpoint's folder or None for step 0, notes): the newest whole checkpoint, or the one of that step.

    UserError if there is none, or if the one that was named is damaged.
    """
    if step == 0:
        return 0, None, []
    run.check_parts()
    there = dict(checkpoints_in(run.folder / "checkpoints"))
    if step is None:
        chosen, damaged = newest_intact(run.folder / "checkpoints")
        if chosen is None:
            fix = say("runs.begin_again", path=shlex.quote(f'{run.folder}@0'))
            raise UserError(say("runs.no_checkpoint_to_start", name=run.name), fix=fix)
        return *chosen, [say("runs.checkpoint_skipped", name=path.name, fault=why) for path, why in damaged]
    if step not in there:
        steps = ", ".join(map(str, there)) or say("common.none")
        raise UserError(say("runs.no_checkpoint_of_step", name=run.name, step=step), fix=say("runs.steps_there", steps=steps))
    try:
        verified(there[step])
    except Damaged as error:
        fix = say("runs.delete_or_use_another")
        raise UserError(say("runs.checkpoint_damaged", name=there[step].name, fault=words_of(error)), fix=fix) from None
    return step, there[step], []


def problems_with(run: Run, step: int, checkpoint: Path | None, settings: Settings) -> list[Problem]:
    """Why a run with these settings can't start there."""
    if checkpoint is None:
        return []
    problems = []
    if step >= settings.train.steps:
        what = say("runs.nothing_left", step=step, steps=settings.train.steps)
        problems.append(
            Problem(what, say("runs.raise_steps"), "train.steps")
        )
    before = run.settings()
    changed = [key for key in keys_into("strength") if value_of(before, key) != value_of(settings, key)]
    if changed and "format" not in verified(checkpoint):
        what = say("runs.alpha_not_noted", key=changed[0])
        problems.append(Problem(what, say("runs.keep_or_start_from_file"), changed[0]))
    return problems


def begin_from(
    run: Run, step: int | None, changes: Mapping[str, Any], source: str = say("settings.source_settings")
) -> tuple[Run, Settings, list[Problem]]:
    """(new run folder, its settings, notes): what ``sdlora train --from RUN@STEP`` makes, ready to be trained.

    step: of the checkpoint; None for the newest whole one, 0 to begin again. changes: {"train.lr": 1e-5}. source: where
    they come from, for the sentences. UserError with every problem at once; nothing is made then.
    """
    from sdlora.check import prepare

    step, checkpoint, passed_over = choose_checkpoint(run, step)
    ready = prepare(settings_for(run, changes), source)
    ready = ready.also(problems_with(run, step, checkpoint, ready.settings))
    settings = ready.resolved()
    notes = [*(Problem(words, fatal=False) for words in passed_over), *ready.problems]
    return create_run(run, step, checkpoint, settings), settings, notes


def create_run(origin: Run, step: int, checkpoint: Path | None, settings: Settings) -> Run:
    """A new run folder with these settings (checked and resolved) that starts from the origin's checkpoint.

    Whoever trains it next, ``sdlora train --run`` or ``--resume``, starts there. UserError if it can't be written, or
    if the checkpoint went meanwhile; nothing is left then.
    """
    run = Run.begin(settings)
    try:
        if checkpoint:
            target = run.folder / "checkpoints" / checkpoint.name
            shutil.copytree(checkpoint, target.with_name(f".{target.name}.tmp"))
            settle(target.with_name(f".{target.name}.tmp"))
            os.replace(target.with_name(f".{target.name}.tmp"), target)
            verified(target)
        write_json(run.folder / FILE, asdict(Origin(origin.name, step, str(origin.folder.resolve()))))
    except (OSError, shutil.Error, Damaged) as error:
        shutil.rmtree(run.folder, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, shutil.Error):
            raise explain(error) from error
        name = checkpoint.name if checkpoint else ""
        raise UserError(say("runs.checkpoint_not_copied", name=name, run=origin.name, error=words_of(error))) from error
    return run


def calmer(settings: Settings) -> float:
    """A learning rate for another try after these settings' training blew up: a tenth, and no more than 1e-4."""
    return float(f"{min(settings.train.lr / 10, CALM):.1e}")


def calmer_command(run: Run, settings: Settings, step: int) -> str:
    """The command that starts again from the newest checkpoint that can be trusted, with a lower rate.

    step: where the training blew up; the weights shortly before are mostly ruined already. The checkpoint is one from
    at least a tenth of those steps earlier; without any, the run begins again.
    """
    whole = [s for s, path in checkpoints_in(run.folder / "checkpoints") if s <= step * 0.9 and is_whole(path)]
    where = shlex.quote(f"{run.folder}@{max(whole, default=0)}")
    rate = calmer(settings)
    text_rate = settings.train.text_encoder_lr
    own = text_rate is not None and text_rate != settings.train.lr / 2 and text_rate > rate / 2  # else it follows
    text = f" --train.text_encoder_lr {rate / 2:g}" if own else ""
    return f"sdlora train --from {where} --train.lr {rate:g}{text}"
