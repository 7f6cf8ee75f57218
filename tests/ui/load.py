"""What the page costs while a run goes on and two pages are open: ``PYTHONPATH=. python tests/ui/load.py [SECONDS]``.

Prints the share of one core over the time, per state of the pages (one tab each), and how long 20,000 events take.
"""

import sys
import tempfile
import time
from pathlib import Path

import psutil
from browser import Server, open_browser, open_tab
from example import make_images
from stub_base import make_stub_base

from sdlora.events import Started, StepDone, to_line
from sdlora.runs.run import Run
from sdlora.settings import dump_settings, make_settings
from ui.shell.view import RunView


def share(server: Server, seconds: float) -> float:
    """Percent of one core that the server's process takes."""
    process = psutil.Process(server.process.pid)
    before, begin = process.cpu_times(), time.monotonic()
    time.sleep(seconds)
    after = process.cpu_times()
    return 100 * (after.user + after.system - before.user - before.system) / (time.monotonic() - begin)


def restore(folder: Path, events: int = 20_000) -> float:
    """Seconds until a run of that many events is read and its curve made."""
    run = Run.create(folder, "long", "")
    lines = [to_line(Started(0, events, 9, 1, 1, 1, "cpu"), 0)]
    lines += [to_line(StepDone(s, 0.1, 1e-4, 0.5), s / 2) for s in range(1, events + 1)]
    (run.folder / "events.jsonl").write_text("\n".join(lines) + "\n")
    begin = time.perf_counter()
    view = RunView(run.folder)
    view.update()
    view.losses.points()
    return time.perf_counter() - begin


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, open_browser() as browser:
        folder = Path(name)
        print(f"20,000 events: {restore(folder):.2f} s")
        base = make_stub_base(folder / "base")
        values = {
            "model": {"base": str(base)}, "data": {"folder": str(make_images(folder / "d", 6))},
            "train": {"steps": 100_000}, "sample": {"prompts": ["a disc", "a square"], "every": 500},
            "save": {"every": 1000}, "run": {"name": "busy", "folder": str(folder / "runs")},
        }  # fmt: skip
        with Server(folder, step_seconds=0.5) as server:
            add_run(server, dump_settings(make_settings(values)))
            pages = [browser.new_context().new_page() for _ in range(2)]
            for page in pages:
                page.goto(server.url)
                open_tab(page, "Runs")
                page.wait_for_selector("#samples img")
            time.sleep(5)
            print(f"two pages on Runs: {share(server, seconds):.1f} % of a core")
            for page in pages:
                open_tab(page, "Images")
            time.sleep(2)
            print(f"two pages on Images: {share(server, seconds):.1f} % of a core")
            for page in pages:
                page.close()
            print(f"no page: {share(server, seconds):.1f} % of a core")


def add_run(server: Server, settings: str) -> None:
    """A run by a trainer of our own, that the server only watches."""
    import subprocess

    from browser import ROOT

    run = Run.create(server.runs, "busy", settings)
    command = [sys.executable, str(Path(__file__).with_name("fake_trainer.py")), str(run.folder)]
    with open(run.folder / "log.txt", "wb") as log:
        subprocess.Popen(command, cwd=ROOT, env=server.environment, stdout=log, stderr=log)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
