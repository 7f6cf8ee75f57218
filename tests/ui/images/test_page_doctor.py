"""The doctor on the page: started, stopped, kept; what still holds is shown, mended as promised, and taken back."""

import json
import re

import pytest
from browser import open_tab
from captioned import caption_of
from example import HOSTILE, make_images
from playwright.sync_api import expect

from sdlora.data import CACHE_FOLDER
from sdlora.data.listing import find_images
from ui.background.table import JOBS
from ui.shell.place import Place
from ui.tabs.images import html_doctor
from ui.tabs.images.album import Album, Filter
from ui.tabs.images.examined import KEPT, Doctor, DoctorReport, mended
from ui.tabs.images.sight import Training
from ui.words import en

SMALL = Training(resolution=96, step=32)


@pytest.fixture
def folder(tmp_path):
    """Four pictures of discs, which are nearly the same, and a caption with broken letters."""
    folder = make_images(tmp_path / "discs", 4)
    (folder / "disc0002.txt").write_text("a cafÃ©, number 2", encoding="utf-8")
    return folder


def read(folder) -> Album:
    album = Album(folder)
    album.read()
    return album


def report_of(folder, **changes) -> dict:
    finding = {"check": "blurred", "pictures": ["disc0001.png"], "what": "w", "why": "y", "fix": "f",
               "leave_out": ["disc0001.png"], "captions": {}}  # fmt: skip
    report = {"pictures": 4, "files": [], "findings": [finding | changes], "buckets": []}
    return {"when": 1.0, "report": report}


def test_a_folder_is_looked_at_in_the_background_and_the_report_stays(folder, tmp_path):
    doctor, album = Doctor(tmp_path / "tasks"), read(folder)
    assert doctor.report(folder) is None and doctor.start(folder, SMALL) and doctor.looks_at(folder)
    assert not doctor.start(tmp_path, SMALL) and not doctor.looks_at(tmp_path)
    doctor.wait(120)
    assert not doctor.state().failed and doctor.state().reported["done"] == 4
    found = {f.check: f for f in Doctor().report(folder).still(album)}  # another server
    assert len(found["alike"].names) == 4 and len(found["alike"].out) == 3
    assert (
        found["garbled"].names == ("disc0002.png",) and mended("garbled", album, "disc0002.png") == "a café, number 2"
    )
    album.put_aside(list(found["alike"].out))
    album.save("disc0001.png", "something else")
    assert "alike" not in {f.check for f in Doctor().report(folder).still(album)}


