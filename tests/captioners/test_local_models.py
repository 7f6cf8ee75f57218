"""BLIP, Florence-2 and Qwen2.5-VL with random weights: what we say is what the model says, token by token."""

import json

import numpy as np
import pytest
import small_captioners as small
import torch
import transformers as tf
from PIL import Image
from said import saying

from sdlora.captioners import CAPTIONERS, Options
from sdlora.errors import UserError

TOKENS = 12
FLORENCE = "Describe with a paragraph what is shown in the image."  # what its paper calls <MORE_DETAILED_CAPTION>
QWEN = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>{}<|vision_end|>"
    "Why?<|im_end|>\n<|im_start|>assistant\n"
)


@pytest.fixture(scope="module")
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (84, 112, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    return {name: getattr(small, name)(place / name) for name in ("blip", "florence", "qwen")}


def described(folders, name, picture, **options):
    return CAPTIONERS[name].open(Options(model=str(folders[name]), tokens=TOKENS, device="cpu", **options))(picture)


def greedily(step, begin: list[int], end: int) -> list[int]:
    """The likeliest token after the likeliest token. step: tokens so far -> logits of the next one."""
    tokens = list(begin)
    while len(tokens) < len(begin) + TOKENS and (len(tokens) == len(begin) or tokens[-1] != end):
        with torch.inference_mode():
            tokens.append(int(step(torch.tensor([tokens])).argmax()))
    return tokens[len(begin) :]


def one_line(text: str) -> str:
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())


def test_blip_by_the_forward_pass_of_its_parts(folders, picture):
    model = tf.BlipForConditionalGeneration.from_pretrained(folders["blip"]).eval()
    processor = tf.BlipProcessor.from_pretrained(folders["blip"])
    sight = model.vision_model(processor(images=picture, return_tensors="pt")["pixel_values"])[0]

    def step(tokens):
        return model.text_decoder(input_ids=tokens, encoder_hidden_states=sight, is_decoder=True).logits[0, -1]

    said = processor.decode(greedily(step, [5], 3), skip_special_tokens=True)
    assert described(folders, "blip", picture) == one_line(said) != ""
    assert described(folders, "blip", picture, prompt="a b").startswith("a b")


def test_florence_by_its_encoder_and_decoder(folders, picture):
    model = tf.Florence2ForConditionalGeneration.from_pretrained(folders["florence"]).eval()
    processor = tf.Florence2Processor.from_pretrained(folders["florence"])
    pixels = processor.image_processor(picture, return_tensors="pt")["pixel_values"]
    asked = torch.tensor([[model.config.image_token_id] * 5 + [0, *processor.tokenizer(FLORENCE).input_ids, 2]])

    def step(tokens):
        return model(input_ids=asked, pixel_values=pixels, decoder_input_ids=tokens).logits[0, -1]

    said = processor.decode(greedily(step, [2], 2), skip_special_tokens=True)
    assert described(folders, "florence", picture) == one_line(said) != ""
    assert described(folders, "florence", picture, prompt="<CAPTION>") != one_line(said)


def test_qwen_by_its_forward_pass(folders, picture):
    """84 x 112 pixels are 6 x 8 patches of 14, 3 x 4 pieces of four."""
    model = tf.Qwen2_5_VLForConditionalGeneration.from_pretrained(folders["qwen"]).eval()
    words = tf.AutoTokenizer.from_pretrained(folders["qwen"])
    images = small.Qwen2VLImageProcessorPil.from_pretrained(folders["qwen"])(picture, return_tensors="pt")
    assert images["image_grid_thw"].tolist() == [[1, 6, 8]]
    asked = words(QWEN.format("<|image_pad|>" * 12)).input_ids

    def step(tokens):
        kinds = (tokens == model.config.image_token_id).int()
        return model(input_ids=tokens, mm_token_type_ids=kinds, use_cache=False, **images).logits[0, -1]

    said = words.decode(greedily(step, asked, words.eos_token_id), skip_special_tokens=True)
    assert described(folders, "qwen", picture, prompt="Why?") == one_line(said) != ""


@pytest.mark.parametrize("name", ["blip", "florence", "qwen"])
def test_a_folder_that_is_another_model_or_damaged(folders, name, tmp_path, picture):
    other = next(n for n in folders if n != name)
    kind = json.loads((folders[other] / "config.json").read_text())["model_type"]
    with pytest.raises(UserError, match=saying("captioning.another_kind", folder=folders[other], kind=kind)):
        CAPTIONERS[name].open(Options(model=str(folders[other])))
    for file in folders[name].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(UserError, match=saying("captioning.not_loaded")):
        CAPTIONERS[name].open(Options(model=str(tmp_path)))
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=saying("captioning.no_safetensors")):
        CAPTIONERS[name].open(Options(model=str(tmp_path)))
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=saying("captioning.no_config")):
        CAPTIONERS[name].open(Options(model=str(tmp_path)))


def test_code_that_lies_beside_a_model_is_not_run(folders, tmp_path, picture):
    for file in folders["qwen"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    hostile = "evil.Evil"
    config["auto_map"] = dict.fromkeys(("AutoConfig", "AutoModel", "AutoModelForImageTextToText"), hostile)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    for name in ("preprocessor_config.json", "tokenizer_config.json"):
        content = json.loads((tmp_path / name).read_text())
        content["auto_map"] = {"AutoImageProcessor": hostile, "AutoTokenizer": [hostile, hostile]}
        (tmp_path / name).write_text(json.dumps(content))
    assert described({"qwen": tmp_path}, "qwen", picture) == described(folders, "qwen", picture)
    assert not (tmp_path / "ran").exists()
