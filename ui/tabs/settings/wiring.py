"""What wires the Settings tab's components to its handlers, and what its script is told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sdlora.foreign.names import names_elsewhere
from sdlora.settings import Settings
from ui import text
from ui.shell import assets
from ui.shell.assets import PRIVATE
from ui.shell.place import Place
from ui.tabs.settings import form
from ui.tabs.settings.bases_desk import BasesDesk
from ui.tabs.settings.drafts import Draft
from ui.tabs.settings.handlers import SettingsDesk
from ui.tabs.settings.layout import SettingsTab

# Sentences that ``script.js`` writes.
WRITTEN = ("FIELD_SLIDER", "EMPTY", "CHANGED", "RESET", "NO_SUCH_SETTING")


@dataclass(frozen=True)
class OtherRun:
    """What brings another run's settings to this tab: the chosen run, its chosen checkpoint, a button for each way."""

    tabs: gr.Tabs
    run: gr.Radio
    step: gr.Dropdown
    change: gr.Button
    duplicate: gr.Button
    edit: gr.Button
    branch: gr.Button


def for_script(keys: list[str]) -> dict[str, Any]:
    """What ``script.js`` has to know; keys: the fields in the order in which it gets their values."""
    known, elsewhere = form.shown(), names_elsewhere()
    fields = {
        key: {
            "id": form.field_id(key),
            "basic": known[key].level == "basic",
            "own": known[key].own,
            "default": form.as_value(known[key], known[key].default),
            "applies": list(known[key].when.rules.items()),
            "slider": known[key].slider or None,
            "elsewhere": list(elsewhere.get(key, ())),
            "number": known[key].type.__name__ if known[key].type in (int, float) else "",
        }
        for key in keys
    }
    words = {
        locale: {name: getattr(text.WORDS[language], name) for name in WRITTEN}
        for locale, language in text.LOCALES.items()
    }
    return {"fields": fields, "words": words}


def wire(
    tab: SettingsTab,
    page: gr.Blocks,
    place: Place,
    draft: Draft,
    begin: Callable[[Settings, Any, str], dict],
    begins: list[gr.components.Component],
    busy: Callable[[], str | None],
    mirrors: dict[str, gr.components.Component],
    opened: Callable,
    other: OtherRun,
) -> None:
    """Let the tab work. begin: starts or queues the resolved settings and gives what of ``begins`` changes then.

    busy: the run that trains now, if any. mirrors: fields of other tabs that show a setting too, by key. opened: the
    event of the tab being chosen. other: what brings a run's settings here.
    """
    tab.mirrors = mirrors
    desk, inputs, fields = SettingsDesk(tab, place, draft, begin, busy), tab.inputs, list(tab.fields.values())
    quiet = dict(outputs=tab.shown(), show_progress="hidden", **PRIVATE)
    often = dict(quiet, queue=False)
    assets.run_script(page, "tabs/settings", for_script(list(tab.fields)))
    tell = dict(fn=None, inputs=fields, js=assets.call("sdloraForm.update"), **PRIVATE)
    gr.on([part.change for part in fields], trigger_mode="multiple", **tell)

    ready = page.load(desk.open, None, **often)
    ready.then(**tell).then(desk.check, inputs, **often)
    opened(desk.check, inputs, **often)
    tab.again.click(desk.changed, [tab.known, *inputs], trigger_mode="always_last", **often)
    gr.on([tab.kind.input, tab.memory.input], desk.preset, inputs, **often)
    _wire_bases(tab, place, often)
    tab.fetch.click(desk.fetch, inputs, **often)
    tab.measure.click(desk.measure, inputs, **often)
    tab.measuring.tick(desk.measured, inputs, **often)
    tab.load.upload(desk.load_file, [tab.load, *inputs], **quiet).then(**tell)
    tab.use.click(desk.load_text, [tab.pasted, *inputs], **often).then(**tell)
    saved = tab.save.click(desk.save, inputs, **often)
    saved.then(None, [tab.written, tab.file_name], js=assets.call("sdloraForm.save"), **PRIVATE)
    tab.afresh.click(desk.afresh, None, **often)
    tab.as_new.click(desk.as_new, None, **often)
    answers = {
        other.change: (desk.from_run, [other.run]),
        other.duplicate: (desk.duplicate, [other.run]),
        other.edit: (desk.edit, [other.run]),
        other.branch: (desk.branch, [other.run, other.step]),
    }
    for button, (answer, given) in answers.items():
        button.click(
            lambda *chosen, answer=answer: {**answer(*chosen), other.tabs: gr.update(selected="settings")},
            given, [*tab.shown(), other.tabs], show_progress="hidden", **PRIVATE,
        ).then(**tell)  # fmt: skip
    tab.start.click(
        desk.start, [tab.origin, tab.editing, *inputs], list(dict.fromkeys([*tab.shown(), *begins])),
        concurrency_limit=1, concurrency_id="start", show_progress="minimal", **PRIVATE,
    )  # fmt: skip


def _wire_bases(tab: SettingsTab, place: Place, often: dict[str, Any]) -> None:
    """The list of base models; choosing one of it is ``script.js``'s."""
    desk, slow = BasesDesk(tab, place), dict(often, queue=True, concurrency_limit=None)
    tab.find_bases.click(desk.looking, None, **often).then(desk.show, None, **slow)
    tab.look.click(desk.add, tab.look_in, **slow)
    tab.look_in.submit(desk.add, tab.look_in, **slow)
