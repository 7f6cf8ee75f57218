"""What several processes agree on, without starting them."""

from types import SimpleNamespace

import pytest
from accelerate.state import AcceleratorState, DistributedType
from said import saying

from sdlora.commands.shared import terminal
from sdlora.data.cache import Share
from sdlora.errors import ProcessLost, UserError
from sdlora.events import Finished
from sdlora.messages import say
from sdlora.train import processes
from sdlora.train.prepare import Job
from sdlora.train.trainee import make_accelerator


def accelerator_of(rank, of, here):
    return SimpleNamespace(process_index=rank, num_processes=of, local_process_index=rank % here)


@pytest.mark.parametrize("machines, here", [(1, 1), (1, 4), (2, 3)])
def test_the_processes_of_each_machine_share_all_the_work(monkeypatch, machines, here):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(here))
    work, starts = list(range(20)), set()
    for machine in range(machines):
        ranks = range(machine * here, (machine + 1) * here)
        parts = [processes.share_of(accelerator_of(rank, machines * here, here)).part(work) for rank in ranks]
        assert sorted(n for part in parts for n in part) == work
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        starts |= {part[0] for part in parts}
    assert len(starts) == machines * here  # no two begin with the same


def test_a_share_of_nothing():
    assert Share(3, 4, 0.5).part([]) == Share(3, 4).part([1, 2]) == []


def test_what_ends_one_process_before_the_steps_ends_all(monkeypatch):
    """As the others hear of it: the sentence, whoever's it is."""
    told = []
    monkeypatch.setattr(processes, "gather_object", lambda mine: told.append(mine) or [None, *told[0]])
    one = UserError("The picture is gone.", fix="Bring it back.")
    with pytest.raises(UserError) as raised:
        processes.meet(accelerator_of(1, 2, 2), one)
    assert raised.value is one
    monkeypatch.setattr(processes, "gather_object", lambda mine: [mine[0], *told[0]])
    with pytest.raises(UserError, match=r"^The picture is gone\. Bring it back\.$"):
        processes.meet(accelerator_of(0, 2, 2), None)
    monkeypatch.setattr(processes, "gather_object", lambda mine: [None, None])
    processes.meet(accelerator_of(0, 2, 2), None)


@pytest.mark.parametrize(
    "text", ["[../gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:2", "Connection reset by peer"]
)
def test_a_lost_process_is_told_for_what_it_is(text):
    with pytest.raises(ProcessLost, match=saying("training.process_lost")), processes.noticing_lost_processes():
        raise RuntimeError(text)
    with pytest.raises(RuntimeError, match="^shapes$"), processes.noticing_lost_processes():
        raise RuntimeError("shapes")


@pytest.mark.parametrize("number, parts", [(1, 6), (2, 3), (3, 2), (6, 1)])
def test_a_run_keeps_its_batches_a_step(number, parts):
    """Whatever the number of processes: together they take the same batches at the same step."""
    items = [SimpleNamespace(placement=SimpleNamespace(bucket=(64, 64)), repeats=1) for _ in range(5)]
    train = SimpleNamespace(batch_size=1, seed=3, accumulate=1)
    job = SimpleNamespace(settings=SimpleNamespace(train=train), accelerator=accelerator_of(0, number, 1))
    job.planned = items
    Job.keep_batches(job, 6)
    assert job.plan.accumulate == parts
    taken = {
        turn * number + device: batch for device in range(number) for turn, batch in enumerate(job.plan.at(4, device))
    }
    whole = SimpleNamespace(**{**vars(job), "accelerator": accelerator_of(0, 1, 1)})
    Job.keep_batches(whole, 6)
    assert taken == dict(enumerate(whole.plan.at(4)))


def test_batches_that_cannot_be_shared_are_refused():
    job = SimpleNamespace(accelerator=accelerator_of(0, 4, 4))
    with pytest.raises(UserError) as raised:
        Job.keep_batches(job, 6)
    assert str(raised.value.problems[0].what) == say("training.batches_not_shared", batches=6, processes=4)


@pytest.mark.parametrize("name", ["FSDP", "DeepSpeed"])
def test_what_would_share_out_the_base_is_left_out_and_told(monkeypatch, name):
    monkeypatch.setenv(processes.SHARDERS[name], "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    assert processes.sharder() == name
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = make_accelerator("cpu", "fp32")
    assert accelerator.distributed_type == DistributedType.NO and processes.sharder() == name
    monkeypatch.setenv(processes.SHARDERS[name], "false")
    assert processes.sharder() == ""


def test_another_process_tells_its_own_problem_and_writes_nothing(make_run, monkeypatch, capsys):
    monkeypatch.setenv("RANK", "3")
    run, settings = make_run()
    before = sorted(run.folder.rglob("*"))

    def loop(error):
        yield from ()
        raise error

    assert terminal._follow(run, settings, loop(UserError("The disk is full.")), None, False, main=False) == 1
    output = capsys.readouterr()
    assert output.err == "Process 3: The disk is full.\n" and not output.out
    assert terminal._follow(run, settings, loop(ProcessLost("Another has ended.")), None, False, main=False) == 1
    assert capsys.readouterr() == ("", "")
    assert sorted(run.folder.rglob("*")) == before and not any(isinstance(e, Finished) for _, e in run.events())
