"""What the trainer's checks really say comes out in Chinese, with a person's words in it as they were."""

import copy
import pickle
import re
from dataclasses import replace

import gradio as gr
import pytest
from gradio.context import LocalContext
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sdlora.check import prepare
from sdlora.errors import Problem, UserError, explain
from sdlora.events import Warned, from_line, to_line
from sdlora.families.base import inspect_base
from sdlora.messages import Message, lines, say, sentences, unpacked
from sdlora.settings import all_settings, make_settings, salvage
from ui import translate
from ui.shell import render
from ui.tabs.settings import html as render_settings

NAMES = frozenset(
    re.findall(
        r"\w+",
        """LoRA DoRA VAE UNet SDXL SD XL CPU GPU CUDA TOML JPEG PNG WebP JSON GB MB kB px diffusers kohya safetensors
        hub A1111 Forge ComfyUI InvokeAI Stable Diffusion PyTorch epsilon prediction pickle save_pretrained auto on
        off true false tiny alpha rank sdlora export RUN plain organisation model""",
    )
)


@pytest.fixture
def chinese():
    token = LocalContext.request.set(gr.Request(headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}))
    yield
    LocalContext.request.reset(token)


# ---- what is really said


def english_left(sentence: str, own: list[str]) -> list[str]:
    """Words of English in a Chinese sentence, apart from keys, names of things and what the person has said."""
    sentence = re.sub(
        r"\.txt|/[\w.=/-]+|\b[a-z_]+\.[a-z_][a-z0-9_]*(\.\S+)?|[\w*/.-]+\.(safetensors|toml|json|txt|md)|`[^`]*`|“[^”]*”",
        "",
        sentence,
    )
    for words in sorted(own, key=len, reverse=True):
        sentence = sentence.replace(words, "")
    return [word for word in re.findall(r"[A-Za-z][A-Za-z_']+", sentence) if word not in NAMES]


def through_a_file(words: str) -> str:
    """The text of an event that was written and read again."""
    _, event = from_line(to_line(Warned(words), 0.0))
    return event.text


def all_chinese(problems: list[Problem], own: list[str]) -> None:
    for found in problems:
        said = translate.problem(found)
        assert re.search("[\u4e00-\u9fff]", said) and english_left(said, own) == [], (str(found), said)
        assert translate.message(through_a_file(found.message)) == said  # as events carry it


BAD = {int: [0, -5, 10**30, 1.5, "x", [], {}, None, True], float: [-1.0, 1e9, "x", [], None, float("nan")],
       str: [5, [], {}, None, "x" * 300], bool: ["perhaps", 7, [], None], list: ["x", 5, {}, [5]],
       dict: ["x", 5, [], {"a*": "x"}, {"a*": None}]}  # fmt: skip


def test_settings_that_are_wrong_in_every_way(chinese):
    count = 0
    for info in all_settings():
        section, name = info.key.split(".")
        for value in BAD[info.type]:
            _, problems = salvage({section: {name: value}}, say("settings.source_form"))
            shown = [repr(value), str(value), repr(value)[:77] + "...", *map(repr, info.choices), "None", "'x'", "5"]
            all_chinese(problems, shown)
            count += len(problems)
    assert count > 200
    _, problems = salvage({"train": {"stepz": 5, "zzzz": 1}, "zzz": 3, "model": 5}, say("settings.source_settings"))
    assert len(problems) == 4
    all_chinese(problems, ["stepz", "steps", "zzzz", "zzz", "ModelSettings"])
    with pytest.raises(UserError) as caught:
        make_settings({"train": {"lr": 0}})
    assert translate.error(caught.value) == "train.lr 的值是 0。必须大于 0。"
    assert english_left("train.lr 的值是 0. It must be more than 0。", []) == ["It", "must", "be", "more", "than"]


def checked(values: dict) -> list[Problem]:
    return list(prepare(make_settings(values)).problems)


def test_checks_that_really_find_something(chinese, tmp_path):
    empty, few, file = tmp_path / "leer", tmp_path / "bilder", tmp_path / "datei"
    empty.mkdir()
    few.mkdir()
    file.write_text("x")
    for name, side in (("a.png", 40), ("a.webp", 200), ("b.png", 4), ("c.png", 100)):
        Image.new("RGB", (side, side), "red").save(few / name)
    (few / "torn.png").write_bytes((few / "a.png").read_bytes()[:60])
    (few / "null.jpg").touch()
    (few / "c.txt").write_text("x" * 3000)
    (few / "b.txt").write_bytes(b"\xff\xfe\x00")
    (few / "metadata.jsonl").write_text("nonsense\n" * 8)
    for folder in ("0_none", "400_cat"):
        (few / folder).mkdir()
        Image.new("RGB", (90, 90)).save(few / folder / "x.png")
    (tmp_path / "m.safetensors").write_bytes(b"12345678901234567890")
    (tmp_path / "m.ckpt").touch()
    runs = {"run": {"folder": str(tmp_path / "runs")}}
    seen: list[Problem] = []
    for values in (
        {},
        {"data": {"folder": str(tmp_path / "fort")}},
        {"data": {"folder": str(file)}},
        {"data": {"folder": str(empty)}, "train": {"warmup": 5000, "precision": "fp16", "device": "cpu"}},
        {"data": {"folder": str(few)}, "validation": {"held_out": 50}, "model": {"clip_skip": 12, "zero_snr": "on"}},
        {"data": {"folder": str(few), "resolution": 1001}, "sample": {"size": 77}, "run": {"folder": str(few / "r")}},
        {
            "data": {"folder": str(few), "cache": str(file / "c"), "resolution": 2048},
            "run": {"folder": str(file / "r")},
        },
        {"model": {"base": str(tmp_path / "m.safetensors"), "vae": str(tmp_path / "m.ckpt")}},
        {"model": {"base": str(tmp_path / "weg.safetensors"), "vae": str(empty)}},
        {"model": {"base": str(empty)}},
        {"model": {"base": "./nichts", "prediction": "v_prediction"}},
        {"model": {"prediction": "v_prediction"}, "adapter": {"start_from": str(file) + "x", "kind": "dora"}},
        {"adapter": {"alpha": 0.001, "rank": 16, "alpha_pattern": {"unet.*": 900.0}}},
        {"adapter": {"stack": [str(file) + "y=2"], "kind": "dora"}, "save": {"container": "diffusers"}},
    ):
        found = checked(runs | values)
        own = ["'./nichts'", "leer", "bilder", "datei", "a.png", "a.webp", "b.png", "c.png", "torn.png"]
        own += ["null.jpg", "0_none/x.png", "400_cat/x.png", "0_none", "400_cat", "cat", "metadata.jsonl", "m.ckpt",
                "'utf", "utf-16", "codec", "file_name", "text", "v_prediction",
                    "alpha"]  # fmt: skip
        all_chinese(found, own)
        seen += found
    assert len({p.what for p in seen}) > 30


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), OSError(28, "No space left", "/a"),
     PermissionError(13, "Permission denied"), OSError(36, "File name too long"),
     OSError(5, "Input/output error", "/a")],
)  # fmt: skip
def test_why_a_run_failed(chinese, error):
    all_chinese(explain(error).problems, ["/a"])
    kept = say("training.stopped_kept", step=30, path="/runs/x")
    told = translate.message(sentences(explain(error).message, kept))
    assert english_left(told, ["/a", "/runs/x", "sdlora train --resume"]) == []
    assert told.endswith("sdlora train --resume /runs/x")


