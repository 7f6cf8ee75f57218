"""The page in a real browser, with the fake trainer: from a folder to a file."""

import os
import re
import signal
import time
from pathlib import Path

import pytest
from browser import Server, open_tab, sideways_scroll
from example import HOSTILE, make_images
from playwright.sync_api import Page, expect

from sdlora.runs.run import Run, list_runs
from ui.words import en

pytestmark = pytest.mark.slow


def field(page: Page, key: str):
    return page.locator(f"#field-{key.replace('.', '-')}").locator("textarea, input").first


def fill(page: Page, **values: object) -> None:
    for key, value in values.items():
        box = field(page, key.replace("__", "."))
        box.fill(str(value))
        box.blur()


def show_folder(page: Page, folder: Path | str) -> None:
    open_tab(page, "Images")
    field(page, "data.folder").fill(str(folder))
    page.locator("#show-images").click()


def open_page(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(page.locator("#strip")).to_contain_text(re.compile(r"running|training|starting|paus|stopping|Drawing"))


def start_run(page: Page, server: Server, base: Path, folder: Path, **values: object) -> Run:
    before = {run.name for run in list_runs(server.runs)}
    show_folder(page, folder)
    expect(page.locator("#summary")).to_contain_text("with a caption")
    open_tab(page, "Settings")
    fill(page, model__base=base, **values)
    page.locator("#start").click()
    expect(page.locator("#run-card")).to_contain_text(re.compile("starting|training"))
    return next(run for run in list_runs(server.runs) if run.name not in before)


def stop_run(page: Page) -> None:
    page.locator("#stop").click()
    page.locator("#ask-stop [data-stop]").click()
    expect(page.locator("#run-card .pill")).to_have_text("stopped")


def test_from_a_folder_to_a_downloaded_file(page, server, base, tmp_path):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    folder = make_images(tmp_path / "discs", 7)
    open_page(page, server)
    show_folder(page, folder)
    expect(page.locator("#summary")).to_contain_text("7 with a caption")
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(7)
    expect(page.locator("#gallery")).to_contain_text("a disc, number 3")

    page.locator("#gallery .thumbnail-item").nth(2).click()
    caption = page.locator("#caption textarea")
    expect(caption).to_have_value("a disc, number 3")
    caption.fill("a disc, seen from afar")
    caption.blur()
    expect(page.locator("#saved")).to_contain_text("Saved")
    assert (folder / "disc0003.txt").read_text() == "a disc, seen from afar"
    expect(page.locator("#gallery")).to_contain_text("seen from afar")

    run = start_run(
        page, server, base, folder, run__name="my discs", train__steps=2000, sample__prompts="a disc\na square"
    )
    card = page.locator("#run-card")
    expect(card).to_contain_text(re.compile(r"step\s+\d+ / 2,000"))
    expect(card).to_contain_text(en.CLOSE_ANYTIME)
    expect(page.locator("#samples td img")).to_have_count(2)  # two prompts before the first step
    expect(page.locator("#samples th").first).to_have_text("before")
    expect(page.locator("#curve svg, #curve canvas").first).to_be_visible()
    expect(page.locator("#strip")).to_contain_text(re.compile(r"my-discs: training · step \d+ of 2,000"))

    page.locator("#sample").click()
    expect(page.locator("#samples th").nth(1)).to_contain_text(re.compile(r"step \d+"))
    page.locator("#samples .cell").last.click()
    expect(page.locator("#lightbox")).to_be_visible()
    expect(page.locator("#lightbox-prompt")).to_have_text("a square")
    expect(page.locator("#lightbox-title")).to_have_text(re.compile(r"step \d+"))
    for _ in range(page.locator("#samples thead th").count()):  # a step of the schedule may have come between
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#lightbox-title")).to_have_text("before")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#lightbox-prompt")).to_have_text("a disc")
    page.keyboard.press("Escape")
    expect(page.locator("#lightbox")).to_be_hidden()

    page.locator("#pause").click()
    expect(card.locator(".pill")).to_have_text("paused")
    step = card.locator("[role=progressbar]").get_attribute("aria-valuenow")
    page.locator("#save").click()
    page.locator("#pause").click()
    expect(card.locator(".pill")).to_have_text("training")
    expect(page.locator("#steps input")).to_have_value(re.compile(r"step \d+"))
    page.locator("#export").click()
    expect(page.locator("#files li")).to_have_count(1)

    stop_run(page)
    expect(page.locator("#files li")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download my-discs.safetensors").first.click()
    assert download.value.suggested_filename == "my-discs.safetensors"
    assert Path(download.value.path()).read_bytes() == (run.folder / "my-discs.safetensors").read_bytes()
    expect(page.locator("#resume")).to_be_visible()
    assert int(step) >= 0
    foreign = [url for url in requests if not url.startswith((server.url, "data:", "blob:"))]
    assert foreign == []


def test_reload_and_a_second_browser_show_the_same(page, browser, server, base, tmp_path):
    open_page(page, server)
    start_run(
        page, server, base, make_images(tmp_path / "d", 6), run__name="again", train__steps=3000, sample__prompts="x"
    )
    page.reload()
    open_tab(page, "Runs")
    expect(page.locator("#run-card h2")).to_have_text("again")
    expect(page.locator("#run-card .pill")).to_have_text("training")
    expect(page.locator("#samples td img").first).to_be_visible()
    second = browser.new_context().new_page()
    second.goto(server.url)
    expect(second.locator("#strip")).to_contain_text("again: training")
    open_tab(second, "Settings")
    expect(second.locator("#start")).to_have_text("Add to queue")
    expect(second.locator("#reason")).to_contain_text("again is training")
    open_tab(second, "Runs")
    stop_run(second)
    expect(page.locator("#run-card .pill")).to_have_text("stopped")
    expect(page.locator("#resume")).to_be_visible()
    second.context.close()


def test_the_server_dies_and_the_run_goes_on(page, base, tmp_path):
    server = Server(tmp_path).start()
    try:
        open_page(page, server)
        run = start_run(
            page,
            server,
            base,
            make_images(tmp_path / "d", 6),
            run__name="goes on",
            train__steps=3000,
            sample__prompts="x",
        )
        expect(page.locator("#run-card .pill")).to_have_text("training")
        server.kill()
        size = (run.folder / "events.jsonl").stat().st_size
        time.sleep(1)
        assert run.alive() and (run.folder / "events.jsonl").stat().st_size > size
        page.goto("about:blank")  # else the page loads itself once the server is back, in the middle of the next line
        server.start()
        page.goto(server.url)
        open_tab(page, "Runs")
        expect(page.locator("#run-card .pill")).to_have_text("training")
        stop_run(page)
    finally:
        server.stop()


def test_a_killed_trainer_is_shown_with_its_log_and_resumed(page, server, base, tmp_path):
    open_page(page, server)
    run = start_run(
        page, server, base, make_images(tmp_path / "d", 6), run__name="killed", train__steps=3000, sample__prompts="x"
    )
    expect(page.locator("#run-card")).to_contain_text(re.compile(r"step\s+\d+ / 3,000"))
    victims = [int(p.name) for p in Path("/proc").glob("[0-9]*") if str(run.folder) in _command_of(p)]
    assert len(victims) == 1
    os.kill(victims[0], signal.SIGKILL)
    expect(page.locator("#run-card .pill")).to_have_text("stopped unexpectedly")
    expect(page.locator("#run-card pre")).to_contain_text("fake trainer: ready")
    page.locator("#resume").click()
    expect(page.locator("#run-card .pill")).to_have_text("training")
    stop_run(page)


def _command_of(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def test_hostile_texts_are_text_everywhere(page, server, base, tmp_path):
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    folder = make_images(
        tmp_path / "<b>x<img src=y onerror=alert(1)>", 6, HOSTILE.replace("{", "{{").replace("}", "}}")
    )
    open_page(page, server)
    title = page.title()
    show_folder(page, folder)
    expect(page.locator("#gallery")).to_contain_text("<img src=x onerror")
    page.locator("#gallery .thumbnail-item").first.click()
    expect(page.locator("#caption textarea")).to_have_value(HOSTILE)
    start_run(
        page, server, base, folder, run__name=HOSTILE, data__trigger="<i>", train__steps=3000, sample__prompts=HOSTILE
    )
    expect(page.locator("#samples")).to_contain_text("${document.title='pwned'}")
    expect(page.locator("#samples")).to_contain_text("{{7*7}}")
    stop_run(page)
    assert page.title() == title
    assert dialogs == []
    assert page.locator("img[src='x'], img[src='y']").count() == 0


def test_everything_wrong_is_said_at_once_and_nothing_starts(page, server, tmp_path):
    open_page(page, server)
    before = len(list_runs(server.runs))
    show_folder(page, tmp_path / "no such folder")
    expect(page.locator("#summary")).to_contain_text("There is no folder")
    open_tab(page, "Settings")
    fill(page, model__base="no-such-base", train__lr=0, train__steps=0)
    page.locator("#start").click()
    expect(page.locator("#reason")).to_contain_text("Not started")
    checks = page.locator("#checks")
    for sentence in ("train.lr is 0. It must be more than 0.", "train.steps is 0.", "There is no folder"):
        expect(checks).to_contain_text(sentence)
    fill(page, train__lr=0.001, train__steps=10)
    expect(checks).to_contain_text("no-such-base")
    expect(checks).not_to_contain_text("train.lr is 0")
    assert len(list_runs(server.runs)) == before


@pytest.mark.parametrize(
    "typed", ["", "/dev/null", "../../../../etc/passwd", "x" * 5000, "\\\\server\\share", "/root\u202e/x"]
)
def test_odd_paths_get_a_sentence(page, server, typed):
    open_page(page, server)
    show_folder(page, typed)
    expect(page.locator("#summary")).to_contain_text(re.compile("folder|path"))
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(0)


def test_the_strength_follows_the_sliders(page, server):
    open_page(page, server)
    open_tab(page, "Settings")
    fill(page, adapter__rank=32, adapter__alpha=8)
    expect(page.locator("#strength .scale")).to_have_text("0.25")
    fill(page, adapter__alpha=32)
    expect(page.locator("#strength .scale")).to_have_text("1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_sideways_scroll(browser, server, scheme):
    context = browser.new_context(viewport={"width": 390, "height": 850}, color_scheme=scheme)
    page = context.new_page()
    open_page(page, server)
    wide = {}
    for width in (390, 768, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 850})
        for tab in ("Images", "Settings", "Runs", "Compare"):
            open_tab(page, tab)
            page.wait_for_timeout(400)
            wide[width, tab] = sideways_scroll(page)
    assert not {place: pixels for place, pixels in wide.items() if pixels > 0}
    context.close()


def test_every_input_has_a_name_for_screen_readers(page, server):
    open_page(page, server)
    for tab in ("Images", "Settings", "Runs", "Compare"):
        open_tab(page, tab)
        page.wait_for_timeout(300)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('input, textarea, select, button, [role=slider]')]
                .filter(e => e.offsetParent && !e.labels?.length && !e.ariaLabel && !e.getAttribute('aria-labelledby')
                             && !e.textContent.trim() && !e.title && !e.querySelector?.('img[alt]'))
                .map(e => e.outerHTML)"""
        )
        assert nameless == [], tab


def test_a_run_is_started_watched_and_stopped_on_a_phone(browser, server, base, tmp_path):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    open_page(page, server)
    folder = make_images(tmp_path / "discs", 6)
    start_run(page, server, base, folder, run__name="by thumb", train__steps=3000, sample__prompts="a disc")
    expect(page.locator("#run-card")).to_contain_text(re.compile(r"step\s+\d+ / 3,000"))
    expect(page.locator("#samples td img").first).to_be_visible()
    assert sideways_scroll(page) <= 0
    page.locator("#stop").tap()
    expect(page.locator("#ask-stop")).to_be_visible()
    assert sideways_scroll(page) <= 0
    page.locator("#ask-stop [data-stop]").tap()
    expect(page.locator("#run-card .pill")).to_have_text("stopped")
    assert sideways_scroll(page) <= 0
    context.close()


def test_start_end_and_failure_are_announced(page, server, base, tmp_path):
    """Screen readers speak what changes inside a live region, so the region itself has to stay."""
    open_page(page, server)
    region = page.locator("#announce .html-container[aria-live=polite]").element_handle()
    folder = make_images(tmp_path / "discs", 6)
    for name, end in (("ends", "stopped"), ("fails", "stopped unexpectedly")):
        run = start_run(page, server, base, folder, run__name=name, train__steps=3000, sample__prompts="a disc")
        heard = "(said) => document.contains(said[0]) && said[0].textContent.includes(said[1])"
        page.wait_for_function(heard, arg=[region, f"{name}: training"])
        if end == "stopped":
            stop_run(page)
        else:
            (trainer,) = (int(p.name) for p in Path("/proc").glob("[0-9]*") if str(run.folder) in _command_of(p))
            os.kill(trainer, signal.SIGKILL)
        page.wait_for_function(heard, arg=[region, f"{name}: {end}"])
