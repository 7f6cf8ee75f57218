"""The base model picker in a real browser, in a made-up home with a drawing program in it."""

import re
import shutil
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from base_models import write_single_file
from browser import Server, open_tab, sideways_scroll
from example import HOSTILE
from playwright.sync_api import Page, expect

from sdlora.models.places import added_folders
from ui.words import en

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory, bases):
    folder = tmp_path_factory.mktemp("home")
    checkpoints = folder / "ComfyUI" / "models" / "checkpoints"
    checkpoints.mkdir(parents=True)
    write_single_file(bases("sd1"), "sd1", checkpoints / "Photo v1.safetensors")
    shutil.copytree(bases("sdxl"), checkpoints / f"sdxl {HOSTILE.replace('/', '∕')}")
    (checkpoints / "old.ckpt").write_bytes(b"pickled")
    other = folder / "elsewhere" / "deep" / "mine"
    other.mkdir(parents=True)
    write_single_file(bases("sd2"), "sd2", other / "added.safetensors")
    return folder


@pytest.fixture(scope="module")
def module_server(tmp_path_factory, home) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "INVOKEAI_ROOT"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(home))
        with Server(tmp_path_factory.mktemp("page")) as started:
            yield started


def open_list(page: Page, server: Server) -> None:
    page.goto(server.url)
    open_tab(page, "Settings")
    page.locator("#find-bases").click()
    expect(page.locator("#bases li")).not_to_have_count(0)


def test_a_model_is_chosen_from_the_list_and_typing_still_works(page, server, home):
    open_list(page, server)
    rows = page.locator("#bases li")
    expect(rows.first).to_contain_text(en.BASE_EMBEDDED)
    photo = rows.filter(has_text="Photo v1")
    size = (home / "ComfyUI/models/checkpoints/Photo v1.safetensors").stat().st_size
    expect(photo).to_contain_text(re.compile(rf"SD 1.*epsilon.* · {size / 1e6:.0f} MB"))
    expect(photo).to_contain_text("ComfyUI")
    expect(page.locator("#bases")).to_contain_text(en.BASES_PICKLED_ONE)
    assert page.locator("img[src='x']").count() == 0 and page.title() != "pwned"
    page.locator("[data-bases-search]").fill("sdxl")
    expect(photo).to_be_hidden()
    page.locator("[data-bases-search]").fill("photo comfy")
    photo.locator("button").click()
    field = page.locator("#field-model-base").locator("input, textarea").first
    expect(field).to_have_value(str(home / "ComfyUI/models/checkpoints/Photo v1.safetensors"))
    expect(page.locator("#bases")).to_be_hidden()
    expect(page.locator("#described")).to_contain_text("SD 1")
    field.fill("tiny")
    field.blur()
    expect(page.locator("#described")).to_contain_text("128 px")


def test_by_keyboard_alone(page, server, home):
    page.goto(server.url)
    open_tab(page, "Settings")
    page.locator("#find-bases").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#bases li")).not_to_have_count(0)
    page.locator("[data-bases-search]").focus()
    page.keyboard.type("photo")
    for _ in range(2):  # over "Close" to the one row that is left
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    field = page.locator("#field-model-base").locator("input, textarea").first
    expect(field).to_have_value(re.compile("Photo v1.safetensors$"))
    expect(field).to_be_focused()
    page.locator("#find-bases").click()
    page.wait_for_timeout(2000)  # the list of before gives way to a new one
    page.locator("[data-bases-search]").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#bases")).to_be_hidden()
    expect(page.locator("#find-bases")).to_be_focused()


def test_a_folder_is_added_and_stays(page, server, home):
    open_list(page, server)
    box = page.locator("#look-in").locator("input, textarea").first
    box.fill(str(home / "nowhere"))
    page.locator("#look-there").click()
    expect(page.locator(".toast-body").first).to_contain_text("nowhere")
    box.fill(str(home / "elsewhere" / "deep"))
    page.locator("#look-there").click()
    expect(page.locator("#bases li").filter(has_text="added")).to_contain_text("SD 2")
    assert added_folders({}, home) == [home / "elsewhere" / "deep"]
    page.reload()
    open_tab(page, "Settings")
    page.locator("#find-bases").click()
    expect(page.locator("#bases li").filter(has_text="added")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_telephone(browser, server, scheme):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme)
    page = context.new_page()
    open_list(page, server)
    page.wait_for_timeout(800)
    assert sideways_scroll(page) <= 0
    assert all(row.bounding_box()["height"] >= 44 for row in page.locator("#bases li button").all()[:3])
    told = Axe().run(page).response["violations"]
    assert [v["id"] for v in told if v["impact"] in ("serious", "critical")] == []
    context.close()
