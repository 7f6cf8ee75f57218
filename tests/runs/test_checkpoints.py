"""Damaged checkpoints of every kind: found, named, set aside; the newest whole one is used."""

from said import saying
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from accelerate import Accelerator
from small_training import made, same, steps

from sdlora.events import Warned
from sdlora.files.intact import Damaged
from sdlora.runs.checkpoints import checkpoints_in, newest_intact, verified
from sdlora.runs.run import Run
from sdlora.train.checkpoint import save_checkpoint
from sdlora.train.restore import restore
from sdlora.messages import say

KEPT = Path(__file__).parents[1] / "kept" / "0.1.0" / "runs"
FILES = ("lora.safetensors", "optimizer.safetensors", "state.json")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run with the checkpoints of three steps, and the weights at each."""
    run = Run.create(tmp_path_factory.mktemp("runs"), "x", "")
    net, adapter, optimizer = made()
    weights = {}
    for step in (1, 2, 3):
        steps(net, optimizer, [step])
        save_checkpoint(run.folder / "checkpoints", step, adapter, optimizer, {"precision": "no"})
        weights[step] = {name: value.clone() for name, value in adapter.state_dict().items()}
    return run.folder, weights


@pytest.fixture
def run(saved, tmp_path):
    shutil.copytree(saved[0], tmp_path / "run")
    return Run(tmp_path / "run")


def flip(path, place, bit=1):
    data = bytearray(path.read_bytes())
    data[place] ^= bit
    path.write_bytes(data)


def zero_half(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"\0" * (len(data) - len(data) // 2))


def without_a_tensor(path):
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    tensors.popitem()
    save_file(tensors, path)


def older(path):
    shutil.copyfile(path.parent.with_name("000002") / path.name, path)


BAD_FILE = {
    "a bit in the header": lambda path: flip(path, 20),
    "a bit in the middle": lambda path: flip(path, path.stat().st_size // 2),
    "a bit at the end": lambda path: flip(path, -1),
    "half zeroed": zero_half,
    "an older one": older,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-5]),
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"x" * 300),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}
BAD_STATE = ["{}", "[]", '"9"', "9.5", "null", '{"step": -5}', '{"step": true}', '{"step": "3"}', "[" * 100_000,
             '{"step": 2, "format": 2}', '{"step": 3, "format": 2}', '{"step": 999999}', "{", '{"step": 1e400}',
             ]  # fmt: skip


def goes_on(run, weights):
    """Restore into a new adapter: it is step 2's, and what was said."""
    _, adapter, optimizer = made()
    events, loop = [], restore(run, 10, Accelerator(cpu=True), adapter, optimizer)
    while True:
        try:
            events.append(next(loop))
        except StopIteration as end:
            start = end.value
            break
    assert all(isinstance(event, Warned) for event in events)
    if start.step:
        assert same(adapter.state_dict(), weights[start.step])
    return start, [event.text for event in events]


@pytest.mark.parametrize("how", BAD_FILE)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_set_aside_and_the_one_before_is_used(run, saved, name, how):
    BAD_FILE[how](run.folder / "checkpoints" / "000003" / name)
    start, said = goes_on(run, saved[1])
    assert (start.step, start.first) == (2, False)
    assert "000003 is damaged" in said[0] and name in said[0] and "000003.damaged" in said[0]
    assert said[1] == say("runs.goes_on", step=2)
    assert [step for step, _ in run.checkpoints()] == [1, 2] and (run.folder / "checkpoints/000003.damaged").is_dir()
    assert goes_on(run, saved[1]) == (start, [])  # said once


@pytest.mark.parametrize("text", BAD_STATE)
def test_an_odd_state_is_named(run, saved, text):
    (run.folder / "checkpoints" / "000003" / "state.json").write_text(text)
    start, said = goes_on(run, saved[1])
    assert start.step == 2 and "000003 is damaged (state.json" in said[0]


def test_a_missing_tensor_a_stray_folder_and_odd_names(run, saved):
    there = run.folder / "checkpoints"
    without_a_tensor(there / "000003" / "optimizer.safetensors")
    for name in ("999999", "²", "٣", "old", "1" * 30):
        (there / name).mkdir()
    (there / "7").write_text("")
    start, said = goes_on(run, saved[1])
    assert start.step == 2
    assert [words.split()[0] for words in said[:5]] == ["1" * 30, "7", "old", "²", "٣"]
    assert "999999 is damaged (the run has only 10 steps)" in said[5] and "optimizer.safetensors" in said[6]


