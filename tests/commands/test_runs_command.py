"""`sdlora runs`: the list, what is said of a run, the bin, a zip."""

import zipfile

import pytest

from sdlora.cli import main
from sdlora.events import StepDone
from sdlora.messages import say
from sdlora.runs.bin import binned
from sdlora.runs.remarks import Remarks, remarks_of
from sdlora.runs.run import Run, list_runs


@pytest.fixture
def runs(tmp_path):
    made = [Run.create(tmp_path, name, "") for name in ("cat", "dog")]
    for run in made:
        run.write(StepDone(3, 0.1, 0.1, 0.1))
        (run.folder / "x.safetensors").write_bytes(b"\0" * 2_000_000)
    return made


def told(capsys, *argv):
    """(exit status, stdout, stderr) of `sdlora runs`."""
    status = main(["runs", *map(str, argv)])
    return status, *capsys.readouterr()


def test_the_list_has_sizes_remarks_and_their_sum(tmp_path, capsys, runs):
    assert told(capsys, runs[0].folder, "--name", "first cat", "--rating", "4", "--note", "too\nblue")[0] == 0
    assert remarks_of(runs[0].folder) == Remarks("first cat", 4, "too\nblue")
    status, out, _ = told(capsys, tmp_path)
    (line,) = [line for line in out.splitlines() if line.startswith(runs[0].name)]
    assert status == 0 and "2.0 MB" in line and line.endswith("★★★★  first cat  too")
    assert out.splitlines()[-1] == say("terminal.runs_sum", count=2, size="4.0 MB", binned=0, binned_size="0.0 kB")
    assert told(capsys, runs[1].folder)[1].startswith(runs[1].name)  # one alone, without the others


def test_runs_are_deleted_listed_put_back_and_deleted_for_good(tmp_path, capsys, runs):
    status, out, _ = told(capsys, *(run.folder for run in runs), "--delete")
    assert status == 0 and list_runs(tmp_path) == [] and out.count("2.0 MB") == 2
    out = told(capsys, tmp_path, "--bin")[1]
    assert all(run.name in out for run in runs)
    told(capsys, tmp_path, "--put-back", runs[0].name)
    assert [run.name for run in list_runs(tmp_path)] == [runs[0].name]
    assert told(capsys, tmp_path, "--empty-bin")[1].strip() == say("terminal.bin_emptied", count=1, size="2.0 MB")
    assert binned(tmp_path) == [] and told(capsys, tmp_path, "--bin")[1].strip() == say(
        "terminal.bin_empty", folder=tmp_path
    )


def test_nothing_is_done_where_one_of_the_names_is_none(tmp_path, capsys, runs):
    status, _, err = told(capsys, runs[0].folder, tmp_path / "none", "--delete")
    assert status == 1 and say("runs.not_a_run", path=tmp_path / "none") in err and len(list_runs(tmp_path)) == 2
    assert told(capsys, "--delete")[2].startswith(say("terminal.name_a_run"))
    assert told(capsys, runs[0].folder, runs[1].folder, "--name", "x")[2].startswith(say("terminal.one_run_only"))
    assert told(capsys, runs[0].folder, "--rating", "9")[0] == 1


def test_a_zip_of_a_run(tmp_path, capsys, runs):
    status, out, _ = told(capsys, runs[0].folder, "--zip", tmp_path / "cat.zip")
    assert status == 0 and str(tmp_path / "cat.zip") in out
    with zipfile.ZipFile(tmp_path / "cat.zip") as archive:
        assert archive.testzip() is None and f"{runs[0].name}/x.safetensors" in archive.namelist()
