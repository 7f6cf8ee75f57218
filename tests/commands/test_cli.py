"""The command line as people use it: real processes where it matters, one sentence for every mistake."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from base_models import begin_run, draw_images
from driving import drive
from said import saying

from sdlora.cli import build_parser, main
from sdlora.commands.shared.flags import overrides_of
from sdlora.commands.table import COMMANDS
from sdlora.events import StepDone
from sdlora.messages import say
from sdlora.runs.run import PARTS, Run, list_runs
from sdlora.settings import all_settings, dump_settings, load_settings, make_settings


@pytest.fixture(scope="module")
def small_run(tmp_path_factory, base_folder):
    """A finished run with its LoRA; not to be written to."""
    folder = tmp_path_factory.mktemp("finished")
    images = draw_images(folder / "images")
    run, settings = begin_run(folder / "runs", base_folder, images, **{"train.steps": 1, "sample.prompts": []})
    drive(run, settings)
    return run


def told(capsys, *argv):
    """(exit status, stdout, stderr) of one command."""
    status = main(list(argv))
    return status, *capsys.readouterr()


def test_every_setting_is_a_flag():
    args = build_parser().parse_args(["train"])
    assert overrides_of(args) == {}
    for info in all_settings():
        value = {int: "3", float: "0.5", str: "x", list: "a", dict: "*.mid*=4"}.get(info.type)
        value = info.choices[-1] if info.choices else value
        flag = [f"--{info.key}"] if info.type is bool else [f"--{info.key}", value]
        given = overrides_of(build_parser().parse_args(["train", *flag]))
        assert list(given) == [info.key]


def test_numbers_of_flags_may_have_a_decimal_comma():
    given = build_parser().parse_args(["train", "--train.lr", "0,003", "--train.steps", "1,200", "--run.name", "a,b"])
    assert overrides_of(given) == {"train.lr": "0.003", "train.steps": "1200", "run.name": "a,b"}


@pytest.mark.parametrize("flag", ["--from", "--resume", "--run"])
@pytest.mark.parametrize("given", ["", " "])
def test_an_empty_variable_of_a_shell_begins_nothing(tmp_path, monkeypatch, capsys, flag, given):
    run = Run.create(tmp_path, "x", dump_settings(make_settings({})))
    monkeypatch.chdir(run.folder)  # "" is this folder to a path
    said = f"{say('runs.flag_empty', flag=flag)} {say('runs.list_runs')}\n"
    assert told(capsys, "train", flag, given) == (1, "", said)
    assert len(list_runs(tmp_path)) == 1 and not (run.folder / "runs").exists()


def test_a_decimal_comma_in_a_settings_file_is_named(tmp_path, capsys):
    """TOML has no such numbers; as text it is not guessed at, for nobody typed it into a field."""
    file = tmp_path / "s.toml"
    for text, words in (
        ('lr = "0,003"', say("settings.value_is", key="train.lr", given="'0,003'")),
        ("lr = 0,003", say("settings.number_with_comma", line=2, given="0,003", better="0.003")),
        ("steps = 3\nlr = -1,5e-4  # so", say("settings.number_with_comma", line=3, given="-1,5e-4", better="-1.5e-4")),
        ("lr = 1,2,3", "not valid TOML: Expected newline"),
    ):
        file.write_text(f"[train]\n{text}\n")
        status, *said = told(capsys, "check", str(file))
        assert status == 1 and words in "".join(said)


@pytest.mark.parametrize(
    "argv",
    [
        ["sample", "N"], ["export", "N"], ["download", "N"], ["inspect", "N"], ["runs", "N"], ["draw", "N"],
        ["check", "N.toml"], ["train", "--resume", "N"], ["train", "--from", "N@3"], ["settings", "--import", "N.json"],
        ["merge", "N", "N", "--out", "o.safetensors"], ["merge", "LORA", "--out", "N.safetensors"],
        ["merge", "LORA", "--out", "N/o.safetensors"], ["convert", "LORA", "--out", "N.safetensors"],
        ["resize", "LORA", "--rank", "1", "--out", "N.safetensors"], ["quantize", "LORA", "--out", "N.safetensors"],
        ["rename", "LORA", "--name", "x", "--out", "N.safetensors"], ["export", "RUN", "--out", "N.safetensors"],
        ["sample", "RUN", "--prompt", "x", "--steps", "1", "--size", "64", "--out", "N.png"],
        ["train", "--train.steps", "1", "--data.folder", "IMAGES", "--run.folder", "N"],
        ["train", "--train.steps", "1", "--data.folder", "IMAGES", "--run.name", "N"],
    ],
)  # fmt: skip
@pytest.mark.slow
def test_names_of_300_letters_are_told_in_a_sentence(small_run, tmp_path, monkeypatch, capsys, argv):
    """Read or to be written; nobody needs a file with a traceback for that."""
    monkeypatch.chdir(tmp_path)
    lora = next(small_run.folder.glob("*.safetensors"))
    places = {"LORA": str(lora), "RUN": str(small_run.folder), "IMAGES": str(small_run.settings().data.folder)}
    words = [places.get(word) or re.sub("^N", "n" * 300, word) for word in argv]
    before = sorted(small_run.folder.rglob("*"))
    status, out, said = told(capsys, *words)
    assert status == 1 and "Traceback" not in said and "Details" not in said
    assert not list(tmp_path.iterdir()) and sorted(small_run.folder.rglob("*")) == before
    assert all(len(line) < 450 for line in said.splitlines())


@pytest.mark.slow
def test_a_file_where_a_folder_should_be(small_run, tmp_path, monkeypatch, capsys):
    """Among a run's own folders it is told before anything is trained; as a place to write to, in a sentence."""
    monkeypatch.chdir(tmp_path)
    run = Run(shutil.copytree(small_run.folder, tmp_path / "run"))
    (tmp_path / "file").touch()
    lora = str(next(small_run.folder.glob("*.safetensors")))
    for command in (["merge", lora], ["convert", lora], ["export", str(run.folder)]):
        status, _, said = told(capsys, *command, "--out", "file/x.safetensors")
        assert (
            status == 1
            and said == f"{say('files.file_for_folder', place=' (file)')} {say('files.choose_another_place')}\n"
        )
    for part in PARTS:
        shutil.rmtree(run.folder / part)
        (run.folder / part).touch()
    expected = [
        f"{say('images.folder_is_file', path=run.folder / part)} {say('files.delete_or_move')}" for part in PARTS
    ]
    for command in (["train", "--resume"], ["train", "--from"], ["export"]):
        status, out, said = told(capsys, *command, str(run.folder))
        assert status == 1 and out == ""
        assert [line.startswith(words) for line, words in zip(said.splitlines(), expected, strict=True)] == [True] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "run"]


