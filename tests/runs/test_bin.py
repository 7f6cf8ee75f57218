"""The bin: nothing is lost before it is emptied, nothing that trains goes in, nothing else ever goes."""

import os
import subprocess

import pytest
from said import saying

from sdlora.errors import UserError
from sdlora.runs.bin import BIN, binned, bytes_in, delete, empty, take_out
from sdlora.runs.run import Run, list_runs


def make(root, name, size=1000):
    run = Run.create(root, name, "x = 1")
    (run.folder / "checkpoints" / "000500").mkdir()
    (run.folder / "checkpoints" / "000500" / "lora.safetensors").write_bytes(b"\1" * size)
    return run


def contents(folder):
    """Every file by its path, but for the lock, which whoever looks makes."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_deleted_run_comes_back_as_it_was(tmp_path):
    run, other = make(tmp_path, "cat"), make(tmp_path, "dog")
    before = contents(run.folder)
    place = delete(run)
    assert place == tmp_path / BIN / run.name and contents(place) == before
    assert [r.name for r in list_runs(tmp_path)] == [other.name]
    assert [r.name for r in binned(tmp_path)] == [run.name]
    assert take_out(tmp_path, run.name).folder == run.folder
    assert contents(run.folder) == before and binned(tmp_path) == []


def test_names_that_are_taken_get_a_number_both_ways(tmp_path):
    first = make(tmp_path, "cat")
    name = first.name
    delete(first)
    Run.create(tmp_path, "cat", "").folder.rename(tmp_path / name) if not (tmp_path / name).exists() else None
    assert delete(Run(tmp_path / name)).name == f"{name}-2"
    (tmp_path / name).mkdir()
    assert take_out(tmp_path, name).name == f"{name}-2"
    assert [run.name for run in binned(tmp_path)] == [f"{name}-2"]


def test_a_run_that_trains_stays(tmp_path):
    run = make(tmp_path, "cat")
    run.open_lock()
    with pytest.raises(UserError, match=saying("runs.in_use", name=run.name)):
        delete(Run(run.folder))
    assert run.folder.is_dir()
    run.close_lock()
    delete(Run(run.folder))
    assert not run.folder.exists()


def test_emptying_counts_what_it_frees_and_leaves_everything_else(tmp_path):
    for name in ("cat", "dog"):
        delete(make(tmp_path, name, 50_000))
    stays = make(tmp_path, "stays")
    (tmp_path / BIN / "notes").mkdir()
    (tmp_path / BIN / "notes" / "mine.txt").write_text("no run")
    (tmp_path / BIN / ".gone-old.1.2").mkdir()  # of a process that was killed
    used = int(subprocess.run(["du", "-sb", tmp_path / BIN], capture_output=True, text=True).stdout.split()[0])
    count, freed = empty(tmp_path)
    assert count == 2 and 100_000 < freed <= used
    assert sorted(os.listdir(tmp_path / BIN)) == ["notes"] and stays.folder.is_dir()
    assert empty(tmp_path) == (0, 0) and binned(tmp_path) == []


@pytest.mark.parametrize("name", ["..", ".", "", "../../etc", "/etc", "notes", "a\0b", "x" * 5000, ".gone-1"])
def test_only_what_lies_there_can_be_put_back(tmp_path, name):
    delete(make(tmp_path / "runs", "cat"))
    (tmp_path / "settings.toml").write_text("")  # above: it looks like a run, and is not in the bin
    (tmp_path / "runs" / BIN / ".gone-1").mkdir()
    (tmp_path / "runs" / BIN / ".gone-1" / "settings.toml").touch()
    with pytest.raises(UserError, match=saying("runs.not_in_bin")):
        take_out(tmp_path / "runs", name)


def test_what_lies_in_the_bin_is_not_put_into_another_bin(tmp_path):
    place = delete(make(tmp_path, "cat"))
    with pytest.raises(UserError, match=saying("runs.in_bin_already")):
        delete(Run(place))


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_links_are_moved_and_removed_as_links(tmp_path):
    elsewhere = make(tmp_path / "elsewhere", "far")
    (elsewhere.folder / "more").symlink_to(tmp_path)  # a circle
    root = tmp_path / "runs"
    root.mkdir()
    (root / "linked").symlink_to(elsewhere.folder)
    before = contents(elsewhere.folder)
    delete(Run(root / "linked"))
    assert bytes_in(elsewhere.folder) < 5000
    assert [run.name for run in binned(root)] == ["linked"] and empty(root)[0] == 1
    assert contents(elsewhere.folder) == before
