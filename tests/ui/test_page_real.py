"""The page with the real trainer, the real probe and the real drawer on the embedded base: from drop to file and on."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import ROOT, Server, open_tab
from captioned import caption_of
from diffusers import StableDiffusionPipeline
from playwright.sync_api import Page, expect
from safetensors.torch import load_file

from sdlora.runs.run import list_runs
from ui.words import en

pytestmark = pytest.mark.slow
TRAINING = 900_000  # milliseconds: loading, four steps and four test pictures on a very busy machine
EXAMPLE, TINY = ROOT / "datasets_example" / "style", ROOT / "sdlora" / "families" / "tiny"
PROMPTS = ("chalk emoji of a teapot", "chalk emoji of a red car")


def pictures(folder: Path, first: int, last: int) -> list[Path]:
    """Some of the example's pictures and their captions, copied into ``folder``."""
    folder.mkdir(exist_ok=True)
    chosen = sorted(EXAMPLE.glob("*.png"))[first:last]
    return [Path(shutil.copy(file, folder)) for image in chosen for file in (image, image.with_suffix(".txt"))]


def drop(page: Page, files: list[Path]) -> None:
    page.locator("#drop input[type=file]").set_input_files([str(file) for file in files])


def fill(page: Page, **values: object) -> None:
    for key, value in values.items():
        box = page.locator(f"#field-{key.replace('__', '-')}").locator("textarea, input").first
        box.fill(str(value))
        box.blur()


def drop_and_caption(page: Page, folder: Path) -> None:
    """Six pictures, then two more; the caption of the first is mended."""
    page.locator("#new-set").click()
    expect(page.locator("#dropped")).to_contain_text(en.NEW_SET_READY)
    drop(page, pictures(folder, 0, 6))
    expect(page.locator("#dropped")).to_contain_text("Added 6 images.")
    expect(page.locator("#summary")).to_contain_text("6 with a caption")
    drop(page, pictures(folder, 6, 8)[-4:])
    expect(page.locator("#dropped")).to_contain_text("Added 2 images.")
    expect(page.locator("#summary")).to_contain_text("8 with a caption")
    expect(page.locator("#gallery .thumbnail-item")).to_have_count(8)
    expect(page.locator("#gallery")).to_contain_text("chalk emoji of avocado")
    page.locator("#gallery .thumbnail-item").first.click()
    caption = page.locator("#caption textarea")
    expect(caption).to_have_value("chalk emoji of avocado")
    caption.fill("chalk emoji of half an avocado")
    caption.blur()
    expect(page.locator("#saved")).to_contain_text("Saved")


def measure(page: Page) -> None:
    """One step, measured by the real probe: a time, a pace and how much memory."""
    page.locator("#measure").click()
    said = re.compile(r"About \d+ \w+ on cpu, (fp32|bf16) \(.+\).* A step takes [\d.]+ [MG]B; [\d.]+ [MG]B were free")
    expect(page.locator("#estimate")).to_contain_text(said, timeout=TRAINING)
    expect(page.locator("#measure")).to_be_enabled()


def download(page: Page, target: Path) -> Path:
    with page.expect_download() as started:
        page.get_by_role("link", name="Download chalk.safetensors").first.click()
    started.value.save_as(target)
    return target


def draw(pipe: StableDiffusionPipeline) -> np.ndarray:
    generator = torch.Generator().manual_seed(7)
    return pipe(PROMPTS[0], num_inference_steps=3, generator=generator, output_type="np").images[0]


