"""How the form stands: settings, problems, base model, whether a run could begin."""

import re
from dataclasses import dataclass, replace
from typing import Any

from sdlora.check import BaseInfo, prepare
from sdlora.errors import Problem, UserError
from sdlora.messages import say
from sdlora.settings import Settings, merge
from ui import text
from ui.shell import downloads
from ui.shell.place import Place
from ui.tabs.settings import form


@dataclass(frozen=True)
class FormState:
    """The form as it stands.

    settings: what is wrong replaced by its default. ready: nothing left open, to train with; None while there is a
    fatal problem. info: the base model, if it is one. fetch: the hub id that has to be downloaded first, or "".
    """

    settings: Settings
    ready: Settings | None
    problems: list[Problem]
    info: BaseInfo | None
    fetch: str = ""


def form_state(place: Place, values: dict[str, Any], quick: bool = False) -> FormState:
    """Everything that can be told before a start; never raises for what was typed.

    quick: without reading all captions for test prompts, where there are none; not to be trained with.
    """
    overrides, problems = form.overrides(values)
    problems += _without_odd_paths(overrides) + place.held(overrides)
    try:
        overrides[form.FOLDER], folder = str(place.folder(values.get(form.FOLDER) or "")), []
    except UserError as error:
        overrides[form.FOLDER], folder = "", list(error.problems)
    ready = prepare(merge({}, overrides | {"run.folder": str(place.runs)}), say("settings.source_form"))
    if folder:  # tells more than that none is chosen
        ready = replace(ready, problems=tuple(p for p in ready.problems if p.where != form.FOLDER))
    ready = ready.also([*problems, *folder])
    base = ready.settings.model.base
    fetch = downloads.missing(base, list(ready.problems))
    ready = replace(ready, problems=tuple(downloads.explain_missing(base, list(ready.problems))))
    trainable = None if ready.fatal else ready.resolved(prompts=not quick)
    return FormState(ready.settings, trainable, list(ready.problems), ready.base, fetch)


def _without_odd_paths(overrides: dict[str, Any]) -> list[Problem]:
    """Takes out of ``found`` what no disk has a name for, and says so."""
    problems = []
    for key in form.path_fields():
        value = overrides.get(key)
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, str) and _is_odd(path):
                problems.append(Problem(text.ODD_PATH.format(key=key), text.ODD_PATH_FIX, key))
                overrides.pop(key, None)
                break
    return problems


def _is_odd(path: str) -> bool:
    long = len(path) > 2000 or any(len(part.encode("utf-8", "replace")) > 255 for part in re.split(r"[\\/]", path))
    return long or any(ord(c) < 32 for c in path)
