"""A page server and a browser for the tests: helpers without pytest, used by screenshots.py too."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from sdlora.runs.run import list_runs
from ui.shell.queue import Queue

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium_path() -> str:
    """The system's Chromium; a sentence if there is none, since without it these tests would prove nothing."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        found = shutil.which(name)
        if found:
            return found
    raise RuntimeError(
        "No Chromium was found. Install the package chromium (apt-get install chromium) for these tests."
    )


@contextmanager
def open_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The page as a process of its own. ``fake``: with the fake trainer; otherwise the real one."""

    def __init__(self, folder: Path, fake: bool = True, step_seconds: float = 0.1, options: tuple[str, ...] = ()):
        self.folder, self.port = folder, free_port()
        self.runs = folder / "runs"
        module = [str(Path(__file__).with_name("serve_fake.py"))] if fake else ["-m", "ui.shell.app"]
        self.command = [sys.executable, *module, "--port", str(self.port), "--runs", str(self.runs), *options]
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "FAKE_SECONDS": str(step_seconds)}
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self, patience: float = 240) -> "Server":
        with open(self.folder / "server.txt", "ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + patience
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.url, timeout=5):
                    return self
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"The page did not start: {(self.folder / 'server.txt').read_text()}")

    def kill(self) -> None:
        """End the page's server alone, at once."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def quiet(self, patience: float = 120) -> None:
        """Empty the queue and stop what trains, so that one test's runs never stand in the way of another's."""
        queue, end = Queue(self.runs), time.monotonic() + patience
        for entry in queue.waiting():
            queue.remove(entry.name)
        while queue.current() or any(run.alive() for run in list_runs(self.runs)):
            for run in list_runs(self.runs):
                if run.alive():
                    run.request("stop")
            if time.monotonic() > end:
                raise RuntimeError("A trainer did not stop when it was asked to.")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the server and the trainers that it has started."""
        self.kill()
        self.quiet()

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def open_tab(page: Page, name: str) -> None:
    """Go to a tab by its name; where the tabs don't fit they are behind a button."""
    page.get_by_role("tab", name=name).first.click()


def sideways_scroll(page: Page) -> int:
    """Pixels that the page is wider than the window; 0 is right."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def wait_till_in_sight(page: Page, selector: str) -> None:
    """All of it is seen, nothing lies above it or cuts it off: the browser says so at three points."""
    page.wait_for_function(
        """(selector) => {
          const element = document.querySelector(selector), box = element.getBoundingClientRect();
          return [0.05, 0.5, 0.95].every((part) => {
            const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height * part);
            return at && (element.contains(at) || at.contains(element));
          });
        }""",
        arg=selector,
        timeout=8000,
    )