def test_a_whole_checkpoint_under_another_number_is_none(run, saved):
    there = run.folder / "checkpoints"
    shutil.copytree(there / "000001", there / "000009")
    start, said = goes_on(run, saved[1])
    assert start.step == 3 and "000009 is damaged (state.json is of step 1)" in said[0]


def test_a_run_without_a_whole_checkpoint_begins_again(run, saved):
    for _, folder in run.checkpoints():
        (folder / "state.json").unlink()
    start, said = goes_on(run, saved[1])
    assert start.first and len(said) == 4 and said[-1] == say("runs.begins_again")
    assert not run.checkpoints()


def test_damage_never_overwrites_what_was_set_aside(run, saved):
    (run.folder / "checkpoints/000003/state.json").unlink()
    goes_on(run, saved[1])
    shutil.copytree(run.folder / "checkpoints/000002", run.folder / "checkpoints/000003")
    _, said = goes_on(run, saved[1])
    assert "kept as 000003.damaged-2" in said[0]


# ---- checkpoints of 0.1.0, which have no digests


@pytest.fixture
def old(tmp_path):
    shutil.copytree(next(KEPT.glob("*_kept")) / "checkpoints", tmp_path / "checkpoints")
    return tmp_path / "checkpoints"


def test_what_the_first_version_wrote_is_whole(old):
    assert checkpoints_in(old)
    for step, folder in checkpoints_in(old):
        assert verified(folder)["step"] == step
    for run in KEPT.iterdir():
        assert newest_intact(run / "checkpoints")[1] == []


def renamed(path):
    data = path.read_bytes()
    path.write_bytes(data.replace(b"down", b"dowm", 1))


def not_finite(path):
    from safetensors.numpy import load_file, save_file

    tensors = load_file(path)
    next(t for t in tensors.values() if t.ndim)[0, 0] = float("nan")
    save_file(tensors, path)


@pytest.mark.parametrize("how", [without_a_tensor, renamed, not_finite, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("name", FILES[:2])
def test_of_old_ones_is_found_what_can_be(old, name, how):
    step, folder = checkpoints_in(old)[-1]
    how(folder / name)
    with pytest.raises(Damaged):
        verified(folder)


def test_the_step_of_an_old_one_is_compared_with_its_folder(old):
    _, folder = checkpoints_in(old)[-1]
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(state | {"step": 999_999}))
    with pytest.raises(Damaged, match=saying("runs.fault_other_step", number='999999')):
        verified(folder)


@pytest.mark.skipif(os.name == "nt", reason="links want a right of their own")
@pytest.mark.parametrize("odd", ["file", "link"])
def test_what_has_the_name_of_a_checkpoint_and_is_none_is_set_aside_by_the_save(tmp_path, odd):
    place = tmp_path / "000004"
    place.write_text("mine") if odd == "file" else place.symlink_to("000004")
    _, adapter, optimizer = made()
    save_checkpoint(tmp_path, 4, adapter, optimizer, {})
    assert verified(place)["step"] == 4 and not place.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000004", "000004.damaged"]


def test_old_checkpoints_go_but_never_the_newest_good_one(tmp_path):
    """What has become huge, but finite, does not push out what could still be used."""
    run = Run.create(tmp_path, "x", "")
    _, adapter, optimizer = made()

    def save(step, size):
        for layer in adapter.layers.values():
            layer.up.weight.data.fill_(size)
        save_checkpoint(run.folder / "checkpoints", step, adapter, optimizer, {})
        run.drop_old_checkpoints(2)
        return [step for step, _ in run.checkpoints()]

    assert [save(1, 0.0), save(2, 0.01), save(3, 1e6), save(4, 1e30)] == [[1], [1, 2], [2, 3], [2, 3, 4]]
    assert save(5, 1e37) == [2, 4, 5] and verified(run.folder / "checkpoints/000005")["good"] is False
    assert save(6, 0.01) == [5, 6] and verified(run.folder / "checkpoints/000006")["good"] is True
