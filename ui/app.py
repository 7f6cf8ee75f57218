"""The page's server: ``python -m ui.app [--port 7860] [--listen] [--runs runs] [--data FOLDER]``."""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

import argparse
import socket
import sys
from pathlib import Path
from typing import Any

from ui.process import ROOT, Trainers  # isort: skip  (before gradio: it takes the page off the model hub)

import gradio as gr

from sdlora.errors import Problem, UserError
from ui import render, text
from ui.place import Place
from ui.tabs import images, runs, settings
from ui.theme import CSS, theme
from ui.watch import Watch

EXAMPLE = ROOT / "datasets_example" / "style"
PRIVATE = {"api_visibility": "private"}


def build(place: Place, trainers: Trainers) -> gr.Blocks:
    """The whole page. Every event reads or writes run folders; nothing of a run lives here."""
    watch = Watch(place.runs, trainers)
    first_folder = str(EXAMPLE) if EXAMPLE.is_dir() and place.data_root is None else ""
    frame = gr.Blocks(title=text.TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400))
    with text.building(), frame as page:
        with gr.Row(elem_id="top"):
            gr.HTML(render.header(), elem_id="title", apply_default_css=False)
            strip = gr.HTML(render.strip(None, ""), elem_id="strip", apply_default_css=False)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(text.TAB_IMAGES, id="images"):
                images_tab = images.build(first_folder)
            with gr.Tab(text.TAB_SETTINGS, id="settings"):
                settings_tab = settings.build(images_tab.folder)
            with gr.Tab(text.TAB_RUNS, id="runs"):
                runs_tab = runs.build()
        timer = gr.Timer(1.0)
        _wire_settings(page, settings_tab, tabs, runs_tab, place, watch, trainers)
        _wire_runs(page, timer, strip, settings_tab, runs_tab, place, watch)
        images.wire(images_tab, page, place, settings_tab.fields)
    return page


def _wire_settings(
    page: gr.Blocks,
    tab: settings.SettingsTab,
    tabs: gr.Tabs,
    runs_tab: runs.RunsTab,
    place: Place,
    watch: Watch,
    trainers: Trainers,
) -> None:
    keys, fields = list(tab.fields), list(tab.fields.values())

    def show_checks(*values: Any) -> str:
        return render.checks(settings.examine(place, dict(zip(keys, values, strict=False)))[1])

    def start(*values: Any) -> list:
        found, problems = settings.examine(place, dict(zip(keys, values, strict=False)))
        if found is None:
            return [render.checks(problems), render.note(text.NOT_STARTED), gr.skip(), gr.skip(), gr.skip()]
        try:
            run = trainers.start(found, watch.busy)
        except (UserError, OSError) as error:
            problems = error.problems if isinstance(error, UserError) else [Problem(str(error))]
            return [render.checks(problems), render.note(text.NOT_STARTED), gr.skip(), gr.skip(), gr.skip()]
        watch.refresh(force=True)
        choices = [(text.run_label(run.name, "", "starting"), run.name)]
        shown = gr.update(choices=choices, value=run.name, visible=True)
        return [render.checks(problems), render.note(text.CLOSE_ANYTIME), gr.update(selected="runs"), shown, None]

    changes = [getattr(f, "blur" if isinstance(f, (gr.Textbox, gr.Number)) else "release") for f in fields]
    live = dict(inputs=fields, outputs=tab.checks, show_progress="hidden", trigger_mode="always_last", **PRIVATE)
    gr.on([*changes, tab.again.click, page.load], show_checks, **live)
    tab.start.click(
        start, fields, [tab.checks, tab.reason, tabs, runs_tab.runs, runs_tab.seen],
        concurrency_limit=1, concurrency_id="start", show_progress="minimal", **PRIVATE,
    )  # fmt: skip


