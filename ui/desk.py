"""What the Images tab answers: every handler reads or writes the folder and gives back what changes on the page.

Handlers get the context last: (where, filter, search, tags, sees, *settings of ``sight.KEYS``), as ``images.wire``
lists them. They return {component: value}; what is not in it stays as it is.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from sdlora.data.edit import Edit
from sdlora.errors import UserError
from ui import render, render_images, text, tokens, translate, uploads
from ui.ahead import Ahead
from ui.album import ASIDE, FILTERS, PAGE, Album, Albums, Filter
from ui.drafts import Draft
from ui.form import FOLDER
from ui.place import Place
from ui.sight import Training

if TYPE_CHECKING:
    from ui.tabs.images import ImagesTab

TAGS_SHOWN = 80
PATIENCE = 1.0  # seconds that an answer waits for files to be looked at; after that the page asks again
MANY = 500  # images that are not looked at in that time


@dataclass(frozen=True)
class Where:
    """What one visitor sees: the folder, the names that the filter let through when it was set, the page of them."""

    folder: Path | None = None
    names: tuple[str, ...] = ()
    page: int = 0
    apart: bool = False  # the next files that are dropped begin a folder of their own
    asked: bool = False  # the visitor has asked for a folder; what the page opens by itself comes too late

    @property
    def pages(self) -> int:
        return max(1, -(-len(self.names) // PAGE))

    @property
    def shown(self) -> tuple[str, ...]:
        return self.names[self.page * PAGE : (self.page + 1) * PAGE]


@dataclass(frozen=True)
class Context:
    """A handler's context, taken apart."""

    where: Where
    wanted: Filter
    sees: bool
    training: Training