def test_an_error_of_a_library_keeps_its_own_words(chinese):
    said = translate.error(explain(KeyError("some. Thing is 5.")))
    assert said.startswith("训练器内部出错：KeyError：'some. Thing is 5.'")


def test_several_problems_of_an_event_are_lines(chinese):
    first = Problem(say("images.folder_missing", path="/a"), say("images.check_folder"))
    told = UserError(first, Problem("What nobody knows.")).message
    assert translate.message(through_a_file(told)) == "文件夹 /a 不存在。请检查 data.folder。\nWhat nobody knows."


def test_what_the_base_model_is(chinese, tmp_path):
    info = replace(inspect_base("tiny"), inpainting=True, prediction="v_prediction", evidence="")
    assert translate.message(info.described) == "SD 1.x 局部重绘, v-prediction（推测）, 128 px, fp16"


# ---- never an error, never half of it


def test_without_a_request_it_is_english():
    found = Problem(say("images.folder_missing", path="/a"), say("images.check_folder"))
    assert translate.problem(found) == str(found) == translate.message(str(found))
    assert translate.problem(found) == "There is no folder /a. Check data.folder."


def test_words_that_are_no_message_stay_as_they_are(chinese):
    assert translate.problem(Problem("Nobody said so yet", "Dance.")) == "Nobody said so yetDance."
    assert translate.message("There is no folder /a.") == "There is no folder /a."


STORED = [None, 5, [], {}, {"key": "images.folder_missing"}, {"key": "images.nothing", "slots": {}},
          {"key": 5, "slots": {}},
          {"key": "images.folder_missing", "slots": {}}, {"key": "images.folder_missing", "slots": []},
          {"key": "os.path", "slots": {}},
          {"key": "common.lines", "slots": {"x": 1}}, {"key": "../x.y", "slots": {"path": "a"}}]  # fmt: skip


@pytest.mark.parametrize("stored", STORED)
def test_what_was_changed_in_a_file_or_is_newer_is_its_english(chinese, stored):
    assert unpacked(stored, "What it said.") == "What it said."
    nested = say("common.word", word="x")
    for _ in range(50):
        nested = {"key": "common.word", "slots": {"word": nested if isinstance(nested, dict) else "x"}}
    assert unpacked(nested, "What it said.") == "What it said."


def test_an_english_sentence_that_is_written_otherwise_today_is_shown_as_it_was_written(chinese):
    stored = {"key": "images.folder_missing", "slots": {"path": "/a"}}
    read = unpacked(stored, "There's no folder /a!")
    assert read == "There's no folder /a!" and translate.message(read) == "文件夹 /a 不存在。"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_what_a_person_wrote_is_carried_over_as_it_is(words):
    token = LocalContext.request.set(gr.Request(headers={"accept-language": "zh-CN"}))
    try:
        message = through_a_file(say("images.folder_missing", path=words))
        assert translate.message(message) == f"文件夹 {words} 不存在。"
    finally:
        LocalContext.request.reset(token)


def test_messages_are_copied_compared_and_pickled_as_text():
    message = lines(say("images.folder_missing", path=1), "b")
    for other in (copy.deepcopy(message), copy.copy(message), pickle.loads(pickle.dumps(message))):
        assert isinstance(other, Message) and (other, other.key, other.slots) == (message, message.key, message.slots)
    assert message == "There is no folder 1.\nb" and {message: 1}["There is no folder 1.\nb"] == 1


HOSTILE = ["{0.__class__}", "{path}", "a. b? c", "<img src=x onerror=alert(1)>", "(.*)*$", "x\ny", "' is .", '"', "\0"]


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_stay_text(chinese, words):
    found = Problem(
        say("settings.lora_file_missing", path=words),
        say("settings.check_setting", key="adapter.stack"),
        "adapter.stack",
    )
    shown = render.checks([found])
    assert f"没有 LoRA 文件 {render.escape(words)}。请检查 adapter.stack。" in shown
    assert "<img" not in shown + render.notes([found]) + render_settings.form_facts([found], {}, "")
