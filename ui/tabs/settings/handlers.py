"""What the Settings tab answers: checks, presets, measuring, files, the start.

Handlers get all the form's values last, in the order of ``SettingsTab.inputs``, and return {component: value}.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from sdlora.errors import Problem, UserError, explain
from sdlora.events import Finished
from sdlora.runs import origin
from sdlora.runs.run import Run, list_runs, safe_name
from sdlora.settings import Settings, dump_settings, keys_into, load_settings, salvage
from ui import text, translate
from ui.shell import downloads, render
from ui.shell.place import Place
from ui.shell.view import strip_time
from ui.tabs.settings import drafts, estimate, form, presets, probe
from ui.tabs.settings import html as render_settings
from ui.tabs.settings.layout import SettingsTab
from ui.tabs.settings.state import FormState, form_state

KIND, MEMORY = f"{drafts.PAGE}.kind", f"{drafts.PAGE}.memory"  # the chosen preset, kept in the draft
ORIGIN = f"{drafts.PAGE}.origin"  # "RUN@STEP", where the run is to go on from; "" for the beginning
EDITING = f"{drafts.PAGE}.editing"  # the run that waits whose settings these are; "" for another one


class SettingsDesk:
    """The handlers of one page.

    begin: starts or queues a run, in the place of a waiting one if that is named, and says what changes. busy: names
    what trains now.
    """

    def __init__(
        self,
        tab: SettingsTab,
        place: Place,
        draft: drafts.Draft,
        begin: Callable[[Settings, Any, str], dict],
        busy: Callable[[], str | None],
    ):
        self.tab, self.place, self.begin, self.busy = tab, place, begin, busy
        self.draft, self.probes = draft, probe.Probes(place.runs)
        self.downloads = downloads.Downloads()

    def _values(self, values: tuple) -> tuple[dict[str, Any], str, str]:
        """(the fields by key, the preset's kind, its size)."""
        kind, memory, *fields = values
        kind = kind if kind in presets.KINDS else ""
        return dict(zip(self.tab.fields, fields, strict=True)), kind, memory if memory in presets.MEMORY else ""

    def _filled(self, values: dict[str, Any]) -> dict:
        """Updates that put these values into their fields, and into those of other tabs that show the same."""
        fields = {self.tab.fields[key]: gr.update(value=value) for key, value in values.items()}
        mirrors = {mirror: gr.update(value=values[key]) for key, mirror in self.tab.mirrors.items() if key in values}
        return fields | mirrors

    def _nothing(self) -> dict:
        """No change; Gradio takes no empty answer."""
        return {self.tab.answer: gr.skip()}

    # ---- the form as it stands

    def check(self, *values: Any) -> dict:
        """What is wrong and what it will come to."""
        typed, kind, memory = self._values(values)
        return self._shown(form_state(self.place, typed, quick=True), kind, memory)

    def changed(self, known: Any, *values: Any) -> dict:
        """``check``, and what a person has changed goes into the draft.

        known: what this page has last seen of the draft. Only what differs from that is written: a page that was just
        loaded writes nothing, and two pages do not take back what the other has changed.
        """
        typed, kind, memory = self._values(values)
        now = {**typed, KIND: kind, MEMORY: memory}
        known = known if isinstance(known, dict) else self._as_left()
        self.draft.save({key: value for key, value in now.items() if _plain(value) != _plain(known.get(key))})
        return {**self.check(*values), self.tab.known: now}

    def _as_left(self) -> dict[str, Any]:
        """What a page shows that was just loaded."""
        built = {key: component.value for key, component in self.tab.fields.items()}
        return {KIND: presets.EMBEDDED, MEMORY: "", **built, **self.draft.load()}

    def _shown(self, state: FormState, kind: str, memory: str) -> dict:
        tab, settings, info = self.tab, state.settings, state.info
        answer, stale = self.probes.get(state.ready) if state.ready else (None, False)
        problems = [*state.problems, *_other_family(kind, memory, state), *probe.memory_problems(answer, stale)]
        sizes = estimate.table(info, settings) if info and not settings.adapter.start_from else {}
        adapter = settings.adapter
        scale = None if adapter.start_from else adapter.alpha / adapter.rank ** (0.5 if adapter.rslora else 1)
        preset = presets.preset_name(kind, memory) if presets.is_preset(kind, memory) else ""
        usual = form.field_values(presets.load(preset)) if preset else {}
        facts = render_settings.form_facts(problems, sizes, info.family if info else "", usual)
        return {
            tab.checks: render.checks(problems) + facts,
            tab.trained: render_settings.trained(self.place, settings.data.folder, estimate.images(settings, info)),
            tab.described: render_settings.base_line(translate.message(info.described) if info else ""),
            tab.strength: render_settings.adapter_size(scale, estimate.size_of(info, settings) if info else None),
            **self._estimated(state, answer, stale),
            **self._fetching(state.fetch),
        }

    def _estimated(self, state: FormState, answer: dict | None, stale: bool) -> dict:
        open_ones = {p.where for p in state.problems if p.fatal}  # defaults stand in for them: no sums with those
        passes = (
            None if open_ones.intersection(keys_into("epochs")) else estimate.run_passes(state.settings, state.info)
        )
        measured = probe.time_words(answer, stale, state.settings.train.steps) if answer else ""
        running = bool(self.probes.running)
        sentences = estimate.pass_words(passes) if passes else []
        shown = render_settings.estimate(sentences, measured, running)
        time = probe.short_words(answer, state.settings.train.steps) if answer and not stale else ""
        fatal = sum(problem.fatal for problem in state.problems)
        return {
            self.tab.brief: render_settings.brief(fatal, sentences[-1] if sentences else "", time),
            self.tab.estimate: shown,
            self.tab.measure: gr.update(interactive=state.ready is not None and not running),
            self.tab.measuring: gr.Timer(active=running or self.downloads.running),
        }

    def _fetching(self, base: str) -> dict:
        """The button that downloads the base model, and how far that is."""
        latest, runs = self.downloads.latest, self.downloads.running
        about = latest is not None and (runs or latest.base == base)  # what ended is of interest while it is missing
        return {
            self.tab.fetch: gr.update(visible=bool(base) and not runs),
            self.tab.fetched: render.note(latest.words()) if about else "",
        }

    def fetch(self, *values: Any) -> dict:
        """Begin to download the base model; ``measured`` tells the rest."""
        typed, kind, memory = self._values(values)
        state = form_state(self.place, typed, quick=True)
        if state.fetch:
            self.downloads.start(state.fetch, state.settings.model.revision)
        return self._shown(state, kind, memory)

    def measure(self, *values: Any) -> dict:
        """Begin to measure a step; ``measured`` tells the rest."""
        typed, kind, memory = self._values(values)
        state, busy = form_state(self.place, typed), self.busy()
        if busy:
            gr.Warning(render.plain(text.MEASURE_BUSY.format(name=busy)))
        elif state.ready:
            self.probes.start(state.ready)
        return self._shown(state, kind, memory)

    def measured(self, *values: Any) -> dict:
        """Has the measurement, or the download, come to its end?"""
        if self.downloads.running:
            return {self.tab.fetched: render.note(self.downloads.latest.words())}
        return self._nothing() if self.probes.running else self.check(*values)

    # ---- presets, drafts, files

    def preset(self, *values: Any) -> dict:
        """Fill in the chosen preset; without a size, the one that suits this computer."""
        typed, kind, memory = self._values(values)
        if not kind:
            return {self.tab.preset_note: render.note(text.PRESET_CHOOSE)}
        memory = memory or presets.suggested((presets.gpu() or ("", 0))[1]) or "8"
        self.draft.save({KIND: kind, MEMORY: memory})
        name = presets.preset_name(kind, memory)
        return {
            **self._filled(presets.applied(name, self._looked_at(typed))),
            **self._chosen(kind, memory),
            self.tab.preset_note: render.note(text.PRESET_LOADED.format(name=name)),
        }

    def _looked_at(self, typed: dict[str, Any]) -> dict[str, Any]:
        """The values without a base model that the page may not look at."""
        return typed if self.place.allows("model.base", typed.get("model.base")) else {**typed, "model.base": ""}

    def _chosen(self, kind: str, memory: str) -> dict:
        shown = gr.update(value=memory or None, visible=kind != presets.EMBEDDED)
        return {self.tab.kind: gr.update(value=kind or None), self.tab.memory: shown}

    def open(self) -> dict:
        """When the page opens: the form as it was left; on the first visit what suits this computer."""
        kept, note = self.draft.load(), render.note(presets.gpu_words())
        seen = {self.tab.known: self._as_left()}
        if not kept:
            size = presets.suggested((presets.gpu() or ("", 0))[1])
            seen[self.tab.known][MEMORY] = size
            return {**self._chosen(presets.EMBEDDED, size), self.tab.preset_note: note, **seen}
        kind, memory = str(kept.pop(KIND, presets.EMBEDDED)), str(kept.pop(MEMORY, ""))
        known = {key: value for key, value in kept.items() if key in self.tab.fields}
        chosen = self._chosen(kind if kind in presets.KINDS else "", memory if memory in presets.MEMORY else "")
        answer = render_settings.answer(text.RESTORED)
        place = {**self._from(str(kept.get(ORIGIN, ""))), **self._instead_of(str(kept.get(EDITING, "")))}
        shown = {self.tab.preset_note: note, self.tab.answer: answer}
        return {**self._filled(known), **chosen, **shown, **seen, **place}

    def load_file(self, path: Any, *values: Any) -> dict:
        """The settings of a settings file or of a finished LoRA."""
        if not isinstance(path, str):
            return self._nothing()
        return self._load(lambda: drafts.read_file(Path(path), self.place.runs), Path(path).name, values)

    def load_text(self, typed: Any, *values: Any) -> dict:
        """The settings of a text that was pasted."""
        if not str(typed or "").strip():
            return self._nothing()
        return self._load(lambda: drafts.read_text(str(typed), text.PASTED), text.PASTED, values)

    def _load(self, read: Callable[[], tuple[Settings, list[Problem], dict]], name: str, values: tuple) -> dict:
        typed, _, _ = self._values(values)
        try:
            settings, problems, given = read()
        except UserError as error:
            return {self.tab.answer: render_settings.answer(translate.error(error))}
        made, unknown = drafts.into_form(settings, given, typed, self.place.allows)
        more = (
            [text.LOADED_BUT.format(problems=" ".join(translate.problem(p) for p in problems[:8]))] if problems else []
        )
        if unknown:
            more.append(text.ONLY_NAMES.format(fields=text.names_listed([text.LABELS[key] for key in unknown])))
        answer = render_settings.answer(text.LOADED.format(name=name), more)
        return {**self._filled(made), **self._chosen("", ""), self.tab.preset_note: "", self.tab.answer: answer}

    def save(self, *values: Any) -> dict:
        """The form as a settings file, which the browser then keeps."""
        typed, _, _ = self._values(values)
        try:
            settings = form.to_settings(typed, str(self.place.runs))
        except UserError as error:
            return {
                self.tab.answer: render_settings.answer(translate.error(error)),
                self.tab.written: "",
                self.tab.file_name: "",
            }
        name = f"{safe_name(settings.run.name)}.toml"
        return {self.tab.answer: "", self.tab.written: dump_settings(settings), self.tab.file_name: name}

    # ---- another run's settings and checkpoint

    def from_run(self, name: Any) -> dict:
        """The form with a run's settings, to change them and go on from its last good step."""
        run = self._run(str(name))
        if run is None:
            gr.Warning(text.UNKNOWN_RUN)
            return self._nothing()
        try:
            step, rate = _advised(run)
            changes = {"train.lr": rate} if rate else {}
            settings, _ = salvage(origin.settings_for(run, changes), text.PASTED)
            step = origin.choose_checkpoint(run, step)[0] if step is None or step else 0
        except UserError as error:  # no checkpoint: from the beginning
            settings, step = load_settings(run.folder / "settings.toml"), 0
            if run.checkpoints():
                gr.Warning(render.plain(translate.error(error)))
        return self._loaded(run, settings, f"{run.name}@{step}" if step else "")

    def branch(self, name: Any, step: Any) -> dict:
        """The form with a run's settings, to begin at that checkpoint of it."""
        run = self._run(str(name))
        if run is None or type(step) is not int or step not in dict(run.checkpoints()):
            gr.Warning(text.UNKNOWN_RUN if run is None else text.UNKNOWN_CHECKPOINT)
            return self._nothing()
        return self._loaded(run, _settings_of(run), f"{run.name}@{step}")

    def duplicate(self, name: Any) -> dict:
        """The form with a run's settings, to begin another one."""
        run = self._run(str(name))
        if run is None:
            gr.Warning(text.UNKNOWN_RUN)
            return self._nothing()
        return self._loaded(run, _settings_of(run), "")

    def edit(self, name: Any) -> dict:
        """The form with the settings of a run that waits, to put others in their place."""
        run = self._run(str(name))
        if run is None or run.state() != "new":
            gr.Warning(text.NOT_WAITING)
            return self._nothing()
        begun_at = origin.origin_of(run.folder)
        if begun_at and begun_at.step and self._run(begun_at.run) is None:
            gr.Warning(render.plain(text.ORIGIN_GONE.format(name=strip_time(run.name))))
            return self._nothing()
        return self._loaded(run, _settings_of(run), str(begun_at) if begun_at and begun_at.step else "", run.name)

    def _loaded(self, run: Run, settings: Settings, where: str, editing: str = "") -> dict:
        """The form filled with a run's settings. where: the checkpoint to begin at; editing: the run to put it for."""
        made = form.field_values(settings)
        self.draft.save({**made, KIND: "", MEMORY: "", ORIGIN: where, EDITING: editing})
        answer = render_settings.answer(text.LOADED.format(name=strip_time(run.name)))
        filled = {**self._filled(made), **self._chosen("", ""), self.tab.preset_note: "", self.tab.answer: answer}
        return {**filled, **self._from(where), **self._instead_of(editing)}

    def afresh(self) -> dict:
        """From the beginning after all."""
        self.draft.save({ORIGIN: ""})
        return self._from("")

    def as_new(self) -> dict:
        """The run that waits stays as it is after all."""
        self.draft.save({EDITING: ""})
        return self._instead_of("")

    def _instead_of(self, name: str) -> dict:
        run = self._run(name) if name else None
        known = run is not None and run.state() == "new"
        words = text.EDITS_WAITING.format(name=strip_time(name)) if known else ""
        return {
            self.tab.editing: name if known else "",
            self.tab.editing_said: render_settings.answer(words) if words else "",
            self.tab.as_new: gr.update(visible=known),
        }

    def _from(self, where: str) -> dict:
        run, _, step = where.rpartition("@")
        known = bool(self._run(run)) and step.isdecimal()
        words = text.GOES_ON_FROM.format(name=strip_time(run), step=text.number(int(step))) if known else ""
        return {
            self.tab.origin: where if known else "",
            self.tab.origin_said: render_settings.answer(words) if words else "",
            self.tab.afresh: gr.update(visible=known),
        }

    def _run(self, name: str) -> Run | None:
        """The run of this page by that folder name; None for any other name."""
        return next((run for run in list_runs(self.place.runs) if run.name == name), None)

    def _at_origin(self, where: Any, state: FormState) -> tuple[Callable[[Settings], Run] | None, list[Problem]]:
        """(what makes a run that goes on from there, what stands in its way); (None, []) for the beginning."""
        name, _, step = str(where or "").rpartition("@")
        run = self._run(name) if step.isdecimal() and len(step) < 10 else None
        if not where or state.ready is None:
            return None, []
        if run is None:
            return None, [Problem(text.UNKNOWN_RUN)]
        try:
            number, checkpoint, _ = origin.choose_checkpoint(run, int(step))
            wrong = origin.problems_with(run, number, checkpoint, state.ready)
        except UserError as error:
            return None, list(error.problems)
        return lambda settings: origin.create_run(run, number, checkpoint, settings), wrong

    # ---- the start

    def start(self, where: Any, editing: Any, *values: Any) -> dict:
        """Start or queue the run, or say why not.

        where: the checkpoint to go on from, or "". editing: the run that waits whose place it takes, or "".
        """
        typed, kind, memory = self._values(values)
        state = form_state(self.place, typed)
        make, wrong = self._at_origin(where, state)
        if wrong:
            state = replace(state, ready=None, problems=[*state.problems, *wrong])
        if state.ready is None:
            return {**self._shown(state, kind, memory), self.tab.reason: render.note(text.NOT_STARTED)}
        try:
            begun = self.begin(state.ready, make, str(editing or ""))
            return {**self._shown(state, kind, memory), **begun, **self.afresh(), **self.as_new()}
        except (UserError, OSError) as error:
            problems = explain(error).problems
            return {self.tab.checks: render.checks(problems), self.tab.reason: render.note(text.NOT_STARTED)}


def _advised(run: Run) -> tuple[int | None, float | None]:
    """(step, learning rate) of the command that a failed run's last words name; None for what they leave open."""
    ending = next((event.text for _, event in reversed(list(run.events())) if isinstance(event, Finished)), "")
    advice = re.search(r"--from \S+@(\d{1,9})\S* --train\.lr ([0-9.e-]{1,12})", ending)
    return (int(advice[1]), float(advice[2])) if advice else (None, None)


def _settings_of(run: Run) -> Settings:
    """The run's settings with what follows from others left open, as far as they can be read."""
    try:
        return salvage(origin.settings_for(run, {}), text.PASTED)[0]
    except UserError:
        return load_settings(run.folder / "settings.toml")


def _plain(value: Any) -> str:
    """A field's value as the browser gives it back: with its own line ends, nothing for what is empty."""
    return "" if value is None else str(value).replace("\r\n", "\n")


def _other_family(kind: str, memory: str, state: FormState) -> list[Problem]:
    """A preset's numbers suit its own kind of base model."""
    if state.info is None or not presets.is_preset(kind, memory):
        return []
    name = presets.preset_name(kind, memory)
    family = presets.family_of_preset(name)
    if state.info.family == family if family else state.settings.model.base == "tiny":
        return []
    what = text.PRESET_OTHER.format(name=name, base=translate.message(state.info.described))
    return [Problem(what, text.PRESET_OTHER_FIX, "model.base", fatal=False)]
