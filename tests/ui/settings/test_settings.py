"""The Settings tab in a real browser: presets, all settings, files, live numbers, a measured step, the draft."""

from pathlib import Path

import pytest
from browser import open_tab, sideways_scroll
from example import HOSTILE, SETTINGS, in_the_file, lora_file, make_images
from playwright.sync_api import Page, expect
from settings_form import block, field, fill, open_settings, show_all, shown, value

from sdlora.messages import say
from sdlora.runs.run import list_runs
from sdlora.settings import Settings, dump_settings, load_settings
from ui.tabs.settings import form
from ui.words import en

pytestmark = pytest.mark.slow
BASIC = 12  # fields at first, the two of the preset and the folder on the Images tab among them


def test_at_first_there_are_a_dozen_fields_and_a_preset_fills_them(page, own):
    open_settings(page, own)
    assert shown(page) == set(form.basic()) - {form.FOLDER}
    assert len(shown(page)) + 2 <= BASIC
    fill(page, "run.name", "my cat")
    fill(page, "data.trigger", "ohwx")
    fill(page, "sample.prompts", "a cat\na dog")
    page.get_by_label("Style").check()
    expect(page.locator("#preset-memory")).to_be_visible()
    page.locator("#preset-memory").get_by_label("24 GB").check()
    expect(page.locator("#preset-note")).to_contain_text("SDXL style, 24 GB")
    expect(field(page, "model.base")).to_have_value("stabilityai/stable-diffusion-xl-base-1.0")
    expect(field(page, "data.resolution")).to_have_value("1024")
    expect(field(page, "adapter.rank")).to_have_value("32")
    expect(page.locator("#checks")).to_contain_text(
        en.NOT_HERE_YET.format(base="stabilityai/stable-diffusion-xl-base-1.0")
    )
    expect(page.locator("#fetch-base")).to_be_visible()
    assert [value(page, k) for k in ("run.name", "data.trigger", "sample.prompts")] == [
        "my cat",
        "ohwx",
        "a cat\na dog",
    ]
    page.get_by_label("Embedded base").check()
    expect(field(page, "model.base")).to_have_value("tiny")
    expect(page.locator("#described")).to_contain_text("SD 1.x, epsilon, 128 px, fp16")
    expect(page.locator("#checks")).to_contain_text("Everything is in order")
    expect(page.locator("#fetch-base")).to_be_hidden()


# Without anything chosen: what belongs to a choice that is not made.
HIDDEN = {
    "model.revision", "data.keep_tags", "adapter.factor", "train.prior_weight", "train.unmasked_weight",
    "train.cycles", "train.power", "train.step_rules", "train.p2_gamma", "train.pyramid_discount",
    "train.timestep_bias", "train.timestep_spread",
}  # fmt: skip


def test_all_settings_are_found_by_label_help_and_key_and_set_back(page, server):
    open_settings(page, server)
    page.keyboard.press("/")
    search = page.locator("#settings-search").locator("input, textarea")
    expect(search).to_be_focused()
    show_all(page)
    hidden = set(form.shown()) - {form.FOLDER} - shown(page)
    assert hidden == HIDDEN
    for words, keys in (
        ("snr", {"model.zero_snr", "train.min_snr_gamma", "train.weighting"}),
        ("left to right", {"data.flip"}),
        ("adapter.alpha_p", {"adapter.alpha_pattern"}),
        ("clip SKIP", {"model.clip_skip"}),
    ):
        search.fill(words)
        expect(block(page, "run.name")).to_be_hidden()
        assert shown(page) == keys
    search.fill("no such thing")
    expect(page.locator("#nothing-found")).to_contain_text("No setting fits")
    search.fill("")
    expect(block(page, "data.keep_tags")).to_be_hidden()
    block(page, "data.shuffle_tags").locator("input").check()
    expect(block(page, "data.keep_tags")).to_be_visible()
    block(page, "adapter.text_encoder").locator("input").uncheck()
    expect(block(page, "train.text_encoder_lr")).to_be_hidden()
    expect(block(page, "train.warmup").locator("code")).to_have_text("train.warmup")
    expect(block(page, "train.warmup").locator(".back")).to_be_hidden()
    fill(page, "train.warmup", 7)
    block(page, "train.scheduler").get_by_label("linear").check()
    expect(block(page, "train.scheduler").locator(".mark")).to_have_text("changed")
    for key, default in (("train.warmup", "0"), ("train.scheduler", "cosine"), ("adapter.text_encoder", True)):
        block(page, key).locator(".back").click()
        expect(block(page, key).locator(".back")).to_be_hidden()
        assert value(page, key) == default
    page.reload()
    open_tab(page, "Settings")
    expect(block(page, "save.every")).to_be_visible()  # the switch is remembered


