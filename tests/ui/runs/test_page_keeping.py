"""Runs as things, in a real browser: named, rated, deleted and put back, changed while they wait, taken as one zip."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import Server, open_tab, sideways_scroll
from example import HOSTILE
from playwright.sync_api import Page, expect
from test_page_runs import add, choose, open_runs, settings

from sdlora.runs.bin import binned
from sdlora.runs.origin import origin_of
from sdlora.runs.remarks import Remarks, remark, remarks_of
from sdlora.runs.run import Run, list_runs
from sdlora.settings import load_settings
from ui.words import en

pytestmark = pytest.mark.slow


def finished(page: Page, server: Server, base: Path, name: str, steps: int = 10) -> Run:
    """A run of the fake trainer, seen to its end."""
    run = add(server, base, name, steps)
    open_runs(page, server)
    choose(page, name)
    expect(page.locator("#run-card .pill")).to_have_text("finished")
    return run


def field(page: Page, name: str):
    return page.locator(f"#{name}").locator("input:not([type=radio]), textarea").first


def test_a_card_tells_what_a_run_is_and_has_its_file_at_the_top(page, server, base):
    run = finished(page, server, base, "told")
    card = page.locator("#run-card")
    for said in (base.name, "images", "a disc, a square", "adamw"):
        expect(card).to_contain_text(said)
    made = load_settings(run.folder / "settings.toml")
    for label, value in (("adapter.rank", made.adapter.rank), ("adapter.alpha", made.adapter.alpha)):
        expect(card.locator("span", has_text=re.compile(rf"^{en.LABELS[label]} {value:g}$"))).to_have_count(1)
    assert str(server.folder / "images") in card.locator(".recipe").inner_html()  # the whole path, under the pointer
    with page.expect_download() as got:
        card.locator(".take a").click()
    assert Path(got.value.path()).read_bytes() == (run.folder / "told.safetensors").read_bytes()
    assert card.bounding_box()["y"] + card.locator(".take").bounding_box()["y"] < 900  # in sight without scrolling


def test_a_run_is_named_rated_and_noted_by_keyboard_and_stays_so(page, server, base):
    run = finished(page, server, base, "plain")
    page.locator("#remarks-box button").first.focus()
    page.keyboard.press("Enter")
    field(page, "said-name").fill("Brighter cat")
    page.locator("#said-rating input").nth(4).focus()
    page.keyboard.press("Space")
    field(page, "said-note").fill(f"eyes too blue\n{HOSTILE}")
    page.locator("#keep-said").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#run-card h2")).to_have_text("Brighter cat")
    expect(page.locator("#run-card .stars")).to_have_attribute("aria-label", "4 stars")
    expect(page.locator("#run-card .own-note")).to_contain_text("eyes too blue")
    expect(page.locator("#run-list label", has_text="Brighter cat")).to_contain_text("★★★★")
    assert remarks_of(run.folder) == Remarks("Brighter cat", 4, f"eyes too blue\n{HOSTILE}")
    remark(run.folder, note="from a terminal")  # sdlora runs RUN --note
    expect(page.locator("#run-card .own-note")).to_have_text("from a terminal")
    page.reload()
    open_tab(page, "Runs")
    choose(page, "Brighter cat")
    page.locator("#remarks-box button").first.click()
    expect(field(page, "said-note")).to_have_value("from a terminal")
    assert page.locator("img[src='x']").count() == 0


def test_a_deleted_run_lies_in_the_bin_until_that_is_emptied(page, server, base):
    first = finished(page, server, base, "goes")
    second = finished(page, server, base, "stays")
    expect(page.locator("#disk-line")).to_contain_text(re.compile(r"\d+ runs, [\d.]+ MB · .* free"))
    choose(page, "goes")
    page.locator("#delete-run").click()
    expect(page.locator("#run-list label", has_text="goes")).to_have_count(0)
    assert not first.folder.exists() and [run.name for run in binned(server.runs)] == [first.name]
    expect(page.locator("#disk-line")).to_contain_text("in the bin")
    page.locator("#bin-box button").first.click()
    page.locator("#bin-list label", has_text="goes").click()
    page.locator("#put-back").click()
    expect(page.locator("#run-list label", has_text="goes")).to_have_count(1)
    assert first.state() == "done" and binned(server.runs) == []
    choose(page, "goes")
    page.locator("#delete-run").click()
    expect(page.locator("#bin-list label", has_text="goes")).to_have_count(1)
    links = server.runs / ".page" / "files" / first.name
    assert links.is_dir()
    page.locator("#empty-bin").click()
    page.locator("#ask-empty [data-close]").click()  # not now
    assert [run.name for run in binned(server.runs)] == [first.name]
    page.locator("#empty-bin").click()
    page.locator("#ask-empty [data-empty]").click()
    expect(page.locator("#bin-said")).to_have_text(en.BIN_EMPTY)
    assert binned(server.runs) == [] and not links.exists()  # a link would have kept the bytes on the disk
    assert second.folder.is_dir() and second.state() == "done"


def test_what_trains_or_waits_has_no_delete_and_a_removal_is_undone(page, server, base):
    add(server, base, "trains")
    waiting = add(server, base, "waits", 10)
    add(server, base, "behind", 10)
    open_runs(page, server)
    choose(page, "trains")
    expect(page.locator("#stop")).to_be_visible()
    expect(page.locator("#delete-run")).to_be_hidden()
    choose(page, "waits")
    expect(page.locator("#delete-run")).to_be_hidden()
    page.locator("#remove").click()
    expect(page.locator("#run-list label", has_text="waits")).to_have_count(0)
    undo = page.locator("#undo-removal")
    expect(undo).to_have_text(en.UNDO_REMOVAL.format(name="waits"))
    page.reload()  # it is still offered
    open_tab(page, "Runs")
    undo.click()
    expect(undo).to_be_hidden()
    choose(page, "waits")
    expect(page.locator("#run-card")).to_contain_text(en.WAITS_NEXT.format(name="trains"))
    assert waiting.folder.is_dir()


def test_a_waiting_run_is_edited_in_its_place(page, server, base):
    add(server, base, "now")
    old = add(server, base, "later", 33)
    add(server, base, "last", 10)
    open_runs(page, server)
    choose(page, "later")
    page.locator("#edit").click()
    expect(page.locator("#editing")).to_contain_text(en.EDITS_WAITING.format(name="later"))
    steps = page.locator("#field-train-steps").locator("input, textarea").first
    expect(steps).to_have_value("33")
    steps.fill("44")
    steps.blur()
    page.locator("#start").click()
    expect(page.locator("#run-card")).to_contain_text(en.WAITS_NEXT.format(name="now"))
    expect(page.locator("#run-card .recipe")).to_contain_text("Steps 44")
    assert not old.folder.exists() and old.name in [run.name for run in binned(server.runs)]
    open_tab(page, "Settings")
    expect(page.locator("#editing")).to_be_empty()


def test_duplicate_and_start_from_a_checkpoint_open_the_settings(page, server, base):
    run = finished(page, server, base, "model", 20)
    page.locator("#duplicate").click()
    expect(page.locator("#settings-answer")).to_contain_text("Loaded the settings of model.")
    expect(page.locator("#afresh")).to_be_hidden()
    open_tab(page, "Runs")
    choose(page, "model")
    page.locator("#branch").click()
    expect(page.locator("#origin")).to_contain_text(en.GOES_ON_FROM.format(name="model", step=20))
    expect(page.locator("#afresh")).to_be_visible()
    page.locator("#afresh").click()
    page.locator("#start").click()
    expect(page.locator("#run-card .pill")).to_have_text(re.compile("starting|getting ready|training"))
    copies = [one for one in list_runs(server.runs) if "_model" in one.name and one.name != run.name]
    assert len(copies) == 1 and origin_of(copies[0].folder) is None


def test_all_files_of_a_run_come_as_one_zip(page, server, base):
    run = finished(page, server, base, "packed", 10)
    page.locator("#export").click()
    link = page.locator("#files a.zip")
    expect(link).to_have_text(en.ALL_AS_ZIP)
    with page.expect_download() as got:
        link.click()
    assert got.value.suggested_filename == f"{run.name}.zip"
    with zipfile.ZipFile(got.value.path()) as archive:
        assert archive.testzip() is None
        assert {Path(name).name for name in archive.namelist()} == {
            "packed.safetensors", "packed-000010.safetensors", "settings.toml"
        }  # fmt: skip
        assert archive.read(f"{run.name}/packed.safetensors") == (run.folder / "packed.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["nothing", "../images", "..%2F..%2Fetc", "", ".bin", "a\0b"])
def test_no_other_folder_comes_as_a_zip(page, server, name):
    answer = page.request.get(f"{server.url}runs/zip", params={"run": name})
    assert answer.status == 404
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(answer.body()))


def test_no_other_site_gets_a_zip(page, server, base):
    run = finished(page, server, base, "mine", 5)
    got = {"params": {"run": run.name}}
    assert page.request.get(f"{server.url}runs/zip", **got).status == 200
    foreign = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert page.request.get(f"{server.url}runs/zip", headers=foreign, **got).status == 403


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_telephone_all_of_it_fits_and_is_read_out(browser, server, base, scheme):
    (Run.create(server.runs, "small", "").folder / "settings.toml").write_text("broken")
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme)
    page = context.new_page()
    run = finished(page, server, base, f"phone-{scheme}", 10)
    remark(run.folder, "A name that is rather long for a telephone", 5, "words " * 60)
    expect(page.locator("#run-card .stars")).to_be_visible()
    page.locator("#remarks-box button").first.tap()
    page.locator("#bin-box button").first.tap()
    expect(page.locator("#keep-said")).to_be_visible()
    page.wait_for_timeout(800)
    assert sideways_scroll(page) <= 0
    for button in ("#delete-run", "#duplicate", ".take a"):
        assert page.locator(button).bounding_box()["height"] >= 44
    told = Axe().run(page).response["violations"]
    assert [v["id"] for v in told if v["impact"] in ("serious", "critical")] == []
    context.close()
