"""Does caching need memory that grows with the number of images, and how long does a start on many cached ones take?

    python benchmarks/speed/cache.py OUT.json [--images 1000] [--cached 10000]

Encodes small pictures with the embedded base's VAE, reading the process's private memory as it goes; then makes a
folder of pictures whose latents are all there (the cache's own files, copied) and times what a start does: the scan
of the folder and the look for missing latents.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))


def make_images(folder: Path, count: int, pixels: int = 64) -> None:
    """Pictures that differ in a few pixels, so that every one has latents of its own."""
    from PIL import Image

    folder.mkdir()
    picture = Image.effect_noise((pixels, pixels), 80).convert("RGB")
    for number in range(count):
        picture.putpixel((0, 0), (number >> 8, number & 255, 0))
        picture.save(folder / f"{number:05d}.png", compress_level=1)
        (folder / f"{number:05d}.txt").write_text(f"picture {number}")


def growth(count: int) -> dict:
    from steps import status

    from sdlora.data.dataset import scan
    from sdlora.families.base import inspect_base
    from sdlora.train.caching import cache_latents

    base = inspect_base("tiny")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "images"
        make_images(folder, count)
        data = scan(folder, resolution=64, step=base.step)
        readings, began = [], time.perf_counter()
        for number, _ in enumerate(cache_latents(data.items, base, folder / ".sdlora_cache", False, "cpu"), 1):
            if number in (count // 10, count):
                readings.append(status("RssAnon") / 1e3)
    return {
        "images": count,
        "mb_after_a_tenth": readings[0],
        "mb_at_the_end": readings[1],
        "images_per_second": count / (time.perf_counter() - began),
    }


def start(count: int) -> dict:
    from sdlora.data.cache import LatentCache, vae_identity
    from sdlora.data.dataset import scan
    from sdlora.families.base import inspect_base
    from sdlora.train.caching import cache_latents

    base = inspect_base("tiny")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "images"
        make_images(folder, count)
        store = folder / ".sdlora_cache"
        began = time.perf_counter()
        data = scan(folder, resolution=64, step=base.step)
        first = time.perf_counter() - began
        for _ in cache_latents(data.items[:1], base, store, False, "cpu"):
            pass
        cache = LatentCache(store, vae_identity(base, store) + "-fp32")
        model = cache.path(data.items[0], False)
        for item in data.items[1:]:
            shutil.copyfile(model, cache.path(item, False))
        began = time.perf_counter()
        data = scan(folder, resolution=64, step=base.step)
        scanned = time.perf_counter()
        missing = cache.missing(data.items, False)
        ended = time.perf_counter()
    assert not missing
    return {"cached": count, "first_scan_s": first, "scan_s": scanned - began, "look_s": ended - scanned}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--cached", type=int, default=10000)
    args = parser.parse_args()
    row = growth(args.images) | start(args.cached)
    print(
        f"caching {row['images']} images: {row['mb_after_a_tenth']:.0f} MB after a tenth, "
        f"{row['mb_at_the_end']:.0f} MB at the end, {row['images_per_second']:.0f} images/s\n"
        f"starting on {row['cached']} cached images: scan {row['scan_s']:.1f} s + look {row['look_s']:.1f} s "
        f"(the first scan, which reads every file: {row['first_scan_s']:.1f} s)"
    )
    if args.out:
        args.out.write_text(json.dumps(row, indent=1))


if __name__ == "__main__":
    main()
