"""Captions by a model on the page: what may be asked, started, stopped, gone on with, taken back."""

import re
import time

import pytest
from browser import open_tab, sideways_scroll
from captioned import caption_of
from chat_server import saying_so
from chat_server import server as model_server
from example import HOSTILE, make_images
from playwright.sync_api import expect
from said import saying, says

from sdlora.data import CACHE_FOLDER
from sdlora.errors import UserError
from ui.background.table import JOBS
from ui.shell.place import Place
from ui.tabs.images.captioning import KEPT, Asked, CaptionJob
from ui.words import en


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "runs")


@pytest.fixture
def folder(tmp_path):
    folder = make_images(tmp_path / "discs", 4)
    (folder / "disc0004.txt").unlink()
    return folder


@pytest.mark.parametrize(
    "values, sentence",
    [
        ({"captioner": "../evil"}, "CAPTIONER_UNKNOWN"),
        ({"mode": "delete"}, "CAPTIONER_UNKNOWN"),
        ({"server": "http://example.org/v1"}, "CAPTIONER_NOT_LOCAL"),
        ({"server": "http://localhost@example.org/v1"}, "CAPTIONER_NOT_LOCAL"),
        ({"captioner": "blip"}, "CAPTIONER_NEEDS_MODEL"),
        ({"threshold": "lots"}, "CAPTIONER_THRESHOLD"),
        ({"threshold": "1.5"}, "CAPTIONER_THRESHOLD"),
        ({"threshold": "nan"}, "CAPTIONER_THRESHOLD"),
    ],
)
def test_what_may_not_be_asked_is_said(place, values, sentence):
    with pytest.raises(UserError, match=saying(f"page.{sentence}")):
        Asked.of(values).flags(place)


def test_what_was_typed_is_never_a_flag_of_its_own(place, tmp_path):
    asked = Asked.of({"prompt": "--undo", "without": "-x", "model": "--json", "names": ["--undo", 3], "revision": [1]})
    command = JOBS["caption"](tmp_path, "--folder", *asked.flags(place))
    assert asked.names == ("--undo",) and "--undo" not in command and command[-2:] == ["--", "--folder"]
    assert "--prompt=--undo" in command and "--model=--json" in command
    rooted = Place(tmp_path / "other", data_root=tmp_path)
    with pytest.raises(UserError, match=saying("page.CAPTIONER_NEEDS_MODEL")):
        Asked.of({"captioner": "blip", "model": "/etc"}).flags(rooted)


def test_a_job_is_stopped_kept_and_gone_on_with_by_another_server(place, folder):
    slow = {"seconds": 0.0}

    def reply(asked):
        time.sleep(slow["seconds"])
        return saying_so("a disc")

    with model_server(reply, ["m"]) as (address, asked):
        job, wish = CaptionJob(place), Asked(server=address, mode="replace")
        slow["seconds"] = 0.8
        assert job.start(folder, wish) and job.works_on(folder) and not job.start(folder, wish)
        while not (job.state().reported.get("done") or not job.state().runs):
            time.sleep(0.05)
        job.stop()
        job.wait(30)
        assert job.state().stopped and caption_of(folder / "disc0001.png") == "a disc"
        slow["seconds"] = 0.0
        another = CaptionJob(place)
        left, before = another.left(folder), len(asked)
        assert left == wish and another.start(folder, left)
        another.wait(60)
        assert another.state().reported["report"]["written"] == 4 and len(asked) - before < 4
        assert another.left(folder) is None
    failing = CaptionJob(place)
    assert failing.start(folder, wish)  # there is no server any more
    failing.wait(60)
    assert failing.state().failed and says(failing.state().problem, "captioning.no_server")
    assert failing.left(folder) == wish


@pytest.mark.parametrize("kept", ["", "[]", '{"captioner": 3, "names": {"a": 1}}', "[" * 100_000])
def test_a_damaged_wish_is_none_or_the_usual_one(place, folder, kept):
    (folder / CACHE_FOLDER).mkdir(exist_ok=True)
    (folder / CACHE_FOLDER / KEPT).write_text(kept)
    assert CaptionJob(place).left(folder) in (None, Asked())


@pytest.mark.slow
def test_write_stop_go_on_and_undo_in_a_browser(page, server, folder):
    slow = {"seconds": 1.0}

    def reply(asked):
        time.sleep(slow["seconds"])
        return saying_so(f"{HOSTILE} a disc")

    with model_server(reply, ["m"]) as (address, asked):
        page.goto(server.url)
        open_tab(page, "Images")
        page.locator("#field-data-folder").locator("textarea, input").first.fill(str(folder))
        page.locator("#show-images").click()
        expect(page.locator("#summary")).to_contain_text("4 images")
        page.locator("#captioner-box > button").click()
        page.locator("#captioner-with").get_by_label(en.CAPTIONERS["tagger"]).check()
        expect(page.locator("#captioner-server")).to_be_hidden()
        page.locator("#captioner-start").click()
        told = page.locator("#captioner-told")
        expect(told).to_contain_text(en.CAPTIONER_NEEDS_MODEL)
        page.locator("#captioner-with").get_by_label(en.CAPTIONERS["server"]).check()
        typed = page.locator("#captioner-server").locator("textarea, input").first
        expect(typed).to_be_visible()
        typed.fill(address)
        page.locator("#captioner-mode").get_by_label(en.CAPTIONER_MODES["replace"]).check()
        page.locator("#captioner-start").click()
        expect(told.locator(".came")).to_contain_text("disc0001.png")
        page.locator("#captioner-stop").click()
        expect(told).to_contain_text(en.CAPTIONER_STOPPED)
        expect(page.locator("#gallery")).to_contain_text("<img src=x onerror")
        page.reload()
        expect(page.locator("#summary")).to_contain_text("4 images")
        page.locator("#captioner-box > button").click()
        slow["seconds"] = 0.0
        page.locator("#captioner-go-on").click()
        expect(told).to_contain_text(re.compile("captions? written"))
        assert all(caption_of(folder / f"disc000{n}.png").endswith("a disc") for n in (1, 2, 3, 4))
        expect(page.locator("#captioner-go-on")).to_be_hidden()
        expect(page.locator("#undo")).to_contain_text("captions by server")
        page.locator("#undo").click()
        expect(page.locator("#dropped")).to_contain_text(en.UNDONE_MANY.format(count=4))
        assert not (folder / "disc0004.txt").exists() and caption_of(folder / "disc0001.png") == "a disc, number 1"
        page.locator("#gallery .thumbnail-item").nth(1).click()
        expect(page.locator("#caption textarea")).to_have_value("a disc, number 2")
        typed.fill(address)
        page.locator("#captioner-mode").get_by_label(en.CAPTIONER_MODES["append"]).check()
        page.locator("#captioner-which").get_by_label(en.CAPTIONER_WHICH["chosen"]).check()
        page.locator("#captioner-start").click()
        expect(page.locator("#caption textarea")).to_have_value(re.compile("number 2, <img.* a disc$"))
        assert caption_of(folder / "disc0001.png") == "a disc, number 1"
        assert page.title() != "pwned" and sideways_scroll(page) == 0
