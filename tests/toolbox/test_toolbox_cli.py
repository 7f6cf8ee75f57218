"""The toolbox as people call it: arguments, one line of result, exit status."""

import json
from importlib import import_module

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from said import saying
from toolbox_files import deltas, make_lora, make_single, relative

from sdlora.cli import build_parser
from sdlora.errors import UserError
from sdlora.messages import say

BLOCK = ("mid_block.attentions.0",)


def run(*args: object) -> int:
    """As the command line runs it, but with the errors left to the test."""
    chosen = build_parser().parse_args([str(arg) for arg in args])
    return import_module(f"sdlora.commands.{chosen.command}").run(chosen)


def test_every_command_prints_one_line_with_the_error(tmp_path, capsys):
    a = make_lora(tmp_path / "a.safetensors", seed=1, words=BLOCK)
    b = make_lora(tmp_path / "b=1.safetensors", seed=2, words=BLOCK)
    base, tuned = make_single(tmp_path / "base.safetensors"), tmp_path / "tuned.safetensors"
    made = tmp_path / "made.safetensors"
    for args in (
        ["merge", f"{a}=0.7", b, "--out", made, "--dtype", "fp32"],
        ["merge", f"{a}=0.7", f"{b}=-0.3", "--rank", "2", "--blocks", "MID=0.5", "--method", "ties", "--out", made],
        ["merge", a, "--into", base, "--out", tuned],
        ["extract", tuned, base, "--rank", "4", "--out", made],
        ["resize", a, "--energy", "0.9", "--out", made],
        ["convert", a, "--container", "diffusers", "--out", made],
        ["rename", a, "--name", "cat", "--set", "modelspec.author=me=you", "--out", made],
        ["quantize", base, "--plain", "--out", made],
    ):
        assert run(*args) == 0
        out = capsys.readouterr().out
        assert out.startswith("Wrote ") and out.count("\n") == 1 and "relative error" in out, args
    with pytest.raises(UserError, match=saying("terminal.merge_is_exact")):
        run("merge", a, "--into", base, "--rank", 4, "--out", made)


def test_weights_and_metadata_arrive(tmp_path):
    a = make_lora(tmp_path / "a.safetensors", seed=1, words=BLOCK)
    run("merge", f"{a}=-0.5", "--out", tmp_path / "m.safetensors")
    truth = {key: -0.5 * delta for key, delta in deltas(a).items()}
    assert relative(deltas(tmp_path / "m.safetensors"), truth) < 1e-6
    run("rename", a, "--trigger", "mew", "--out", tmp_path / "r.safetensors")
    with safe_open(tmp_path / "r.safetensors", "pt") as file:
        assert file.metadata()["modelspec.trigger_phrase"] == "mew"


def test_old_pickles_and_foreign_keys_from_the_command_line(tmp_path, capsys):
    a = make_lora(tmp_path / "a.safetensors", words=BLOCK)
    torch.save(load_file(a), tmp_path / "old.bin")
    assert run("convert", tmp_path / "old.bin", "--out", tmp_path / "new.safetensors") == 0
    assert relative(deltas(tmp_path / "new.safetensors"), deltas(a)) == 0
    save_file(load_file(a) | {"bundle_emb.x.clip_l": torch.zeros(1, 768)}, tmp_path / "e.safetensors")
    for verb in (["merge"], ["resize", "--rank", "2"], ["convert"], ["quantize"]):
        with pytest.raises(UserError, match=saying("lorafiles.foreign_layers", key_in_file="bundle_emb.x.clip_l")):
            run(verb[0], tmp_path / "e.safetensors", *verb[1:], "--out", tmp_path / "o.safetensors")
        assert (
            run(verb[0], tmp_path / "e.safetensors", *verb[1:], "--leave-out", "--out", tmp_path / "o.safetensors") == 0
        )
        assert say("toolbox.part_counted", what=say("lorafiles.foreign_embedding"), count=1) in capsys.readouterr().out
    with pytest.raises(UserError, match=saying("lorafiles.foreign_layers", key_in_file="bundle_emb.x.clip_l")):
        run("inspect", a, "--against", tmp_path / "e.safetensors")
    run("inspect", a, "--against", tmp_path / "e.safetensors", "--leave-out")


@pytest.mark.parametrize(
    "args", [["merge", "a=x", "--out", "b"], ["merge", "--out", "b"], ["rename", "a", "--set", "x"]]
)
def test_wrong_usage_is_told_by_argparse(args):
    with pytest.raises(SystemExit) as end:
        run(*args)
    assert end.value.code == 2


def test_inspect_prints_json_and_its_status_tells_of_problems(tmp_path, capsys):
    a = make_lora(tmp_path / "a.safetensors", words=BLOCK)
    assert run("inspect", a, "--json", "--against", a) == 1  # the published model is wider
    report = json.loads(capsys.readouterr().out)
    assert report["family"] == "sd1" and report["against"]["strength"] == 1
    (tmp_path / "x.safetensors").write_bytes(a.read_bytes()[:-1])
    with pytest.raises(UserError):
        run("inspect", tmp_path / "x.safetensors")
