"""What the Images tab shows of its doctor, as the handlers give it back: {component: value}."""

from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from sdlora.doctor import CAPTION_CHECKS
from ui import text
from ui.shell import render
from ui.tabs.images import html_doctor
from ui.tabs.images.album import Album
from ui.tabs.images.examined import Doctor, DoctorReport, mended
from ui.tabs.images.pane import ImagesPane, promise_of


@dataclass(frozen=True)
class Mending:
    """What is to be done: pictures that go out of the set, and captions as they are going to be."""

    out: tuple[str, ...] = ()
    captions: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.out) + len(self.captions)

    def promised(self, album: Album) -> dict:
        """What a button that does it has promised."""
        changes = {name: (album.entry(name).caption, new) for name, new in self.captions.items() if album.entry(name)}
        return {**changes, **{f"out: {name}": (name, "") for name in self.out}}


class DoctorPane:
    """The doctor's components' new values."""

    def __init__(self, pane: ImagesPane, doctor: Doctor):
        self.pane, self.tab, self.doctor = pane, pane.tab, doctor

    def all(self, album: Album) -> dict:
        """How far it is, or what was found, with what can be mended."""
        tab, runs = self.tab, self.doctor.looks_at(album.folder)
        report = None if runs else self.doctor.report(album.folder)
        choices = [] if report is None else self._choices(report, album)
        return {
            tab.doctor_report: self._told(album, report, runs),
            tab.doctor_start: gr.update(interactive=not runs),
            tab.doctor_stop: gr.update(visible=runs),
            tab.examining: gr.Timer(active=runs),
            tab.doctor_mend: gr.update(choices=choices, value=[], visible=bool(choices)),
            **self.previewed(album, Mending()),
        }

    def _told(self, album: Album, report: DoctorReport | None, runs: bool) -> str:
        state = self.doctor.state()
        if runs and state:
            return html_doctor.progress(state.reported)
        about = state is not None and state.arguments[0] == str(album.folder)
        told = html_doctor.ended(state) if about and state else ""
        return told + (html_doctor.report(self.pane.place, album, report) if report else "")

    def _choices(self, report: DoctorReport, album: Album) -> list[tuple[str, str]]:
        kinds: dict[str, int] = {}
        for found in report.still(album):
            can = len(found.out) or (len(found.names) if _mends(found.check) else 0)
            kinds[found.check] = kinds.get(found.check, 0) + can
        return [
            (f"{text.DOCTOR_CHECKS[kind]} ({text.number(count)})", kind)
            for kind, count in kinds.items()
            if count and kind in text.DOCTOR_CHECKS
        ]

    def mending(self, album: Album, chosen: Any) -> Mending:
        """What mending these kinds would do to the pictures and captions as they are now."""
        report = self.doctor.report(album.folder)
        kinds = [kind for kind in chosen if isinstance(kind, str)] if isinstance(chosen, list) else []
        found = [f for f in report.still(album) if f.check in kinds] if report else []
        out = tuple(dict.fromkeys(name for f in found for name in f.out))
        captions = {
            name: mended(f.check, album, name) for f in found if _mends(f.check) for name in f.names if name not in out
        }
        return Mending(out, captions)

    def previewed(self, album: Album, mending: Mending) -> dict:
        """What it would do, and a button that promises just that."""
        tab = self.tab
        return {
            tab.doctor_preview: html_doctor.mending(self.pane.place, album, mending.out, mending.captions),
            tab.doctor_apply: gr.update(visible=bool(len(mending))),
            tab.doctor_promised: promise_of(mending.promised(album)),
        }

    def none(self) -> dict:
        """Where no folder is open."""
        tab = self.tab
        hidden = {tab.doctor_mend: gr.update(visible=False), tab.doctor_apply: gr.update(visible=False)}
        return {tab.doctor_report: render.note(text.NOT_LOADED), tab.doctor_preview: "", **hidden}


def _mends(check: str) -> bool:
    return check in CAPTION_CHECKS and CAPTION_CHECKS[check].mend is not None
