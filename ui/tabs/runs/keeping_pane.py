"""What keeps order on the Runs tab: remarks, sizes, the bin, the way back into the queue. Components and fragments."""

from typing import Any

import gradio as gr

from sdlora.runs.bin import binned
from sdlora.runs.remarks import BEST, remarks_of
from ui import text
from ui.shell.fragments import Fragment
from ui.shell.machine import Meter
from ui.shell.sizes import Sizes
from ui.shell.view import RunView, strip_time
from ui.shell.watch import LIVE, Watch
from ui.tabs.runs import html_keeping
from ui.tabs.settings import form

# Fragments of this pane that belong to a chosen run.
OF_A_RUN = ("remarks_box", "said_name", "said_rating", "said_note", "delete", "duplicate", "edit", "branch", "export_all")


def below_list() -> dict[str, Any]:
    """What stands below the list of runs: what the disk holds, the way back into the queue, the bin."""
    made: dict[str, Any] = {}
    made["undo"] = gr.Button("", visible=False, size="sm", elem_id="undo-removal")
    made["disk"] = gr.HTML("", elem_id="disk-line", apply_default_css=False)
    made["machine"] = gr.HTML("", elem_id="machine", apply_default_css=False)
    made["ring"] = gr.HTML("", elem_id="ring", apply_default_css=False)
    with gr.Accordion(text.BIN_TITLE, open=False, elem_id="bin-box"):
        made["bin_said"] = gr.HTML("", elem_id="bin-said", apply_default_css=False)
        made["bin_list"] = form.as_typed(
            gr.CheckboxGroup([], label=text.BIN_CHOOSE, elem_id="bin-list", visible=False)
        )  # fmt: skip
        with gr.Row(elem_classes="small-buttons"):
            made["put_back"] = gr.Button(text.PUT_BACK, size="sm", visible=False, elem_id="put-back", min_width=90)
            made["empty_bin"] = gr.Button(text.EMPTY_BIN, size="sm", visible=False, elem_id="empty-bin", min_width=90)
        made["empty_now"] = gr.Button(text.EMPTY_BIN, elem_id="empty-now", visible="hidden")
    return made


def remarks() -> dict[str, Any]:
    """The fields for what is said of a run."""
    made: dict[str, Any] = {}
    ratings = [(text.NO_RATING, 0), *(("★" * stars, stars) for stars in range(1, BEST + 1))]
    with gr.Accordion(text.REMARKS_TITLE, open=False, visible=False, elem_id="remarks-box") as box:
        made["said_name"] = gr.Textbox(
            label=text.SAID_NAME, info=text.SAID_NAME_HELP, max_lines=1, elem_id="said-name"
        )  # fmt: skip
        made["said_rating"] = form.as_typed(gr.Radio(ratings, value=0, label=text.SAID_RATING, elem_id="said-rating"))
        made["said_note"] = gr.Textbox(label=text.SAID_NOTE, lines=3, max_lines=10, elem_id="said-note")
        made["keep_said"] = gr.Button(text.KEEP_SAID, size="sm", elem_id="keep-said")
    return {**made, "remarks_box": box}


# ---- fragments


def everywhere(watch: Watch, sizes: Sizes) -> dict[str, Fragment]:
    """What does not depend on the chosen run."""
    used = sizes.look(view for view, _ in filter(None, map(watch.get, watch.names())))
    removed = watch.queue.removed()
    named = _name_of(watch, removed.binned, removed.name) if removed else ""
    return {
        "disk": ((used.total, used.in_bin, used.free and used.free // 10**8), lambda: html_keeping.disk_line(used)),
        "undo": (
            (bool(removed), named),
            lambda: gr.update(visible=bool(removed), value=text.UNDO_REMOVAL.format(name=named)),
        ),
        "bin_said": ((len(used.binned), used.in_bin), lambda: html_keeping.bin_line(used)),
        "bin_list": (sorted(used.binned), lambda: _bin_list(watch, used.binned)),
        "put_back": (bool(used.binned), lambda: gr.update(visible=bool(used.binned))),
        "empty_bin": (bool(used.binned), lambda: gr.update(visible=bool(used.binned))),
    }


def machine(meter: Meter) -> dict[str, Fragment]:
    """What the computer has left; sent again only when it has changed by what one would see."""
    now = meter.look()
    mark = [
        (gpu.name, (gpu.used or 0) >> 27, round((gpu.watts or 0) / 10), round((gpu.load or 0) / 10), gpu.degrees)
        for gpu in now.gpus
    ]
    return {"machine": ((mark, now.free >> 28), lambda: html_keeping.machine_lines(now))}


def _name_of(watch: Watch, in_bin: str, name: str) -> str:
    """What the run is called that was taken out of the queue."""
    folder = watch.root / ".bin" / in_bin if in_bin else watch.root / name
    return remarks_of(folder).name or strip_time(name)


def _bin_list(watch: Watch, sizes: dict[str, int]) -> dict:
    runs = [RunView(run.folder) for run in binned(watch.root) if run.name in sizes]
    choices = [
        (" · ".join(part for part in (view.name, view.when, text.size(sizes[view.folder.name])) if part), view.folder.name)
        for view in runs
    ]
    return gr.update(choices=choices, value=[], visible=bool(choices))


def of_run(watch: Watch, view: RunView, state: str, name: str) -> dict[str, Fragment]:
    """What belongs to the chosen run."""
    said, kept, ended = view.remarks, view.checkpoints(), state not in LIVE and state != "waiting"
    editable = state == "waiting" and any(e.kind == "train" and e.name == name for e in watch.queue.waiting())
    exporting = watch.trainers.exporting(name)
    shown = lambda visible: lambda: gr.update(visible=visible)  # noqa: E731
    readable = bool(view.settings.data.folder)
    return {
        "remarks_box": (name, shown(True)),
        "said_name": ((name, said.name), lambda: gr.update(value=said.name, placeholder=strip_time(name))),
        "said_rating": ((name, said.rating), lambda: gr.update(value=said.rating)),
        "said_note": ((name, said.note), lambda: gr.update(value=said.note)),
        "delete": ((name, ended), shown(ended)),
        "duplicate": ((name, readable), shown(readable)),
        "edit": ((name, editable), shown(editable)),
        "branch": ((name, bool(kept)), shown(bool(kept))),
        "export_all": (
            (name, len(kept) > 1, exporting),
            lambda: gr.update(visible=len(kept) > 1, interactive=not exporting),
        ),
    }
