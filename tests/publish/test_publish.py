"""`sdlora publish`: what stands on the card, what lies beside it, and what reaches a hub."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from PIL import Image, PngImagePlugin
from safetensors import safe_open
from safetensors.torch import save_file
from said import says
from writable_hub import READS_ONLY, TOKEN, serve

from sdlora.cli import main
from sdlora.errors import UserError
from sdlora.events import Finished, Sampled, Started
from sdlora.lorafiles.metadata import add_hashes, build_metadata
from sdlora.publish.card import civitai_text, code, model_card, unmarked
from sdlora.publish.facts import gather
from sdlora.publish.folder import write_folder
from sdlora.runs.run import Run
from sdlora.settings import make_settings

HOSTILE = "a `zib`: ---\n<script>alert(1)</script> | [x](http://evil) {{x}} 'q' \"d\" #"


@pytest.fixture
def made(tmp_path):
    """Make a finished run's folder, of its files alone: nothing was trained."""

    def make(**changes) -> Run:
        sections = {
            "model": {"base": "stable-diffusion-v1-5/stable-diffusion-v1-5"},
            "data": {"folder": str(tmp_path), "trigger": "zib"},
            "run": {"name": "zibbo", "folder": str(tmp_path / "runs")},
            "sample": {"prompts": ["zib asleep", HOSTILE]},
        }
        for key, value in changes.items():
            section, name = key.split("__")
            sections.setdefault(section, {})[name] = value
        run = Run.begin(make_settings(sections))
        notes = PngImagePlugin.PngInfo()
        notes.add_text("parameters", "a private note")
        names = [f"samples/000004_{place:02d}.png" for place in range(2)]
        for name in names:
            Image.new("RGB", (32, 32), "orange").save(run.folder / name, pnginfo=notes)
        family = "sdxl" if "xl" in sections["model"]["base"] else "sd1"
        about = build_metadata(family=family, name="zibbo", rank=4, alpha=2, resolution=512, training={"steps": 4})
        tensors = {"lora_unet_x.lora_down.weight": torch.ones(4, 8)}
        save_file(tensors, run.folder / "zibbo.safetensors", add_hashes(tensors, about))
        run.write(Started(0, 4, 7, 100, 200, 300, "cpu"))
        run.write(Sampled(0, ["samples/gone_00.png", "samples/gone_01.png"]))
        run.write(Sampled(4, names))
        run.write(Finished(4, "done", file="zibbo.safetensors"))
        return run

    return make


def head_of(card: str) -> dict:
    return yaml.safe_load(card.split("\n---\n")[0])


def test_the_card_has_what_the_hubs_own_lora_cards_have(made):
    run = made()
    card = model_card(gather(run), "ann/zibbo")
    head = head_of(card)
    assert head["base_model"] == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert head["license"] == "creativeml-openrail-m" and head["instance_prompt"] == "zib"
    tags = {"stable-diffusion", "stable-diffusion-diffusers", "text-to-image", "diffusers", "lora", "template:sd-lora"}
    assert set(head["tags"]) == tags and head["library_name"] == "diffusers"
    assert head["widget"][0] == {"text": "zib asleep", "output": {"url": "images/00.png"}}
    assert head["widget"][1]["text"] == " ".join(HOSTILE.split())
    assert "<Gallery />" in card and '"ann/zibbo"' in card and "`<lora:zibbo:1>`" in card
    assert "| Steps | 4 |" in card and "| Images | 7 |" in card
    assert ModelCard(card).data.to_dict()["base_model"] == head["base_model"]  # the hub's own reader
    xl = head_of(model_card(gather(made(model__base="stabilityai/stable-diffusion-xl-base-1.0"))))
    assert {"stable-diffusion-xl", "stable-diffusion-xl-diffusers"} < set(xl["tags"])
    assert xl["license"] == "openrail++"


def test_the_example_on_the_card_is_python(made):
    card = model_card(gather(made(sample__prompts=[HOSTILE, "b"])), 'ann/"quoted')
    compile(card.split("```python\n")[1].split("```")[0], "card", "exec")


def test_nothing_of_a_person_is_markup_or_a_path(made, tmp_path):
    run = made(run__name=HOSTILE, data__trigger=HOSTILE, model__base=str(tmp_path / "secret-folder" / "my.safetensors"))
    facts = gather(run)
    card, text = model_card(facts), civitai_text(facts)
    body = card.split("\n---\n", 1)[1]
    assert "<script>" not in body.replace(code(HOSTILE), "") and "](http" not in body.replace(code(HOSTILE), "")
    assert head_of(card)["instance_prompt"] == " ".join(HOSTILE.split()) and "base_model" not in head_of(card)
    assert str(tmp_path) not in card + text and "secret-folder" not in card + text and "my.safetensors" in text
    assert all(line.split(":")[0] in FIELDS or not line for line in text.splitlines()), text


