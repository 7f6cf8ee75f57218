"""Files dropped as a hand drops them, folders too, and the folders opened before: in a real browser."""

import base64
from pathlib import Path

import pytest
from browser import ROOT, Server, open_tab
from captioned import caption_of
from example import SETTINGS, in_the_file, lora_file, make_images
from playwright.sync_api import Page, expect

from ui.tabs.settings import form
from ui.words import en

pytestmark = pytest.mark.slow
HOSTILE_NAME = "<img src=x onerror=alert(1)> ${document.title='pwned'} {{7*7}} '\""


@pytest.fixture
def own(tmp_path):
    """A page of its own: its folder for dropped pictures starts empty."""
    with Server(tmp_path) as server:
        yield server


def open_images(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(page.locator("#summary")).to_contain_text("24 images")


def folder_field(page: Page):
    return page.locator(f"#{form.field_id(form.FOLDER)}").locator("textarea, input").first


def show(page: Page, folder: Path | str) -> None:
    folder_field(page).fill(str(folder))
    page.locator("#show-images").click()


def drop_files(page: Page, place: str, *files: Path) -> None:
    """Real drag events with these files in their DataTransfer."""
    contents = [[file.name, base64.b64encode(file.read_bytes()).decode()] for file in files]
    carried = page.evaluate_handle(
        """(contents) => {
            const box = new DataTransfer();
            for (const [name, words] of contents) {
                box.items.add(new File([Uint8Array.from(atob(words), (c) => c.charCodeAt(0))], name));
            }
            return box;
        }""",
        contents,
    )
    for kind in ("dragenter", "dragover", "drop"):
        page.locator(place).first.dispatch_event(kind, {"dataTransfer": carried})


def test_while_files_arrive_nothing_is_written_over_their_names(own, page, tmp_path):
    make_images(tmp_path / "new", 2)
    page.goto(own.url)
    expect(page.locator("#drop button")).to_be_visible()
    held = []
    page.route("**/gradio_api/upload?**", lambda route: held.append(route))
    drop_files(page, "#drop button", *sorted((tmp_path / "new").glob("*.png")))
    expect(page.locator("#drop .uploading")).to_be_visible()
    words = page.locator("#drop").get_by_text(en.DROP)
    expect(words).to_be_hidden()
    page.wait_for_timeout(100)
    for route in held:
        route.continue_()
    expect(words).to_be_visible()


def drop_paths(page: Page, place: str, *paths: Path) -> None:
    """As a file manager does it: the browser itself gets the paths, folders among them."""
    box = page.locator(place).first.bounding_box()
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})


def recent(page: Page) -> list[str]:
    page.locator("#recent summary").click()
    shown = page.locator("#recent li button").all_inner_texts()
    page.keyboard.press("Escape")
    return shown


# ---- dropping


def test_pictures_and_captions_are_dropped_again_and_again(page, own, tmp_path):
    source = make_images(tmp_path / "pictures", 5, "a disc, number {n}")
    open_images(page, own)
    drop_files(page, "#drop button", *sorted(source.glob("disc000[1-3].*")))
    expect(page.locator("#dropped")).to_contain_text("Added 3 images.")
    expect(page.locator("#summary")).to_contain_text("3 with a caption")
    drop_files(page, "#drop button", *sorted(source.glob("disc000[45].*")))
    expect(page.locator("#dropped")).to_contain_text("Added 2 images.")
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(5)
    folder = Path(folder_field(page).input_value())
    assert caption_of(folder / "disc0004.png") == "a disc, number 4"


def nested(folder: Path) -> Path:
    """A folder as people keep them: folders in it, one that says its repeats, the same names twice, hidden things."""
    make_images(folder / "10_red disc", 2, "red, {n}")
    make_images(folder / "blue", 2, "blue, {n}")
    make_images(folder / ".sdlora_cache", 1)
    (folder / "._x.jpg").write_bytes(b"of another system")
    (folder / "Thumbs.db").write_bytes(b"of another system")
    return folder