def test_numbers_follow_the_sliders_and_anything_can_be_typed(page, server):
    open_settings(page, server)
    line, slider = page.locator("#strength"), block(page, "adapter.rank").locator("input[type=range]")
    fill(page, "adapter.alpha", 8)
    fill(page, "adapter.rank", 32)
    expect(line.locator(".scale")).to_have_text("0.25")
    small = int(line.locator(".trainable").inner_text().replace(",", ""))
    slider.focus()
    slider.press("End")
    expect(field(page, "adapter.rank")).to_have_value("1024")
    expect(line.locator(".trainable")).to_have_text(f"{small * 32:,}")
    fill(page, "adapter.rank", 777)
    expect(line.locator(".scale")).to_have_text("0.01")
    fill(page, "adapter.rank", 0)
    wrong = block(page, "adapter.rank").locator(".wrong")
    expect(wrong).to_have_text("Rank is 0. It must be at least 1.")
    expect(page.locator("#checks")).to_contain_text("adapter.rank is 0. It must be at least 1.")
    expect(field(page, "adapter.rank")).to_have_attribute("aria-invalid", "true")
    fill(page, "adapter.rank", 16)
    expect(wrong).to_be_hidden()


def paste(page: Page, words: str) -> None:
    page.locator("#paste-settings textarea").fill(words)
    page.locator("#use-pasted").click()


def test_settings_from_text_file_and_lora(page, own, tmp_path):
    open_settings(page, own)
    show_all(page)
    paste(page, "[train]\nsteps = 77\nlr = 0.5\n[adapter]\nrank = 9000\n[nobody]\nx = 1\n")
    answer = page.locator("#settings-answer")
    expect(answer).to_contain_text("Loaded the settings of the text")
    expect(answer).to_contain_text("adapter.rank is 9000")
    expect(field(page, "train.steps")).to_have_value("77")
    paste(page, "[[[")
    expect(answer).to_contain_text("not valid TOML")

    (tmp_path / "all.toml").write_text(dump_settings(SETTINGS))
    page.locator("#load-box input[type=file]").set_input_files(tmp_path / "all.toml")
    expect(answer).to_contain_text("Loaded the settings of all.toml")
    wanted = form.field_values(SETTINGS)
    expect(field(page, "train.seed")).to_have_value(str(2**62 + 1))
    same(page, wanted)

    page.get_by_label("Embedded base").check()
    expect(field(page, "train.seed")).to_have_value("0")
    own.runs.mkdir(exist_ok=True)
    from sdlora.runs.run import Run

    Run.create(own.runs, "cats", dump_settings(SETTINGS))
    page.locator("#load-box input[type=file]").set_input_files(
        lora_file(tmp_path / "cats.safetensors", in_the_file(SETTINGS))
    )
    expect(answer).to_contain_text("Loaded the settings of cats.safetensors")
    same(page, wanted)

    with page.expect_download() as download:
        page.locator("#save-settings").click()
    assert download.value.suggested_filename == "cats.toml"
    saved = load_settings(download.value.path())
    assert saved.model_dump(exclude={"run": {"folder"}}) == SETTINGS.model_dump(exclude={"run": {"folder"}})
    (tmp_path / "bad.safetensors").write_bytes(b"\x80pickle")
    page.locator("#load-box input[type=file]").set_input_files(tmp_path / "bad.safetensors")
    expect(answer).to_contain_text("not a safetensors file")


def same(page: Page, wanted: dict) -> None:
    """Does every field hold what it should, the folder on its own tab too?"""
    for key, expected in wanted.items():
        if key == form.FOLDER:
            continue
        found = value(page, key)
        if isinstance(expected, (int, float)) and not isinstance(expected, bool):
            found = float(found)
        assert found == expected, key
    open_tab(page, "Images")
    expect(field(page, form.FOLDER)).to_have_value(wanted[form.FOLDER])
    expect(page.locator("#trigger textarea, #trigger input").first).to_have_value(wanted["data.trigger"])
    open_tab(page, "Settings")


