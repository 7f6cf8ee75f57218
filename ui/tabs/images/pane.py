"""What the Images tab shows of its folder, as the handlers give it back: {component: value}.

Handlers get the context last: (where, filter, search, tags, sees, chosen image, kind, text and by of the edit of many,
what it promised, *settings of ``sight.KEYS``), as ``images.wire`` lists them.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import gradio as gr

from sdlora.data.edit import Edit
from ui import text
from ui.shell import render
from ui.shell.place import Place
from ui.tabs.images import html as render_images
from ui.tabs.images.ahead import Ahead
from ui.tabs.images.album import FILTERS, PAGE, Album, Albums, Filter, ImageEntry, Limits
from ui.tabs.images.layout import ImagesTab
from ui.tabs.images.sight import Training
from ui.tabs.images.visitor import Context, Where

TAGS_SHOWN = 80
UNMARKED = "unmarked"  # class of a gallery in which none is chosen: it can't be told to take its mark off


class ImagesPane:
    """The components' new values. tab: the components. keys: of the settings that come with the context."""

    def __init__(self, tab: ImagesTab, place: Place, keys: tuple[str, ...]):
        self.tab, self.place, self.keys = tab, place, keys
        self.albums = Albums()
        self.ahead = Ahead(place)

    def context(self, values: tuple) -> Context:
        """A handler's context, taken apart; whatever was sent."""
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

    def album(self, context: Context) -> Album | None:
        """The album of the visitor's folder; None before one is open."""
        return self.albums.get(context.where.folder) if context.where.folder else None

    def draw_first(self, album: Album) -> None:
        """The first page's thumbnails, before all files are opened: those would compete for the processor."""
        album.draw(self.place, album.entries(Filter(), Limits(0))[:PAGE])

    def draw_ahead(self, album: Album, where: Where) -> None:
        """The thumbnails of the page that is likely to come next, while the visitor looks at this one."""
        entries = [entry for entry in map(album.entry, where.shown if where.page >= 0 else ()) if entry]
        self.ahead.draw(album, entries)

    def listing(self, album: Album, context: Context, stay: bool = False) -> dict:
        """Counts, filters, tags, pictures. ``stay``: on the page where the visitor is."""
        tab, counts = self.tab, album.counts(context.limits)
        names = tuple(entry.name for entry in album.entries(context.wanted, context.limits))
        page = min(context.where.page, max(0, (len(names) - 1) // PAGE)) if stay else 0
        if context.chosen in names and not stay:
            page = names.index(context.chosen) // PAGE
        where = replace(context.where, names=names, page=page)
        return {
            tab.where: where,
            tab.notes: render_images.told(render.notes(album.notes), tab.notes),
            **self.tags(album, context),
            **self.state(album, context, counts),
            **self.grid(album, replace(context, where=where)),
        }

    def state(self, album: Album, context: Context, counts: dict[str, int]) -> dict:
        """What follows from every change: the counts, what can be undone or moved away, what the edit of many does."""
        tab, last, broken = self.tab, album.history.last(), counts["unreadable"]
        undo, looked = "", album.wait(0)
        choices = [(f"{text.FILTERS[key]} ({text.number(counts[key])})", key) for key in FILTERS]
        shown = gr.update(choices=choices, value=context.wanted.show)
        if last:
            words = last.words if len(last.words) <= 40 else last.words[:39] + "…"
            undo = text.UNDO.format(what=text.CHANGES[last.kind].format(words=words))
        return {
            **(self.previewed(album, context) if context.edit.what.strip() else {}),
            tab.filter: shown,
            tab.summary: render_images.summary(album, counts, context.training),
            tab.undo: gr.update(value=undo, visible=bool(undo)),
            tab.aside_broken: gr.update(
                value=text.count("ASIDE_BROKEN", broken) if broken else "", visible=bool(broken)
            ),
            tab.looking: gr.Timer(active=not looked),
        }

    def tags(self, album: Album, context: Context) -> dict:
        """The tags to filter by, with how many captions have each."""
        counted = album.tags(context.wanted, context.limits)[:TAGS_SHOWN]
        missing = [(tag, 0) for tag in context.wanted.tags if tag not in {t for t, _ in counted}]
        choices = [(f"{tag}  {text.number(n)}" if n else tag, tag) for tag, n in [*missing, *counted]]
        label = text.TAGS_HELP if choices else text.NO_TAGS
        return {self.tab.tags: gr.update(choices=choices, value=list(context.wanted.tags), label=label)}

    def grid(self, album: Album, context: Context) -> dict:
        """The pictures of the visitor's page, and which page that is."""
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
            tab.shown_names: render_images.thumbnail_names(names, first, len(where.names)),
            tab.pager: gr.update(visible=where.pages > 1),
            tab.page: render.note(position),
        }

    def image(self, context: Context, name: str) -> dict:
        """One image large, its caption to edit."""
        tab, album = self.tab, self.album(context)
        entry = album.entry(name) if album else None
        if entry is None:
            return self.no_image()
        return {
            tab.picture: render_images.image(self.place, entry, context.training, context.sees),
            tab.editor: gr.update(visible=True),
            tab.chosen: entry.name,
            tab.caption: entry.caption,
            tab.seen: _seen(album, entry),
            tab.saved: render.note(self.length(entry, context)),
        }

    def length(self, entry: ImageEntry, context: Context) -> str:
        """How many tokens the caption takes, of how many."""
        return text.TOKENS.format(tokens=entry.length(context.limits), limit=context.limits.tokens)

    def no_image(self) -> dict:
        """The editor, closed."""
        tab = self.tab
        hidden = {tab.editor: gr.update(visible=False), tab.chosen: "", tab.caption: "", tab.saved: "", tab.seen: ""}
        return {tab.picture: render.note(text.PICK), **hidden}

    def not_loaded(self) -> dict:
        """A sentence in place of a folder that is not open any more."""
        return {self.tab.summary: render.note(text.NOT_LOADED)}

    def said(self, html: str) -> dict:
        """A message above the images, in place of the one before."""
        return {self.tab.dropped: render_images.told(html, self.tab.dropped)}

    def changed(self, album: Album, context: Context, typing: bool = False) -> dict:
        """Pictures after captions changed, with their captions as they are now.

        typing: another image may have been pressed meanwhile, so that the mark on the chosen one is left alone.
        """
        grid = self.grid(album, context)[self.tab.gallery]
        if typing:
            grid = {key: value for key, value in grid.items() if key not in ("selected_index", "elem_classes")}
        return {self.tab.gallery: grid, **self.state(album, context, album.counts(context.limits))}

    def previewed(self, album: Album, context: Context) -> dict:
        """What the edit of many captions would do, and a button that promises just that."""
        changes = album.preview(context.wanted, context.limits, context.edit)
        label = text.count("APPLY_COUNT", len(changes)) if changes else text.APPLY
        shown = len(album.entries(context.wanted, context.limits))
        return {
            self.tab.bulk_preview: render_images.preview(changes, shown),
            self.tab.bulk_apply: gr.update(value=label, interactive=bool(changes)),
            self.tab.promised: promise_of(changes),
        }


def _seen(album: Album, entry: ImageEntry) -> str:
    """What the editor shows, for the browser to send back with what was typed over it."""
    return json.dumps({"folder": str(album.folder), "name": entry.name, "text": entry.caption})


def promise_of(changes: dict[Path, tuple[str, str]]) -> str:
    """A short text that is the same for the same changes."""
    content = repr([(str(path), *pair) for path, pair in changes.items()])
    return hashlib.blake2s(content.encode("utf-8", "replace"), digest_size=12).hexdigest()


def _edit(kind: str, what: str, by: str) -> Edit:
    known = kind if kind in ("front", "end", "replace", "remove") else "front"
    return Edit(known, str(what or "")[:2000], str(by or "")[:2000])