def test_flags_win_over_the_file(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[adapter]\nrank = 4\nalpha = 2\n[data]\nflip = true\n")
    args = build_parser().parse_args(
        ["train", str(file), "--adapter.rank", "8", "--no-data.flip", "--adapter.rank_pattern", "*.mid_block.*=2"]
    )
    settings = load_settings(file, overrides_of(args))
    assert (settings.adapter.rank, settings.adapter.alpha, settings.data.flip) == (8, 2.0, False)
    assert settings.adapter.rank_pattern == {"*.mid_block.*": 2}


def test_the_printed_settings_load_back(tmp_path, capsys):
    status, out, _ = told(capsys, "settings", "--adapter.rank", "5")
    file = tmp_path / "all.toml"
    file.write_text(out)
    settings = load_settings(file)
    assert status == 0 and settings.adapter.rank == 5
    assert all(info.help in out for info in all_settings())


def test_all_problems_come_at_once(tmp_path, capsys):
    file = tmp_path / "bad.toml"
    file.write_text('[adapter]\nrank = 0\nalpha = -1\ntargets = "atn"\n[train]\nlearning = 3\n')
    status, out, err = told(
        capsys, "train", str(file), "--data.folder", str(tmp_path / "none"), "--model.base", "nothing"
    )
    assert status == 1 and out == ""
    for part in ("adapter.rank is 0", "adapter.alpha is -1", "adapter.targets", "train.learning", "none", "'nothing'"):
        assert part in err
    assert len(err.strip().splitlines()) == 6 and "Traceback" not in err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["train", "none.toml"], saying("settings.file_missing", path="none.toml")),
        (["train", "--resume", "none"], saying("runs.not_a_run", path="none")),
        (["stop", "none"], saying("runs.not_a_run", path="none")),
        (["export", "none"], saying("runs.not_a_run", path="none")),
        (["sample", "none.safetensors"], saying("files.missing")),
        (["sample", "x.safetensors", "--steps", "0", "--size", "9", "--out", "x.jpg"], "--steps is 0"),
        (["train", "--model.base", "model.ckpt"], saying("modelfiles.pickled")),
        (["check"], saying("settings.no_image_folder")),
    ],
)
def test_mistakes_get_a_sentence(capsys, tmp_path, monkeypatch, argv, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.ckpt").write_bytes(b"x")
    status, out, err = told(capsys, *argv)
    assert status == 1 and re.search(words, out + err) and "Traceback" not in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.ckpt"]


def test_runs_lists_nothing_kindly(capsys, tmp_path):
    assert told(capsys, "runs", str(tmp_path / "none"))[:2] == (0, f"No runs in {tmp_path / 'none'}.\n")


def test_wrong_usage_has_status_two():
    done = subprocess.run([sys.executable, "-m", "sdlora", "fly"], capture_output=True, text=True)
    assert done.returncode == 2 and "invalid choice" in done.stderr


@pytest.mark.parametrize("place", ["run", "here", "nowhere"])
def test_what_no_sentence_foresaw_names_the_file_that_has_the_details(tmp_path, monkeypatch, capsys, place):
    """It was "the run's log.txt", where there was no run."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    run.mkdir()

    def fail(*_):
        raise KeyError("odd")

    monkeypatch.setattr("sdlora.runs.run.Run.open" if place == "run" else "sdlora.commands.runs.list_runs", fail)
    if place == "nowhere":  # the current folder takes no file
        (tmp_path / "sdlora-error.txt").mkdir()
    status, _, err = told(capsys, *(["stop", str(run)] if place == "run" else ["runs", "no-such-folder"]))
    assert status == 1 and err.count("\n") == 1 and "log.txt" not in err
    named = Path(re.search(r"The details are in (\S+);", err)[1])
    assert "KeyError" in named.read_text()
    assert named.parent == {"run": run, "here": tmp_path}.get(place, named.parent)
    if place == "nowhere":
        named.unlink()


def test_the_demo_is_offered_only_where_its_pictures_are(tmp_path, monkeypatch, capsys):
    """They come with a clone, not with an installed package."""
    assert "demo" in build_parser().format_help()
    monkeypatch.setitem(COMMANDS, "demo", replace(COMMANDS["demo"], needs=tmp_path / "none"))
    assert "demo" not in build_parser().format_help()
    with pytest.raises(SystemExit):
        main(["demo"])
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.parametrize("command", [
    "stop", "pause", "continue", "save", "pictures", "export", "train --resume", "train --from", "sample", "draw",
])  # fmt: skip
def test_a_name_that_no_disk_could_have_is_one_sentence(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    status, _, err = told(capsys, *command.split(), "x" * 300)
    assert status == 1 and "Traceback" not in err and "xxx" in err
    assert len([line for line in err.splitlines() if not line.startswith("Details")]) == 1


def test_all_runs_are_listed_although_some_are_odd(tmp_path, capsys):
    for number in range(6):
        Run.create(tmp_path, f"n{number}", "").write(StepDone(number, 0.1, 0.1, 0.1))
    folders = {run.name.rpartition("_")[2]: run.folder for run in list_runs(tmp_path)}
    for name, number in (("lock", 1), ("settings.toml", 3), ("events.jsonl", 4)):
        if (folders[f"n{number}"] / name).exists():
            (folders[f"n{number}"] / name).unlink()
        (folders[f"n{number}"] / name).mkdir()
    (folders["n2"] / "checkpoints" / "²").mkdir()
    (folders["n5"] / "events.jsonl").write_bytes(b"\xff\0{" * 1000 + b"[" * 100_000)
    status, out, err = told(capsys, "runs", str(tmp_path))
    assert (status, err) == (0, "") and all(f"_n{number} " in out for number in range(6))


def test_half_of_a_runs_settings_is_never_trained(tmp_path, capsys):
    run = Run.create(tmp_path, "x", dump_settings(make_settings({"train": {"steps": 12}})))
    path = run.folder / "settings.toml"
    path.write_text(path.read_text()[: len(path.read_text()) // 2].rpartition("\n")[0])
    for command in ("train --resume", "train --run", "export"):
        status, out, err = told(capsys, *command.split(), str(run.folder))
        assert status == 1 and out == "" and "The settings of" in err and "are incomplete" in err


def test_check_says_what_the_base_predicts_and_how_that_is_known(capsys, base_folder, images):
    flags = ["--data.folder", str(images), "--model.base", str(base_folder)]
    status, out, _ = told(capsys, "check", *flags)
    assert status == 0 and "epsilon" in out and "prediction read from scheduler_config.json; min-SNR gamma 5." in out
    status, out, _ = told(capsys, "check", *flags, "--train.min_snr_gamma", "0", "--model.base", "nowhere")
    assert status == 1 and "Base model:" not in out
