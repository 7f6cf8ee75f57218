"""The Images tab in a real browser: drop, look, edit, change many, undo; wide and narrow; hostile and Chinese."""

import re
import zipfile
from pathlib import Path

import pytest
from browser import Server, open_tab, sideways_scroll
from captioned import caption_of
from example import HOSTILE, make_images
from PIL import Image
from playwright.sync_api import Page, expect

from sdlora.data.captions import write_caption
from ui.words import en

pytestmark = pytest.mark.slow


def open_images(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(page.locator("#summary")).to_contain_text("24 images")


def show(page: Page, folder: Path) -> None:
    box = page.locator("#field-data-folder").locator("textarea, input").first
    box.fill(str(folder))
    page.locator("#show-images").click()


def box(page: Page, name: str):
    return page.locator(f"#{name}").locator("textarea, input").first


def drop(page: Page, *files: Path) -> None:
    page.locator("#drop input[type=file]").set_input_files([str(file) for file in files])


def test_drop_edit_change_many_and_undo(page, server, tmp_path):
    source = make_images(tmp_path / "pictures", 6, "a disc, number {n}")
    (source / "broken.png").write_bytes(b"\x89PNG nothing")
    (source / "<img src=x onerror=alert(1)>.png").write_bytes((source / "disc0001.png").read_bytes())
    open_images(page, server)
    page.locator("#new-set").click()
    expect(page.locator("#dropped")).to_contain_text(en.NEW_SET_READY)
    drop(page, *sorted(source.glob("disc000[1-4].*")), source / "broken.png")
    expect(page.locator("#dropped")).to_contain_text("Added 4 images.")
    expect(page.locator("#dropped")).to_contain_text(en.NO_PICTURE.format(name="broken.png"))
    expect(page.locator("#summary")).to_contain_text("4 images")

    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        for file in source.glob("disc000[56].*"):
            archive.write(file, f"set/{file.name}")
        archive.writestr("../../evil.png", (source / "disc0001.png").read_bytes())
    drop(page, tmp_path / "more.zip", source / "<img src=x onerror=alert(1)>.png")
    expect(page.locator("#dropped")).to_contain_text("Added 3 images.")
    expect(page.locator("#dropped")).to_contain_text(en.ZIP_LEADS_OUT.format(name="../../evil.png"))
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(7)
    folder = Path(box(page, "field-data-folder").input_value())
    assert folder.is_relative_to(server.folder / "datasets")
    assert not list(tmp_path.rglob("evil.png")) and not list(server.folder.rglob("evil.png"))

    page.locator("#gallery .thumbnail-item").nth(1).click()
    caption = box(page, "caption")
    expect(caption).to_have_value("a disc, number 2")
    caption.fill("a disc, seen from afar")
    page.locator("#gallery .thumbnail-item").nth(2).click()  # leaves the box: what was typed is for the image before
    expect(caption).to_have_value("a disc, number 3")
    expect(page.locator("#gallery")).to_contain_text("seen from afar")
    assert caption_of(folder / "disc0002.png") == "a disc, seen from afar"
    assert caption_of(folder / "disc0003.png") == "a disc, number 3"

    page.locator("#gallery .thumbnail-item").nth(2).press("ArrowRight")
    expect(caption).to_have_value("a disc, number 4")
    caption.press("Control+ArrowLeft")
    expect(caption).to_have_value("a disc, number 3")

    page.locator("#sees input").check()
    expect(page.locator("#picture .sees")).to_contain_text("Trains at")
    box(page, "trigger").fill("ohwx")
    box(page, "trigger").blur()
    open_tab(page, "Settings")
    expect(box(page, "field-data-trigger")).to_have_value("ohwx")
    open_tab(page, "Images")
    page.locator("#next-image").click()
    expect(page.locator("#picture .sees q")).to_have_text("ohwx, a disc, number 4")

    box(page, "search-captions").fill("number")
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(5)
    page.locator("#bulk-box button").first.click()
    box(page, "bulk-what").fill("glossy")
    expect(page.locator("#bulk-preview")).to_contain_text("Changes 5 of 5 captions")
    expect(page.locator("#bulk-preview ins").first).to_have_text("glossy,")
    assert caption_of(folder / "disc0004.png") == "a disc, number 4"
    page.locator("#bulk-apply").click()
    expect(page.locator("#bulk-preview")).to_contain_text("Changed 5 captions.")
    expect(caption).to_have_value("glossy, a disc, number 4")
    assert caption_of(folder / "disc0004.png") == "glossy, a disc, number 4"
    assert caption_of(folder / "disc0002.png") == "a disc, seen from afar"

    page.reload()
    expect(page.locator("#undo")).to_have_text("Undo: “glossy” in front")
    assert box(page, "field-data-folder").input_value() == str(folder)
    page.locator("#undo").click()
    expect(page.locator("#dropped")).to_contain_text(en.UNDONE_MANY.format(count=5))
    expect(page.locator("#undo")).to_have_text("Undo: caption of disc0002.png")
    assert caption_of(folder / "disc0004.png") == "a disc, number 4"


def chosen(page: Page) -> list[str]:
    """The captions under the thumbnails that are marked as chosen."""
    return page.locator("#gallery:not(.unmarked) .thumbnail-item.selected .caption-label").all_inner_texts()


def in_time(page, file, wanted="typed"):
    """The file's text: the wanted one, or what it is after 20 seconds."""
    for _ in range(200):
        if file.read_text() == wanted:
            break
        page.wait_for_timeout(100)
    return file.read_text()


def test_what_is_typed_is_kept_and_two_pages_do_not_overwrite_each_other(page, server, tmp_path):
    folder = make_images(tmp_path / "discs", 4)
    file = folder / "disc0002.txt"
    (folder / "disc0003.txt").unlink()
    second = page.context.new_page()
    for one in (page, second):
        if one is page:
            open_images(one, server)
            show(one, folder)
        else:
            one.goto(server.url)
        expect(one.locator("#summary")).to_contain_text("3 with a caption")
        one.locator("#gallery .thumbnail-item").nth(1).click()
        expect(box(one, "caption")).to_have_value("a disc, number 2")
    expect(page.locator("#saved")).to_contain_text("of 225 tokens")
    box(page, "caption").fill("")
    box(page, "caption").press_sequentially("typed")
    expect(page.locator("#saved")).to_contain_text("Saved")  # in a pause, without leaving the box
    assert in_time(page, file) == "typed"  # a slow page may have saved the empty box first
    expect(box(page, "caption")).to_be_focused()
    box(page, "caption").press_sequentially(" to the end")
    page.reload()  # at once
    assert in_time(page, file, "typed to the end") == "typed to the end"

    box(second, "caption").fill("typed in the second page")
    box(second, "caption").blur()
    conflict = second.locator("#conflict")
    for words in ("changed meanwhile", "typed in the second page", "typed to the end"):
        expect(conflict).to_contain_text(words)
    assert file.read_text() == "typed to the end"
    second.locator("#keep-mine").click()
    expect(conflict).to_be_hidden()
    expect(second.locator("#gallery")).to_contain_text("typed in the second page")
    assert file.read_text() == "typed in the second page"
    second.locator("#undo").click()
    expect(second.locator("#dropped")).to_contain_text(en.UNDONE_ONE.format(count=1))
    assert file.read_text() == "typed to the end"
    file.write_text("by another program")
    box(second, "caption").fill("mine")
    box(second, "caption").blur()
    expect(conflict).to_contain_text("by another program")
    second.locator("#take-theirs").click()
    expect(box(second, "caption")).to_have_value("by another program")
    assert file.read_text() == "by another program"


def test_mark_editor_preview_and_counts_follow_the_filter_and_every_edit(page, server, tmp_path):
    folder = make_images(tmp_path / "discs", 6)
    (folder / "disc0006.txt").unlink()
    (folder / "disc0006.png").rename(folder / "red apple.png")
    open_images(page, server)
    show(page, folder)
    named = page.locator("#filter label").filter(has_text="From file names")
    expect(named).to_contain_text("(1)")
    expect(page.locator("#gallery")).to_contain_text("from the file name · red apple")
    page.locator("#gallery .thumbnail-item").nth(4).click()
    expect(box(page, "caption")).to_have_value("a disc, number 5")

    box(page, "search-captions").fill("number 5")
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(1)
    expect(page.locator("#gallery .thumbnail-item.selected")).to_have_count(1)
    expect(box(page, "caption")).to_have_value("a disc, number 5")
    box(page, "search-captions").fill("number 3")
    expect(page.locator("#gallery")).to_contain_text("number 3")
    expect(page.locator("#edit")).to_be_hidden()  # what is not among them is not edited
    assert chosen(page) == []
    page.locator("#gallery .thumbnail-item").first.click()
    expect(box(page, "caption")).to_have_value("a disc, number 3")
    box(page, "search-captions").fill("")
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(6)
    expect(page.locator("#gallery .thumbnail-item.selected")).to_contain_text("number 3")
    assert chosen(page) == ["a disc, number 3"]

    page.locator("#bulk-box button").first.click()
    box(page, "bulk-what").fill("foo")
    expect(page.locator("#bulk-apply")).to_have_text("Change 6 captions")
    box(page, "search-captions").fill("disc")
    expect(page.locator("#bulk-apply")).to_have_text("Change 5 captions")
    expect(page.locator("#bulk-preview")).to_contain_text("Changes 5 of 5 captions")
    page.locator("#bulk-apply").click()
    expect(page.locator("#bulk-preview")).to_contain_text("Changed 5 captions")
    page.locator("#undo").click()
    expect(page.locator("#dropped")).to_contain_text(en.UNDONE_MANY.format(count=5))
    expect(page.locator("#bulk-apply")).to_have_text("Change 5 captions")  # the text is still there: press again

    box(page, "search-captions").fill("")
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(6)
    page.locator("#gallery .thumbnail-item").last.click()
    expect(page.locator("#picture")).to_contain_text(en.PROBLEM_SENTENCES["named"])
    box(page, "caption").fill("an apple, red")
    box(page, "caption").blur()
    expect(named).to_contain_text("(0)")
    expect(page.locator("#summary")).to_contain_text("6 with a caption")
    assert chosen(page) == ["an apple, red"]


def test_a_folder_can_be_dropped(page, server, tmp_path):
    open_images(page, server)
    page.locator("#new-set").click()
    expect(page.locator("#dropped")).to_contain_text(en.NEW_SET_READY)
    source = make_images(tmp_path / "pictures", 3)
    page.locator("#drop-folder").locator("xpath=..").locator("input[type=file]").set_input_files(str(source))
    expect(page.locator("#dropped")).to_contain_text("Added 3 images.")
    expect(page.locator("#summary")).to_contain_text("3 with a caption")


def test_find_problems_tags_and_put_aside(page, server, tmp_path):
    folder = make_images(tmp_path / "discs", 8, "a disc, blue")
    for n in (1, 2):
        write_caption(folder / f"disc000{n}.png", "a disc, red")
    (folder / "disc0003.txt").unlink()
    (folder / "broken.png").write_bytes(b"\x89PNG nothing")
    Image.new("RGB", (9, 9)).save(folder / "small.png")
    open_images(page, server)
    show(page, folder)
    for sentence in ("10 images", "7 with a caption", "3 from file names", "1 can't be read", "1 very small"):
        expect(page.locator("#summary")).to_contain_text(sentence)
    page.locator("#filter label").filter(has_text="Problems").click()
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(2)
    page.locator("#aside-broken").click()
    expect(page.locator("#dropped")).to_contain_text("Moved 1 file to")
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(1)
    assert (folder / ".aside" / "broken.png").exists()
    page.locator("#filter label").filter(has_text="From file names").click()
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(2)
    page.locator("#filter label").filter(has_text="All").click()
    page.locator("#tags-box button").first.click()
    page.locator("#tags label").filter(has_text="red").click()
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(2)
    page.locator("#tags label").filter(has_text="red").click()
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(9)
    box(page, "search-captions").fill("nothing like it")
    expect(page.locator("#page-of, #gallery").first).to_be_visible()
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(0)


def test_hostile_captions_and_names_are_text(page, server, tmp_path):
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    folder = make_images(
        tmp_path / "<b>x<img src=y onerror=alert(1)>", 3, HOSTILE.replace("{", "{{").replace("}", "}}")
    )
    (folder / "disc0001.png").rename(folder / "<img src=x onerror=alert(1)> ${alert(1)} {{7*7}}.png")
    open_images(page, server)
    title = page.title()
    show(page, folder)
    expect(page.locator("#gallery")).to_contain_text("<img src=x onerror")
    page.locator("#gallery .thumbnail-item").first.click()
    expect(page.locator("#picture")).to_contain_text("${alert(1)} {{7*7}}.png")
    page.locator("#gallery .thumbnail-item").nth(1).click()
    expect(box(page, "caption")).to_have_value(HOSTILE)
    page.locator("#sees input").check()
    expect(page.locator("#picture .sees")).to_contain_text("{{7*7}}")
    page.locator("#tags-box button").first.click()
    page.locator("#bulk-box button").first.click()
    box(page, "bulk-what").fill("<img src=z onerror=alert(1)>${alert(2)}")
    expect(page.locator("#bulk-preview ins").first).to_contain_text("<img src=z")
    page.locator("#bulk-apply").click()
    expect(page.locator("#undo")).to_contain_text("<img src=z")
    assert page.title() == title and dialogs == []
    assert page.locator("img[src='x'], img[src='y'], img[src='z']").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(browser, server, tmp_path, scheme):
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    open_images(page, server)
    show(page, make_images(tmp_path / "discs", 70, "a rather long caption of a disc, number {n}, " + "x" * 90))
    expect(page.locator("#page-of")).to_contain_text("1 to 60 of 70")
    page.locator("#tags-box button").first.click()
    page.locator("#bulk-box button").first.click()
    page.locator("#gallery .thumbnail-item").nth(4).click()
    page.locator("#sees input").check()
    expect(page.locator("#picture .sees")).to_be_visible()
    expect(page.locator("#caption")).to_be_in_viewport()
    assert sideways_scroll(page) <= 0
    page.locator("#next-page").click()
    expect(page.locator("#page-of")).to_contain_text("61 to 70 of 70")
    context.close()


def test_chinese(browser, server, tmp_path):
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(server.url)
    expect(page.locator("#summary")).to_contain_text("24 张图片")
    expect(page.locator("#strip")).to_contain_text("训练")
    page.locator("#gallery .thumbnail-item").nth(1).click()
    page.locator("#sees input").check()
    expect(page.locator("#picture .sees")).to_contain_text("像素训练")
    (tmp_path / "page.html").write_text("<script>")
    drop(page, tmp_path / "page.html")
    expect(page.locator("#dropped")).to_contain_text("page.html 不是可以读取的图片。")
    for tab in page.get_by_role("tab").all():
        tab.click()
        page.wait_for_timeout(300)
        words = page.locator("body").inner_text()
        assert "__i18n__" not in words
        english = re.findall(r"\b(?:Show|Search|Caption|Undo|Start|Stop|Resume|Checks|Everything|Nothing)\b", words)
        assert english == []
    context.close()
