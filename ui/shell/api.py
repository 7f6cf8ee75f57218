"""What scripts may ask the page for, as docs/api.md tells: list, status, start, stop. Off unless started with --api."""

from typing import Any

import gradio as gr
from filelock import Timeout

from sdlora.check import prepare
from sdlora.errors import Problem, UserError, explain
from sdlora.runs.run import Run
from sdlora.settings import Settings, merge, parse_toml, salvage, value_of
from ui import text
from ui.shell.place import Place, path_settings
from ui.shell.view import RunView
from ui.shell.watch import LIVE, Watch

LONGEST = 200_000  # characters of settings


def offer(watch: Watch, place: Place) -> None:
    """Add the calls to the page that is being built. Every answer has "ok", and "problems" where it is false."""
    calls = Calls(watch, place)
    for function in (calls.list, calls.status, calls.start, calls.stop):
        gr.api(function, api_name=function.__name__, queue=False)


class Calls:
    """The calls; their names, arguments and docstrings are what scripts see."""

    def __init__(self, watch: Watch, place: Place):
        self.watch, self.place = watch, place

    def list(self) -> dict:
        """Every run: the one that trains, those that wait in their order, the others newest first."""
        self.watch.refresh(force=True)
        return {"ok": True, "runs": [self._told(*self.watch.get(name)) for name in self.watch.names()]}

    def status(self, run: str = "") -> dict:
        """One run, by its folder's name; the one that trains (else the newest) if no name is given."""
        self.watch.refresh(force=True)
        names = self.watch.names()
        found = self._find(run or next(iter(names), ""))
        if found is None:
            return _refused(Problem(text.UNKNOWN_RUN))
        return {"ok": True, "run": self._told(*found)}

    def start(self, settings: str) -> dict:
        """A run with these settings (TOML, as ``sdlora settings`` prints them); it waits if another one trains."""
        try:
            run = self.watch.queue.add(self._checked(settings))
        except UserError as error:
            return _refused(*error.problems)
        except (OSError, Timeout) as error:
            return _refused(Problem(text.QUEUE_FAILED.format(reason=error)))
        except Exception as error:  # whatever was sent: a script gets a sentence
            return _refused(*explain(error).problems)
        return self.status(run.name)

    def stop(self, run: str) -> dict:
        """Let a run end after its step, with a LoRA that can be used; take it out of the queue if it waits."""
        self.watch.refresh(force=True)
        found = self._find(run)
        if found is None:
            return _refused(Problem(text.UNKNOWN_RUN))
        view, state = found
        if state == "waiting":
            self.watch.queue.remove(run)
            return {"ok": True, "run": {"name": run, "state": "removed"}}
        if state not in LIVE:
            return _refused(Problem(text.NOT_RUNNING))
        Run(view.folder).request("stop")
        Run(view.folder).request("pause", on=False)
        return self.status(run)

    def _checked(self, typed: str) -> Settings:
        """Resolved settings; UserError with everything that is wrong. The page's runs folder, and only its folders."""
        if not isinstance(typed, str):
            raise UserError(text.API_NOT_TOML.format(reason=type(typed).__name__))
        if len(typed) > LONGEST:
            raise UserError(text.API_TOO_LONG.format(limit=text.number(LONGEST)))
        try:
            values = parse_toml(typed)
        except ValueError as error:
            raise UserError(text.API_NOT_TOML.format(reason=error)) from error
        settings, wrong = salvage(merge(values, {"run.folder": str(self.place.runs)}))
        outside = self.place.held({key: value_of(settings, key) for key in path_settings()})
        try:
            settings.data.folder = str(self.place.folder(settings.data.folder))
        except UserError as error:
            outside += error.problems
        if outside:
            raise UserError(*wrong, *outside)
        return prepare(settings).also(wrong).resolved()

    def _find(self, run: str) -> tuple[RunView, str] | None:
        return self.watch.get(run) if isinstance(run, str) else None

    def _told(self, view: RunView, state: str) -> dict[str, Any]:
        left = view.seconds_left if state == "running" else None
        return {
            "name": view.folder.name,
            "state": state,
            "step": view.step,
            "steps": view.steps,
            "loss": None if view.loss != view.loss else view.loss,
            "seconds_left": left,
            "place_in_queue": self.watch.queue.place(view.folder.name) if state == "waiting" else None,
            "file": next((str(path) for _, path, final in view.lora_files() if final), None),
            "text": view.finished.text if view.finished else "",
        }


def _refused(*problems: Problem) -> dict:
    return {"ok": False, "problems": [{"text": p.what, "fix": p.fix, "where": p.where} for p in problems]}
