"""The Runs and Compare tabs in a real browser, with runs of the fake trainer that are put into the queue from here."""

import os
import re
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import Server, open_tab, sideways_scroll
from example import HOSTILE, make_images
from playwright.sync_api import Page, expect
from serve_fake import trainers as fake_trainers

from sdlora.messages import say
from ui.words import en
from sdlora.events import Finished, Started
from sdlora.runs.run import Run
from sdlora.settings import dump_settings, make_settings
from ui.shell.queue import Queue

pytestmark = pytest.mark.slow


def settings(server: Server, base: Path, name: str, steps: int = 3000, **sample):
    images = server.folder / "images"
    return make_settings(
        {
            "model": {"base": str(base)},
            "data": {"folder": str(make_images(images, 6))},
            "train": {"steps": steps},
            "sample": {"prompts": ["a disc", "a square"], "every": 5, **sample},
            "save": {"every": 5, "keep": 0},
            "run": {"name": name, "folder": str(server.runs)},
        }  # fmt: skip
    )


def add(server: Server, base: Path, name: str, steps: int = 3000, **sample) -> Run:
    os.environ["FAKE_SECONDS"] = "0.1"
    return Queue(server.runs, fake_trainers()).add(settings(server, base, name, steps, **sample))


def open_runs(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(page.locator("#strip")).to_contain_text(re.compile("running|training|starting|Drawing"))
    open_tab(page, "Runs")


def choose(page: Page, name: str) -> None:
    page.locator("#run-list label", has_text=name).first.click()
    expect(page.locator("#run-card h2")).to_have_text(name)


def test_a_queue_of_three_is_ordered_and_goes_on_by_itself(page, server, base):
    first = add(server, base, "first")
    open_runs(page, server)
    expect(page.locator("#run-card h2")).to_have_text("first")
    runs = [add(server, base, name, 10) for name in ("second", "third", "fourth")]
    labels = page.locator("#run-list label")
    expect(labels.filter(has_text="waiting")).to_have_count(3)
    choose(page, "third")
    expect(page.locator("#run-card")).to_contain_text("Place 2 in the queue")
    page.locator("#move-up").click()
    expect(page.locator("#run-card")).to_contain_text(en.WAITS_NEXT.format(name="first"))
    expect(page.locator("#move-up")).to_be_disabled()
    choose(page, "fourth")
    page.locator("#remove").click()
    expect(labels.filter(has_text="fourth")).to_have_count(0)
    assert not runs[2].folder.exists()
    first.request("stop")
    expect(labels.filter(has_text="third").filter(has_text="finished")).to_have_count(1)
    expect(labels.filter(has_text="second").filter(has_text="finished")).to_have_count(1)
    begun = [min(at for at, _ in run.events()) for run in (runs[1], runs[0])]
    assert begun == sorted(begun)


def test_the_server_is_killed_in_the_middle_and_the_queue_goes_on(page, base, tmp_path):
    server = Server(tmp_path).start()
    try:
        first = add(server, base, "first", 200)
        second = add(server, base, "second", 5)
        open_runs(page, server)
        expect(page.locator("#run-card .pill")).to_have_text("training")
        server.kill()
        expect(page.locator("#offline")).to_be_visible()
        expect(page.locator("#offline")).to_contain_text("training is not affected")
        assert first.alive()
        server.start()
        expect(page.locator("#offline")).to_be_hidden()
        open_tab(page, "Runs")
        expect(page.locator("#run-list label").filter(has_text="second").filter(has_text="finished")).to_have_count(1)
        assert (first.state(), second.state()) == ("done", "done")
    finally:
        server.stop()


def test_a_slow_answer_does_not_load_the_page_again(page, server, base):
    add(server, base, "busy", 400)
    open_runs(page, server)
    page.evaluate("window.here = true")  # gone with the page
    page.route("**/gradio_api/app_id", lambda route: route.abort())
    expect(page.locator("#offline")).to_be_visible()
    page.unroute("**/gradio_api/app_id")
    expect(page.locator("#offline")).to_be_hidden()
    page.wait_for_timeout(1000)
    assert page.evaluate("window.here")


def test_a_killed_trainer_is_shown_within_three_seconds_and_resumed(page, server, base):
    run = add(server, base, "victim")
    open_runs(page, server)
    expect(page.locator("#run-card")).to_contain_text(re.compile(r"step\s+\d\d+ / 3,000"))
    os.kill(Queue(server.runs).current().process.pid, signal.SIGKILL)
    begin = time.monotonic()
    expect(page.locator("#run-card .pill")).to_have_text("stopped unexpectedly")
    assert time.monotonic() - begin < 3
    expect(page.locator("#run-card pre")).to_contain_text("fake trainer: ready")
    expect(page.locator("#run-card")).to_contain_text("goes on from step")
    page.locator("#resume").click()
    expect(page.locator("#run-card .pill")).to_have_text("training")
    assert run.alive()


def test_two_pages_show_a_stop_within_two_seconds(page, browser, server, base):
    add(server, base, "shared")
    second = browser.new_context().new_page()
    for one in (page, second):
        open_runs(one, server)
        expect(one.locator("#run-card .pill")).to_have_text("training")
    page.locator("#stop").click()
    page.locator("#ask-stop [data-close]").click()  # asked once: not now
    expect(page.locator("#run-card .pill")).to_have_text("training")
    page.locator("#stop").click()
    page.locator("#ask-stop [data-stop]").click()
    for one in (page, second):
        expect(one.locator("#run-card .pill")).to_have_text("stopped")
        expect(one.locator("#stop")).to_be_hidden()
        expect(one.locator("#files li")).to_have_count(1)
    second.context.close()


def test_loading_and_stopping_are_named_while_they_last(page, server, base, monkeypatch):
    for name, seconds in (("FAKE_LOADING", "6"), ("FAKE_ENDING", "3"), ("FAKE_SECONDS", "3")):
        monkeypatch.setenv(name, seconds)
    open_runs(page, server)
    Queue(server.runs, fake_trainers()).add(settings(server, base, "slow"))
    choose(page, "slow")
    card = page.locator("#run-card")
    expect(card).to_contain_text("Loading the model…")
    expect(card.locator(".pill")).to_have_text("getting ready")
    expect(page.locator("#strip")).to_contain_text("slow: getting ready · Loading the model…")
    expect(card.locator(".pill")).to_have_text("training")
    page.locator("#stop").click()
    page.locator("#ask-stop [data-stop]").click()
    clicked = time.monotonic()
    expect(card).to_contain_text("Stopping after this step…")
    assert time.monotonic() - clicked < 3
    for words in ("Saving a checkpoint…", "Writing the LoRA file…"):
        expect(card).to_contain_text(words)
        assert card.locator(".pill").inner_text() == "stopping"
    expect(card.locator(".pill")).to_have_text("stopped")


def test_a_failed_runs_settings_are_changed_and_begun_again(page, server, base):
    run = Run.create(server.runs, "failed", dump_settings(settings(server, base, "failed", 321)))
    for event in (Started(0, 321, 6, 1, 1, 1, "cpu"), Finished(5, "failed", say("training.unstable", step=5))):
        run.write(event)
    open_runs(page, server)
    choose(page, "failed")
    card = page.locator("#run-card")
    expect(card).to_contain_text(en.TRY_CHANGE_START)
    assert "Press Resume" not in card.inner_text()
    page.locator("#change-settings").click()
    expect(page.locator("#settings-answer")).to_contain_text("Loaded the settings of failed.")
    expect(page.locator("#field-train-steps").locator("input, textarea").first).to_have_value("321")
    expect(page.locator("#trained")).to_contain_text(f"6 images {server.folder / 'images'}")
    expect(page.locator("#afresh")).to_be_hidden()
    page.locator("#start").click()
    expect(card.locator(".pill")).to_have_text(re.compile("starting|getting ready|training"))
    assert len([one for one in server.runs.iterdir() if one.name.endswith(("failed", "failed-2"))]) == 2


def test_pictures_thin_out_and_come_back(page, server, base):
    run = add(server, base, "many", 60)
    open_runs(page, server)
    expect(page.locator("#run-card .pill")).to_have_text("finished")
    expect(page.locator("#samples thead th")).to_have_count(6)
    expect(page.locator("#samples thead th").first).to_have_text("before")
    expect(page.locator("#samples thead th").last).to_have_text("step 60")
    page.get_by_label("Show all steps").check()
    expect(page.locator("#samples thead th")).to_have_count(13)
    expect(page.locator("#samples .cell")).to_have_count(26)
    assert run.state() == "done"


def test_strength_and_export_and_curve(page, server, base):
    add(server, base, "tools", 20)
    open_runs(page, server)
    expect(page.locator("#run-card .pill")).to_have_text("finished")
    page.locator("#strength-slider input[type=number]").fill("0.4")
    page.locator("#draw-again").click()
    expect(page.locator("#strength-pictures .cell")).to_have_count(4)
    expect(page.locator("#strength-pictures")).to_contain_text("strength 0.4")
    page.reload()
    open_tab(page, "Runs")
    choose(page, "tools")
    expect(page.locator("#strength-pictures .cell")).to_have_count(4)
    page.locator("#container label", has_text="diffusers").click()
    page.locator("#export").click()
    expect(page.locator("#files")).to_contain_text("tools-000020-diffusers.safetensors")
    before = page.locator("#curve canvas, #curve svg").count()
    page.locator("#smoothing input[type=number]").fill("0.2")
    page.locator("#smoothing input[type=number]").blur()
    assert before >= 1


def test_compare_and_use_this_one(page, server, base):
    add(server, base, "one", 10)
    add(server, base, "two", 10, guidance=5.0)
    open_runs(page, server)
    expect(page.locator("#run-list label").filter(has_text="two").filter(has_text="finished")).to_have_count(1)
    open_tab(page, "Compare")
    page.locator("#compare-draw").click()
    expect(page.locator("#compare-said")).to_contain_text("at least one checkpoint")
    box = page.locator("#compare-checkpoints input")
    for name in ("one, step 10", "two, step 5"):
        box.fill(name)
        page.get_by_role("option", name=re.compile(name)).first.click()
    page.keyboard.press("Escape")
    page.locator("#compare-draw").click()
    expect(page.locator("#compare-grid .cell")).to_have_count(10)
    expect(page.locator("#compare-grid th").first).to_have_text("base model alone")
    expect(page.locator("#compare-differences")).to_contain_text("sample.guidance")
    page.locator("#compare-grid .cell").nth(2).click()
    expect(page.locator("#lightbox-left")).to_have_text("base model alone")
    page.keyboard.press("Escape")
    page.locator("#compare-use").click()
    expect(page.locator("#compare-used")).to_contain_text("two-000005.safetensors")
    page.reload()
    open_tab(page, "Compare")
    expect(page.locator("#compare-grid .cell")).to_have_count(10)
    page.locator("#play-prompt textarea").fill("a disc at night")
    page.locator("#play-draw").click()
    expect(page.locator("#played .cell")).to_have_count(1)


def test_keys(page, server, base):
    add(server, base, "keys")
    open_runs(page, server)
    for key, tab in {"4": "Compare", "1": "Images", "2": "Settings", "3": "Runs"}.items():
        page.locator("#title").click()
        page.keyboard.press(key)
        expect(page.get_by_role("tab", name=tab).first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("s")
    expect(page.locator("#samples thead th").nth(1)).to_contain_text("step")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_contain_text("Test picture now")
    page.locator("#keys-on").uncheck()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("1")
    expect(page.get_by_role("tab", name="Runs").first).to_have_attribute("aria-selected", "true")
    # The next key may come before the browser has taken the focus out of the closed dialog.
    press = "new KeyboardEvent('keydown', {key: '?', bubbles: true})"
    page.evaluate(f"document.querySelector('#keys-on').dispatchEvent({press})")
    expect(page.locator("#keys")).to_be_visible()
    page.locator("#keys-on").check()
    page.keyboard.press("Escape")
    open_tab(page, "Compare")
    page.locator("#compare-strengths input, #compare-strengths textarea").first.press_sequentially("1")
    expect(page.get_by_role("tab", name="Compare").first).to_have_attribute("aria-selected", "true")


def test_a_hostile_run_is_text_on_both_tabs(page, server, base):
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    run = add(server, base, HOSTILE, 10, negative=HOSTILE)
    with open(run.folder / "log.txt", "a") as log:
        log.write(HOSTILE)
    open_runs(page, server)
    expect(page.locator("#run-card .pill")).to_have_text("finished")
    title = page.title()
    page.locator("#draw-again").click()
    expect(page.locator("#strength-pictures .cell")).to_have_count(4)
    page.locator("#samples .cell").last.click()
    page.keyboard.press("Escape")
    open_tab(page, "Compare")
    assert (page.title(), dialogs) == (title, [])
    assert page.locator("img[src='x']").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, server, base, scheme):
    add(server, base, "checked", 400)
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    open_runs(page, server)
    expect(page.locator("#samples .cell").first).to_be_visible()
    found = {}
    for tab in ("Runs", "Compare", "Images", "Settings"):
        open_tab(page, tab)
        page.wait_for_timeout(1500)
        told = Axe().run(page).response["violations"]
        for violation in told:
            if violation["impact"] in ("serious", "critical"):
                found[tab, violation["id"]] = [node["html"][:160] for node in violation["nodes"]][:4]
    context.close()
    assert found == {}


def test_on_a_telephone(browser, server, base):
    add(server, base, "small", 3000)
    add(server, base, "later", 10)
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(server.url)
    for tab in ("Runs", "Compare"):
        open_tab(page, tab)
        page.wait_for_timeout(2500)
        assert sideways_scroll(page) <= 0, tab
    open_tab(page, "Runs")
    assert page.locator("#stop").bounding_box()["height"] >= 44
    page.locator("#samples .cell").first.tap()
    expect(page.locator("#lightbox")).to_be_visible()
    page.locator("#lightbox [data-close]").tap()
    page.locator("#stop").tap()
    page.locator("#ask-stop [data-stop]").tap()
    expect(page.locator("#run-list label").filter(has_text="small").filter(has_text="stopped")).to_have_count(1)
    context.close()


def test_another_name_for_this_computer_is_refused(server):
    request = urllib.request.Request(server.url, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    assert refused.value.code == 400
