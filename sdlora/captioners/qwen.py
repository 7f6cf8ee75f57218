"""Qwen2-VL, Qwen2.5-VL (Bai et al. 2025) and Qwen3-VL, through transformers: what the prompt asks for."""

from typing import Any

from PIL.Image import Image

from sdlora.captioners.captioner import PROMPT, Captioner, Describe, Options
from sdlora.captioners.weights import checked_folder

KINDS = {  # a config's model_type -> its model's class in transformers
    "qwen2_vl": "Qwen2VLForConditionalGeneration",
    "qwen2_5_vl": "Qwen2_5_VLForConditionalGeneration",
    "qwen3_vl": "Qwen3VLForConditionalGeneration",
}
PLACE = "<|image_pad|>"  # where a piece of the picture goes in
# The turns as these models were taught them. A model's own template is a program, so it is not run.
TURNS = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{prompt}<|im_end|>\n<|im_start|>assistant\n"
)


def _open(options: Options) -> Describe:
    folder, kind = checked_folder(options, tuple(KINDS))
    import transformers

    from sdlora.captioners.local import SAFE, answered, as_seen, loaded, safely

    # Not the processor, which is whole only with a library for films.
    images = safely(folder, lambda: transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False, **SAFE))
    words = safely(folder, lambda: transformers.AutoTokenizer.from_pretrained(folder, **SAFE))
    model = loaded(getattr(transformers, KINDS[kind]), folder, options.device)
    turns = TURNS.format(prompt=(options.prompt or PROMPT).replace("<|", "< |"))

    def asked(picture: Image) -> dict[str, Any]:
        seen = images(images=[as_seen(picture)], return_tensors="pt")
        pieces = int(seen["image_grid_thw"].prod()) // images.merge_size**2
        read = words(turns.replace(PLACE, PLACE * pieces), return_tensors="pt")
        kinds = (read["input_ids"] == words.convert_tokens_to_ids(PLACE)).int()
        return {**seen, **read, "mm_token_type_ids": kinds}

    def describe(picture: Image) -> str:
        inputs = asked(picture)
        length = inputs["input_ids"].shape[1]
        return answered(model, inputs, lambda tokens: words.decode(tokens, skip_special_tokens=True), options, length)

    return describe


CAPTIONER = Captioner(
    "qwen", "Qwen2-VL, Qwen2.5-VL or Qwen3-VL: what the prompt asks for", "text", _open, prompt=PROMPT
)
