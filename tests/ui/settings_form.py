"""The form of the Settings tab as a test reads and fills it in a browser."""

import re

from browser import Server, open_tab
from playwright.sync_api import Page, expect

from ui.tabs.settings import form


def block(page: Page, key: str):
    return page.locator(f"#{form.field_id(key)}")


def field(page: Page, key: str):
    return block(page, key).locator("textarea, input:not([type=range])").first


def fill(page: Page, key: str, value: object) -> None:
    field(page, key).fill(str(value))
    field(page, key).blur()


def value(page: Page, key: str) -> object:
    """What a field shows, as a handler would get it."""
    box = block(page, key)
    if box.locator("input[type=radio]").count():
        return box.locator("input[type=radio]:checked").get_attribute("value")
    if box.locator("input[type=checkbox]").count():
        return box.locator("input[type=checkbox]").is_checked()
    return field(page, key).input_value()


def open_settings(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(page.locator("#strip")).to_contain_text(re.compile(r"running|training|starting|paus|stopping"))
    open_tab(page, "Settings")
    expect(page.locator("#checks .card")).to_be_visible()
    expect(block(page, "adapter.rank").locator("input[type=range]")).to_be_visible()


def show_all(page: Page) -> None:
    page.locator("#all-settings input").check()
    expect(block(page, "save.every")).to_be_visible()


def shown(page: Page) -> set[str]:
    return {key for key in form.shown() if key != form.FOLDER and block(page, key).is_visible()}