def test_it_can_be_stopped_and_then_nothing_is_kept(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(JOBS, "doctor", lambda *_: [*JOBS["probe"](tmp_path)[:1], "-c", "import time; time.sleep(600)"])
    doctor = Doctor(tmp_path / "tasks")
    assert doctor.start(folder, SMALL)
    doctor.stop()
    doctor.wait(60)
    state = doctor.state()
    assert state.stopped and not state.runs and doctor.report(folder) is None
    assert en.DOCTOR_STOPPED in html_doctor.ended(state)
    assert doctor.start(folder, SMALL) and not doctor.state().stopped
    doctor.stop()
    doctor.wait(60)


@pytest.mark.parametrize(
    "kept",
    ["", "[1, 2", "[]", "{}", '{"when": 1}', '{"when": "x", "report": {}}', '{"when": 1, "report": {"pictures": 1}}'],
)
def test_a_damaged_report_is_none(folder, kept):
    (folder / CACHE_FOLDER).mkdir(exist_ok=True)
    (folder / CACHE_FOLDER / KEPT).write_text(kept)
    assert Doctor().report(folder) is None


def test_words_and_names_of_a_strangers_report_do_no_harm(folder, tmp_path):
    """It lies in the folder, where anybody may have written it."""
    names = ["../../secret.png", "/etc/passwd", HOSTILE, "disc0001.png"]
    kept = report_of(folder, pictures=names, leave_out=names, what=HOSTILE, why=HOSTILE, check=HOSTILE)
    album, report = read(folder), DoctorReport.of(kept)
    (found,) = report.still(album)
    assert found.names == found.out == ("disc0001.png",)
    shown = html_doctor.report(Place(tmp_path / "runs"), album, report)
    assert "<b>bold" not in shown and "<img src=x" not in shown and "&lt;b&gt;bold" in shown


def test_pictures_that_went_aside_come_back_with_their_captions(folder):
    album, before = read(folder), sorted(path.name for path in folder.glob("disc*"))
    assert album.put_aside(["disc0001.png", "disc0003.png", "disc0003.png"]) == ["disc0001.png", "disc0003.png"]
    assert [p.name for p in find_images(folder)] == ["disc0002.png", "disc0004.png"]
    last = album.history.last()
    assert (last.kind, last.count) == ("aside", 2)
    assert read(folder).undo() == (2, 0)
    assert sorted(path.name for path in folder.glob("disc*")) == before
    assert not [path for path in (folder / ".aside").rglob("*") if path.is_file()]


def test_what_lies_there_meanwhile_is_not_written_over(folder):
    album = read(folder)
    album.put_aside(["disc0001.png", "disc0002.png", "disc0003.png"])
    (folder / "disc0001.png").write_bytes(b"another")
    (folder / ".aside" / "disc0002.png").unlink()
    (folder / ".aside" / "disc0002.txt").unlink()
    assert album.undo() == (1, 2)
    assert (folder / "disc0001.png").read_bytes() == b"another" and (folder / ".aside" / "disc0001.png").exists()
    assert len(album.entries(Filter(), SMALL.limits)) == 3


def test_a_change_that_leads_out_of_the_folder_is_none(folder, tmp_path):
    album = read(folder)
    album.put_aside(["disc0001.png"])
    (change,) = (folder / CACHE_FOLDER / "undo").glob("*.json")
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    content = json.loads(change.read_text())
    content["moved"] = {"disc0001.png": {"stolen.txt": "../secret.txt"}}
    change.write_text(json.dumps(content))
    assert album.history.last() is None and album.undo() == (0, 0)
    assert secret.exists() and not (folder / "stolen.txt").exists()


@pytest.mark.slow
def test_look_mend_and_undo_in_a_browser(page, server, tmp_path):
    folder = make_images(tmp_path / "discs", 4)
    (folder / "disc0002.txt").write_text("a cafÃ©, number 2", encoding="utf-8")
    page.goto(server.url)
    open_tab(page, "Images")
    box = page.locator("#field-data-folder").locator("textarea, input").first
    box.fill(str(folder))
    page.locator("#show-images").click()
    expect(page.locator("#summary")).to_contain_text("4 images")
    page.locator("#doctor-box > button").click()
    page.locator("#doctor-start").click()
    report = page.locator("#doctor-report")
    expect(report.locator("[data-check=alike] img")).to_have_count(4, timeout=120_000)
    expect(report.locator("[data-check=garbled]")).to_contain_text("disc0002.png")
    page.reload()
    expect(page.locator("#summary")).to_contain_text("4 images")
    page.locator("#doctor-box > button").click()
    expect(report.locator("[data-check=alike] img")).to_have_count(4)  # it outlives the page
    for kind in ("alike", "garbled"):
        page.locator("#doctor-mend").get_by_label(en.DOCTOR_CHECKS[kind]).check()
    preview = page.locator("#doctor-preview")
    expect(preview.locator(".leaving li")).to_have_count(3)
    page.locator("#doctor-mend").get_by_label(en.DOCTOR_CHECKS["alike"]).uncheck()
    expect(preview.locator(".leaving")).to_have_count(0)
    expect(preview.locator("ins")).to_contain_text("café")
    page.locator("#doctor-apply").click()
    expect(report.locator("[data-check=garbled]")).to_have_count(0)
    assert caption_of(folder / "disc0002.png") == "a café, number 2"
    page.locator("#doctor-mend").get_by_label(en.DOCTOR_CHECKS["alike"]).check()
    expect(preview.locator(".leaving li")).to_have_count(3)
    page.locator("#doctor-apply").click()
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(1)
    assert len(list((folder / ".aside").glob("*.png"))) == 3
    expect(page.locator("#undo")).to_have_text(re.compile("out of the set"))
    page.locator("#undo").click()
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(4)
    page.locator("#undo").click()
    expect(page.locator("#dropped")).to_contain_text(en.UNDONE_ONE.format(count=1))
    assert caption_of(folder / "disc0002.png") == "a cafÃ©, number 2"
