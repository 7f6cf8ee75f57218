"""Latents and text on disk: right, never stale, whole after any death, no more memory for more images."""

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load, load_file, save, save_file
from said import saying

from sdlora.data import cache as cache_module
from sdlora.data.buckets import training_picture
from sdlora.data.cache import LatentCache, Share, TextCache
from sdlora.data.dataset import Item, scan
from sdlora.data.images import load_image
from sdlora.errors import UserError
from sdlora.messages import say
from sdlora.train.caching import Latents

ROOT = Path(__file__).parents[2]


def make_images(folder: Path, count: int, size: tuple[int, int] = (40, 32)) -> None:
    folder.mkdir(exist_ok=True)
    for i in range(count):
        array = np.random.default_rng(i).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(array).save(folder / f"{i}.png")


def items_of(folder: Path) -> tuple[Item, ...]:
    return scan(folder, resolution=32, step=8).items


@pytest.fixture
def items(tmp_path: Path) -> tuple[Item, ...]:
    make_images(tmp_path / "set", 4)
    return items_of(tmp_path / "set")


def encode(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A stand-in for the VAE: every eighth pixel, and a spread."""
    return pixels[:, :, ::8, ::8], pixels.new_full((1, 3, pixels.shape[2] // 8, pixels.shape[3] // 8), 0.5)


def run(cache: LatentCache, items: tuple[Item, ...], flip: bool = False, fn=encode) -> list[tuple[int, int]]:
    return list(cache.encode(items, fn, flip))


def test_what_is_loaded_is_what_was_encoded(tmp_path: Path, items: tuple[Item, ...]) -> None:
    cache = LatentCache(tmp_path / "cache", "vae")
    assert run(cache, items, flip=True) == [(i, 8) for i in range(1, 9)]
    for item in items:
        picture = np.asarray(training_picture(load_image(item.path), item.placement)).astype(np.float32) / 127.5 - 1
        for flipped, array in ((False, picture), (True, picture[:, ::-1])):
            mean, std = cache.load(item, flipped)
            assert mean.dtype == std.dtype == torch.float32 and (std == 0.5).all()
            assert np.array_equal(mean.numpy(), array.transpose(2, 0, 1)[:, ::8, ::8])
        assert -1 <= picture.min() < picture.max() <= 1


def test_a_second_start_encodes_nothing(tmp_path: Path, items: tuple[Item, ...]) -> None:
    run(LatentCache(tmp_path / "cache", "vae"), items, flip=True)
    again = LatentCache(tmp_path / "cache", "vae")
    assert run(again, items, flip=True, fn=None) == [] == again.missing(items, flip=True)
    assert again.missing(items, flip=False) == []


def test_the_key_holds_all_that_matters(tmp_path: Path, items: tuple[Item, ...]) -> None:
    item, cache = items[0], LatentCache(tmp_path, "vae")
    moved = replace(item.placement, crop=tuple(c + 1 for c in item.placement.crop))
    paths = {
        cache.path(item, False),
        cache.path(item, True),
        cache.path(replace(item, content_hash="0" * 64), False),
        cache.path(replace(item, placement=moved), False),
        cache.path(replace(item, placement=replace(item.placement, resized=(99, 99))), False),
        LatentCache(tmp_path, "other vae").path(item, False),
    }
    assert len(paths) == 6
    assert cache.path(replace(item, path=Path("elsewhere"), name="x", caption="y", repeats=9), False) in paths


def test_an_edited_image_is_encoded_again(tmp_path: Path, items: tuple[Item, ...]) -> None:
    cache = LatentCache(tmp_path / "cache", "vae")
    run(cache, items)
    stat = items[1].path.stat()
    Image.new("RGB", (40, 32), "blue").save(items[1].path)
    os.utime(items[1].path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    edited = items_of(tmp_path / "set")
    assert [item.name for item, _ in cache.missing(edited, False)] == ["1.png"]
    assert run(cache, edited) == [(1, 1)]
    assert torch.allclose(cache.load(edited[1], False)[0], torch.tensor([-1.0, -1.0, 1.0]).view(3, 1, 1))


def test_an_image_changed_between_scan_and_encoding(tmp_path: Path, items: tuple[Item, ...]) -> None:
    Image.new("RGB", (40, 32), "blue").save(items[1].path)
    items[3].path.unlink()
    cache = LatentCache(tmp_path / "cache", "vae")
    with pytest.raises(
        UserError, match=saying("images.changed_after_check", name="1.png") + " " + saying("images.start_again")
    ):
        run(cache, items)
    with pytest.raises(UserError, match=saying("images.changed_after_check", name="3.png")):
        run(cache, items[3:])
    assert len(cache.missing(items, False)) == 3


def test_equal_images_are_encoded_once(tmp_path: Path, items: tuple[Item, ...]) -> None:
    copy = replace(items[0], path=tmp_path / "copy.png", name="copy.png")
    copy.path.write_bytes(items[0].path.read_bytes())
    assert run(LatentCache(tmp_path / "cache", "vae"), (items[0], copy)) == [(1, 1)]


def flipped_bit(data: bytes) -> bytes:
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


def rewritten(change) -> Callable[[bytes], bytes]:
    """Another file of the same names, as an older version or another program would write it."""
    return lambda data: save({name: change(tensor).contiguous() for name, tensor in load(data).items()})


def body(data: bytes) -> int:
    return 8 + int.from_bytes(data[:8], "little")


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:-1],
    "half": lambda data: data[: len(data) // 2],
    "all zeros": lambda data: bytes(len(data)),
    "body zeroed": lambda data: data[: body(data)] + bytes(len(data) - body(data)),
    "half zeroed": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    "bit flipped": flipped_bit,
    "bit flipped in the digest": lambda data: data.replace(b'"digest":"', b'"digest":"0', 1)[:-1],
    "other shape": rewritten(lambda t: t[:, :1] if t.ndim > 1 else t[:1]),
    "half precision": rewritten(lambda t: t.half()),
    "random numbers": rewritten(torch.randn_like),
    "not a number": rewritten(lambda t: t * float("nan")),
    "longer": lambda data: data + b"x",
}


@pytest.mark.parametrize("damage", [*DAMAGE, "foreign", "another image's", "folder"])
def test_damaged_files_are_encoded_again(tmp_path: Path, items: tuple[Item, ...], damage: str) -> None:
    cache = LatentCache(tmp_path / "cache", "vae")
    run(cache, items)
    path = cache.path(items[2], False)
    good = path.read_bytes()
    foreign = TextCache(tmp_path / "other", "x")
    foreign.put("x", torch.ones(2))
    path.unlink()
    others = {"foreign": foreign._path("x"), "another image's": cache.path(items[1], False)}
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes(others[damage].read_bytes() if damage in others else DAMAGE[damage](good))
    with pytest.raises(UserError, match=saying("images.latents_lost", name="2.png")):
        cache.load(items[2], False)
    assert [item.name for item, _ in cache.missing(items, False)] == ["2.png"] == cache.damaged
    if damage == "folder":
        path.rmdir()
    assert run(cache, items) == [(1, 1)] and path.read_bytes() == good
    assert cache.missing(items, False) == [] == cache.damaged


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_texts_are_not_used(tmp_path: Path, damage: str) -> None:
    cache, tensor = TextCache(tmp_path, "clip"), torch.randn(3, 4)
    cache.put("a cat", tensor)
    path = cache._path("a cat")
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    assert cache.get("a cat") is None and cache.damaged == {"a cat"}
    assert cache.get("a dog") is None and cache.damaged == {"a cat"}  # never there
    cache.put("a cat", tensor)
    assert torch.equal(cache.get("a cat"), tensor)


def test_what_version_0_1_0_cached_serves_and_gets_its_digest(tmp_path: Path, items: tuple[Item, ...]) -> None:
    cache, texts = LatentCache(tmp_path / "cache", "vae"), TextCache(tmp_path / "cache", "clip")
    run(cache, items)
    texts.put("a cat", torch.ones(3))
    good = {}
    for path in (*(cache.path(item, False) for item in items), texts._path("a cat")):
        good[path] = path.read_bytes()
        save_file(load(good[path]), cache_module._old(path))
        path.unlink()
    assert cache.missing(items, False) == [] and torch.equal(texts.get("a cat"), torch.ones(3))
    assert {path: path.read_bytes() for path in good} == good
    assert not [path for path in good if cache_module._old(path).exists()]


@pytest.mark.parametrize("damage", ["empty", "half", "other shape", "half precision", "not a number"])
def test_what_version_0_1_0_cached_and_is_seen_to_be_damaged(
    tmp_path: Path, items: tuple[Item, ...], damage: str
) -> None:
    cache = LatentCache(tmp_path / "cache", "vae")
    run(cache, items)
    path = cache.path(items[1], False)
    cache_module._old(path).write_bytes(DAMAGE[damage](path.read_bytes()))
    path.unlink()
    assert [item.name for item, _ in cache.missing(items, False)] == ["1.png"] == cache.damaged


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("which", [0, 1])
def test_numbers_that_are_not_finite(tmp_path: Path, items: tuple[Item, ...], bad: float, which: int) -> None:
    def broken(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        latents = list(encode(pixels))
        latents[which] = latents[which].clone()
        latents[which][0, 0, 0, 0] = bad
        return tuple(latents)

    cache = LatentCache(tmp_path / "cache", "vae")
    with pytest.raises(UserError) as caught:
        run(cache, items, fn=broken)
    (problem,) = caught.value.problems
    assert problem.what == say("images.vae_not_finite", name="0.png") and problem.fix == say(
        "images.use_fp32_or_mend_vae"
    )
    assert len(cache.missing(items, False)) == 4 and list((tmp_path / "cache/latents").iterdir()) == []


def test_half_precision_and_gradients_are_taken(tmp_path: Path, items: tuple[Item, ...]) -> None:
    cache = LatentCache(tmp_path / "cache", "vae")
    run(cache, items, fn=lambda p: tuple(t.half().requires_grad_() for t in encode(p)))
    assert cache.load(items[0], False)[0].dtype == torch.float32


def test_it_stops_between_two_images(tmp_path: Path, items: tuple[Item, ...]) -> None:
    cache, before = LatentCache(tmp_path / "cache", "vae"), threading.active_count()
    work = cache.encode(items, encode, True)
    assert [next(work), next(work)] == [(1, 8), (2, 8)]
    work.close()
    assert len(cache.missing(items, True)) == 6 and threading.active_count() == before
    assert run(cache, items, flip=True)[-1] == (6, 6)


def test_images_are_decoded_side_by_side(tmp_path: Path, items: tuple[Item, ...], monkeypatch) -> None:
    """Each waits for another one that is being decoded: with a single thread they would wait for ever."""
    original, two = cache_module._pixels, threading.Barrier(2, timeout=30)

    def decoding(item: Item, flipped: bool) -> torch.Tensor:
        two.wait()
        return original(item, flipped)

    monkeypatch.setattr(cache_module, "_pixels", decoding)
    monkeypatch.setattr(cache_module, "DECODERS", 2)
    cache = LatentCache(tmp_path / "cache", "vae")
    assert run(cache, items)[-1] == (4, 4) and not cache.missing(items, False)


def test_processes_that_share_a_cache_share_the_work(tmp_path: Path, items: tuple[Item, ...]) -> None:
    caches, seen = [LatentCache(tmp_path / "cache", "vae") for _ in range(3)], []
    for rank in range(2):
        part = caches[rank].missing(items, True, Share(rank, 2))
        assert len(part) == 4 and [done for done, _ in caches[rank].encode(items, encode, True, part)][-1] == 4
        seen += part
    assert len(set(seen)) == 8 and not caches[2].missing(items, True)


def test_what_another_process_encodes_meanwhile_is_not_encoded_again(tmp_path: Path, items: tuple[Item, ...]) -> None:
    """But what was there and damaged is."""
    ours, theirs = (LatentCache(tmp_path / "cache", "vae") for _ in range(2))
    run(ours, items[:1])
    ours.path(items[0], False).write_bytes(b"damaged")
    calls: list[int] = []

    def counted(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(1)
        return encode(pixels)

    work = ours.encode(items, counted, False)
    assert next(work) == (1, 4)
    run(theirs, items)
    assert list(work) == [(2, 4), (3, 4), (4, 4)] and len(calls) == 1
    assert not ours.missing(items, False)


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, items: tuple[Item, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = LatentCache(tmp_path / "cache", "vae")

    def full(path: Path, data: bytes) -> None:
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        run(cache, items)
    assert list((tmp_path / "cache/latents").iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all the pictures decoded and latents made, only a handful are alive at any time, for 10 images and for 60."""
    alive: weakref.WeakSet[torch.Tensor] = weakref.WeakSet()
    original, counts = cache_module._pixels, []

    def decoding(item: Item, flipped: bool) -> torch.Tensor:
        pixels = original(item, flipped)
        alive.add(pixels)
        return pixels

    def counting(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        time.sleep(0.01)  # a slow VAE: decoding could run far ahead if nothing held it back
        mean, std = encode(pixels)
        alive.update((mean, std))
        counts.append(len(alive))
        return mean, std

    monkeypatch.setattr(cache_module, "_pixels", decoding)
    for count in (10, 60):
        make_images(tmp_path / "set", count)
        counts.clear()
        run(LatentCache(tmp_path / f"cache{count}", "vae"), items_of(tmp_path / "set"), fn=counting)
        assert len(counts) == count and max(counts) <= 2 * 2 + cache_module.AHEAD + 1


KILLED = """
import sys, time, torch
from pathlib import Path
from types import SimpleNamespace
from sdlora.data.cache import LatentCache
from sdlora.data.dataset import scan
def encode(pixels):
    time.sleep(0.005)
    return pixels.repeat(1, 1, 4, 4), pixels
items = scan(sys.argv[1], resolution=32, step=8).items
for done, of in LatentCache(Path(sys.argv[2]), "vae").encode(items, encode, True):
    print(done, flush=True)
"""


@pytest.mark.slow
def test_a_kill_leaves_a_good_cache(tmp_path: Path) -> None:
    make_images(tmp_path / "set", 40)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "set"), str(tmp_path / "cache")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.strip() == "20":
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    files = [p for p in (tmp_path / "cache/latents").iterdir() if p.suffix == ".safetensors"]
    assert 20 <= len(files) < 80 and all(set(load_file(p)) == {"mean", "std"} for p in files)
    cache, items = LatentCache(tmp_path / "cache", "vae"), items_of(tmp_path / "set")
    assert len(cache.missing(items, True)) == 80 - len(files)
    run(cache, items, flip=True)
    assert cache.missing(items, True) == []


@pytest.mark.slow
def test_two_processes_may_write_at_once(tmp_path: Path) -> None:
    make_images(tmp_path / "set", 20)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "set"), str(tmp_path / "cache")]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    cache = LatentCache(tmp_path / "cache", "vae")
    assert cache.missing(items_of(tmp_path / "set"), True) == []
    assert len(list((tmp_path / "cache/latents").iterdir())) == 40


def test_an_empty_picture_whose_latents_are_gone_is_encoded_again(tmp_path):
    item = SimpleNamespace(placement=SimpleNamespace(bucket=(16, 8)))
    cache = Latents(tmp_path, "a VAE")
    with pytest.raises(UserError, match=saying("images.latents_lost")):
        cache.masked(item, 1.0)
    cache.renew_empty = lambda item: cache.empty.put("16 x 8", torch.full((4, 1, 2), 3.0))
    channels = cache.masked(item, 0.5)
    assert torch.equal(channels, torch.cat([torch.ones(1, 1, 2), torch.full((4, 1, 2), 1.5)]))
    assert len(cache.notes) == 1 and "empty picture" in cache.notes[0]
    cache.masked(item, 0.5)
    assert len(cache.notes) == 1
