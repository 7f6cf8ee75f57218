"""What is in reach on every tab: Start, the language, the address; at 200 % and on the smallest screen."""

import re

import pytest
from browser import open_tab, sideways_scroll, wait_till_in_sight
from example import make_images
from playwright.sync_api import expect
from settings_form import block, field, open_settings, show_all, shown

from ui.words import en, zh

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("size", [(1280, 900), (390, 844), (640, 450), (320, 640)])  # 640 x 450: 1280 x 900 at 200 %
def test_start_is_in_sight_wherever_one_is_in_the_settings(browser, server, size):
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{server.url}#settings")
    expect(page.locator("#brief")).to_contain_text("240")
    show_all(page)
    assert page.evaluate("document.documentElement.scrollHeight") > 2 * size[1]
    for part in (0, 0.5, 1):
        page.evaluate("(part) => scrollTo(0, part * document.documentElement.scrollHeight)", part)
        wait_till_in_sight(page, "#start")
        assert sideways_scroll(page) <= 0
    for key in ("train.steps", "save.every", "run.name"):
        field(page, key).focus()
        wait_till_in_sight(page, f"#field-{key.replace('.', '-')} :is(input, textarea)")
    field(page, "adapter.rank").fill("0")
    field(page, "adapter.rank").blur()
    problem = page.locator("#brief button")
    expect(problem).to_have_text(en.BRIEF_FATAL_ONE.format(count=1))
    problem.click()
    expect(page.locator("#checks li.fatal").first).to_be_in_viewport()
    context.close()


def test_settings_are_found_by_the_names_of_other_trainers(page, server):
    """As the tools' own documentation has them."""
    open_settings(page, server)
    show_all(page)
    search = page.locator("#settings-search").locator("input, textarea")
    for words, keys in (
        ("network_dim", {"adapter.rank"}),
        ("--network_alpha=8", {"adapter.alpha"}),
        ("unet_lr", {"train.lr"}),
        ("train_batch_size", {"train.batch_size"}),
        ("max_train_steps", {"train.steps"}),
        ("output_name", {"run.name"}),
        ("lora_rank", {"adapter.rank"}),
    ):
        search.fill(words)
        expect(block(page, next(iter(keys)))).to_be_visible()
        page.wait_for_timeout(100)
        assert shown(page) == keys, words
    expect(block(page, "adapter.rank").locator(".under code")).to_have_text("adapter.rank = lora_rank")


def test_the_language_is_chosen_on_the_page_and_remembered(page, server):
    page.goto(server.url)
    expect(page.locator("#summary")).to_contain_text(en.IMAGES_MANY.format(count=24))
    page.get_by_role("combobox", name=en.LANGUAGE).select_option("zh-CN")
    expect(page.get_by_role("button", name=zh.KEYS_TITLE)).to_be_visible()
    summary = page.locator("#summary")
    expect(summary).to_contain_text(zh.IMAGES_MANY.format(count=24))  # the server's words
    expect(page.locator("#show-images")).to_have_text(zh.SHOW)  # the browser's
    expect(page.locator("#language")).to_have_value("zh-CN")
    page.reload()
    expect(summary).to_contain_text(zh.IMAGES_MANY.format(count=24))
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    open_tab(page, zh.TAB_SETTINGS.split()[-1])
    expect(page.locator("#checks")).to_contain_text(zh.ALL_GOOD)
    page.locator("#language").select_option("")
    expect(page.locator("#show-images")).to_have_text(en.SHOW)
    expect(page.locator("#checks")).to_contain_text(en.ALL_GOOD)  # on the tab where one was


def test_the_address_leads_back_to_the_tab_and_the_image(page, server, tmp_path):
    page.goto(server.url)
    expect(page.locator("#summary")).to_contain_text("24 images")
    folder = make_images(tmp_path / "discs", 62)
    (folder / "disc0062.png").rename(folder / "kĉ #62%.png")
    (folder / "disc0062.txt").rename(folder / "kĉ #62%.txt")
    page.locator("#field-data-folder").locator("textarea, input").first.fill(str(folder))
    page.locator("#show-images").click()
    expect(page.locator("#summary")).to_contain_text("62 images")
    page.locator("#next-page").click()
    page.locator("#gallery .thumbnail-item").nth(1).click()
    expect(page).to_have_url(re.compile(r"#images/k%C4%89%20%2362%25\.png$"))
    caption = page.locator("#caption textarea")
    open_tab(page, "Settings")
    expect(page).to_have_url(re.compile("#settings$"))
    page.reload()
    expect(page.locator("#start")).to_be_visible()
    page.go_back()
    expect(page.locator("#gallery")).to_be_visible()
    expect(caption).to_have_value("a disc, number 62")
    link = page.url
    open_tab(page, "Runs")
    page.go_back()
    page.go_forward()
    expect(page.get_by_role("tab", name="Runs")).to_have_attribute("aria-selected", "true")
    page.goto("about:blank")
    page.goto(link)
    expect(caption).to_have_value("a disc, number 62")
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(2)
    page.goto("about:blank")
    page.goto(f"{server.url}#images/%E0%A4%A")  # no address of ours
    expect(page.locator("#summary")).to_contain_text("62 images")
