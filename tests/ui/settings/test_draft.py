"""The draft in a real browser: what was typed stays, right or wrong, for every browser."""

import pytest
from browser import open_tab
from example import HOSTILE, make_images
from playwright.sync_api import expect
from settings_form import block, field, fill, open_settings, show_all

from sdlora.runs.run import list_runs
from sdlora.settings import Settings, load_settings
from ui import text
from ui.tabs.settings import form, presets

pytestmark = pytest.mark.slow


def test_what_was_typed_is_there_after_a_reload_right_or_wrong(page, browser, own):
    open_settings(page, own)
    show_all(page)
    typed = {"run.name": "half a na", "train.steps": "0", "sample.negative": HOSTILE, "data.tag_dropout": "0.25"}
    for key, words in typed.items():
        fill(page, key, words)
    fill(page, "data.trigger", "ohwx")
    expect(page.locator("#checks")).to_contain_text("train.steps is 0")
    page.reload()
    open_tab(page, "Settings")
    expect(page.locator("#settings-answer")).to_contain_text(text.RESTORED)
    for key, words in typed.items():
        expect(field(page, key)).to_have_value(words)
    second = browser.new_context().new_page()
    second.goto(own.url)
    open_tab(second, "Settings")
    expect(field(second, "run.name")).to_have_value("half a na")
    open_tab(second, "Images")
    expect(second.locator("#trigger textarea, #trigger input").first).to_have_value("ohwx")
    second.context.close()


def test_a_load_writes_nothing_and_every_browser_shows_the_same_draft(page, browser, own, tmp_path):
    """Two pages show the same form; only what a person changes is written, also before Settings was ever opened."""
    folder, draft = make_images(tmp_path / "discs", 7), own.runs / ".form" / "draft.toml"
    page.goto(own.url)
    expect(page.locator("#summary")).to_contain_text("24 images")
    assert not draft.exists()
    field(page, form.FOLDER).fill(str(folder))
    page.locator("#show-images").click()
    expect(page.locator("#summary")).to_contain_text("7 images")
    trigger = page.locator("#trigger textarea, #trigger input").first
    trigger.press_sequentially("ohwx")  # and not left
    for _ in range(100):
        if draft.exists() and "ohwx" in draft.read_text():
            break
        page.wait_for_timeout(100)
    kept, written = draft.read_bytes(), draft.stat().st_mtime_ns
    page.reload()
    second = browser.new_context().new_page()
    second.goto(own.url)
    for one in (page, second):
        expect(one.locator("#summary")).to_contain_text("7 images")
        expect(one.locator("#trigger textarea, #trigger input").first).to_have_value("ohwx")
        open_tab(one, "Settings")
        expect(one.locator("#trained")).to_contain_text(f"7 images {folder}")
        expect(one.locator("#trained img")).to_have_count(3)
        expect(one.locator("#estimate")).to_contain_text("7 images")
        expect(field(one, "data.trigger")).to_have_value("ohwx")
        one.wait_for_timeout(1000)  # what a load sets off has come to its end
    assert (draft.read_bytes(), draft.stat().st_mtime_ns) == (kept, written)
    fill(second, "train.steps", 77)
    fill(page, "train.seed", 5)  # a page that does not know of it takes nothing back
    for words in ('steps = "77"', 'seed = "5"', str(folder)):
        for _ in range(100):
            if words in draft.read_text():
                break
            page.wait_for_timeout(100)
        assert words in draft.read_text()
    second.context.close()


def test_numbers_are_read_as_they_are_typed_and_an_emptied_one_is_named(page, own):
    open_settings(page, own)
    fill(page, "train.lr", "0,003")
    expect(field(page, "train.lr")).to_have_value("0.003")
    wanted = form.field_values(presets.load(presets.preset_name(presets.EMBEDDED)))["train.steps"]
    assert wanted != form.field_values(Settings())["train.steps"]
    fill(page, "train.steps", "")
    expect(block(page, "train.steps").locator(".wrong")).to_have_text("Steps is empty. Write a number.")
    page.locator("#start").click()
    expect(page.locator("#reason")).to_contain_text("Not started")
    block(page, "train.steps").locator(".back").click()  # to the preset's value, not the program's
    expect(field(page, "train.steps")).to_have_value(wanted)
    fill(page, "train.seed", "-1")
    expect(page.locator("#checks")).not_to_contain_text("train.s")
    page.locator("#start").click()
    expect(page.locator("#run-card h2")).to_have_text("my-lora")
    made = load_settings(list_runs(own.runs)[0].folder / "settings.toml")
    assert (made.train.lr, made.train.steps) == (0.003, int(wanted)) and made.train.seed >= 0
    open_tab(page, "Compare")
    box = page.locator("#play-strength-1 input, #compare-seed input").first
    box.fill("")
    box.press_sequentially("0,5")  # a browser's own number box
    expect(box).to_have_value("0.5")
