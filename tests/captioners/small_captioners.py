"""Captioners to test with: models of the published architectures with few, random weights."""

from pathlib import Path

import numpy as np
import torch
import transformers as tf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

LETTERS = "abcdefghijklmnop"


def by_letters(front: list[str], **special: object) -> tf.PreTrainedTokenizerFast:
    """A tokenizer with a token for each byte; ``front`` come first."""
    vocabulary = {piece: number for number, piece in enumerate([*front, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def blip(folder: Path) -> Path:
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = tf.BertTokenizer.from_pretrained(folder, bos_token="[DEC]")
    text = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "encoder_hidden_size": 32,
    }
    text |= {"num_attention_heads": 2, "bos_token_id": 5, "pad_token_id": 0, "eos_token_id": 3, "sep_token_id": 3}
    sight = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
    }
    sizes = {"projection_dim": 16, "image_text_hidden_size": 16}
    config = tf.BlipConfig(text_config=text, vision_config=sight | {"patch_size": 16}, **sizes)
    torch.manual_seed(0)
    tf.BlipForConditionalGeneration(config).save_pretrained(folder)
    tf.BlipProcessor(BlipImageProcessorPil(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return folder


def florence(folder: Path) -> Path:
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>"}
    tokenizer = by_letters(list(names.values()), **names, extra_special_tokens={"image_token": "<image>"})
    heads = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    ends = {
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
        "forced_eos_token_id": None,
    }
    text = {
        "model_type": "bart",
        "vocab_size": len(tokenizer),
        "d_model": 32,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
    }
    shape = {
        "embed_dim": [8, 16, 16, 32],
        "num_heads": [1, 2, 2, 4],
        "num_groups": [1, 2, 2, 4],
        "depths": [1, 1, 1, 1],
    }
    image = tokenizer.convert_tokens_to_ids("<image>")
    sight = shape | {"window_size": 4, "projection_dim": 32}
    config = tf.Florence2Config(text_config=text | heads | ends, vision_config=sight, image_token_id=image)
    torch.manual_seed(0)
    model = tf.Florence2ForConditionalGeneration(config)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() > 1 and "vision_tower" not in name:
                weights.normal_(std=0.6)  # as it is begun, it says the same of every picture: nothing
    model.save_pretrained(folder)
    images = CLIPImageProcessorPil(size={"height": 64, "width": 64}, do_center_crop=False)
    images.image_seq_length = 5  # 2 x 2 pieces of the picture and their mean
    tf.Florence2Processor(images, tokenizer).save_pretrained(folder)
    return folder


def qwen(folder: Path) -> Path:
    marks = ["im_start", "im_end", "vision_start", "vision_end", "image_pad", "video_pad"]
    tokenizer = by_letters(
        ["<|endoftext|>"], eos_token="<|im_end|>", pad_token="<|endoftext|>",
        additional_special_tokens=[f"<|{mark}|>" for mark in marks],
    )  # fmt: skip
    start, end, before, behind, image, film = (tokenizer.convert_tokens_to_ids(f"<|{mark}|>") for mark in marks)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "eos_token_id": end,
    }
    text |= {"num_attention_heads": 2, "num_key_value_heads": 2, "bos_token_id": start, "pad_token_id": 0}
    text |= {"rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3]}}
    sight = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": 32,
        "patch_size": 14,
    }
    sight |= {"window_size": 56, "fullatt_block_indexes": [1]}
    places = {
        "image_token_id": image,
        "video_token_id": film,
        "vision_start_token_id": before,
        "vision_end_token_id": behind,
    }
    config = tf.Qwen2_5_VLConfig(text_config=text, vision_config=sight, **places)
    torch.manual_seed(0)
    tf.Qwen2_5_VLForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=56 * 56 * 4).save_pretrained(folder)
    return folder


# ---- a tagger: mean colour x weights + bias, sigmoid; ONNX's protobuf written by hand


def number(value: int) -> bytes:
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def field(key: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return number(key << 3) + number(value)
    data = value.encode() if isinstance(value, str) else value
    return number(key << 3 | 2) + number(len(data)) + data


def node(kind: str, inputs: list[str], output: str, attributes: bytes = b"") -> bytes:
    return field(1, b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind) + attributes)


def constant(name: str, values: np.ndarray) -> bytes:
    kind = 7 if values.dtype == np.int64 else 1
    shape = b"".join(field(1, side) for side in values.shape)
    return field(5, shape + field(2, kind) + field(8, name) + field(9, values.tobytes()))


def value(key: int, name: str, shape: list[int]) -> bytes:
    sides = b"".join(field(1, field(1, side)) for side in shape)
    return field(key, field(1, name) + field(2, field(1, field(1, 1) + field(2, sides))))


def tagger(folder: Path, weights: np.ndarray, bias: np.ndarray, rows: list[tuple[str, int]], side: int = 8) -> Path:
    """weights: float32 (3, tags), for blue, green, red of 0 to 255. rows: (tag, category)."""
    folder.mkdir(parents=True)
    graph = node("ReduceMean", ["picture", "axes"], "mean", field(5, field(1, "keepdims") + field(3, 0) + field(20, 2)))
    graph += node("MatMul", ["mean", "weights"], "sum") + node("Add", ["sum", "bias"], "logits")
    graph += node("Sigmoid", ["logits"], "tags") + field(2, "tagger")
    graph += constant("axes", np.array([1, 2], np.int64))
    graph += constant("weights", weights.astype(np.float32)) + constant("bias", bias.astype(np.float32))
    graph += value(11, "picture", [1, side, side, 3]) + value(12, "tags", [1, len(rows)])
    (folder / "model.onnx").write_bytes(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 18)))
    table = "".join(f"{index},{name},{category},{index}\n" for index, (name, category) in enumerate(rows))
    (folder / "selected_tags.csv").write_text(f"tag_id,name,category,count\n{table}", encoding="utf-8")
    return folder
