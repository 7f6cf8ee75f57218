"""Two runs side by side, in a real browser."""

import pytest
from browser import sideways_scroll
from playwright.sync_api import expect
from test_page_runs import add, choose, open_runs

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_run_stands_beside_another(browser, server, base, width, scheme):
    add(server, base, f"left{width}", 10)
    add(server, base, f"right{width}", 12, guidance=4.5)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    open_runs(page, server)
    expect(page.locator("#run-list input:checked")).to_have_count(1)  # what the page chose by itself is there
    choose(page, f"left{width}")
    expect(page.locator("#run-card .pill")).to_have_text("finished")
    expect(page.locator("#run-list label", has_text=f"right{width}")).to_contain_text("finished")
    page.locator("#beside input").focus()
    page.keyboard.type(f"right{width}")
    page.keyboard.press("Enter")
    expect(page.locator("#beside-table")).to_contain_text("sample.guidance")
    expect(page.locator("#curve-help .legend")).to_contain_text(f"right{width}")
    page.wait_for_timeout(4000)  # a tick or two later it is still there
    expect(page.locator("#beside-table")).to_contain_text("train.steps")
    assert sideways_scroll(page) <= 0
    choose(page, f"right{width}")
    expect(page.locator("#beside-table section")).to_have_count(0)  # no run stands beside itself
    context.close()