def check_in_diffusers(file: Path) -> None:
    """Diffusers takes every tensor of the file as it is, and draws another picture with it; the same at scale 0."""
    pipe = StableDiffusionPipeline.from_pretrained(TINY, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    plain = draw(pipe)
    pipe.load_lora_weights(file)
    parts = [*pipe.unet.named_parameters(), *pipe.text_encoder.named_parameters()]
    tensors = load_file(file)
    for ours, theirs in (("lora_down", "lora_A"), ("lora_up", "lora_B")):
        written = [value.float() for key, value in tensors.items() if ours in key]
        taken = [value.detach().float().reshape(-1) for name, value in parts if theirs in name]
        assert written and _prints(written) == _prints(taken)
    assert all(value.shape[0] == 4 for key, value in tensors.items() if "lora_down" in key)
    assert np.abs(draw(pipe) - plain).max() > 1e-3
    pipe.set_adapters(pipe.get_active_adapters(), 0.0)
    assert np.array_equal(draw(pipe), plain)


def _prints(values: list[torch.Tensor]) -> list[tuple]:
    return sorted((value.numel(), value.double().sum().item(), value.double().norm().item()) for value in values)


def test_the_whole_way_with_the_real_trainer(page, tmp_path):
    with Server(tmp_path, fake=False) as server:
        page.goto(server.url)
        expect(page.locator("#summary")).to_contain_text("24 with a caption")
        drop_and_caption(page, tmp_path / "mine")
        open_tab(page, "Settings")
        fill(page, run__name="chalk", data__trigger="zibbo", train__steps=4, adapter__rank=4, train__lr=0.01)
        fill(page, sample__prompts="\n".join(PROMPTS))
        measure(page)
        page.locator("#start").click()
        card = page.locator("#run-card")
        expect(card.locator(".pill")).to_have_text(re.compile("starting|training"))
        page.reload()
        open_tab(page, "Runs")
        expect(card.locator("h2")).to_have_text("chalk")
        expect(card.locator(".pill")).to_have_text("finished", timeout=TRAINING)
        expect(card).to_contain_text("4 / 4")
        expect(page.locator("#samples thead th").first).to_have_text("before")
        expect(page.locator("#samples thead th").last).to_have_text("step 4")
        columns = page.locator("#samples thead th").count()
        expect(page.locator("#samples .cell img")).to_have_count(columns * len(PROMPTS))
        row = page.locator("#samples tr.pictures").first  # another tab's style for "pictures" once tore it up
        assert row.evaluate("row => getComputedStyle(row).display") == "table-row"
        sizes = page.locator("#samples .cell img").evaluate_all("all => all.map((image) => image.naturalWidth)")
        assert min(sizes) > 0
        (run,) = list_runs(server.runs)
        used = Path(re.search(r'folder = "(.+datasets.+)"', (run.folder / "settings.toml").read_text()).group(1))
        assert caption_of(used / "avocado.png") == "chalk emoji of half an avocado"
        check_in_diffusers(download(page, tmp_path / "chalk.safetensors"))
        draw_again(page)
        compare(page)
        take_settings_out(page, tmp_path / "chalk.safetensors")


def draw_again(page: Page) -> None:
    """The test prompts at another strength, by the real drawer."""
    page.locator("#strength-slider input[type=number]").fill("0.4")
    page.locator("#strength-slider input[type=number]").blur()
    page.locator("#draw-again").click()
    expect(page.locator("#strength-pictures .cell")).to_have_count(4, timeout=TRAINING)
    expect(page.locator("#strength-pictures")).to_contain_text("strength 0.4")


def compare(page: Page) -> None:
    """One checkpoint at two strengths."""
    open_tab(page, "Compare")
    page.locator("#compare-checkpoints input").click()
    page.get_by_role("option", name=re.compile("chalk")).first.click()
    page.keyboard.press("Escape")
    page.locator("#compare-strengths").locator("input, textarea").first.fill("0 1")
    page.locator("#compare-prompts textarea").fill(PROMPTS[1])
    page.locator("#compare-draw").click()
    expect(page.locator("#compare-grid .cell img")).to_have_count(2, timeout=TRAINING)
    expect(page.locator("#compare-grid th").first).to_have_text("base model alone")
    sizes = page.locator("#compare-grid .cell img").evaluate_all("all => all.map((image) => image.naturalWidth)")
    assert min(sizes) > 0


def take_settings_out(page: Page, file: Path) -> None:
    """The finished file brings its run's settings back into the form."""
    wanted = {
        "run__name": "chalk", "data__trigger": "zibbo", "train__steps": "4", "adapter__rank": "4",
        "train__lr": "0.01", "sample__prompts": "\n".join(PROMPTS),
    }  # fmt: skip
    open_tab(page, "Settings")
    fill(
        page, run__name="other", data__trigger="", train__steps=99, adapter__rank=8, train__lr=0.1, sample__prompts="x"
    )
    page.locator("#load-box input[type=file]").set_input_files(file)
    expect(page.locator("#settings-answer")).to_contain_text("Loaded the settings of chalk.safetensors")
    for key, value in wanted.items():
        box = page.locator(f"#field-{key.replace('__', '-')}").locator("textarea, input").first
        expect(box).to_have_value(value)
