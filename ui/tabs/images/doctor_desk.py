"""What the Images tab answers for its doctor: looking, stopping, what was found, and mending it."""

from typing import Any

import gradio as gr

from sdlora.errors import UserError
from ui import text, translate
from ui.shell import render
from ui.tabs.images import html_doctor
from ui.tabs.images.album import Album
from ui.tabs.images.doctor_pane import DoctorPane, Mending
from ui.tabs.images.pane import promise_of
from ui.tabs.images.visitor import Context


class DoctorDesk:
    """The handlers of one page for the doctor, by name. Those that mend get first what was chosen and promised."""

    def __init__(self, shown: DoctorPane):
        self.shown, self.pane, self.tab = shown, shown.pane, shown.pane.tab

    def start(self, *values: Any) -> dict:
        """Begin to look at the visitor's folder; ``look`` tells the rest."""
        context = self.pane.context(values)
        album = self.pane.album(context)
        if album is None:
            return self.pane.not_loaded()
        if not self.shown.doctor.start(album.folder, context.training) and not self.shown.doctor.looks_at(album.folder):
            return {self.tab.doctor_report: render.note(text.DOCTOR_BUSY)}
        return self.shown.all(album)

    def stop(self, *values: Any) -> dict:
        """End the look at the visitor's folder."""
        album = self.pane.album(self.pane.context(values))
        if album is None:
            return self.pane.not_loaded()
        if self.shown.doctor.looks_at(album.folder):
            self.shown.doctor.stop()
            self.shown.doctor.wait(5)
        return self.shown.all(album)

    def look(self, *values: Any) -> dict:
        """How far it is; at its end what was found."""
        album = self.pane.album(self.pane.context(values))
        if album is None:
            return {self.tab.examining: gr.Timer(active=False)}
        return self.shown.all(album)

    def preview(self, chosen: Any, *values: Any) -> dict:
        """What mending the chosen kinds would do."""
        album = self.pane.album(self.pane.context(values))
        return self.shown.previewed(album, self.shown.mending(album, chosen)) if album else self.pane.not_loaded()

    def mend(self, chosen: Any, promised: str, *values: Any) -> dict:
        """Do what the preview has shown: pictures out of the set, captions mended. Undo takes each back."""
        context, tab = self.pane.context(values), self.tab
        album = self.pane.album(context)
        if album is None:
            return self.pane.not_loaded()
        mending = self.shown.mending(album, chosen)
        if promise_of(mending.promised(album)) != promised:
            anew = self.shown.previewed(album, mending)
            return {**anew, tab.doctor_preview: render.note(text.PREVIEW_ANEW) + anew[tab.doctor_preview]}
        try:
            said = self._mended(album, mending)
        except UserError as error:
            said = translate.error(error)
        return {**self._after(album, context), tab.doctor_preview: render.note(said)}

    def _mended(self, album: Album, mending: Mending) -> str:
        said = []
        if mending.captions:
            names = text.names_listed(list(mending.captions), 2)
            album.write({album.folder / name: new for name, new in mending.captions.items()}, "mended", names)
            said.append(text.count("CHANGED", len(mending.captions)))
        if mending.out:
            moved = album.put_aside(list(mending.out))
            said.append(text.count("MOVED", len(moved), folder=html_doctor.aside(album)))
        return " ".join(said) or text.CHANGES_NOTHING

    def _after(self, album: Album, context: Context) -> dict:
        listing = self.pane.listing(album, context, stay=True)
        image = {} if album.entry(context.chosen) else self.pane.no_image()
        return {**listing, **image, **self.shown.all(album)}
