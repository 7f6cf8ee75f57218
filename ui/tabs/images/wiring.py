"""What wires the Images tab's components to its handlers, and to what the browser does by itself."""

from typing import Any

import gradio as gr

from ui import text
from ui.shell import assets
from ui.shell.assets import PRIVATE
from ui.shell.place import Place
from ui.tabs.images import sight
from ui.tabs.images.bulk_desk import BulkDesk
from ui.tabs.images.caption_desk import CaptionDesk
from ui.tabs.images.captioner_desk import CaptionerDesk
from ui.tabs.images.captioning import CaptionJob
from ui.tabs.images.doctor_desk import DoctorDesk
from ui.tabs.images.doctor_pane import DoctorPane
from ui.tabs.images.examined import Doctor
from ui.tabs.images.handlers import FolderDesk
from ui.tabs.images.layout import RECENT, ImagesTab
from ui.tabs.images.pane import ImagesPane
from ui.tabs.images.uploads import WITHIN
from ui.tabs.settings import form
from ui.tabs.settings.drafts import FOLDER, Draft


def wire(tab: ImagesTab, page: gr.Blocks, place: Place, draft: Draft, settings: dict[str, Any]) -> None:
    """Let the tab work. settings: the form's fields by key; those of ``sight.KEYS`` decide on crops and captions."""
    known = {key: settings[key] for key in sight.KEYS if key in settings}
    pane = ImagesPane(tab, place, tuple(known))
    shown = DoctorPane(pane, Doctor(place.runs / FOLDER))
    folder, caption, many = FolderDesk(pane, draft, shown), CaptionDesk(pane), BulkDesk(pane)
    doctor = DoctorDesk(shown)
    bulk = [tab.bulk_kind, tab.bulk_what, tab.bulk_by]
    context = [
        tab.where, tab.filter, tab.search, tab.tags, tab.sees, tab.chosen, *bulk, tab.promised, *known.values(),
    ]  # fmt: skip
    quiet = dict(outputs=tab.all(), show_progress="hidden", concurrency_limit=None, **PRIVATE)
    often = dict(quiet, queue=False, trigger_mode="always_last")

    # One after the other, so that what the page opens by itself does not undo what a quick visitor opens.
    in_turn = dict(quiet, concurrency_limit=1, concurrency_id="open")
    opening = dict(in_turn, show_progress="minimal")
    opened = gr.on([tab.show.click, tab.folder.submit], folder.open, [tab.folder, *context], **opening)
    found = page.load(folder.load, [tab.folder, *context], **in_turn)
    field = f"#{form.field_id(form.FOLDER)} :is(textarea, input)"
    forget = {locale: text.WORDS[language].FORGET for locale, language in text.LOCALES.items()}
    told = {"folder": field, "within": WITHIN, "recent": RECENT, "forget": forget}
    assets.run_script(page, "tabs/images", told)
    assets.run_script(page, "tabs/images", name="keys")
    tab.remembered.change(None, tab.remembered, js=assets.call("sdloraImages.remember"), **PRIVATE)
    for button in (tab.drop, tab.drop_folder):
        button.upload(folder.take, [button, *context], **in_turn)
    tab.new_set.click(folder.start_new_set, context, **quiet)

    # A text box's ``input`` hears neither Backspace nor pasting, ``change`` hears all.
    gr.on([tab.filter.input, tab.search.change, tab.tags.input], folder.find, context, **often)
    tab.previous.click(folder.page_back, context, **quiet)
    tab.next.click(folder.page_on, context, **quiet)
    tab.looking.tick(folder.look, context, **dict(quiet, queue=False))

    # Each press is answered, in its turn: of two quick ones "always_last" would keep the first one's image.
    choosing = dict(quiet, concurrency_limit=1, concurrency_id="choose")
    chosen = tab.gallery.select(caption.choose, context, trigger_mode="multiple", **choosing)
    turned = [
        button.click(handler, [tab.chosen, *context], trigger_mode="multiple", **choosing)
        for button, handler in ((tab.previous_image, caption.image_back), (tab.next_image, caption.image_on))
    ]
    closed = tab.close_editor.click(caption.close, None, **quiet)
    named = tab.open_image.change(caption.open_named, [tab.open_image, *context], trigger_mode="multiple", **choosing)
    for event in (chosen, *turned, closed, named):
        event.then(None, js=assets.call("sdloraKeys.shown"), **PRIVATE)
    for message in (tab.dropped, tab.notes):
        clear = gr.Button(
            elem_classes="machinery", elem_id=f"clear-{message.elem_id}"
        )  # pressed by what the message shows
        clear.click(None, None, message, js="() => ''", **PRIVATE)
    tab.sees.input(caption.show_again, [tab.chosen, *context], **quiet)
    # Captions are written in the order in which it was asked for.
    writing = dict(quiet, concurrency_limit=1, concurrency_id="captions")
    tab.caption.blur(caption.save, [tab.seen, tab.caption, *context], trigger_mode="multiple", **writing)
    tab.keep.click(caption.keep, [tab.seen, tab.caption, *context], trigger_mode="multiple", **writing)
    tab.keep_mine.click(caption.keep_mine, [tab.held, *context], **writing)
    tab.take_theirs.click(caption.take_theirs, [tab.held, *context], **writing)
    left = gr.Textbox(elem_classes="machinery", elem_id="left")
    left.submit(caption.leave, left, None, queue=False, **PRIVATE)  # by ``script.js``, when the page goes away
    tab.aside.click(folder.put_aside, [tab.chosen, *context], **quiet)
    tab.aside_broken.click(folder.put_broken_aside, context, **quiet)

    typed = [tab.bulk_kind.input, tab.bulk_what.change, tab.bulk_by.change]
    gr.on(typed, many.preview, context, **often)
    tab.bulk_apply.click(many.apply, context, **dict(writing, show_progress="minimal"))
    tab.undo.click(many.undo, context, **dict(writing, show_progress="minimal"))

    tab.doctor_start.click(doctor.start, context, **quiet)
    tab.doctor_stop.click(doctor.stop, context, **quiet)
    tab.examining.tick(doctor.look, context, **dict(quiet, queue=False))
    tab.doctor_mend.input(doctor.preview, [tab.doctor_mend, *context], **often)
    mending = [tab.doctor_mend, tab.doctor_promised, *context]
    tab.doctor_apply.click(doctor.mend, mending, **dict(writing, show_progress="minimal"))

    writer = CaptionerDesk(pane, CaptionJob(place, place.runs / FOLDER))
    asks = tab.captioner
    for event in (opened, found):
        event.then(writer.open, context, **quiet)
    asks.captioner.input(writer.fit, asks.captioner, **dict(quiet, queue=False))
    asks.start.click(writer.start, [*asks.asked(), *context], **quiet)
    asks.go_on.click(writer.go_on, context, **quiet)
    asks.stop.click(writer.stop, context, **quiet)
    asks.working.tick(writer.look, context, **dict(quiet, queue=False))

    tab.trigger.change(folder.keep_trigger, tab.trigger, None, queue=False, trigger_mode="always_last", **PRIVATE)
    word = settings.get("data.trigger")
    if word is not None:  # the same setting, on both tabs
        tab.trigger.blur(lambda typed: typed, tab.trigger, word, queue=False, show_progress="hidden", **PRIVATE)
        word.blur(lambda typed: typed, word, tab.trigger, queue=False, show_progress="hidden", **PRIVATE)
