"""The parts of a base model, loaded and frozen; each part by itself, so that none is held for long.

Every loader takes a BaseInfo, reads only its own part, and holds the weights once: the model is laid out without
memory, then each tensor is read from the mapped file, cast and put in its place.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors import SafetensorError, safe_open
from transformers import CLIPTokenizer

from sdlora.errors import UserError
from sdlora.families.base import BaseInfo
from sdlora.families.shared import single
from sdlora.families.shared.locate import CLIP
from sdlora.messages import listed, say
from sdlora.objectives import OBJECTIVES


def load_unet(
    base: BaseInfo, dtype: torch.dtype | None = torch.float32, mapped: bool = False, copy: Path | None = None
) -> UNet2DConditionModel:
    """The base's denoiser, frozen.

    dtype: of its weights; None leaves each as the file has it. copy: a file to read them from in place of the base's,
    with the model's own names (``train.weights``). mapped: weights that are of that dtype in the file stay there, and
    take no memory that the system can't have back; the file must then stay as it is. Writing to such a weight copies
    it, and never changes the file.
    """
    return _load(base, base.denoiser, dtype, mapped, copy)


def load_vae(base: BaseInfo, dtype: torch.dtype = torch.float32) -> AutoencoderKL:
    """The base's own VAE, or ``base.vae`` in its place."""
    return _load(base, "vae", dtype)


def load_text_encoders(base: BaseInfo, dtype: torch.dtype = torch.float32) -> dict[str, torch.nn.Module]:
    """{"text_encoder": CLIPTextModel} and whatever the family has beside it, in its order."""
    return {part: _load(base, part, dtype) for part in base.text_encoders}


def load_tokenizers(base: BaseInfo) -> dict[str, CLIPTokenizer]:
    """A tokenizer for each of ``base.text_encoders``, by the text encoder's name."""
    found = {}
    for part in base.spec.text_encoders:
        if base.single_file:
            found[part.root] = CLIPTokenizer.from_pretrained(CLIP, model_max_length=base.tokens)
            if part.open_clip:  # CLIP's own pads with its end token, OpenCLIP's with token 0, which is "!"
                found[part.root].pad_token = "!"
        else:
            found[part.root] = _tokenizer(base.source / part.tokenizer)
    return found


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """The folder's tokenizer, its padding token kept out of texts.

    A padding token given to transformers becomes a special one, so that OpenCLIP's, "!", would be cut out of words:
    a "!" would be read as padding (0) and not as itself (256), as it was when OpenCLIP and Stable Diffusion learned.
    """
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    if tokenizer.pad_token in (None, tokenizer.eos_token) or not (vocabulary.is_file() and merges.is_file()):
        return tokenizer
    plain = CLIPTokenizer(vocab=str(vocabulary), merges=str(merges), model_max_length=tokenizer.model_max_length)
    plain.pad_token = tokenizer.pad_token
    return plain


def load_scheduler(base: BaseInfo) -> DDIMScheduler:
    """DDIM (Song et al. 2021) with the base's own betas: its alphas serve the training, its steps the pictures.

    With ``base.zero_snr`` the betas are rescaled to zero terminal SNR and the steps begin at the last one (trailing),
    as Lin et al. 2023 have it.
    """
    trailing = {"timestep_spacing": "trailing"} if base.zero_snr else {}
    return DDIMScheduler.from_config(
        base.config("scheduler"),
        prediction_type=OBJECTIVES[base.prediction].scheduler,
        rescale_betas_zero_snr=base.zero_snr,
        clip_sample=False,
        **trailing,
    )


def _empty(base: BaseInfo, part: str, config: dict) -> torch.nn.Module:
    """The model without memory for its weights; buffers that no file holds are real."""
    with init_empty_weights():
        return base.spec.functions().network(base.spec.part(part), config)


def _load(
    base: BaseInfo, part: str, dtype: torch.dtype | None, mapped: bool = False, copy: Path | None = None
) -> torch.nn.Module:
    files = ", ".join(file.name for file in ([copy] if copy else base.files(part)))
    try:
        config = base.config(part)
        model = _empty(base, part, config)
        wanted = {name: value.shape for name, value in model.state_dict().items()}
        weights, missing, misfits = {}, set(wanted), []
        for name, tensor in _copied(copy) if copy else single.tensors(base, part, config):
            # CLIPTextModel lost its "text_model." in transformers 5.6, CLIPTextModelWithProjection kept it.
            bare = name.removeprefix("text_model.")
            name = next((n for n in (name, bare, f"text_model.{name}") if n in wanted), "")
            if not name:
                continue  # of no use to this part: position ids, the last layer of OpenCLIP-H, a logit scale
            if tensor.shape != wanted[name]:
                # The original VAE keeps its attention as 1x1 convolutions.
                if tensor.numel() != wanted[name].numel():
                    misfits.append(name)
                    continue
                tensor = tensor.reshape(wanted[name])
            # A copy of our own, unless it is wished otherwise: a view keeps the file mapped, and changes with it.
            own = {"copy": not mapped, "memory_format": torch.contiguous_format}
            weights[name] = tensor.to(dtype if dtype and tensor.is_floating_point() else tensor.dtype, **own)
            missing.discard(name)
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError, IndexError, TypeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise _unloadable(part, files, reason) from error
    if missing or misfits:
        wrong = [say("models.weight_missing", weight=name) for name in sorted(missing - set(misfits))]
        wrong += [say("models.weight_misshapen", weight=name) for name in misfits]
        raise _unloadable(part, files, listed(wrong, 1))
    model.load_state_dict(weights, assign=True)
    return model.requires_grad_(False).eval()


def _copied(file: Path) -> Iterator[tuple[str, torch.Tensor]]:
    with safe_open(file, framework="pt") as content:
        yield from ((name, content.get_tensor(name)) for name in content.keys())  # noqa: SIM118 (no dictionary)


def _unloadable(part: str, files: str, reason: str) -> UserError:
    return UserError(
        say("models.part_unloadable", part=part, files=files or say("models.files_of_folder"), fault_of_weights=reason),
        fix=say("models.get_model_again"),
        where="base",
    )