def arrived(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): caption_of(p) for p in sorted(folder.rglob("*.png"))}


NESTED = {
    "10_red disc/disc0001.png": "red, 1", "10_red disc/disc0002.png": "red, 2",
    "blue/disc0001.png": "blue, 1", "blue/disc0002.png": "blue, 2",
}  # fmt: skip


@pytest.mark.parametrize("way", ["dropped", "chosen"])
def test_a_folder_keeps_its_folders_and_each_picture_its_caption(page, own, tmp_path, way):
    source = nested(tmp_path / "猫 and discs")
    open_images(page, own)
    if way == "dropped":
        drop_paths(page, "#drop button", source)
    else:
        page.locator("#drop-folder").locator("xpath=..").locator("input[type=file]").set_input_files(str(source))
    expect(page.locator("#dropped")).to_contain_text("Added 4 images.")
    assert page.locator("#dropped .warning").count() == 0
    expect(page.locator("#summary")).to_contain_text("4 with a caption")
    folder = Path(folder_field(page).input_value())
    assert folder == own.folder / "datasets" / "猫 and discs"
    assert arrived(folder) == NESTED
    assert not list(folder.rglob("*x.jpg")) and not (folder / ".sdlora_cache").joinpath("disc0001.png").exists()
    drop_paths(page, "#drop button", source)
    expect(page.locator("#dropped")).to_contain_text("4 were there already.")
    loose = make_images(tmp_path / "loose", 3)
    drop_paths(page, "#drop button", source / "blue", loose / "disc0003.png", loose / "disc0003.txt")
    expect(page.locator("#dropped")).to_contain_text("Added 1 image.")
    assert arrived(folder) == NESTED | {"disc0003.png": "a disc, number 3"}


def test_a_settings_file_and_a_lora_are_dropped_on_the_settings(page, own, tmp_path):
    """Every field is as the file has it: tests/ui/settings/test_settings.py compares them, after the same handler."""
    page.goto(own.url)
    expect(page.locator("#summary")).to_contain_text("24 images")
    open_tab(page, "Settings")
    expect(page.locator("#checks .card")).to_be_visible()
    name, steps, rank = (
        page.locator(f"#{form.field_id(key)}").locator("textarea, input:not([type=range])").first
        for key in ("run.name", "train.steps", "adapter.rank")
    )
    (tmp_path / "mine.toml").write_text('[run]\nname = "from a file"\n[train]\nsteps = 77\n')
    drop_files(page, "#settings-form", tmp_path / "mine.toml")
    expect(page.locator("#settings-answer")).to_contain_text("Loaded the settings of mine.toml")
    expect(name).to_have_value("from a file")
    expect(steps).to_have_value("77")
    lora = lora_file(tmp_path / "cats.safetensors", in_the_file(SETTINGS))
    drop_paths(page, "#settings-form", lora)
    expect(page.locator("#settings-answer")).to_contain_text("Loaded the settings of cats.safetensors")
    expect(name).to_have_value(SETTINGS.run.name)
    expect(steps).to_have_value(str(SETTINGS.train.steps))
    expect(rank).to_have_value(str(SETTINGS.adapter.rank))
    assert page.url.partition("#")[0] == own.url  # the browser itself opens no file


# ---- what a folder can be


# What the images tab says of a folder, and the checks on the settings tab.
WRONG = {
    "empty": (en.NO_IMAGES, "There are no images"),
    "hidden": (en.NO_IMAGES, "There are no images"),
    "bare": ("2 from file names", "from file names"),
    "broken": ("1 can't be read", "cut.jpg"),
    "twice": ("2 share a name", "disc0001.txt"),
}


def wrong_folders(folder: Path) -> None:
    picture = (ROOT / "datasets_example" / "style" / "avocado.png").read_bytes()
    for name, count in {"empty": 0, "hidden": 0, "bare": 2, "broken": 2, "twice": 1}.items():
        make_images(folder / name, count)
    (folder / "hidden" / "._x.jpg").write_bytes(b"of another system")
    for caption in (folder / "bare").glob("*.txt"):
        caption.unlink()
    (folder / "broken" / "cut.jpg").write_bytes(picture[:200])
    (folder / "twice" / "disc0001.webp").write_bytes(picture)


