"""A run that has ended rings, in a real browser: in the title, by a notification that was asked for, by a sound."""

import re

import pytest
from browser import Server, open_tab
from playwright.sync_api import expect
from test_page_runs import add, open_runs

from sdlora.runs.run import Run
from ui.words import en

pytestmark = pytest.mark.slow

# What the browser is asked for, noted down; a headless one shows no notification and has no loudspeaker.
NOTED = """
window.noted = {notes: [], tones: 0, asked: 0};
class Note { constructor(words) { window.noted.notes.push(words); } close() {} addEventListener() {} }
Note.permission = window.name || 'default';
Note.requestPermission = async () => { window.noted.asked += 1; Note.permission = window.answer ?? 'granted';
  window.name = Note.permission; return Note.permission; };
window.Notification = Note;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...at) { window.noted.tones += 1; return start.apply(this, at); };
"""


@pytest.fixture
def ringing(browser, server: Server):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(NOTED)
    page = context.new_page()
    yield page
    context.close()


def end(page, server: Server, base, name: str) -> Run:
    """A run that is seen training, then ends by itself."""
    run = add(server, base, name, 3000)
    open_runs(page, server)
    expect(page.locator("#run-card .pill")).to_have_text("training")
    page.wait_for_timeout(6000)  # one look of the bell's own
    run.request("stop")
    return run


def test_without_a_choice_only_the_title_is_marked_until_somebody_looks(ringing, server, base):
    page = ringing
    end(page, server, base, "quiet")
    expect(page).to_have_title(re.compile(rf"^✓ quiet {en.RING_STATES['stopped']} — "))
    assert page.evaluate("window.noted") == {"notes": [], "tones": 0, "asked": 0}
    page.keyboard.press("Shift")
    expect(page).to_have_title(re.compile("^(?!✓)"))


def test_notification_and_sound_are_chosen_once_and_kept(ringing, server, base):
    page = ringing
    page.goto(server.url)
    open_tab(page, "Runs")
    page.locator("[data-ring=note]").focus()
    page.keyboard.press("Space")
    expect(page.locator("[data-ring=note]")).to_be_checked()
    page.locator("[data-ring=sound]").check()
    assert page.evaluate("window.noted.asked") == 1
    assert page.evaluate("window.noted.tones") == 2  # one hears what one has chosen
    page.reload()
    open_tab(page, "Runs")
    expect(page.locator("[data-ring=note]")).to_be_checked()
    expect(page.locator("[data-ring=sound]")).to_be_checked()
    end(page, server, base, "<b>loud</b>")
    expect(page).to_have_title(re.compile("^✓ "))
    noted = page.evaluate("window.noted")
    assert noted["notes"] == [f"b-loud-b {en.RING_STATES['stopped']}"] and noted["tones"] == 2 and noted["asked"] == 0


def test_a_refusal_is_said_and_not_asked_again(ringing, server):
    page = ringing
    page.goto(server.url)
    page.evaluate("window.answer = 'denied'")
    open_tab(page, "Runs")
    page.locator("[data-ring=note]").click()
    expect(page.locator("[data-ring-refused]")).to_have_text(en.RING_REFUSED)
    expect(page.locator("[data-ring=note]")).not_to_be_checked()


def test_states_are_told_of_runs_alone_and_to_this_page_alone(page, server, base):
    run = add(server, base, "told", 5)
    open_runs(page, server)
    expect(page.locator("#run-card .pill")).to_have_text("finished")
    address = f"{server.url}runs/states"
    answer = page.request.get(address, params={"run": run.name}).json()
    assert answer == {"runs": {run.name: ["told", "done"]}}
    for odd in ("../../etc", "", "a\0b", ".bin"):
        assert page.request.get(address, params={"run": odd}).json() == {"runs": {}}
    assert page.request.get(address, headers={"origin": "http://elsewhere.example"}).status == 403
