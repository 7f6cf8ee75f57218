"""What the Images tab answers for one image: showing it large, and its caption, which others may change meanwhile."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from sdlora.errors import UserError
from ui import text, translate
from ui.shell import render
from ui.tabs.images import html as render_images
from ui.tabs.images.album import PAGE, Album, Changed
from ui.tabs.images.pane import UNMARKED, ImagesPane
from ui.tabs.images.visitor import Context


class CaptionDesk:
    """The handlers of one page for the image in the editor, by name."""

    def __init__(self, pane: ImagesPane):
        self.pane, self.tab, self.place = pane, pane.tab, pane.place

    def choose(self, event: gr.SelectData, *values: Any) -> dict:
        """The image that was pressed, large, its caption to edit."""
        context = self.pane.context(values)
        shown = context.where.shown
        index = event.index if isinstance(event.index, int) else -1
        image = self.pane.image(context, shown[index] if 0 <= index < len(shown) else "")
        return {**image, self.tab.gallery: gr.update(elem_classes=[])}

    def image_back(self, chosen: str, *values: Any) -> dict:
        """The image before the chosen one."""
        return self._step(chosen, self.pane.context(values), -1)

    def image_on(self, chosen: str, *values: Any) -> dict:
        """The image after the chosen one."""
        return self._step(chosen, self.pane.context(values), +1)

    def _step(self, chosen: str, context: Context, by: int) -> dict:
        album, where = self.pane.album(context), context.where
        if album is None or not where.names:
            return self.pane.not_loaded()
        index = where.names.index(chosen) + by if chosen in where.names else where.page * PAGE
        return self._go(album, context, min(max(index, 0), len(where.names) - 1))

    def open_named(self, name: str, *values: Any) -> dict:
        """The image that the page's address names, if it is among what is shown."""
        context = self.pane.context(values)
        album = self.pane.album(context)
        if album is None or name not in context.where.names:
            return {}
        return {**self._go(album, context, context.where.names.index(name)), self.tab.open_image: ""}

    def _go(self, album: Album, context: Context, index: int) -> dict:
        """To one of what is shown, and to its page."""
        where = context.where
        turned, grid = replace(where, page=index // PAGE), {}
        context = replace(context, chosen=where.names[index])
        if turned.page != where.page:
            grid = {self.tab.where: turned, **self.pane.grid(album, replace(context, where=turned))}
        selected = gr.update(**{**grid.get(self.tab.gallery, {}), "selected_index": index % PAGE, "elem_classes": []})
        return {**grid, self.tab.gallery: selected, **self.pane.image(context, where.names[index])}

    def close(self) -> dict:
        """No image is chosen any more."""
        return {**self.pane.no_image(), self.tab.gallery: gr.update(selected_index=None, elem_classes=[UNMARKED])}

    def show_again(self, chosen: str, *values: Any) -> dict:
        """Draw the chosen image again, as it is or as the model sees it; the caption box is left alone."""
        context = self.pane.context(values)
        album = self.pane.album(context)
        entry = album.entry(chosen) if album else None
        if entry is None:
            return {}
        return {self.tab.picture: render_images.image(self.place, entry, context.training, context.sees)}

    def save(self, seen: str, caption: str, *values: Any) -> dict:
        """Write the caption to disk and say so; nothing if it did not change.

        ``seen`` comes from the browser with the caption: folder, image and text as they stood in the editor, so that
        it is the image the text was typed for, also when another one has been pressed meanwhile.
        """
        return self._saved(seen, caption, values)

    def keep(self, seen: str, caption: str, *values: Any) -> dict:
        """``save`` while the person who types only pauses."""
        return self._saved(seen, caption, values, goes_on=True)

    def _saved(self, seen: str, caption: str, values: tuple, goes_on: bool = False) -> dict:
        context, tab = self.pane.context(values), self.tab
        album, name, before = self._edited(seen)
        entry = album.entry(name) if album else None
        if entry is None:
            return {}
        caption = str(caption or "")
        try:
            if not album.save(name, caption, before, _page(), goes_on):
                return {}
        except UserError as error:
            return {tab.saved: render.note(translate.error(error))}
        except Changed as changed:
            return self._conflict(album, name, caption, changed.now)
        answer = (
            {tab.saved: render.note(f"{text.SAVED} {self.pane.length(entry, context)}")}
            if context.chosen == name
            else {}
        )
        return {**answer, **self.pane.changed(album, context, typing=True)}

    def _edited(self, seen: Any) -> tuple[Album | None, str, str]:
        """(album, image, caption) of what the editor showed; whatever was sent."""
        try:
            editor = json.loads(str(seen))
            folder, name, before = (str(editor[key]) for key in ("folder", "name", "text"))
            return self.pane.albums.get(self.place.folder(folder)), name, before
        except (ValueError, KeyError, TypeError, RecursionError, UserError):
            return None, "", ""

    def leave(self, sent: str) -> None:
        """What was typed when the page went away, sent by the browser on its own; Undo has what it replaces."""
        try:
            seen, caption = (str(part) for part in json.loads(str(sent)))
        except (ValueError, TypeError, RecursionError):
            return
        album, name, before = self._edited(seen)
        if album and caption != before:
            with suppress(UserError):
                album.save(name, caption)

    def _conflict(self, album: Album, name: str, mine: str, theirs: str) -> dict:
        held = {"folder": str(album.folder), "name": name, "mine": mine, "text": theirs}
        return {
            self.tab.conflict: gr.update(visible=True),
            self.tab.conflict_said: render_images.conflict(name, mine, theirs),
            self.tab.held: json.dumps(held),
        }

    def keep_mine(self, held: str, *values: Any) -> dict:
        """Write what was typed over what is there now, as that was shown."""
        mine = self._mine(held)
        return {**self._resolved(), **self._saved(held, mine, values), **self._shown_again(held, values)}

    def take_theirs(self, held: str, *values: Any) -> dict:
        """Leave the caption as it stands on disk, and show it."""
        return {**self._resolved(), **self._shown_again(held, values)}

    def _mine(self, held: str) -> str:
        try:
            return str(json.loads(str(held))["mine"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""

    def _resolved(self) -> dict:
        return {self.tab.conflict: gr.update(visible=False), self.tab.conflict_said: "", self.tab.held: ""}

    def _shown_again(self, held: str, values: tuple) -> dict:
        """The editor as the disk has it, if it still shows that image."""
        context, (_, name, _) = self.pane.context(values), self._edited(held)
        return self.pane.image(context, name) if name and name == context.chosen else {}


def _page() -> str:
    """The page that asks, to tell what it has written itself from what another one has."""
    return str(getattr(LocalContext.request.get(None), "session_hash", "") or "")