class Desk:
    """The handlers of one page, by name. tab: the components. keys: of the settings that come with the context."""

    def __init__(self, tab: "ImagesTab", place: Place, draft: Draft, keys: tuple[str, ...]):
        self.tab, self.place, self.draft, self.keys = tab, place, draft, keys
        self.albums = Albums()
        self.ahead = Ahead(place)

    def _context(self, values: tuple) -> Context:
        where, show, search, tags, sees, *settings = values
        wanted = Filter(
            show if show in FILTERS else "all",
            str(search or "")[:500],
            tuple(str(tag) for tag in tags[:20]) if isinstance(tags, list) else (),
        )
        values = dict(zip(self.keys, settings, strict=True))
        if not self.place.allows("model.base", values.get("model.base")):
            values["model.base"] = ""
        training = Training.of(values)
        return Context(where if isinstance(where, Where) else Where(), wanted, bool(sees), training)

    def _album(self, context: Context) -> Album | None:
        return self.albums.get(context.where.folder) if context.where.folder else None

    # ---- a folder

    def load(self, typed: str, *values: Any) -> dict:
        """When the page opens: the folder of the draft, in every browser the same, else the one that is filled in."""
        if self._context(values).where.asked:
            return {}
        kept = str(self.draft.load().get(FOLDER, ""))
        shown = {self.tab.folder: kept} if kept else {}
        return {**shown, **self._show(kept or typed, *values)} if kept or typed else {}

    def open(self, typed: str, *values: Any) -> dict:
        """Everything the tab shows for what a person typed; a sentence if that is no folder."""
        self.draft.save({FOLDER: str(typed or "").strip()})
        return self._show(typed, *values)

    def keep_trigger(self, typed: Any) -> None:
        """Each change of the trigger word goes into the draft, whether the Settings tab was opened or not."""
        self.draft.save({"data.trigger": str(typed or "")[:10_000]})

    def _show(self, typed: str, *values: Any) -> dict:
        context, tab = self._context(values), self.tab
        try:
            folder = self.place.folder(typed)
            return {tab.remembered: str(folder), tab.dropped: "", **self._opened(context, folder)}
        except UserError as error:
            said = render.note(translate.error(error))
            nothing = {tab.summary: said, tab.notes: "", tab.gallery: [], tab.dropped: ""}
            hidden = dict.fromkeys((tab.pager, tab.undo, tab.aside_broken), gr.update(visible=False))
            return {tab.where: Where(asked=True), **nothing, **hidden, **self._no_image()}

    def _opened(self, context: Context, folder: Path) -> dict:
        album = self.albums.get(folder, anew=True)
        self._draw_first(album)
        album.look()
        album.wait(PATIENCE if len(album.entries(Filter(), 0)) < MANY else 0)
        fresh = replace(context, where=Where(folder, asked=True), wanted=Filter())
        cleared = {self.tab.filter: gr.update(value="all"), self.tab.search: "", **self._no_image()}
        listing = self._listing(album, fresh)
        if album.wait(0):
            self._draw_ahead(album, replace(listing[self.tab.where], page=1))
        return {**cleared, **listing}

    def _draw_first(self, album: Album) -> None:
        """The first page's thumbnails, before all files are opened: those would compete for the processor."""
        album.draw(self.place, album.entries(Filter(), 0)[:PAGE])

    def _draw_ahead(self, album: Album, where: Where) -> None:
        """The thumbnails of the page that is likely to come next, while the visitor looks at this one."""
        entries = [entry for entry in map(album.entry, where.shown if where.page >= 0 else ()) if entry]
        self.ahead.draw(album, entries)

    def look(self, *values: Any) -> dict:
        """While files are being opened: how far that is; at its end everything that was found."""
        context = self._context(values)
        album = self._album(context)
        if album is None:
            return {self.tab.looking: gr.Timer(active=False)}
        album.look()
        if album.wait(0):
            self._draw_ahead(album, replace(context.where, page=context.where.page + 1))
            return self._listing(album, context, stay=True)
        counts = album.counts(context.training.resolution)
        return {self.tab.summary: render_images.summary(album, counts, context.training)}

    # ---- dropping

    def take(self, files: Any, *values: Any) -> dict:
        """Files that were dropped, into the open folder if it was made so, else into a new one."""
        context, tab = self._context(values), self.tab
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
                album = self.albums.get(folder, anew=True)
                if result.captions:
                    album.write(result.captions, "dropped", "")
                self.draft.save({FOLDER: str(folder)})
                opened = {tab.folder: str(folder), tab.remembered: str(folder), **self._opened(context, folder)}
            said = render_images.added(result, folder)
        except (UserError, OSError) as error:
            said = render.note(translate.error(error))
        finally:
            for path in paths:  # the browser's upload is done with; the folder has its own
                uploads.forget(path)
        return {**opened, tab.dropped: said, tab.drop: None, tab.drop_folder: None}

    def start_new_set(self, *values: Any) -> dict:
        where = replace(self._context(values).where, apart=True)
        return {self.tab.where: where, self.tab.dropped: render.note(text.NEW_SET_READY)}

    # ---- finding and paging

    def find(self, *values: Any) -> dict:
        context = self._context(values)
        album = self._album(context)
        return self._not_loaded() if album is None else self._listing(album, context)

    def page_back(self, *values: Any) -> dict:
        return self._turn(self._context(values), -1)

    def page_on(self, *values: Any) -> dict:
        return self._turn(self._context(values), +1)

    def _turn(self, context: Context, by: int) -> dict:
        album, where = self._album(context), context.where
        if album is None:
            return self._not_loaded()
        where = replace(where, page=min(max(where.page + by, 0), where.pages - 1))
        self._draw_ahead(album, replace(where, page=where.page + by))
        return {self.tab.where: where, **self._grid(album, replace(context, where=where))}

    def _listing(self, album: Album, context: Context, stay: bool = False) -> dict:
        """Counts, filters, tags, pictures. ``stay``: on the page where the visitor is."""
        tab, resolution = self.tab, context.training.resolution
        counts = album.counts(resolution)
        names = tuple(entry.name for entry in album.entries(context.wanted, resolution))
        page = min(context.where.page, max(0, (len(names) - 1) // PAGE)) if stay else 0
        where = replace(context.where, names=names, page=page)
        choices = [(f"{text.FILTERS[key]} ({text.number(counts[key])})", key) for key in FILTERS]
        return {
            tab.where: where,
            tab.filter: gr.update(choices=choices, value=context.wanted.show),
            tab.notes: render.notes(album.notes),
            **self._tags(album, context),
            **self._state(album, context, counts),
            **self._grid(album, replace(context, where=where)),
        }

    def _state(self, album: Album, context: Context, counts: dict[str, int]) -> dict:
        """What follows from every change: the summary, what can be undone or moved away."""
        tab, last, broken = self.tab, album.history.last(), counts["unreadable"]
        undo, looked = "", album.wait(0)
        if last:
            words = last.words if len(last.words) <= 40 else last.words[:39] + "…"
            undo = text.UNDO.format(what=text.CHANGES[last.kind].format(words=words))
        return {
            tab.summary: render_images.summary(album, counts, context.training),
            tab.undo: gr.update(value=undo, visible=bool(undo)),
            tab.aside_broken: gr.update(
                value=text.count("ASIDE_BROKEN", broken) if broken else "", visible=bool(broken)
            ),
            tab.looking: gr.Timer(active=not looked),
        }

    def _tags(self, album: Album, context: Context) -> dict:
        found = album.tags(context.wanted, context.training.resolution)[:TAGS_SHOWN]
        missing = [(tag, 0) for tag in context.wanted.tags if tag not in {t for t, _ in found}]
        choices = [(f"{tag}  {text.number(n)}" if n else tag, tag) for tag, n in [*missing, *found]]
        label = text.TAGS_HELP if choices else text.NO_TAGS
        return {self.tab.tags: gr.update(choices=choices, value=list(context.wanted.tags), label=label)}

    def _grid(self, album: Album, context: Context) -> dict:
        tab, where = self.tab, context.where
        entries = [entry for entry in map(album.entry, where.shown) if entry]
        first = where.page * PAGE + 1
        position = text.page_of(first, first + len(entries) - 1, len(where.names)) if entries else text.NOTHING_FOUND
        shown = gr.update(value=album.thumbnails(self.place, entries, context.training.resolution), selected_index=None)
        return {
            tab.gallery: shown,
            tab.pager: gr.update(visible=where.pages > 1),
            tab.page: render.note(position),
        }

    def _not_loaded(self) -> dict:
        return {self.tab.summary: render.note(text.NOT_LOADED)}

    # ---- one image

    def choose(self, event: gr.SelectData, *values: Any) -> dict:
        """The image that was pressed, large, its caption to edit."""
        context = self._context(values)
        shown = context.where.shown
        index = event.index if isinstance(event.index, int) else -1
        return self._image(context, shown[index] if 0 <= index < len(shown) else "")

    def image_back(self, chosen: str, *values: Any) -> dict:
        return self._step(chosen, self._context(values), -1)

    def image_on(self, chosen: str, *values: Any) -> dict:
        return self._step(chosen, self._context(values), +1)

    def _step(self, chosen: str, context: Context, by: int) -> dict:
        album, where = self._album(context), context.where
        if album is None or not where.names:
            return self._not_loaded()
        index = where.names.index(chosen) + by if chosen in where.names else where.page * PAGE
        index = min(max(index, 0), len(where.names) - 1)
        turned, grid = replace(where, page=index // PAGE), {}
        if turned.page != where.page:
            grid = {self.tab.where: turned, **self._grid(album, replace(context, where=turned))}
        selected = gr.update(**{**grid.get(self.tab.gallery, {}), "selected_index": index % PAGE})
        return {**grid, self.tab.gallery: selected, **self._image(context, where.names[index])}

    def show_again(self, chosen: str, *values: Any) -> dict:
        """The same image, as it is or as the model sees it; the caption box is left alone."""
        context = self._context(values)
        album = self._album(context)
        entry = album.entry(chosen) if album else None
        if entry is None:
            return {}
        return {self.tab.picture: render_images.image(self.place, entry, context.training, context.sees)}

    def _image(self, context: Context, name: str) -> dict:
        tab, album = self.tab, self._album(context)
        entry = album.entry(name) if album else None
        if entry is None:
            return self._no_image()
        return {
            tab.picture: render_images.image(self.place, entry, context.training, context.sees),
            tab.editor: gr.update(visible=True),
            tab.chosen: entry.name,
            tab.caption: entry.caption,
            tab.saved: render.note(text.TOKENS.format(tokens=entry.tokens, limit=tokens.LIMIT)),
        }

    def _no_image(self) -> dict:
        tab = self.tab
        hidden = {tab.editor: gr.update(visible=False), tab.chosen: "", tab.caption: "", tab.saved: ""}
        return {tab.picture: render.note(text.PICK), **hidden}

    def save(self, chosen: str, caption: str, *values: Any) -> dict:
        """Write the caption to disk and say so; nothing if it did not change.

        ``chosen`` comes from the browser with the caption, so that it is the image the text was typed for, also when
        another one has been pressed meanwhile.
        """
        context, tab = self._context(values), self.tab
        album = self._album(context)
        entry = album.entry(chosen) if album else None
        if entry is None:
            return {}
        try:
            if not album.save(chosen, str(caption or "")):
                return {}
        except UserError as error:
            return {tab.saved: render.note(translate.error(error))}
        said = f"{text.SAVED} {text.TOKENS.format(tokens=entry.tokens, limit=tokens.LIMIT)}"
        return {tab.saved: render.note(said), **self._changed(album, context)}

    def _changed(self, album: Album, context: Context) -> dict:
        """After captions changed: the same pictures with their captions as they are now."""
        grid = self._grid(album, context)
        counts = album.counts(context.training.resolution)
        return {self.tab.gallery: grid[self.tab.gallery], **self._state(album, context, counts)}

    def put_aside(self, chosen: str, *values: Any) -> dict:
        return self._move([chosen], self._context(values))

    def put_broken_aside(self, *values: Any) -> dict:
        context = self._context(values)
        album = self._album(context)
        entries = album.entries(Filter(), context.training.resolution) if album else []
        return self._move([entry.name for entry in entries if entry.broken], context)

    def _move(self, names: list[str], context: Context) -> dict:
        album, tab = self._album(context), self.tab
        if album is None:
            return self._not_loaded()
        try:
            moved = album.put_aside(names)
            said = text.count("MOVED", len(moved), folder=album.folder / ASIDE) if moved else text.GONE
        except UserError as error:
            said = translate.error(error)
        return {tab.dropped: render.note(said), **self._no_image(), **self._listing(album, context, stay=True)}

    # ---- many captions

    def preview(self, kind: str, what: str, by: str, *values: Any) -> dict:
        """What the edit would do, before it is done."""
        context, tab = self._context(values), self.tab
        album, edit = self._album(context), _edit(kind, what, by)
        looks = {tab.bulk_by: gr.update(visible=edit.kind == "replace")}
        if album is None or not edit.what.strip():
            return {**looks, tab.bulk_preview: "", tab.bulk_apply: gr.update(value=text.APPLY, interactive=False)}
        found = album.preview(context.wanted, context.training.resolution, edit)
        shown = len(album.entries(context.wanted, context.training.resolution))
        label = text.count("APPLY_COUNT", len(found)) if found else text.APPLY
        return {
            **looks,
            tab.bulk_preview: render_images.preview(found, shown),
            tab.bulk_apply: gr.update(value=label, interactive=bool(found)),
        }

    def apply(self, kind: str, what: str, by: str, chosen: str, *values: Any) -> dict:
        """Do the edit to every image that the filter shows."""
        context, tab = self._context(values), self.tab
        album = self._album(context)
        if album is None:
            return self._not_loaded()
        try:
            done = album.apply(context.wanted, context.training.resolution, _edit(kind, what, by))
            said = text.count("CHANGED", done) if done else text.CHANGES_NOTHING
        except UserError as error:
            said = translate.error(error)
        button = {tab.bulk_apply: gr.update(value=text.APPLY, interactive=False)}
        return {tab.bulk_preview: render.note(said), **button, **self._rewritten(album, context, chosen)}

    def undo(self, chosen: str, *values: Any) -> dict:
        """Take the last change of captions back."""
        context, tab = self._context(values), self.tab
        album = self._album(context)
        if album is None:
            return self._not_loaded()
        try:
            restored, changed = album.undo()
            said = text.count("UNDONE", restored)
            said += " " + text.UNDONE_CHANGED.format(count=text.number(changed)) if changed else ""
        except UserError as error:
            said = translate.error(error)
        return {tab.dropped: render.note(said), tab.bulk_preview: "", **self._rewritten(album, context, chosen)}

    def _rewritten(self, album: Album, context: Context, chosen: str) -> dict:
        """Many captions are new: everything that shows one."""
        image = self._image(context, chosen) if album.entry(chosen) else {}
        return {**image, **self._tags(album, context), **self._changed(album, context)}


def _edit(kind: str, what: str, by: str) -> Edit:
    known = kind if kind in ("front", "end", "replace", "remove") else "front"
    return Edit(known, str(what or "")[:2000], str(by or "")[:2000])
