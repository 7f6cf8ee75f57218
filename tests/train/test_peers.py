"""The comparison with other trainers: turns, what is read of a run, ratios; with trainers that only pretend."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks/speed"))

import peers  # noqa: E402
from trainers import Case, Trainer, make_trainers  # noqa: E402


def ran(cpu, turn=0, wall=10.0):
    steps = {"steps_s": [wall] * 3, "steps_cpu_s": [cpu, 2 * cpu, cpu], "first_s": 9.0, "first_cpu_s": 3.0}
    return steps | {"resident_gb": 4.0 + turn, "private_gb": 1.0}


def row(trainer, turn, cpu, asked="fp32"):
    told = {"trainer": trainer, "pixels": 64, "asked": asked, "precision": asked, "round": turn}
    return told | ran(cpu, turn)


def test_trainers_take_turns_and_a_first_round_is_soon_whole():
    a, b = (Trainer(name, sys.executable, None, "fp32", "") for name in "ab")
    cases = [Case("", "", "", pixels, "fp32") for pixels in (64, 128)]
    order = [(turn, case.pixels, trainer.name) for turn, case, trainer in peers.turns([a, b], cases, 2)]
    once = [(64, "a"), (64, "b"), (128, "a"), (128, "b")]
    assert order == [(turn, *what) for turn in (0, 1) for what in once]


def test_rows_are_kept_after_every_run_and_a_failure_is_one():
    a, b = (Trainer(name, sys.executable, None, own, "") for name, own in (("ours", "auto"), ("b", "bf16")))
    kept = []

    def run(trainer, case):
        return ran(1.0) if trainer is a else {"error": "0 of 4 steps, exit status 1", "output": "no"}

    def keep(rows):
        kept.append(len(rows))

    rows = peers.gather([a, b], [Case("", "", "", 64, "own")], 2, run, keep)
    assert kept == [1, 2, 3, 4] and [r["precision"] for r in rows[:2]] == ["auto", "bf16"]
    assert [line["trainer"] for line in peers.summary(rows)] == ["ours", "ours"]


def test_only_whole_lines_and_steady_steps_count():
    text = "100.0 5.0 1000\n103.0 6.0 1000\n105.0 7.0 2000\n106.0 7.5 2000\n108.0 8.5 3000000\n109.0 9"
    stamps = peers.read_stamps(text + "\n")[:5]
    assert peers.read_stamps(text)[-1][2] == 3000000  # the last was cut off
    found = peers.figures(stamps, 90.0, 500_000_000)
    assert found["steps_s"] == [1.0, 2.0] and found["steps_cpu_s"] == [0.5, 1.0]
    assert (found["first_s"], found["first_cpu_s"], found["private_gb"]) == (10.0, 5.0, 0.5)
    assert found["resident_gb"] == pytest.approx(3.072)


def test_ratios_are_to_the_fastest_peer_in_the_same_round():
    rows = [row("ours", 0, 1.0), row("slow", 0, 9.0), row("quick", 0, 2.0)]
    rows += [row("ours", 1, 3.0), row("slow", 1, 9.0), row("quick", 1, 4.0)]
    lines = {line["trainer"]: line for line in peers.summary(rows) if line["asked"] == "fp32"}
    assert {line["fastest_peer"] for line in lines.values()} == {"quick"}
    assert lines["ours"]["ratio"] == pytest.approx((0.5 + 0.75) / 2) and lines["quick"]["ratio"] == 1
    assert lines["ours"]["ratio_wall"] == 1 and lines["ours"]["resident_gb"] == 5.0
    text = peers.table(list(lines.values())).splitlines()
    assert len(text) == 5 and text[2].startswith("| 64 px | ours | fp32") and "| 0.62 |" in text[2]


def test_the_best_of_each_is_chosen_by_itself():
    rows = [row("ours", 0, 1.0), row("ours", 0, 0.5, asked="own"), row("b", 0, 2.0), row("b", 0, 3.0, asked="own")]
    best = {line["trainer"]: line for line in peers.summary(rows) if line["asked"] == "best"}
    assert (best["ours"]["precision"], best["b"]["precision"]) == ("own", "fp32")
    assert best["ours"]["ratio"] == pytest.approx(0.25)


def test_a_trainer_is_run_unchanged_and_ends_after_its_steps(tmp_path):
    """A real optimizer in a process of its own: the hook sees its steps, and nothing after the last wanted one runs."""
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, torch\nfrom pathlib import Path\n"
        "weight = torch.nn.Parameter(torch.ones(3)); optimizer = torch.optim.SGD([weight], 0.1)\n"
        "for _ in range(int(sys.argv[1])):\n    weight.sum().backward(); optimizer.step()\n"
        f"Path({str(tmp_path / 'after')!r}).touch()\n"
    )
    trainer = Trainer("x", sys.executable, lambda case, folder: [str(script), case.base], "fp32", "")
    found = peers.run_once(trainer, Case("9", "", "", 64, "fp32"), 5, 1, 120)
    assert len(found["steps_s"]) == 2 and found["resident_gb"] > 0.05 and found["first_s"] > 0
    assert not (tmp_path / "after").exists()
    found = peers.run_once(trainer, Case("3", "", "", 64, "fp32"), 5, 1, 120)
    assert found["error"].startswith("3 of 5 steps, exit status 0")


def test_a_trainer_that_hangs_is_ended():
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    assert peers.wait(sleeper, 0.2) == "not through after 0 s" and sleeper.poll() is not None


def test_what_ends_the_comparison_ends_the_trainer(monkeypatch):
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    whole = sleeper.wait
    monkeypatch.setattr(sleeper, "wait", lambda limit: sys.exit(143))
    with pytest.raises(SystemExit):
        peers.wait(sleeper, 600)
    assert whole(60) == -9


def test_all_are_asked_for_the_same_work(tmp_path):
    base = tmp_path / "base"
    (base / "tokenizer").mkdir(parents=True)
    made = make_trainers({"kohya": ("k", "py"), "diffusers": ("d", "py")}, bf16=True)
    assert [t.name for t in made] == ["ours", "kohya", "diffusers"] and [t.own for t in made][1:] == ["bf16"] * 2
    assert [t.own for t in make_trainers({"kohya": ("k", "py")}, bf16=False)] == ["auto", "fp32"]
    images = peers.make_pictures(tmp_path / "images", 64)
    listed = [json.loads(line) for line in (images / "metadata.jsonl").read_text().splitlines()]
    assert all((images / entry["file_name"]).with_suffix(".txt").read_text() == entry["text"] for entry in listed)
    case = Case(str(base), "one.safetensors", str(images), 64, "fp32", rank=4, batch=2)
    lines = [" ".join(t.command(case, tmp_path / t.name)) for t in made]
    assert all(word in lines[0].split() for word in ("64", "4", "2", "fp32"))
    for told in ("--network_dim=4", "--network_alpha=4", "--train_batch_size=2", "--resolution=64,64"):
        assert told in lines[1]
    assert "--rank=4" in lines[2] and "--resolution=64" in lines[2] and "--train_batch_size=2" in lines[2]
    assert all("--mixed_precision=no" in line for line in lines[1:])