FIELDS = (
    *("Name", "Type", "File", "Base model", "Trained on", "Trigger words", "Training steps", "Training epochs"),
    *("AutoV3", "Licence", "Pictures and their prompts", "images/00.png", "images/01.png"),
)


def test_code_and_text_keep_what_was_written():
    assert code("a`b") == "`` a`b ``" and code("zib") == "`zib`"
    assert unmarked("a_b <i>") == "a\\_b &lt;i&gt;"


def test_what_is_kept_back_in_the_file_is_kept_back_on_the_card(made):
    facts = gather(made(save__metadata="minimum"))
    card, text = model_card(facts), civitai_text(facts)
    assert "zib asleep" not in card + text and "instance_prompt" not in card and "Trigger" not in card + text
    assert [each["text"] for each in head_of(card)["widget"]] == ["-", "-"]


def test_the_folder_keeps_a_card_that_was_edited(made, capsys):
    run = made()
    assert main(["publish", str(run.folder)]) == 0
    folder = run.folder / "publish"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == {"README.md", "civitai.txt", "zibbo.safetensors", "images/00.png", "images/01.png"}
    with Image.open(folder / "images/00.png") as picture:
        assert not picture.info and picture.getpixel((0, 0)) == (255, 165, 0)
    (folder / "README.md").write_text("mine")
    assert main(["publish", str(run.folder)]) == 0 and (folder / "README.md").read_text() == "mine"
    assert main(["publish", str(run.folder), "--renew"]) == 0 and (folder / "README.md").read_text() != "mine"
    assert "Traceback" not in capsys.readouterr().err


def test_a_run_without_a_lora_and_a_wrong_id_say_so(made, tmp_path, capsys):
    run = made()
    assert main(["publish", str(run.folder), "--base-model", "../x"]) == 1
    assert says(capsys.readouterr().err, "publishing.no_hub_id")
    (run.folder / "zibbo.safetensors").unlink()
    assert main(["publish", str(run.folder)]) == 1 and says(capsys.readouterr().err, "publishing.no_lora")
    facts = replace(gather(made()), pictures=())
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError):
        write_folder(tmp_path / "file", facts)


def test_the_hash_of_the_model_spec_is_that_of_all_after_the_header(made):
    path = made().folder / "zibbo.safetensors"
    raw = path.read_bytes()
    with safe_open(path, framework="np") as file:
        told = file.metadata()["modelspec.hash_sha256"]
    assert told == "0x" + hashlib.sha256(raw[8 + int.from_bytes(raw[:8], "little") :]).hexdigest()


# ---- the upload


def publish(run: Run, url: str, *options: str, token: str = TOKEN) -> tuple[int, str]:
    """The command as a process of its own: the hub's client reads its environment once."""
    mine = {"HF_ENDPOINT": url, "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(run.folder / "hub")}
    environment = {**os.environ, **mine}
    environment.pop("HF_HUB_OFFLINE", None)
    command = [sys.executable, "-m", "sdlora", "publish", str(run.folder), *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_the_upload_reaches_the_hub_whole_and_only_when_asked_for(made):
    run = made()
    with serve() as hub:
        assert publish(run, hub.url)[0] == 0 and not hub.created and not hub.files
        (run.folder / "publish" / "private.txt").write_text("not to be uploaded")
        code, told = publish(run, hub.url, "--upload")
        assert code == 0, (told, hub.unknown)
        assert hub.created[0]["name"] == "zibbo" and hub.created[0]["visibility"] == "private" and hub.commits == 1
        there = run.folder / "publish"
        names = {"README.md", "zibbo.safetensors", "images/00.png", "images/01.png"}
        assert hub.files == {name: (there / name).read_bytes() for name in names}
        assert TOKEN not in told and f"{hub.url}/ann/zibbo" in told


@pytest.mark.slow
@pytest.mark.parametrize(
    "token, key", [("", "not_logged_in"), (READS_ONLY, "not_allowed"), ("hf_wrong", "not_allowed")]
)
def test_no_login_is_a_sentence_without_the_token(made, token, key):
    run = made()
    with serve() as hub:
        code, told = publish(run, hub.url, "--upload", "--repo", "ann/zibbo", token=token)
    assert code == 1 and says(told, f"publishing.{key}") and "Traceback" not in told and not hub.files
    assert not token or token not in told


@pytest.mark.slow
def test_a_hub_that_is_not_there_is_a_sentence(made):
    code, told = publish(made(), "http://127.0.0.1:9", "--upload", "--repo", "ann/zibbo")
    assert code == 1 and says(told, "publishing.failed") and TOKEN not in told and "Traceback" not in told
