"""What works stays until its replacement works, whatever is killed meanwhile."""

import contextlib
import errno
import os
import signal

import pytest
from launcher import Stop, Unreachable, install, spare
from launcher.build import Nvidia
from launching import WHOLE

# ---------------------------------------------------------------------------------------------- nothing is taken away


def in_a_process_that_dies(start) -> None:
    """Run it in a process of its own, which a step of it ends as kill -9 would: nothing is tidied up."""
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            start()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] != 0, "it did not come to that step"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("step", WHOLE[1:4])
def test_a_first_installation_that_was_killed_is_made_anew_as_it_was_wanted(made, step):
    made.nvidia = Nvidia(580, (8, 6), (8, 6))
    made.fail = {step: die}
    in_a_process_that_dies(lambda: made.ensure(cpu=True))
    (made.venv / "install.log").unlink()  # nothing of ours in it but what pip has unpacked
    made.fail = {}
    assert made.ensure() == WHOLE  # --cpu again, although there is a GPU
    assert made.ensure() == []


@pytest.mark.parametrize("step", WHOLE[1:4])
@pytest.mark.parametrize("how", ["killed", KeyboardInterrupt(), Unreachable("No network."), Stop("Broken.")])
def test_what_works_stays_until_its_replacement_works(made, step, how):
    made.ensure()
    mine = made.venv / "works"
    mine.touch()
    made.fail = {step: die if how == "killed" else how}
    if how == "killed":
        in_a_process_that_dies(lambda: made.ensure(reinstall=True))
    else:
        with pytest.raises(type(how)):
            made.ensure(reinstall=True)
    made.fail = {}
    assert made.ensure() == [] and mine.exists()
    assert made.ensure(reinstall=True) == WHOLE and not mine.exists()
    assert sorted(path.name for path in made.folder.iterdir()) == [".venv", ".venv.lock"]


def test_a_new_build_that_cannot_be_had_leaves_the_old_one(made):
    """The start that asks for more must not destroy what trains (it removed the stamp, and the next start .venv)."""
    made.ensure()
    mine = made.venv / "works"
    mine.touch()
    made.fail = {"torch==2.13.0+cpu": "missing", "torch==2.13.0+cu132": "missing", ".[test]": Stop("Broken.")}
    with pytest.raises(Stop):
        made.ensure(["test"])
    with pytest.raises(Stop):
        made.ensure(torch_index="https://mirror.example/whl/cu132")
    assert made.ensure() == [] and mine.exists()


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("step", WHOLE[1:4])
@pytest.mark.parametrize("how", ["killed", KeyboardInterrupt(), Unreachable("No network."), Stop("The disk is full.")])
def test_what_works_stays_until_its_update_works(made, monkeypatch, step, how, links):
    """New pins, or another build: whatever pip has changed by then is taken back, on disks without hard links too."""
    if not links:
        monkeypatch.setattr(spare.os, "link", refuse_links)
    made.ensure()
    mine = made.venv / "lib" / "package.py"
    mine.parent.mkdir()
    mine.write_text("works")

    def change():
        mine.unlink()
        mine.write_text("half")
        if how == "killed":
            die()
        raise how

    made.touching, made.fail = (step,), {step: change}
    with monkeypatch.context() as patch:
        patch.setattr(install, "fingerprint", lambda: "other pins")
        if how == "killed":
            in_a_process_that_dies(made.ensure)
        else:
            with pytest.raises(type(how)):
                made.ensure()
    made.fail = {}
    assert made.ensure(["tools"]) == [".[tools]"]  # nothing is made anew
    assert mine.read_text() == "works"
    monkeypatch.setattr(install, "fingerprint", lambda: "other pins")
    assert made.ensure() == [*WHOLE[1:3], ".[tools]", "import torch"]  # in place: not a package that stays is fetched
    assert made.ensure() == []
    assert sorted(path.name for path in made.folder.iterdir()) == [".venv", ".venv.lock"]


def refuse_links(*_, **__):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_without_room_for_a_spare_an_update_says_so(made, monkeypatch, capsys):
    made.ensure()
    monkeypatch.setattr(install, "fingerprint", lambda: "other pins")
    monkeypatch.setattr(spare.os, "link", refuse_links)
    (made.venv / "big").write_bytes(bytes(3000))
    made.free = 1e9 + 3000
    capsys.readouterr()
    made.fail = {".": Unreachable("No network.")}
    with pytest.raises(Unreachable):
        made.ensure()  # before anything changed
    assert capsys.readouterr().out.count("No room to keep") == 1
    made.touching, made.fail = (".",), {".": Stop("The disk is full.")}
    with pytest.raises(Stop):
        made.ensure()  # in the middle
    made.fail, made.free = {}, 50e9
    assert made.ensure() == WHOLE and made.ensure() == []


def test_a_start_killed_while_it_made_the_spare_has_lost_nothing(made, monkeypatch):
    made.ensure()
    monkeypatch.setattr(install, "fingerprint", lambda: "other pins")
    with monkeypatch.context() as patch:
        patch.setattr(spare.os, "link", lambda *_, **__: die())
        in_a_process_that_dies(made.ensure)
    assert (made.folder / ".venv.old").exists()
    assert made.ensure() == WHOLE[1:] and made.ensure() == []
    assert not (made.folder / ".venv.old").exists()


def test_what_is_put_back_keeps_the_log_of_what_failed(made, monkeypatch):
    made.ensure()
    for changed in ({"reinstall": True}, {}):

        def fail(changed=changed):
            made.venv.joinpath("install.log").write_text(f"why {changed}")
            raise Stop("Broken.")

        monkeypatch.setattr(install, "fingerprint", lambda: "other pins")
        made.touching, made.fail = (".",), {".": fail}
        with pytest.raises(Stop):
            made.ensure(**changed)
        assert made.venv.joinpath("install.log").read_text() == f"why {changed}"