def test_a_step_is_measured_kept_and_goes_stale(page, own, tmp_path):
    failed = []
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 500 else None)
    folder = make_images(tmp_path / "discs", 7)
    page.goto(own.url)
    field(page, form.FOLDER).fill(str(folder))
    page.locator("#show-images").click()
    expect(page.locator("#summary")).to_contain_text("7 images")
    open_tab(page, "Settings")
    fill(page, "train.steps", 1000)
    line = page.locator("#estimate")
    expect(line).to_contain_text("7 images ÷ 4 = 1.75, so 2 batches per epoch")
    expect(line).to_contain_text("2 batches = 2 steps per epoch.")
    expect(line).to_contain_text("1,000 steps = 500 epochs.")
    page.locator("#measure").click()
    expect(line).to_contain_text("Measuring")
    expect(line).to_contain_text("About 9 min on cuda (2.0 steps per second)")
    fill(page, "adapter.rank", 64)
    expect(line).to_contain_text("Measured with other settings")
    fill(page, "adapter.rank", 16)
    expect(line).to_contain_text("About 9 min")
    page.reload()
    open_tab(page, "Settings")
    expect(line).to_contain_text("About 9 min")
    fill(page, "run.name", "does not fit")
    fill(page, "adapter.rank", 8)
    page.locator("#measure").click()
    expect(page.locator("#checks")).to_contain_text(say("training.step_out_of_memory", needed="9.0", free="8.0"))
    assert failed == []


def test_a_run_is_started_by_keyboard_alone_and_the_next_one_waits(page, own):
    """From load to a started run: keys open the tab, the form is in order, Ctrl+Enter starts."""
    page.goto(own.url)
    expect(page.locator("#gallery .thumbnail-item").first).to_be_visible()
    page.keyboard.press("2")
    expect(page.locator("#checks")).to_contain_text("Everything is in order")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#field-run-name') !== null"):
            break
    page.keyboard.press("Control+a")
    page.keyboard.type("by keys")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#run-card h2")).to_have_text("by-keys")
    assert len(list_runs(own.runs)) == 1
    assert load_settings(list_runs(own.runs)[0].folder / "settings.toml").run.name == "by keys"
    open_tab(page, "Settings")
    expect(page.locator("#start")).to_have_text("Add to queue")
    page.locator("#start").click()
    expect(page.locator("#run-card")).to_be_visible()
    assert len(list_runs(own.runs)) == 2


def test_hostile_values_in_every_text_field_are_text(page, own):
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    open_settings(page, own)
    title = page.title()
    show_all(page)
    texts = [k for k, i in form.shown().items() if i.type in (str, list, dict) and not i.choices and k != form.FOLDER]
    for key in texts:
        if block(page, key).is_visible():
            fill(page, key, HOSTILE)
    expect(page.locator("#checks")).to_contain_text("<img src=x onerror")
    paste(page, f"[train]\nscheduler = '''{HOSTILE}'''\n[run]\nname = '''{HOSTILE}'''")
    expect(page.locator("#settings-answer")).to_contain_text("<img src=x onerror")
    page.locator("#start").click()
    page.wait_for_timeout(500)
    assert page.title() == title and dialogs == []
    assert page.locator("img[src='x']").count() == 0
    assert not page.locator("#checks").inner_text().count("49")  # {{7*7}} stays as it is


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_pages_do_not_scroll_sideways(browser, server, scheme):
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    open_settings(page, server)
    show_all(page)
    assert sideways_scroll(page) <= 0
    context.close()


def test_in_chinese(browser, server):
    context = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("tab").nth(1).click()
    expect(page.locator("#checks")).to_contain_text("检查")
    page.locator("#all-settings input").check()
    expect(block(page, "train.weight_decay")).to_contain_text("权重衰减")
    fill(page, "train.weight_decay", 0.5)
    expect(block(page, "train.weight_decay").locator(".back")).to_have_text("恢复为 0.01")
    assert "__i18n__" not in page.locator("#settings-form").inner_text()
    context.close()


def test_nothing_that_is_kept_can_be_fetched(page, own):
    open_settings(page, own)
    fill(page, "run.name", "kept")
    draft = own.runs / ".form" / "draft.toml"
    for _ in range(100):
        if draft.exists() and "kept" in draft.read_text():
            break
        page.wait_for_timeout(100)
    assert "kept" in draft.read_text()
    assert page.request.get(f"{own.url}gradio_api/file={Path(draft).as_posix()}").status in (403, 404)
    assert Settings().run.name != "kept"
