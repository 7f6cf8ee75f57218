"""What was measured is not measured twice, is never believed of something else, and a probe measures anew."""

import json

import pytest
import torch

from sdlora.events import Started
from sdlora.families.base import inspect_base
from sdlora.messages import say
from sdlora.train import fastest as room
from sdlora.train import probe, remembered, trainee
from sdlora.train.loop import training
from sdlora.train.remembered import FOLDER, remembering

SECONDS = {"fp32": 1.0, "fp32+packed": 0.95, "bf16": 0.5, "bf16+packed": 0.49}
LAYING = {"fp32": 4.0, "bf16": 2.0}
BOTH = ("fp32", "bf16")


@pytest.fixture
def asked(monkeypatch):
    """What is measured from now on: nothing but these figures; returns the list of questions."""
    questions = []

    def measured(base, *question):
        questions.append(question)
        return room.Figures(dict(SECONDS), dict(LAYING))

    monkeypatch.setattr(remembered, "measured", measured)
    return questions


@pytest.fixture
def base(base_folder):
    return inspect_base(str(base_folder))


def test_the_same_question_is_answered_from_the_cache(base, asked, tmp_path):
    first, again = (remembering(tmp_path)(base, BOTH, 8, 1) for _ in range(2))
    assert (first.earlier, again.earlier) == (False, True) and first[:2] == again[:2] == (SECONDS, LAYING)
    assert len(asked) == 1
    assert not remembering(tmp_path, anew=True)(base, BOTH, 8, 1).earlier and len(asked) == 2


def test_another_question_is_measured(base, bases, asked, tmp_path, monkeypatch):
    ask = remembering(tmp_path)
    ask(base, BOTH, 8, 1)
    for number, question in enumerate(((("bf16",), 8, 1), (BOTH, 16, 1), (BOTH, 8, 2)), 2):
        assert not ask(base, *question).earlier and len(asked) == number
    assert not ask(inspect_base(str(bases("sd2"))), BOTH, 8, 1).earlier
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        assert not ask(base, BOTH, 8, 1).earlier
    finally:
        torch.set_num_threads(threads)
    for place, name, value in (
        (remembered, "processor", lambda: "another"),
        (torch, "__version__", "9.9"),
        (remembered, "VERSION", 99),
    ):
        with monkeypatch.context() as other:
            other.setattr(place, name, value)
            assert not ask(base, BOTH, 8, 1).earlier
    with monkeypatch.context() as other:
        other.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
        assert not ask(base, BOTH, 8, 1).earlier
    assert ask(base, BOTH, 8, 1).earlier


@pytest.mark.parametrize("harm", ["cut", "a digit", "no seconds", "of other precisions"])
def test_a_damaged_answer_is_measured_again(base, asked, tmp_path, harm):
    ask = remembering(tmp_path)
    ask(base, BOTH, 8, 1)
    (file,) = (tmp_path / FOLDER).iterdir()
    text = file.read_text()
    if harm in ("cut", "a digit"):
        file.write_text(text[:-9] if harm == "cut" else text.replace("0.95", "0.05"))
    else:
        seconds = {"fp32": -1.0} if harm == "no seconds" else {"fp16": 1.0}
        remembered.write_json(file, {"seconds": seconds, "laying": LAYING})
    assert not ask(base, BOTH, 8, 1).earlier and ask(base, BOTH, 8, 1).earlier
    assert json.loads(file.read_text()) == json.loads(text)


def test_a_cache_that_cannot_be_written_is_no_hindrance(base, asked, tmp_path):
    (tmp_path / FOLDER).write_text("a file")
    assert remembering(tmp_path)(base, BOTH, 8, 1)[:2] == (SECONDS, LAYING)


@pytest.mark.slow
def test_a_second_run_starts_without_measuring_and_says_so(make_run, asked, monkeypatch):
    monkeypatch.setattr(room, "LEAST", 0)
    told = []
    for _ in range(2):
        run, settings = make_run(**{"train.steps": 1, "train.precision": "auto", "train.device": "cpu"})
        settings.sample.prompts = []
        told += [e.arithmetic for e in training(settings, run) if isinstance(e, Started)]
    found = say("training.arithmetic_faster", precision="bf16", of="fp32", times="2.0")
    assert told == [found, say("training.arithmetic_earlier", arithmetic=found)] and len(asked) == 1
    assert trainee.arithmetic_of(settings, run, trainee.base_of(settings)).described == found  # as it began
    assert probe.probe(settings, 1).arithmetic == found and len(asked) == 2
