"""What the Images tab answers for many captions at once: the edit's preview, the edit, and Undo."""

from typing import Any

import gradio as gr

from sdlora.errors import UserError
from ui import text, translate
from ui.shell import render
from ui.tabs.images.album import Album
from ui.tabs.images.pane import ImagesPane, promise_of
from ui.tabs.images.visitor import Context


class BulkDesk:
    """The handlers of one page for the captions of all images that the filter shows, by name."""

    def __init__(self, pane: ImagesPane):
        self.pane, self.tab = pane, pane.tab

    def preview(self, *values: Any) -> dict:
        """What the edit would do, before it is done."""
        context, tab = self.pane.context(values), self.tab
        album, looks = self.pane.album(context), {tab.bulk_by: gr.update(visible=context.edit.kind == "replace")}
        if album is None or not context.edit.what.strip():
            dead = gr.update(value=text.APPLY, interactive=False)
            return {**looks, tab.bulk_preview: "", tab.bulk_apply: dead, tab.promised: ""}
        return {**looks, **self.pane.previewed(album, context)}

    def apply(self, *values: Any) -> dict:
        """Do the edit to every image that the filter shows, if that is what the preview has shown."""
        context, tab = self.pane.context(values), self.tab
        album = self.pane.album(context)
        if album is None:
            return self.pane.not_loaded()
        if promise_of(album.preview(context.wanted, context.limits, context.edit)) != context.promised:
            anew = self.pane.previewed(album, context)
            return {**anew, tab.bulk_preview: render.note(text.PREVIEW_ANEW) + anew[tab.bulk_preview]}
        try:
            done = album.apply(context.wanted, context.limits, context.edit)
            sentence = text.count("CHANGED", done) if done else text.CHANGES_NOTHING
        except UserError as error:
            sentence = translate.error(error)
        return {**self._rewritten(album, context), tab.bulk_preview: render.note(sentence)}

    def undo(self, *values: Any) -> dict:
        """Take the last change of captions back."""
        context, tab = self.pane.context(values), self.tab
        album = self.pane.album(context)
        if album is None:
            return self.pane.not_loaded()
        try:
            last = album.history.last()
            restored, changed = album.undo()
            moved = last is not None and last.kind == "aside"
            sentence = text.count("BROUGHT_BACK" if moved else "UNDONE", restored)
            sentence += " " + text.UNDONE_CHANGED.format(count=text.number(changed)) if changed else ""
        except UserError as error:
            sentence, moved = translate.error(error), True
        shown = self._rewritten(album, context) | (self.pane.listing(album, context, stay=True) if moved else {})
        return {**self.pane.said(render.note(sentence)), tab.bulk_preview: "", **shown}

    def _rewritten(self, album: Album, context: Context) -> dict:
        """Many captions are new: everything that shows one."""
        image = self.pane.image(context, context.chosen) if album.entry(context.chosen) else {}
        return {**image, **self.pane.tags(album, context), **self.pane.changed(album, context)}
