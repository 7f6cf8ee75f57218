"""What the Images tab answers for its folder: opening, dropping, finding, paging, moving images away.

Every handler reads or writes the folder and gives back what changes on the page, {component: value}; what is not in it
stays as it is. What the context is, which they get last: ``pane``.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from sdlora.errors import UserError
from ui import text, translate
from ui.shell import render
from ui.tabs.images import html as render_images
from ui.tabs.images import uploads
from ui.tabs.images.album import ASIDE, Filter, Limits
from ui.tabs.images.doctor_pane import DoctorPane
from ui.tabs.images.pane import ImagesPane
from ui.tabs.images.visitor import Context, Where
from ui.tabs.settings.drafts import Draft
from ui.tabs.settings.form import FOLDER

PATIENCE = 1.0  # seconds that an answer waits for files to be looked at; after that the page asks again
MANY = 500  # images that are not looked at in that time


class FolderDesk:
    """The handlers of one page for its folder, by name."""

    def __init__(self, pane: ImagesPane, draft: Draft, doctor: DoctorPane):
        self.pane, self.tab, self.place, self.draft, self.doctor = pane, pane.tab, pane.place, draft, doctor

    def load(self, typed: str, *values: Any) -> dict:
        """When the page opens: the folder of the draft, in every browser the same, else the one that is filled in."""
        if self.pane.context(values).where.asked:
            return {}
        kept = str(self.draft.load().get(FOLDER, ""))
        shown = {self.tab.folder: kept} if kept else {}
        return {**shown, **self._show(kept or typed, *values)} if kept or typed else {}

    def open(self, typed: str, *values: Any) -> dict:
        """Everything the tab shows for what a person typed; a sentence if that is no folder, and the draft stays."""
        with suppress(UserError):  # told by what is shown
            self.place.folder(typed)
            self.draft.save({FOLDER: str(typed or "").strip()})
        return self._show(typed, *values)

    def keep_trigger(self, typed: Any) -> None:
        """Each change of the trigger word goes into the draft, whether the Settings tab was opened or not."""
        self.draft.save({"data.trigger": str(typed or "")[:10_000]})

    def _show(self, typed: str, *values: Any) -> dict:
        context, tab = self.pane.context(values), self.tab
        try:
            folder = self.place.folder(typed)
            return {tab.remembered: str(folder), tab.dropped: "", **self._opened(context, folder)}
        except UserError as error:
            sentence = render.note(translate.error(error))
            nothing = {tab.summary: sentence, tab.notes: "", tab.gallery: [], tab.dropped: ""}
            hidden = dict.fromkeys((tab.pager, tab.undo, tab.aside_broken), gr.update(visible=False))
            return {tab.where: Where(asked=True), **nothing, **hidden, **self.pane.no_image(), **self.doctor.none()}

    def _opened(self, context: Context, folder: Path) -> dict:
        album = self.pane.albums.get(folder, anew=True)
        self.pane.draw_first(album)
        album.look()
        album.wait(PATIENCE if len(album.entries(Filter(), Limits(0))) < MANY else 0)
        fresh = replace(context, where=Where(folder, asked=True), wanted=Filter(), chosen="")
        cleared = {self.tab.filter: gr.update(value="all"), self.tab.search: "", **self.pane.no_image()}
        listing = self.pane.listing(album, fresh)
        if album.wait(0):
            self.pane.draw_ahead(album, replace(listing[self.tab.where], page=1))
        return {**cleared, **listing, **self.doctor.all(album)}

    def look(self, *values: Any) -> dict:
        """While files are being opened: how far that is; at its end everything that was found."""
        context = self.pane.context(values)
        album = self.pane.album(context)
        if album is None:
            return {self.tab.looking: gr.Timer(active=False)}
        album.look()
        if album.wait(0):
            self.pane.draw_ahead(album, replace(context.where, page=context.where.page + 1))
            return self.pane.listing(album, context, stay=True)
        counts = album.counts(context.limits)
        return {self.tab.summary: render_images.summary(album, counts, context.training)}

    def take(self, files: Any, *values: Any) -> dict:
        """Files that were dropped, into the open folder if it was made so, else into a new one."""
        context, tab = self.pane.context(values), self.tab
        paths = [Path(str(file)) for file in (files if isinstance(files, list) else [files]) if file]
        folder, opened = context.where.folder, {}
        try:
            if folder is None or context.where.apart or not folder.is_relative_to(self.place.uploads):
                name = uploads.default_name(path.name for path in paths)
                folder = uploads.new_folder(self.place.uploads, name)
            result = uploads.add([(path.name, path) for path in paths], folder)
            if not result.images and not result.same and not result.captions:
                uploads.remove_if_empty(folder)
            else:
                album = self.pane.albums.get(folder, anew=True)
                if result.captions:
                    album.write(result.captions, "dropped", "")
                self.draft.save({FOLDER: str(folder)})
                opened = {tab.folder: str(folder), tab.remembered: str(folder), **self._opened(context, folder)}
            outcome = render_images.added(result, folder)
        except (UserError, OSError) as error:
            outcome = render.note(translate.error(error))
        finally:
            for path in paths:  # the browser's upload is done with; the folder has its own
                uploads.forget(path)
        return {**opened, **self.pane.said(outcome), tab.drop: None, tab.drop_folder: None}

    def start_new_set(self, *values: Any) -> dict:
        """The next files that are dropped make a folder of their own."""
        where = replace(self.pane.context(values).where, apart=True)
        return {self.tab.where: where, **self.pane.said(render.note(text.NEW_SET_READY))}

    def find(self, *values: Any) -> dict:
        """Show what the search, filter and tags let through, from its first page on."""
        context = self.pane.context(values)
        album = self.pane.album(context)
        if album is None:
            return self.pane.not_loaded()
        shown = [entry.name for entry in album.entries(context.wanted, context.limits)]
        if context.chosen and context.chosen not in shown:  # what is edited is always among what is shown
            return {**self.pane.no_image(), **self.pane.listing(album, replace(context, chosen=""))}
        return self.pane.listing(album, context)

    def page_back(self, *values: Any) -> dict:
        """The page before."""
        return self._turn(self.pane.context(values), -1)

    def page_on(self, *values: Any) -> dict:
        """The next page."""
        return self._turn(self.pane.context(values), +1)

    def _turn(self, context: Context, by: int) -> dict:
        album, where = self.pane.album(context), context.where
        if album is None:
            return self.pane.not_loaded()
        where = replace(where, page=min(max(where.page + by, 0), where.pages - 1))
        self.pane.draw_ahead(album, replace(where, page=where.page + by))
        return {self.tab.where: where, **self.pane.grid(album, replace(context, where=where))}

    def put_aside(self, chosen: str, *values: Any) -> dict:
        """Move the chosen image and its caption out of the dataset."""
        return self._move([chosen], self.pane.context(values))

    def put_broken_aside(self, *values: Any) -> dict:
        """Move all images that can't be read out of the dataset."""
        context = self.pane.context(values)
        album = self.pane.album(context)
        entries = album.entries(Filter(), context.limits) if album else []
        return self._move([entry.name for entry in entries if entry.broken], context)

    def _move(self, names: list[str], context: Context) -> dict:
        album = self.pane.album(context)
        if album is None:
            return self.pane.not_loaded()
        try:
            moved = album.put_aside(names)
            sentence = text.count("MOVED", len(moved), folder=album.folder / ASIDE) if moved else text.GONE
        except UserError as error:
            sentence = translate.error(error)
        return {
            **self.pane.said(render.note(sentence)),
            **self.pane.no_image(),
            **self.pane.listing(album, replace(context, chosen=""), stay=True),
        }
