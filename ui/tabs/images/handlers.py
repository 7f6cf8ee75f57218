"""What the Images tab answers: every handler reads or writes the folder and gives back what changes on the page.

Handlers get the context last: (where, filter, search, tags, sees, chosen image, kind, text and by of the edit of many,
what it promised, *settings of ``sight.KEYS``), as ``images.wire`` lists them. They return {component: value}; what is
not in it stays as it is.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from sdlora.data.edit import Edit
from sdlora.errors import UserError
from ui import text, translate
from ui.shell import render
from ui.shell.place import Place
from ui.tabs.images import html as render_images
from ui.tabs.images import uploads
from ui.tabs.images.ahead import Ahead
from ui.tabs.images.album import ASIDE, FILTERS, PAGE, Album, Albums, Changed, Entry, Filter, Limits
from ui.tabs.images.layout import ImagesTab
from ui.tabs.images.sight import Training
from ui.tabs.images.visitor import Context, Where
from ui.tabs.settings.drafts import Draft
from ui.tabs.settings.form import FOLDER

TAGS_SHOWN = 80
UNMARKED = "unmarked"  # class of a gallery in which none is chosen: it can't be told to take its mark off
PATIENCE = 1.0  # seconds that an answer waits for files to be looked at; after that the page asks again
MANY = 500  # images that are not looked at in that time


class Desk:
    """The handlers of one page, by name. tab: the components. keys: of the settings that come with the context."""

    def __init__(self, tab: ImagesTab, place: Place, draft: Draft, keys: tuple[str, ...]):
        self.tab, self.place, self.draft, self.keys = tab, place, draft, keys
        self.albums = Albums()
        self.ahead = Ahead(place)

    def _context(self, values: tuple) -> Context:
        where, show, search, tags, sees, chosen, kind, what, by, promised, *settings = values
        wanted = Filter(
            show if show in FILTERS else "all",
            str(search or "")[:500],
            tuple(str(tag) for tag in tags[:20]) if isinstance(tags, list) else (),
        )
        values = dict(zip(self.keys, settings, strict=True))
        if not self.place.allows("model.base", values.get("model.base")):
            values["model.base"] = ""
        training = Training.of(values)
        where = where if isinstance(where, Where) else Where()
        return Context(where, wanted, bool(sees), str(chosen or ""), _edit(kind, what, by), str(promised), training)

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
        """Everything the tab shows for what a person typed; a sentence if that is no folder, and the draft stays."""
        with suppress(UserError):  # told by what is shown
            self.place.folder(typed)
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
        album.wait(PATIENCE if len(album.entries(Filter(), Limits(0))) < MANY else 0)
        fresh = replace(context, where=Where(folder, asked=True), wanted=Filter(), chosen="")
        cleared = {self.tab.filter: gr.update(value="all"), self.tab.search: "", **self._no_image()}
        listing = self._listing(album, fresh)
        if album.wait(0):
            self._draw_ahead(album, replace(listing[self.tab.where], page=1))
        return {**cleared, **listing}

    def _draw_first(self, album: Album) -> None:
        """The first page's thumbnails, before all files are opened: those would compete for the processor."""
        album.draw(self.place, album.entries(Filter(), Limits(0))[:PAGE])

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
        counts = album.counts(context.limits)
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
        if album is None:
            return self._not_loaded()
        shown = [entry.name for entry in album.entries(context.wanted, context.limits)]
        if context.chosen and context.chosen not in shown:  # what is edited is always among what is shown
            return {**self._no_image(), **self._listing(album, replace(context, chosen=""))}
        return self._listing(album, context)

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
        tab, counts = self.tab, album.counts(context.limits)
        names = tuple(entry.name for entry in album.entries(context.wanted, context.limits))
        page = min(context.where.page, max(0, (len(names) - 1) // PAGE)) if stay else 0
        if context.chosen in names and not stay:
            page = names.index(context.chosen) // PAGE
        where = replace(context.where, names=names, page=page)
        return {
            tab.where: where,
            tab.notes: render.notes(album.notes),
            **self._tags(album, context),
            **self._state(album, context, counts),
            **self._grid(album, replace(context, where=where)),
        }

    def _state(self, album: Album, context: Context, counts: dict[str, int]) -> dict:
        """What follows from every change: the counts, what can be undone or moved away, what the edit of many does."""
        tab, last, broken = self.tab, album.history.last(), counts["unreadable"]
        undo, looked = "", album.wait(0)
        choices = [(f"{text.FILTERS[key]} ({text.number(counts[key])})", key) for key in FILTERS]
        shown = gr.update(choices=choices, value=context.wanted.show)
        if last:
            words = last.words if len(last.words) <= 40 else last.words[:39] + "…"
            undo = text.UNDO.format(what=text.CHANGES[last.kind].format(words=words))
        return {
            **(self._previewed(album, context) if context.edit.what.strip() else {}),
            tab.filter: shown,
            tab.summary: render_images.summary(album, counts, context.training),
            tab.undo: gr.update(value=undo, visible=bool(undo)),
            tab.aside_broken: gr.update(
                value=text.count("ASIDE_BROKEN", broken) if broken else "", visible=bool(broken)
            ),
            tab.looking: gr.Timer(active=not looked),
        }

    def _tags(self, album: Album, context: Context) -> dict:
        found = album.tags(context.wanted, context.limits)[:TAGS_SHOWN]
        missing = [(tag, 0) for tag in context.wanted.tags if tag not in {t for t, _ in found}]
        choices = [(f"{tag}  {text.number(n)}" if n else tag, tag) for tag, n in [*missing, *found]]
        label = text.TAGS_HELP if choices else text.NO_TAGS
        return {self.tab.tags: gr.update(choices=choices, value=list(context.wanted.tags), label=label)}

    def _grid(self, album: Album, context: Context) -> dict:
        tab, where = self.tab, context.where
        entries = [entry for entry in map(album.entry, where.shown) if entry]
        first = where.page * PAGE + 1
        position = text.page_of(first, first + len(entries) - 1, len(where.names)) if entries else text.NOTHING_FOUND
        names = [entry.name for entry in entries]
        ring = names.index(context.chosen) if context.chosen in names else None
        mark = {"selected_index": ring, "elem_classes": [] if ring is not None else [UNMARKED]}
        shown = gr.update(value=album.thumbnails(self.place, entries, context.limits), **mark)
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
        image = self._image(context, shown[index] if 0 <= index < len(shown) else "")
        return {**image, self.tab.gallery: gr.update(elem_classes=[])}

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
        context = replace(context, chosen=where.names[index])
        if turned.page != where.page:
            grid = {self.tab.where: turned, **self._grid(album, replace(context, where=turned))}
        selected = gr.update(**{**grid.get(self.tab.gallery, {}), "selected_index": index % PAGE, "elem_classes": []})
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
            tab.seen: _seen(album, entry),
            tab.saved: render.note(self._length(entry, context)),
        }

    def _length(self, entry: Entry, context: Context) -> str:
        return text.TOKENS.format(tokens=entry.length(context.limits), limit=context.limits.tokens)

    def _no_image(self) -> dict:
        tab = self.tab
        hidden = {tab.editor: gr.update(visible=False), tab.chosen: "", tab.caption: "", tab.saved: "", tab.seen: ""}
        return {tab.picture: render.note(text.PICK), **hidden}

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
        context, tab = self._context(values), self.tab
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
        said = (
            {tab.saved: render.note(f"{text.SAVED} {self._length(entry, context)}")} if context.chosen == name else {}
        )
        return {**said, **self._changed(album, context, typing=True)}

    def _edited(self, seen: Any) -> tuple[Album | None, str, str]:
        """(album, image, caption) of what the editor showed; whatever was sent."""
        try:
            told = json.loads(str(seen))
            folder, name, before = (str(told[key]) for key in ("folder", "name", "text"))
            return self.albums.get(self.place.folder(folder)), name, before
        except (ValueError, KeyError, TypeError, RecursionError, UserError):
            return None, "", ""

    def leave(self, told: str) -> None:
        """What was typed when the page went away, sent by the browser on its own; Undo has what it replaces."""
        try:
            seen, caption = (str(part) for part in json.loads(str(told)))
        except (ValueError, TypeError, RecursionError):
            return
        album, name, before = self._edited(seen)
        if album and caption != before:
            with suppress(UserError):
                album.save(name, caption)

    # ---- a caption that was changed meanwhile

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
        context, (_, name, _) = self._context(values), self._edited(held)
        return self._image(context, name) if name and name == context.chosen else {}

    def _changed(self, album: Album, context: Context, typing: bool = False) -> dict:
        """After captions changed: the same pictures with their captions as they are now. typing: another image may
        have been pressed meanwhile, so that the mark on the chosen one is left alone."""
        grid = self._grid(album, context)[self.tab.gallery]
        if typing:
            grid = {key: value for key, value in grid.items() if key not in ("selected_index", "elem_classes")}
        return {self.tab.gallery: grid, **self._state(album, context, album.counts(context.limits))}

    def put_aside(self, chosen: str, *values: Any) -> dict:
        return self._move([chosen], self._context(values))

    def put_broken_aside(self, *values: Any) -> dict:
        context = self._context(values)
        album = self._album(context)
        entries = album.entries(Filter(), context.limits) if album else []
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
        return {
            tab.dropped: render.note(said),
            **self._no_image(),
            **self._listing(album, replace(context, chosen=""), stay=True),
        }

    # ---- many captions

    def preview(self, *values: Any) -> dict:
        """What the edit would do, before it is done."""
        context, tab = self._context(values), self.tab
        album, looks = self._album(context), {tab.bulk_by: gr.update(visible=context.edit.kind == "replace")}
        if album is None or not context.edit.what.strip():
            dead = gr.update(value=text.APPLY, interactive=False)
            return {**looks, tab.bulk_preview: "", tab.bulk_apply: dead, tab.promised: ""}
        return {**looks, **self._previewed(album, context)}

    def _previewed(self, album: Album, context: Context) -> dict:
        found = album.preview(context.wanted, context.limits, context.edit)
        label = text.count("APPLY_COUNT", len(found)) if found else text.APPLY
        shown = len(album.entries(context.wanted, context.limits))
        return {
            self.tab.bulk_preview: render_images.preview(found, shown),
            self.tab.bulk_apply: gr.update(value=label, interactive=bool(found)),
            self.tab.promised: _digest(found),
        }

    def apply(self, *values: Any) -> dict:
        """Do the edit to every image that the filter shows, if that is what the preview has shown."""
        context, tab = self._context(values), self.tab
        album = self._album(context)
        if album is None:
            return self._not_loaded()
        if _digest(album.preview(context.wanted, context.limits, context.edit)) != context.promised:
            anew = self._previewed(album, context)
            return {**anew, tab.bulk_preview: render.note(text.PREVIEW_ANEW) + anew[tab.bulk_preview]}
        try:
            done = album.apply(context.wanted, context.limits, context.edit)
            said = text.count("CHANGED", done) if done else text.CHANGES_NOTHING
        except UserError as error:
            said = translate.error(error)
        return {**self._rewritten(album, context), tab.bulk_preview: render.note(said)}

    def undo(self, *values: Any) -> dict:
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
        return {tab.dropped: render.note(said), tab.bulk_preview: "", **self._rewritten(album, context)}

    def _rewritten(self, album: Album, context: Context) -> dict:
        """Many captions are new: everything that shows one."""
        image = self._image(context, context.chosen) if album.entry(context.chosen) else {}
        return {**image, **self._tags(album, context), **self._changed(album, context)}


def _seen(album: Album, entry: Entry) -> str:
    """What the editor shows, for the browser to send back with what was typed over it."""
    return json.dumps({"folder": str(album.folder), "name": entry.name, "text": entry.caption})


def _page() -> str:
    """The page that asks, to tell what it has written itself from what another one has."""
    return str(getattr(LocalContext.request.get(None), "session_hash", "") or "")


def _digest(found: dict[Path, tuple[str, str]]) -> str:
    told = repr([(str(path), *pair) for path, pair in found.items()])
    return hashlib.blake2s(told.encode("utf-8", "replace"), digest_size=12).hexdigest()


def _edit(kind: str, what: str, by: str) -> Edit:
    known = kind if kind in ("front", "end", "replace", "remove") else "front"
    return Edit(known, str(what or "")[:2000], str(by or "")[:2000])
