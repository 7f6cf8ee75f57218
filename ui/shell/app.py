"""The page's server: ``python -m ui.shell.app [--port 7860] [--listen] [--runs runs] [--data FOLDER]``."""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

import argparse
import socket
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ui.shell.process import ROOT, Trainers  # isort: skip  (before gradio: it takes the page off the model hub)

import gradio as gr
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from sdlora import inuse
from sdlora.errors import UserError
from sdlora.runs.run import Run
from sdlora.settings import Settings
from ui import text
from ui.shell import assets, dialogs, ends, render, zips
from ui.shell.api import offer
from ui.shell.assets import PRIVATE
from ui.shell.early import EarlyScript
from ui.shell.guard import around
from ui.shell.guesses import Guesses
from ui.shell.live import Live
from ui.shell.place import Place
from ui.shell.queue import Queue
from ui.shell.room import Room
from ui.shell.theme import colours, theme
from ui.shell.watch import Watch
from ui.tabs.compare import layout as compare
from ui.tabs.images import layout as images
from ui.tabs.images import wiring as images_wiring
from ui.tabs.runs import html as render_runs
from ui.tabs.runs import html_keeping as render_keeping
from ui.tabs.runs import layout as runs
from ui.tabs.settings import layout as settings
from ui.tabs.settings import wiring as settings_wiring
from ui.tabs.settings.drafts import Draft

EXAMPLE = ROOT / "datasets_example" / "style"
BETWEEN_CLICKS = 0.1  # seconds between Gradio's looks into its queue; at its own 0.001 s it takes 7 % of a core


def build_page(place: Place, queue: Queue, api: bool = False, watch: Watch | None = None) -> gr.Blocks:
    """The whole page. Every event reads or writes run folders; nothing of a run lives here.

    api: offer the calls of ``ui.shell.api`` to scripts. watch: the look at the runs that other parts share.
    """
    watch, draft = watch or Watch(place.runs, queue), Draft(place.runs)
    first_folder = str(EXAMPLE) if EXAMPLE.is_dir() and place.data_root is None else ""
    frame = gr.Blocks(title=text.TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400))
    with text.building(), frame as page:
        if api:
            offer(watch, place)  # first, so that no other event takes the names
        with gr.Row(elem_id="top"):
            gr.HTML(render.header(), elem_id="title", apply_default_css=False)
            strip = gr.HTML(render_runs.status_strip(None, ""), elem_id="strip", apply_default_css=False)
            gr.HTML(dialogs.language_choice(), elem_id="language-place", apply_default_css=False)
            gr.HTML(dialogs.keys_button(), elem_id="keys-place", apply_default_css=False)
        announce = gr.HTML("", elem_id="announce", apply_default_css=False)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(text.TAB_IMAGES, id="images"):
                images_tab = images.build(first_folder)
            with gr.Tab(text.TAB_SETTINGS, id="settings") as second:
                settings_tab = settings.build(images_tab.folder)
            with gr.Tab(text.TAB_RUNS, id="runs"):
                runs_tab = runs.build()
            with gr.Tab(text.TAB_COMPARE, id="compare"):
                compare_tab = compare.build()
        windows = gr.HTML("", elem_id="dialogs", apply_default_css=False)
        _wire_settings(page, settings_tab, second.select, tabs, runs_tab, images_tab.trigger, place, draft, watch)
        everywhere = {
            "strip": strip, "announce": announce, "start": settings_tab.start, "reason": settings_tab.reason
        }  # fmt: skip
        Live(watch, place, runs_tab, compare_tab, everywhere).wire(page)
        images_wiring.wire(images_tab, page, place, draft, settings_tab.fields)
        page.load(dialogs.closed, None, windows, queue=False, show_progress="hidden", **PRIVATE)
        assets.run_script(page, "shell")
        page.load(render_keeping.ring, None, runs_tab.ring, queue=False, show_progress="hidden", **PRIVATE)
        assets.run_script(page, "tabs/runs")
        assets.run_script(page, "shell", name="address")
    return page