def _wire_runs(
    page: gr.Blocks, timer: gr.Timer, strip: gr.HTML, form_tab: settings.SettingsTab, tab: runs.RunsTab, place: Place,
    watch: Watch,
) -> None:  # fmt: skip
    outputs = {"strip": strip, "start": form_tab.start, "reason": form_tab.reason, **tab.parts(), "seen": tab.seen}

    def refresh(selected: str | None, seen: dict | None) -> dict:
        watch.refresh()
        made = runs.parts(watch, place, selected) | _everywhere(watch)
        sent, marks = runs.news(made, seen)
        return {outputs[name]: value for name, value in sent.items()} | {tab.seen: marks}

    quiet = dict(outputs=list(outputs.values()), queue=False, show_progress="hidden", **PRIVATE)
    inputs = [tab.runs, tab.seen]
    timer.tick(refresh, inputs, **quiet)
    tab.runs.input(refresh, inputs, **quiet)
    page.load(lambda: refresh(None, None), None, **quiet)

    def on_click(button: gr.Button, action: Any, *more: Any) -> None:
        # Queued, as toasts need; the look of the page follows from the run folder.
        clicked = button.click(action, [tab.runs, *more], show_progress="hidden", concurrency_limit=None, **PRIVATE)
        clicked.then(refresh, inputs, **quiet)

    for what in ("stop", "pause", "save", "sample"):
        on_click(getattr(tab, what), lambda name, what=what: runs.ask(watch, name, what))
    on_click(tab.resume, lambda name: runs.resume(watch, name))
    on_click(tab.export, lambda name, step: runs.export(watch, name, step), tab.steps)


def _everywhere(watch: Watch) -> dict[str, runs.Part]:
    """What shows on every tab: the status line, and whether Start can be pressed."""
    name = watch.live()
    view, state = watch.get(name) or (None, "")
    line = render.strip(view, state)
    busy = text.BUSY.format(name=view.name) if view else ""
    return {
        "strip": (line, lambda: line),
        "start": (bool(busy), lambda: gr.update(interactive=not busy)),
        "reason": (busy, lambda: render.note(busy or text.CLOSE_ANYTIME)),
    }


# ---- the server


def serve(place: Place, trainers: Trainers, port: int, listen: bool, password: str, wait: bool = True) -> str:
    """Serve the page; its address. Only ``place.shown`` can be fetched from this computer's disk."""
    page = build(place, trainers)
    gr.set_static_paths([place.shown])
    _, url, _ = page.queue(default_concurrency_limit=4, api_open=False).launch(
        server_name="0.0.0.0" if listen else "127.0.0.1",
        server_port=port,
        auth=("sdlora", password) if listen else None,
        share=False,
        strict_cors=True,
        show_error=False,
        max_file_size="4gb",
        allowed_paths=[str(place.shown)],
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        ssr_mode=False,
        pwa=False,
        quiet=True,
        theme=theme(),
        css=CSS,
        i18n=text.i18n(),
        prevent_thread_lock=True,
    )
    print(text.SERVING.format(url=url), flush=True)
    if wait:
        page.block_thread()
    return url


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise UserError(text.PORT_TAKEN.format(port=port, other=port + 1))


def main(arguments: list[str] | None = None, trainers: Trainers | None = None) -> int:
    """The exit code: 0, or 2 with a sentence when the page can't be served as asked."""
    parser = argparse.ArgumentParser(prog="python -m ui.app", description=text.SUBTITLE)
    parser.add_argument("--port", type=int, default=7860, help="port of the page (default: 7860)")
    parser.add_argument("--listen", action="store_true", help="open the page to the network; needs SDLORA_PASSWORD")
    parser.add_argument("--runs", default="runs", help="folder that the runs are written to (default: runs)")
    parser.add_argument("--data", help="only folders inside this one may be typed (with --listen: default is datasets)")
    options = parser.parse_args(arguments)
    password = os.environ.get("SDLORA_PASSWORD", "")
    try:
        if options.listen and len(password) < 8:
            raise UserError(text.LISTEN_NEEDS_PASSWORD)
        _check_port(options.port)
        data = options.data or ("datasets" if options.listen else None)
        place = Place(Path(options.runs), Path(data) if data else None)
        serve(place, trainers or Trainers(), options.port, options.listen, password)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
