"""What the captioners that run in transformers share: loading without anybody's code, and answering for one picture."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL.Image import Image, Resampling

from sdlora.captioners.captioner import Options
from sdlora.captioners.words import cleaned
from sdlora.errors import UserError
from sdlora.messages import say

LARGEST = 1024  # pixels of the longer side: more says nothing new in a caption, and costs memory
SAFE = {"local_files_only": True, "trust_remote_code": False}


def as_seen(picture: Image) -> Image:
    """The picture with a longer side of at most ``LARGEST`` pixels."""
    seen = picture.copy()
    seen.thumbnail((LARGEST, LARGEST), Resampling.LANCZOS)
    return seen


def loaded(network: Any, folder: Path, device: str) -> Any:
    """The model of that class, on the device, in the precision that suits it. UserError for a damaged folder."""
    import torch

    from sdlora.families.shared.device import choose_device, choose_precision

    place = choose_device(device)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[choose_precision("auto", place)]
    model = safely(folder, lambda: network.from_pretrained(folder, use_safetensors=True, dtype=dtype, **SAFE))
    return model.to(place).eval()


def safely(folder: Path, load: Callable[[], Any]) -> Any:
    """What ``load`` gives; whatever a library says of a damaged or incomplete folder is one sentence."""
    from safetensors import SafetensorError

    kinds = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError, SafetensorError)
    try:
        return load()
    except kinds as error:
        reason = (str(error).strip() or type(error).__name__).split("\n")[0][:200]
        what = say("captioning.not_loaded", folder=folder, reason=reason)
        raise UserError(what, fix=say("captioning.give_model")) from error


def answered(model: Any, inputs: Mapping[str, Any], decode: Callable[[Any], str], options: Options, asked: int) -> str:
    """The most likely answer (greedy, so that it is the same again), as a caption.

    inputs: tensors by name. decode: the tokens of the answer, int64 (n,) -> text. asked: how many tokens at the front
    of what the model gives are the question.
    """
    import torch

    given = {name: _placed(value, model) for name, value in inputs.items()}
    with torch.inference_mode():
        tokens = model.generate(**given, max_new_tokens=options.tokens, do_sample=False, num_beams=1)[0][asked:]
    return cleaned(decode(tokens.cpu()), cut=len(tokens) >= options.tokens)


def _placed(value: Any, model: Any) -> Any:
    moved = value.to(model.device)
    return moved.to(model.dtype) if moved.is_floating_point() else moved
