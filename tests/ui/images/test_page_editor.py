"""The caption editor stays in sight, by mouse and by keyboard; names for screen readers; messages that close."""

from pathlib import Path

import pytest
from browser import Server, sideways_scroll, wait_till_in_sight
from example import make_images
from playwright.sync_api import Page, expect

from ui.words import en, zh

pytestmark = pytest.mark.slow
WIDE, PHONE, ZOOMED, SMALLEST = (1280, 900), (390, 844), (640, 450), (320, 640)  # ZOOMED: WIDE at 200 %


def show(page: Page, server: Server, folder: Path, count: int) -> None:
    page.goto(server.url)
    expect(page.locator("#gallery .thumbnail-item").first).to_be_visible()  # of the example
    page.locator("#field-data-folder").locator("textarea, input").first.fill(str(folder))
    page.locator("#show-images").click()
    expect(page.locator("#summary")).to_contain_text(f"{count}")
    expect(page.locator("#gallery")).to_contain_text("number 1")


def thumbnail(page: Page, number: int):
    return page.locator("#gallery .thumbnail-item").nth(number - 1)


def caption(page: Page):
    return page.locator("#caption textarea")


@pytest.mark.parametrize("size", [WIDE, PHONE, ZOOMED, SMALLEST])
def test_the_caption_is_in_sight_wherever_the_thumbnail_is(browser, server, tmp_path, size):
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    show(page, server, make_images(tmp_path / "discs", 70), 70)
    assert sideways_scroll(page) <= 0
    for number in (56, 2, 60):
        thumbnail(page, number).click()
        expect(caption(page)).to_have_value(f"a disc, number {number}")
        wait_till_in_sight(page, "#caption textarea")
        wait_till_in_sight(page, "#gallery .thumbnail-item.selected img")
        assert sideways_scroll(page) <= 0
    assert page.locator(".machinery:visible").count() == 0
    if size == WIDE:  # the gallery scrolls by itself; the page stays where it is
        before = page.evaluate("scrollY")
        page.locator("#gallery .grid-wrap").evaluate("e => { e.scrollTop = 0; }")
        assert page.evaluate("scrollY") == before
        expect(thumbnail(page, 1)).to_be_in_viewport()
        expect(page.locator("#caption")).to_be_in_viewport()
    context.close()


def test_captions_are_written_without_a_mouse(page, server, tmp_path):
    folder = make_images(tmp_path / "discs", 66)
    show(page, server, folder, 66)
    page.locator("#search-captions").locator("input, textarea").first.focus()
    for _ in range(4):  # tags, many captions, doctor, then the gallery as one stop
        page.keyboard.press("Tab")
    expect(thumbnail(page, 1)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(thumbnail(page, 2)).to_be_focused()
    columns = page.evaluate("getComputedStyle(document.querySelector('#gallery .grid-container')).gridTemplateColumns")
    below = 2 + len(columns.split())
    page.keyboard.press("ArrowDown")
    expect(thumbnail(page, below)).to_be_focused()
    expect(caption(page)).to_have_value(f"a disc, number {below}")
    page.keyboard.press("Enter")
    expect(caption(page)).to_be_focused()
    page.keyboard.type(", from afar")  # goes on where it ends
    page.keyboard.press("Escape")
    expect(thumbnail(page, below)).to_be_focused()
    expect(thumbnail(page, below)).to_contain_text("from afar")
    assert (folder / f"disc{below:04d}.txt").read_text() == f"a disc, number {below}, from afar"
    page.keyboard.press("Enter")
    expect(caption(page)).to_be_focused()
    page.keyboard.type("!")
    page.keyboard.press("Control+Enter")
    expect(caption(page)).to_have_value(f"a disc, number {below + 1}")
    expect(caption(page)).to_be_focused()
    expect(thumbnail(page, below)).to_contain_text("from afar!")
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    expect(caption(page)).to_have_value("a disc, number 60")
    page.keyboard.press("ArrowRight")  # turns the page
    expect(caption(page)).to_have_value("a disc, number 61")
    expect(thumbnail(page, 1)).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.locator("#doctor-box button").first).to_be_focused()
    page.locator("#close-editor").click()
    expect(page.locator("#edit")).to_be_hidden()


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_screen_readers_get_names_and_which_one_is_chosen(browser, server, tmp_path, language):
    context = browser.new_context(locale=language)
    page = context.new_page()
    show(page, server, make_images(tmp_path / "discs", 62), 62)
    words = zh if language == "zh-CN" else en
    page.locator("#next-page").click()
    told = words.THUMBNAIL.format(name="disc0062.png", at=62, count=62)
    last = page.get_by_role("button", name=f"{told}: a disc, number 62", exact=True)
    expect(last).to_have_attribute("aria-current", "false")
    last.click()
    expect(last).to_have_attribute("aria-current", "true")
    caption(page).fill("another")
    caption(page).blur()
    expect(page.get_by_role("button", name=f"{told}: another", exact=True)).to_be_visible()
    assert page.locator("#gallery .thumbnail-item[tabindex='0']").count() == 1
    context.close()


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_after_a_drop_the_first_images_are_seen_and_the_messages_close(browser, server, tmp_path, size):
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.goto(server.url)
    expect(page.locator("#summary")).to_contain_text("24 images")
    page.locator("#new-set").click()
    expect(page.locator("#dropped")).to_contain_text(en.NEW_SET_READY)
    files = sorted(make_images(tmp_path / "discs", 20).glob("*.*"))
    for number in range(9):
        files.append(tmp_path / f"page{number}.html")
        files[-1].write_text("<script>")
    page.locator("#drop input[type=file]").set_input_files([str(file) for file in files])
    message = page.locator("#dropped .closable")
    expect(message).to_contain_text(en.NO_PICTURE.format(name="page0.html"))
    expect(thumbnail(page, 1)).to_be_in_viewport(ratio=0.6)
    for _ in range(2):  # the same words again are shown again
        message.get_by_role("button", name=en.CLOSE_MESSAGE).press("Enter")
        expect(message).to_have_count(0)
        assert page.evaluate("document.activeElement.closest('#tabs') !== null")
        page.locator("#new-set").click()
        expect(message).to_contain_text(en.NEW_SET_READY)
    context.close()
