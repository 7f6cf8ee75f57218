"""The page with the real trainer and the embedded base model: the file that comes out is a LoRA."""

import re

import pytest
from browser import Server, open_tab
from playwright.sync_api import expect
from safetensors import safe_open

from sdlora.run import list_runs

pytestmark = pytest.mark.slow
TRAINING = 900_000  # milliseconds: loading, three steps and four test pictures on a very busy machine


def test_the_real_trainer_behind_the_page(page, tmp_path):
    with Server(tmp_path, fake=False) as server:
        page.goto(server.url)
        expect(page.locator("#summary")).to_contain_text("24 with a caption")
        open_tab(page, "Settings")
        for key, value in {"run-name": "glossy", "train-steps": 3, "adapter-rank": 4}.items():
            box = page.locator(f"#field-{key}").locator("textarea, input").first
            box.fill(str(value))
            box.blur()
        page.locator("#start").click()
        expect(page.locator("#run-card .pill")).to_have_text(re.compile("starting|training"))
        expect(page.locator("#run-card .pill")).to_have_text("finished", timeout=TRAINING)
        expect(page.locator("#run-card")).to_contain_text("3 / 3")
        expect(page.locator("#samples th").first).to_have_text("before")
        expect(page.locator("#samples td img").first).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download glossy.safetensors").click()
        with safe_open(download.value.path(), "np") as lora:
            ups = [key for key in lora.keys() if key.endswith("lora_up.weight")]  # noqa: SIM118 (not a dict)
            assert ups and all(lora.get_tensor(key).shape[1] == 4 for key in ups)
        assert len(list_runs(server.runs)) == 1