def _wire_settings(
    page: gr.Blocks,
    tab: settings.SettingsTab,
    opened: Any,
    tabs: gr.Tabs,
    runs_tab: runs.RunsTab,
    trigger: gr.Textbox,
    place: Place,
    draft: Draft,
    watch: Watch,
) -> None:
    def begin(ready: Settings, make: Callable[[Settings], Run] | None, instead_of: str) -> dict:
        run = watch.queue.replace(instead_of, ready, make) if instead_of else watch.queue.add(ready, make)
        watch.refresh(force=True)
        choices = [(text.run_label(run.name, "", "starting"), run.name)]
        shown = gr.update(choices=choices, value=run.name, visible=True)
        return {tabs: gr.update(selected="runs"), runs_tab.runs: shown, runs_tab.seen: None}

    def busy() -> str | None:
        watch.refresh(force=True)
        live = watch.get(watch.live())
        return live[0].name if live else None

    begins, mirrors = [tabs, runs_tab.runs, runs_tab.seen], {"data.trigger": trigger}
    buttons = (runs_tab.change, runs_tab.duplicate, runs_tab.edit, runs_tab.branch)
    other = settings_wiring.OtherRun(tabs, runs_tab.runs, runs_tab.steps, *buttons)
    settings_wiring.wire(tab, page, place, draft, begin, begins, busy, mirrors, opened, other)


# ---- the server


def serve(
    place: Place, trainers: Trainers, port: int, listen: bool, password: str,
    wait: bool = True, api: bool = False, browser: bool = False,
) -> str:  # fmt: skip
    """Serve the page; its address. Only ``place.shown`` can be fetched from this computer's disk.

    browser: show the page there, on a machine that has a screen.
    """
    queue = Queue(place.runs, trainers)
    watch = Watch(place.runs, queue)
    page, routes = build_page(place, queue, api, watch), [zips.zip_route(place.runs), ends.states_route(watch)]
    gr.set_static_paths([place.shown])
    page.queue(default_concurrency_limit=4, api_open=False)
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = BETWEEN_CLICKS
    # Another site must not reach the page by giving its own name this computer's address.
    known = [] if listen else [Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])]
    known.append(Middleware(EarlyScript, source=assets.source("shell", "language")))
    _, url, _ = page.launch(
        server_name="0.0.0.0" if listen else "127.0.0.1",
        server_port=port,
        auth=("sdlora", password) if listen else None,
        share=False,
        strict_cors=True,
        show_error=False,
        max_file_size="4gb",
        allowed_paths=[str(place.shown)],
        app_kwargs={"middleware": known, "lifespan": around(Guesses(), Room()), "routes": routes},
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        ssr_mode=False,
        pwa=False,
        quiet=True,
        theme=theme(),
        css=colours(),
        css_paths=list(assets.STYLES),
        i18n=text.i18n(),
        prevent_thread_lock=True,
    )
    print(text.SERVING.format(url=url), flush=True)
    queue.keep_going()
    if browser and _has_screen():
        webbrowser.open(f"http://127.0.0.1:{port}")
    if wait:
        page.block_thread()
    return url


def _has_screen() -> bool:
    """False where a text browser would take over the terminal, and over SSH."""
    if os.name == "nt" or sys.platform == "darwin":
        return True
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(screen) and not os.environ.get("SSH_CONNECTION")


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise UserError(text.PORT_TAKEN.format(port=port, other=port + 1))


def main(arguments: list[str] | None = None, trainers: Trainers | None = None) -> int:
    """The exit code: 0, or 2 with a sentence when the page can't be served as asked."""
    parser = argparse.ArgumentParser(prog="python -m ui.shell.app", description=text.SUBTITLE)
    parser.add_argument("--port", type=int, default=7860, help="port of the page (default: 7860)")
    parser.add_argument("--listen", action="store_true", help="open the page to the network; needs SDLORA_PASSWORD")
    parser.add_argument("--runs", default="runs", help="folder that the runs are written to (default: runs)")
    parser.add_argument("--data", help="the page reads inside this folder only (with --listen: datasets)")
    parser.add_argument("--models", help="with --data or --listen: base models may lie here too (default: models)")
    parser.add_argument("--api", action="store_true", help="let scripts use the page (docs/api.md)")
    parser.add_argument("--browser", action="store_true", help="open the browser")
    options = parser.parse_args(arguments)
    inuse.hold()
    password = os.environ.get("SDLORA_PASSWORD", "")
    try:
        if options.listen and len(password) < 8:
            raise UserError(text.LISTEN_NEEDS_PASSWORD)
        _check_port(options.port)
        data = options.data or ("datasets" if options.listen else None)
        place = Place(Path(options.runs), Path(data) if data else None, Path(options.models or "models"))
        open_for = {"api": options.api, "browser": options.browser}
        serve(place, trainers or Trainers(), options.port, options.listen, password, **open_for)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
