"""Screenshots of every tab, wide and narrow, light and dark: ``PYTHONPATH=. python tests/ui/screenshots.py OUT [URL]``.

URL: a page that is being served (``python -m ui.shell.app``); what it has is what is shown. Without one, a page with
the fake trainer is served and filled: a run that is finished, one that trains, one that waits, a comparison.
"""

import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from browser import Server, open_browser, open_tab, sideways_scroll
from example import make_images
from serve_fake import trainers
from stub_base import make_stub_base

from sdlora.settings import make_settings
from ui.shell.drawings import Drawings, checkpoints_of
from ui.shell.queue import Queue
from ui.shell.view import RunView

SIZES = {"wide": (1280, 900), "narrow": (390, 844)}
TABS = ("Images", "Settings", "Runs", "Compare")
PROMPTS = ["a glossy red teapot on a table", "a lighthouse at night, watercolour"]


@contextmanager
def filled():
    """The address of a page with something on every tab."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        base, images = make_stub_base(folder / "base"), make_images(folder / "discs", 12)

        def settings(name: str, steps: int, rank: int = 16):
            return make_settings(
                {
                    "model": {"base": str(base)},
                    "data": {"folder": str(images), "trigger": "ohwx"},
                    "adapter": {"rank": rank, "alpha": rank / 2},
                    "train": {"steps": steps},
                    "sample": {"prompts": PROMPTS, "every": 10},
                    "save": {"every": 10, "keep": 0},
                    "run": {"name": name, "folder": str(folder / "runs")},
                }  # fmt: skip
            )

        os.environ["FAKE_SECONDS"] = "0.05"
        server = Server(folder, step_seconds=0.05)
        with server:
            queue = Queue(server.runs, trainers())
            done = queue.add(settings("cat-toy", 60))
            _wait(lambda: done.state() == "done")
            view = RunView(done.folder)
            view.update()
            keys = checkpoints_of(view)[:3]
            variants = [[{"key": keys[0][0], "path": keys[0][1], "strength": 0}]]
            variants += [[{"key": k, "path": p, "strength": s}] for k, p in keys for s in (0.7, 1.0)]
            Drawings(queue).ask("compare", "cat-toy", {"variants": variants, "prompts": PROMPTS, "seed": 42})
            _wait(lambda: not queue.waiting() and queue.current() is None)
            queue.add(settings("lighthouse", 4000, 32))
            queue.add(settings("teapots, second try", 1500, 8))
            time.sleep(8)
            yield server.url


def _wait(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)


def take(out: Path, url: str) -> None:
    with open_browser() as browser:
        for size, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
                page = context.new_page()
                page.goto(url)
                page.wait_for_selector("#gallery .thumbnail-item img", timeout=60_000)
                page.locator("#gallery .thumbnail-item").nth(2).click()
                for tab in TABS:
                    open_tab(page, tab)
                    if tab == "Runs":  # a finished one has all there is to see
                        page.locator("#run-list label", has_text="finished").first.click()
                    page.wait_for_timeout(4000)
                    path = out / f"{tab.lower()}-{size}-{scheme}.png"
                    page.screenshot(path=path, full_page=True)
                    print(path, "too wide by", sideways_scroll(page), "pixels")
                    if tab == "Runs":
                        page.locator("#samples tr.pictures").first.locator(".cell").last.click()
                        page.locator("#lightbox-slider").fill("45")
                        page.wait_for_timeout(500)
                        page.screenshot(path=out / f"large-{size}-{scheme}.png")
                        page.keyboard.press("Escape")
                context.close()


def main(out: Path, url: str = "") -> None:
    out.mkdir(parents=True, exist_ok=True)
    if url:
        take(out, url)
    else:
        with filled() as served:
            take(out, served)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
