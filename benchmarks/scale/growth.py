"""What does the work cost as it grows: images, steps, test pictures?

    python benchmarks/scale/growth.py OUT.json [--images 100 1000 10000] [--steps 100000] [--pictures 2000]

Each count of images is measured in a process of its own, on a folder of synthetic pictures of 64 px in three shapes.
The cache holds latents (of ones) for all of them:

* first      the first scan, which opens every file
* scan       a later one: listing, index, captions, buckets
* look       is every cached latent there and whole? every file is read, its digest compared
* plan       the first step's batch, which shuffles the whole epoch
* album      the page's Images tab: names and captions read, and one page of them filtered
* mb         private memory that all of that takes, and after another 200 batches are read from the cache

Then a trainer's events of a long run are written through ``Run``, with a (blank) test picture every so many steps. A
page's ``RunView`` follows; its memory is read after a tenth and at the end, and that of a page opened then.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
SHOWN = 60  # images on a page


def private_mb() -> float:
    """This process's memory that is no mapped file; where the system doesn't tell, all that no other process shares."""
    gc.collect()
    if not os.path.exists("/proc/self/status"):
        return psutil.Process().memory_full_info().uss / 1e6
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1e3


def make_images(folder: Path, count: int) -> None:
    """Pictures that differ in their last bytes, so that each has a content of its own, in three shapes."""
    from io import BytesIO

    from PIL import Image, PngImagePlugin

    folder.mkdir()
    shapes = [Image.effect_noise(size, 80).convert("RGB") for size in ((64, 64), (96, 48), (48, 96))]
    for number in range(count):
        told = PngImagePlugin.PngInfo()
        told.add_text("number", str(number))
        file = BytesIO()
        shapes[number % 3].save(file, "png", pnginfo=told, compress_level=1)
        (folder / f"{number:06d}.png").write_bytes(file.getvalue())
        (folder / f"{number:06d}.txt").write_text(f"picture, number {number}, red, round")


def timed(function):
    began = time.perf_counter()
    result = function()
    return result, round(time.perf_counter() - began, 3)


def images(count: int) -> dict:
    import torch

    from sdlora.data.cache import LatentCache, sealed
    from sdlora.data.dataset import Plan, scan
    from ui.tabs.images.album import Album, Filter, Limits

    with tempfile.TemporaryDirectory() as temporary:
        folder, store = Path(temporary) / "images", Path(temporary) / "cache"
        make_images(folder, count)
        time.sleep(2.1)  # what has just been written is not remembered
        row = {"images": count}
        before = private_mb()
        wish = {"resolution": 64, "step": 16, "cache": store}
        _, row["first_s"] = timed(lambda: scan(folder, **wish))
        data, row["scan_s"] = timed(lambda: scan(folder, **wish))
        cache = LatentCache(store, "a VAE")
        cache.folder.mkdir(parents=True)
        for item in data.items:
            width, height = (side // 8 for side in item.placement.bucket)
            path = cache.path(item, False)
            path.write_bytes(sealed({name: torch.ones(4, height, width) for name in ("mean", "std")}, path.name))
        missing, row["look_s"] = timed(lambda: cache.missing(data.items, False))
        assert not missing and len(data.items) == count
        plan, row["plan_s"] = timed(lambda: (made := Plan(data.items, 4, 1), made.at(1))[0])
        row["mb"] = round(private_mb() - before, 1)
        for step in range(1, 201):
            for number in plan.at(step)[0]:
                cache.load(data.items[number], False)
        row["mb_after_200_batches"] = round(private_mb() - before, 1)
        album = Album(folder)
        _, row["album_s"] = timed(album.read)
        _, row["album_filter_s"] = timed(lambda: album.entries(Filter(), Limits(64))[:SHOWN])
        row["cache_mb"] = round(sum(entry.stat().st_size for entry in os.scandir(cache.folder)) / 1e6, 1)
    return row


def steps(count: int, pictures: int) -> dict:
    from sdlora.events import Sampled, Started, StepDone
    from sdlora.runs.pictures import thin_pictures
    from sdlora.runs.run import Run
    from ui.shell.view import RunView

    with tempfile.TemporaryDirectory() as temporary:
        run = Run.create(temporary, "long", "")
        samples, every, page = run.folder / "samples", count // pictures, RunView(run.folder)
        run.write(Started(0, count, 9, 1, 1, 1, "cpu"))
        row, began = {"steps": count, "pictures": pictures}, time.perf_counter()
        for step in range(1, count + 1):
            run.write(StepDone(step, 0.1, 1e-4, 0.5, 1))
            if step % every == 0:
                name = f"{step:06d}_00.png"
                (samples / name).write_bytes(b"picture")
                thin_pictures(samples)
                run.write(Sampled(step, [f"samples/{name}"]))
            if step % 100 == 0:
                page.update()
            if step in (count // 10, count):
                row["mb_after_a_tenth" if step < count else "mb_at_the_end"] = round(private_mb(), 1)
        row["event_us"] = round((time.perf_counter() - began) / count * 1e6, 1)
        row["pictures_kept"] = len(list(samples.iterdir()))
        row["events_mb"] = round((run.folder / "events.jsonl").stat().st_size / 1e6, 1)
        before = private_mb()
        opened = RunView(run.folder)
        _, row["open_s"] = timed(opened.update)
        row["open_mb"] = round(private_mb() - before, 1)
        _, row["refresh_ms"] = timed(lambda: [opened.update() or opened.losses.points() for _ in range(1000)])
        assert len(opened.samples) == row["pictures_kept"] and opened.step == count
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--images", type=int, nargs="*", default=[100, 1000, 10_000])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what a process of its own measures
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one)))
        return
    wanted = [*(f"images {count}" for count in args.images), f"steps {args.steps} {args.pictures}"]
    rows = []
    for one in wanted:
        command = [sys.executable, __file__, "--one", one]
        rows.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout))
        print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
        if args.out:
            made = {"images": rows[: len(args.images)], "steps": rows[len(args.images) :]}
            args.out.write_text(json.dumps(made, indent=1))


def measure(one: str) -> dict:
    what, *numbers = one.split()
    return {"images": images, "steps": steps}[what](*map(int, numbers))


if __name__ == "__main__":
    main()
