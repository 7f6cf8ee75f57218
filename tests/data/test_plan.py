"""The order of images: a pure function with nothing lost and nothing doubled."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlora.data.buckets import Placement
from sdlora.data.dataset import Item, Plan, plan, rng_for, seed_for


def item(bucket: int, repeats: int = 1) -> Item:
    size = (bucket * 8, 64)
    return Item(Path("x.png"), "x.png", "", "name", repeats, size, Placement(size, size, (0, 0, *size)), "")


ITEMS = st.lists(st.builds(item, st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=12).map(tuple)
COUNTS = st.integers(1, 4)


@given(ITEMS, COUNTS, st.integers(0, 99), COUNTS, COUNTS)
def test_every_epoch_holds_every_image_as_often_as_it_repeats(items, batch, seed, devices, accumulate) -> None:
    order = Plan(items, batch, seed, devices, accumulate)
    stream = []
    steps = -(-3 * order.batches_per_epoch // (devices * accumulate))
    for step in range(1, steps + 1):
        turns = [order.at(step, device) for device in range(devices)]
        stream += [turns[device][turn] for turn in range(accumulate) for device in range(devices)]
    expected = Counter({i: it.repeats for i, it in enumerate(items)})
    for epoch in range(3):
        batches = stream[epoch * order.batches_per_epoch : (epoch + 1) * order.batches_per_epoch]
        assert Counter(i for b in batches for i in b) == expected
    for b in stream:
        assert 1 <= len(b) <= batch and len({items[i].placement.bucket for i in b}) == 1


@given(ITEMS, COUNTS, st.integers(0, 99), st.integers(1, 500), COUNTS, COUNTS)
def test_a_step_does_not_depend_on_the_past(items, batch, seed, step, devices, accumulate) -> None:
    walked = Plan(items, batch, seed, devices, accumulate)
    for earlier in range(max(1, step - 20), step):
        walked.at(earlier)
    for device in range(devices):
        assert walked.at(step, device) == plan(items, batch, seed, step, device, devices, accumulate)


@given(ITEMS, COUNTS, st.integers(0, 99), COUNTS, COUNTS)
def test_devices_and_accumulation_split_one_stream(items, batch, seed, devices, accumulate) -> None:
    """However it is split, a run sees the same batches in the same order."""
    alone = Plan(items, batch, seed)
    split = Plan(items, batch, seed, devices, accumulate)
    width = devices * accumulate
    for step in (1, 2, 3):
        turns = [split.at(step, device) for device in range(devices)]
        seen = [turns[d][turn] for turn in range(accumulate) for d in range(devices)]
        assert seen == [alone.at((step - 1) * width + i + 1)[0] for i in range(width)]


@given(st.integers(1, 60), st.integers(1, 8))
def test_batches_are_even(images: int, batch: int) -> None:
    order = Plan([item(1)] * images, batch, 0)
    sizes = [len(order.at(step)[0]) for step in range(1, order.batches_per_epoch + 1)]
    assert order.batches_per_epoch == -(-images // batch) and max(sizes) - min(sizes) <= 1


def test_epochs_and_seeds_differ() -> None:
    items = [item(1) for _ in range(40)]
    epochs = [[Plan(items, 1, seed).at(40 * e + s)[0] for s in range(1, 41)] for seed in (0, 1) for e in (0, 1)]
    assert len({tuple(e) for e in epochs}) == 4
    assert Plan(items, 4, 0, devices=2, accumulate=5).epoch_of(3) == 3.0


def test_every_place_in_the_epoch_is_equally_likely() -> None:
    order = Plan([item(1) for _ in range(5)], 1, 7)
    first = Counter(order.at(1 + 5 * epoch)[0][0] for epoch in range(2000))
    assert all(abs(count - 400) < 90 for count in first.values())  # 5 standard deviations


def test_bad_calls_are_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        Plan([], 1, 0)
    for step, device in ((0, 0), (1, 1), (1, -1)):
        with pytest.raises(ValueError, match="no step"):
            Plan([item(1)], 1, 0).at(step, device)


def test_seeds_are_stable_everywhere() -> None:
    """Also in another process with another hash seed; the first number is written down so that versions agree too."""
    code = "from sdlora.data.dataset import *; print(seed_for(1, 'noise', 2), rng_for(0, 'x').random())"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": s, "PYTHONPATH": root}, check=True, capture_output=True
        ).stdout
        for s in ("1", "2")
        for root in [str(Path(__file__).parents[2])]
    }
    assert runs == {f"{seed_for(1, 'noise', 2)} {rng_for(0, 'x').random()}\n".encode()}
    assert seed_for(0) == 5254295370254170289


@given(st.integers(0, 2**63 - 1), st.lists(st.one_of(st.integers(), st.text()), max_size=4))
def test_seeds_are_63_bits_and_tell_words_apart(seed: int, words: list) -> None:
    number = seed_for(seed, *words)
    assert 0 <= number < 2**63
    assert number != seed_for(seed, *words, "")
    assert seed_for(seed, "ab", "c") != seed_for(seed, "a", "bc") and seed_for(seed, 1) != seed_for(seed, "1")
