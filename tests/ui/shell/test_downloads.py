"""Base models that are not here: the button that fetches them, from a hub on this computer."""

import os
import time

import pytest
from browser import Server, open_tab
from hub import serve
from playwright.sync_api import expect

from sdlora.errors import Problem
from ui import text
from ui.shell import downloads
from ui.shell.downloads import Downloads, explain_missing, missing
from ui.words import en

NOT_HERE = Problem("The base model org/model could not be downloaded (OSError).", "…", "model.base")


@pytest.fixture(scope="module")
def hub(base_folder):
    with serve(base_folder) as served:
        yield served


@pytest.fixture
def network(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("ui.shell.process.OFFLINE_BY_PAGE", True)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    return hub


def ended(fetch: Downloads) -> downloads.Download:
    end = time.monotonic() + 300
    while fetch.running:
        assert time.monotonic() < end
        time.sleep(0.1)
    return fetch.latest


def test_a_download_ends_with_the_model_here(network, tmp_path):
    fetch = Downloads()
    assert fetch.start("org/model", "")
    assert not fetch.start("org/other", "")  # one at a time
    latest = ended(fetch)
    assert not latest.failed and latest.done == latest.of > 0
    assert latest.words() == text.DOWNLOADED.format(base="org/model")
    assert list((tmp_path / "hub").rglob("unet/diffusion_pytorch_model.safetensors"))


@pytest.mark.parametrize(("base", "sentence"), [("org/secret", "access-restricted"), ("org/nothing", "The hub has no")])
def test_what_the_hub_refuses_is_said(network, base, sentence):
    fetch = Downloads()
    fetch.start(base, "")
    assert sentence in ended(fetch).words()


@pytest.mark.parametrize("base", ["tiny", "../up", "a/b/c", "--help/x", "-x/y", "a b/c", "org/\n", "", "http://x/y"])
def test_what_is_no_hub_id_starts_nothing(base):
    assert not Downloads().start(base, "")
    assert missing(base, [NOT_HERE]) == ""


def test_only_a_missing_hub_id_is_told_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = Problem("train.lr is 0.", where="train.lr")
    assert explain_missing("org/model", [other, NOT_HERE])[1:] == [other]
    assert explain_missing("org/model", [other]) == [other]
    gone = Problem("The base model org/model was taken down.", 'Use "org/new".', "model.base")
    assert explain_missing("org/model", [gone]) == [gone]
    (tmp_path / "org/model").mkdir(parents=True)
    assert explain_missing("org/model", [NOT_HERE]) == [NOT_HERE]  # a folder, with something else wrong


@pytest.mark.slow
def test_from_a_hub_id_to_a_model_that_is_ready(page, hub, tmp_path):
    server = Server(tmp_path)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    server.environment = {**server.environment, **kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub")}
    server.environment.pop("HF_HUB_OFFLINE", None)
    with server:
        page.goto(server.url)
        open_tab(page, "Settings")
        box = page.locator("#field-model-base").locator("textarea, input").first
        box.fill("org/secret")
        box.blur()
        expect(page.locator("#checks")).to_contain_text(en.NOT_HERE_YET.format(base="org/secret"))
        page.locator("#fetch-base").click()
        expect(page.locator("#fetched")).to_contain_text("access-restricted")
        box.fill("org/model")
        box.blur()
        expect(page.locator("#checks")).to_contain_text(en.NOT_HERE_YET.format(base="org/model"))
        expect(page.locator("#fetched")).to_have_text("")
        page.locator("#fetch-base").click()
        expect(page.locator("#described")).to_contain_text("SD 1.x")
        expect(page.locator("#fetch-base")).to_be_hidden()
        expect(page.locator("#checks")).not_to_contain_text(en.NOT_HERE_YET.format(base="org/model"))
