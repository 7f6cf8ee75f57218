"""One browser and one page with the fake trainer for all tests of this folder that need them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Server, open_browser
from playwright.sync_api import Browser, BrowserContext, Page, expect
from stub_base import make_stub_base

PATIENCE = 60_000  # milliseconds: machines that run tests are often busy
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """One browser cache for a module: the page's 130 files are fetched and compiled once, not for every test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(visitor: BrowserContext) -> Iterator[Page]:
    """A page of somebody who has never been here: what the last one left in the browser's storage is gone."""
    opened = visitor.new_page()
    yield opened
    if opened.url.startswith("http"):
        opened.evaluate("localStorage.clear(); sessionStorage.clear()")
    for one in visitor.pages:
        one.close()


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_stub_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("page")) as started:
        yield started


@pytest.fixture
def server(module_server: Server) -> Iterator[Server]:
    """The module's server; whatever a test leaves running or filled in ends with the test."""
    yield module_server
    module_server.quiet()
    (module_server.runs / ".form" / "draft.toml").unlink(missing_ok=True)  # every page shows it
