"""The Images tab: show a folder, read and change captions."""

from dataclasses import dataclass

import gradio as gr

from sdlora.errors import UserError
from ui import form, render, text
from ui.album import PAGE, Album
from ui.place import Place

PREVIEW = 512  # pixels


@dataclass
class ImagesTab:
    folder: gr.Textbox
    show: gr.Button
    album: gr.State
    summary: gr.HTML
    notes: gr.HTML
    gallery: gr.Gallery
    pager: gr.Row
    previous: gr.Button
    page: gr.HTML
    next: gr.Button
    picture: gr.HTML
    caption: gr.Textbox
    saved: gr.HTML

    @property
    def listing(self) -> list:
        return [self.album, self.summary, self.notes, self.gallery, self.pager, self.page]

    @property
    def editor(self) -> list:
        return [self.picture, self.caption, self.saved]


def build(place: Place, folder: str) -> ImagesTab:
    """The components; ``folder`` is filled in at first."""
    info = form.basic()[form.FOLDER]
    album = gr.State(None)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=280):
            field = form.make_field(info, folder)
            field.info = text.FOLDER_HELP
        with gr.Column(scale=1, min_width=140, elem_classes="buttons"):
            show = gr.Button(text.SHOW, variant="primary", elem_id="show-images")
    summary = gr.HTML(render.note(text.NO_FOLDER), elem_id="summary", apply_default_css=False)
    notes = gr.HTML("", elem_id="notes", apply_default_css=False)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            gallery = gr.Gallery(
                label=text.GALLERY, show_label=False, interactive=False, allow_preview=False, object_fit="contain",
                columns=6, height="auto", buttons=[], elem_id="gallery",
            )  # fmt: skip
            with gr.Row(visible=False, elem_classes="buttons") as pager:
                previous = gr.Button(text.PREVIOUS, size="sm")
                page = gr.HTML("", elem_id="page-of", apply_default_css=False)
                following = gr.Button(text.NEXT, size="sm")
        with gr.Column(scale=3, min_width=320, elem_id="editor"):
            picture = gr.HTML(render.note(text.PICK), elem_id="picture", apply_default_css=False)
            caption = gr.Textbox(
                label=text.CAPTION, info=text.CAPTION_HELP, lines=3, max_lines=8, visible=False, elem_id="caption"
            )
            saved = gr.HTML("", elem_id="saved", apply_default_css=False)
    tab = ImagesTab(
        field, show, album, summary, notes, gallery, pager, previous, page, following, picture, caption, saved
    )
    _wire(tab, place)
    return tab


# On a narrow page the editor is below the gallery.
_BRING_INTO_VIEW = (
    "() => { if (innerWidth < 760) document.getElementById('editor')?.scrollIntoView({block: 'start'}); }"
)


def _wire(tab: ImagesTab, place: Place) -> None:
    quiet = {"show_progress": "minimal", "api_visibility": "private"}
    show = dict(
        fn=lambda typed: open_folder(place, typed), inputs=tab.folder, outputs=tab.listing + tab.editor, **quiet
    )
    tab.show.click(**show)
    tab.folder.submit(**show)
    for button, by in ((tab.previous, -1), (tab.next, +1)):
        button.click(lambda album, by=by: turn_page(place, album, by), tab.album, tab.listing + tab.editor, **quiet)

    def choose(album: Album | None, event: gr.SelectData):
        return choose_image(place, album, event.index)

    def save(album: Album | None, caption: str):
        return save_caption(place, album, caption)

    chosen = tab.gallery.select(choose, tab.album, [tab.album, *tab.editor], **quiet)
    chosen.then(None, js=_BRING_INTO_VIEW, api_visibility="private")
    tab.caption.blur(save, [tab.album, tab.caption], [tab.album, tab.gallery, tab.summary, tab.saved], **quiet)


def open_folder(place: Place, typed: str) -> list:
    """Everything the tab shows for what a person typed; a sentence if that is no folder of images."""
    try:
        album = Album.open(place.folder(typed))
    except UserError as error:
        return [None, render.note(str(error)), "", [], gr.update(visible=False), "", *_no_image()]
    return [*_listing(place, album), *_no_image()]


def turn_page(place: Place, album: Album | None, by: int) -> list:
    if album is None:
        return [None, render.note(text.NOT_LOADED), *(gr.skip() for _ in range(4)), *_no_image()]
    album.turn(by)
    return [*_listing(place, album), *_no_image()]


def _listing(place: Place, album: Album) -> list:
    thumbnails = album.thumbnails(place)
    count, first = len(album.images), album.page * PAGE
    summary = album.summary if count else text.NO_IMAGES
    position = render.note(text.page_of(first + 1, first + len(thumbnails), count)) if count else ""
    notes = render.notes(album.all_notes())
    return [album, render.note(summary), notes, thumbnails, gr.update(visible=album.pages > 1), position]


def _no_image() -> list:
    return [render.note(text.PICK), gr.update(value="", visible=False), ""]


def choose_image(place: Place, album: Album | None, index: int) -> list:
    """The chosen image large, its caption to edit."""
    if album is None:
        return [None, render.note(text.NOT_LOADED), gr.update(visible=False), ""]
    album.choose(index)
    if album.image is None:
        return [album, *_no_image()]
    caption = album.captions[album.image].text
    picture = render.image(place, album.image, PREVIEW, caption)
    return [album, picture, gr.update(value=caption, visible=True), ""]


def save_caption(place: Place, album: Album | None, caption: str) -> list:
    """Write the caption to disk and say so; nothing if it did not change."""
    nothing = [gr.skip(), gr.skip(), gr.skip()]
    if album is None:
        return [*nothing, render.note(text.NOT_LOADED)]
    try:
        if not album.save(caption):
            return [*nothing, gr.skip()]
    except UserError as error:
        return [*nothing, render.note(str(error))]
    return [album, album.thumbnails(place), render.note(album.summary), render.note(text.SAVED)]