def test_whatever_is_wrong_with_a_folder_is_a_sentence(page, own, tmp_path):
    failed = []
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 500 else None)
    wrong_folders(tmp_path)
    open_images(page, own)
    for name, (seen, checked) in WRONG.items():
        show(page, tmp_path / name)
        expect(page.locator("#summary")).to_contain_text(seen)
        open_tab(page, "Settings")
        expect(page.locator("#checks")).to_contain_text(checked)
        open_tab(page, "Images")
        expect(page.locator(".toast-body")).to_have_count(0)
    drop_files(page, "#drop button", tmp_path / "hidden" / "._x.jpg", *sorted((tmp_path / "bare").glob("*1.png")))
    expect(page.locator("#dropped")).to_contain_text(en.NO_PICTURE.format(name="._x.jpg"))
    expect(page.locator("#dropped")).to_contain_text("Added 1 image.")
    other = make_images(tmp_path / "other", 3)
    drop_files(page, "#drop button", (other / "disc0003.png").rename(other / "disc0001.png"))
    expect(page.locator("#dropped")).to_contain_text("Renamed: disc0001.png → disc0001-2.png.")
    assert failed == []
    assert "Traceback" not in (own.folder / "server.txt").read_text()


# ---- folders opened before


def test_folders_opened_before_are_offered_again(page, own, tmp_path):
    folders = [
        make_images(tmp_path / name, 2, f"{word} {{n}}") for name, word in (("first", "one"), (HOSTILE_NAME, "two"))
    ]
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    open_images(page, own)
    title = page.title()
    for folder, seen in ((folders[0], "one 1"), (folders[1], "two 1"), (folders[0], "one 1")):
        show(page, folder)
        expect(page.locator("#gallery")).to_contain_text(seen)
    for path, said in (("no such folder", "There is no folder"), ("first/disc0001.png", "is a file")):
        show(page, tmp_path / path)
        expect(page.locator("#summary")).to_contain_text(said)
    wanted = [str(folders[0]), str(folders[1]), str(ROOT / "datasets_example" / "style")]
    assert recent(page) == wanted
    page.reload()
    expect(page.locator("#summary")).to_contain_text("2 with a caption")
    assert recent(page) == wanted
    summary = page.locator("#recent summary")
    summary.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#recent li button").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#gallery")).to_contain_text("two 1")
    expect(folder_field(page)).to_have_value(wanted[1])
    expect(page.locator("#recent")).not_to_have_attribute("open", "")
    expect(summary).to_be_focused()
    assert recent(page) == [wanted[1], wanted[0], wanted[2]]
    summary.click()
    page.locator("#recent li button").nth(2).click()
    expect(page.locator("#summary")).to_contain_text("24 images")
    assert page.title() == title and dialogs == [] and page.locator("img[src='x']").count() == 0
    summary.click()
    page.locator("#recent .forget").click()
    expect(page.locator("#recent")).to_be_hidden()
    page.reload()
    expect(page.locator("#summary")).to_contain_text("24 images")
    assert page.evaluate("localStorage.getItem('sdlora-recent')") in (None, f'["{wanted[2]}"]')


def test_eight_are_kept_and_what_others_wrote_there_does_no_harm(page, own, tmp_path):
    page.goto(own.url)
    page.evaluate("localStorage.setItem('sdlora-recent', '{\"not\": [1, \"a list')")
    page.reload()
    expect(page.locator("#summary")).to_contain_text("24 images")
    folders = [make_images(tmp_path / f"set {n}", 1, f"set {n}") for n in range(9)]
    for number, folder in enumerate(folders):
        show(page, folder)
        expect(page.locator("#gallery")).to_contain_text(f"set {number}")
    assert recent(page) == [str(folder) for folder in reversed(folders)][:8]
