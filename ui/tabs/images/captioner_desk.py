"""What the Images tab answers for its captioner: starting, how far it is, stopping, going on."""

from dataclasses import fields, replace
from typing import Any

import gradio as gr

from sdlora.captioners import CAPTIONERS
from sdlora.errors import UserError
from ui import text, translate
from ui.shell import render
from ui.tabs.images import html_captioner
from ui.tabs.images.album import Album
from ui.tabs.images.captioning import Asked, CaptionJob
from ui.tabs.images.pane import ImagesPane
from ui.tabs.images.visitor import Context

FIELDS = [f.name for f in fields(Asked) if f.name != "names"]
NONE = ("",)  # no image is called so


class CaptionerDesk:
    """The handlers of one page for the captioner, by name. ``start`` gets first what was filled in."""

    def __init__(self, pane: ImagesPane, captioning: CaptionJob):
        self.pane, self.tab, self.captioning = pane, pane.tab.captioner, captioning

    def fit(self, captioner: Any) -> dict:
        """The fields that the chosen captioner has."""
        entry = CAPTIONERS.get(captioner if isinstance(captioner, str) else "")
        places, gives = (entry.places, entry.gives) if entry else ("model", "text")
        return {
            self.tab.server: gr.update(visible=places == "server"),
            self.tab.revision: gr.update(visible=places == "model"),
            self.tab.prompt: gr.update(visible=gives == "text"),
            self.tab.threshold: gr.update(visible=gives == "tags"),
        }

    def start(self, *values: Any) -> dict:
        """Begin with the images that the filter shows, or with the one in the editor."""
        count = len(FIELDS) + 1
        context = self.pane.context(values[count:])
        album = self.pane.album(context)
        if album is None:
            return self.pane.not_loaded()
        asked = Asked.of(dict(zip(FIELDS, values, strict=False)))
        return self._begin(album, replace(asked, names=self._names(album, context, values[count - 1])))

    def go_on(self, *values: Any) -> dict:
        """Take up what was not done to its end."""
        album = self.pane.album(self.pane.context(values))
        asked = self.captioning.left(album.folder) if album else None
        if album is None or asked is None:
            return self.pane.not_loaded()
        there = tuple(name for name in asked.names if album.entry(name))
        if asked.names and not there:
            return {self.tab.told: render.note(text.NOTHING_FOUND)}
        return self._begin(album, replace(asked, names=there))

    def stop(self, *values: Any) -> dict:
        """End the job on the visitor's folder."""
        context = self.pane.context(values)
        album = self.pane.album(context)
        if album is None:
            return self.pane.not_loaded()
        if self.captioning.works_on(album.folder):
            self.captioning.stop()
            self.captioning.wait(10)
        return self._over(album, context)

    def look(self, *values: Any) -> dict:
        """How far it is; at its end the captions."""
        context = self.pane.context(values)
        album = self.pane.album(context)
        if album is None:
            return {self.tab.working: gr.Timer(active=False)}
        return self._shown(album) if self.captioning.works_on(album.folder) else self._over(album, context)

    def open(self, *values: Any) -> dict:
        """What stands there when a folder is opened."""
        album = self.pane.album(self.pane.context(values))
        return self._shown(album) if album else {}

    def _names(self, album: Album, context: Context, which: Any) -> tuple[str, ...]:
        if which == "chosen":
            return (context.chosen,) if album.entry(context.chosen) else NONE
        shown = tuple(entry.name for entry in album.entries(context.wanted, context.limits))
        return () if len(shown) == album.counts(context.limits)["all"] else shown or NONE

    def _begin(self, album: Album, asked: Asked) -> dict:
        if asked.names == NONE:
            return {self.tab.told: render.note(text.CAPTIONER_NO_IMAGE)}
        try:
            if not self.captioning.start(album.folder, asked) and not self.captioning.works_on(album.folder):
                return {self.tab.told: render.note(text.CAPTIONER_BUSY)}
        except UserError as error:
            return {self.tab.told: render.note(translate.error(error))}
        return self._shown(album)

    def _shown(self, album: Album) -> dict:
        tab, runs, state = self.tab, self.captioning.works_on(album.folder), self.captioning.state()
        about = state is not None and state.arguments[:1] == (str(album.folder),)
        told = (
            (html_captioner.captions_progress(state) if runs else html_captioner.captions_ended(state))
            if about and state
            else ""
        )
        return {
            tab.told: told,
            tab.start: gr.update(interactive=not runs),
            tab.stop: gr.update(visible=runs),
            tab.go_on: gr.update(visible=not runs and self.captioning.left(album.folder) is not None),
            tab.working: gr.Timer(active=runs),
        }

    def _over(self, album: Album, context: Context) -> dict:
        album.read()
        album.look()
        image = self.pane.image(context, context.chosen) if album.entry(context.chosen) else {}
        return {**image, **self.pane.listing(album, context, stay=True), **self._shown(album)}
