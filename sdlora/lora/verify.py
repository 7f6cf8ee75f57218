"""Read a LoRA file back through diffusers' public loader and compare what it does with what the adapter does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from sdlora.errors import UserError
from sdlora.lora.adapter import Adapter
from sdlora.lora.formats import canonical

_NAME = "sdlora_check"
_ROUNDING = {torch.float16: 2**-11, torch.bfloat16: 2**-8, torch.float32: 2**-24}  # largest relative error of a cast


@torch.no_grad()
def verify_with_diffusers(
    path: Path | str, adapter: Adapter, unet: nn.Module, text_encoder: nn.Module | None = None
) -> float:
    """Check that diffusers does with the file at ``path`` what ``adapter`` does at scale 1; returns the relative error.

    The same live models are used, with peft's layers put in for the moment and taken out again: no second copy.
    Compared are (1) every layer's change of the weights, and (2) the effect, that is outputs with the LoRA minus
    outputs without, of the UNet and of the text encoder on fixed random inputs.

    unet: diffusers' UNet2DConditionModel; text_encoder: transformers' CLIPTextModel, needed if it learns.
    Afterwards models and adapter are as before, also if this raises. The adapter must not be merged.
    Raises UserError if diffusers can't load the file or the difference is more than rounding.
    """
    path = Path(path)
    if adapter.merged:
        raise ValueError("unmerge() the adapter before verifying its file")
    models = {"unet": unet, "text_encoder": text_encoder}
    models = {root: model for root, model in models.items() if model is not None and adapter.parameters_of(root)}
    with _undisturbed(adapter, models):
        without = {root: _output(root, model) for root, model in models.items()}
        adapter.enabled = True
        ours = {root: _output(root, model) - without[root] for root, model in models.items()}
        adapter.enabled = False
        try:
            file_dtype = _load(path, models)
        except Exception as error:  # the loader raises KeyError, IndexError, ValueError, RuntimeError and others
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"diffusers can't load {path.name}: {type(error).__name__}: {reason}", where=str(path)
            ) from error
        _compare_weights(path, adapter, models, file_dtype)
        theirs = {root: _output(root, model) - without[root] for root, model in models.items()}
    errors = [
        _compare_effect(path, root, model, ours[root], theirs[root], without[root], file_dtype)
        for root, model in models.items()
    ]
    return max(errors, default=0.0)


# ---- the moment in which peft's layers are in


@contextmanager
def _undisturbed(adapter: Adapter, models: dict[str, nn.Module]) -> Iterator[None]:
    """Adapter off and at scale 1, models in eval mode; afterwards all is as before and peft's layers are gone."""
    scale, enabled = adapter.scale, adapter.enabled
    modes = [(m, m.training) for model in models.values() for m in model.modules()]
    gradients = [(p, p.requires_grad) for model in models.values() for p in model.parameters()]
    attributes = [(vars(model), dict(vars(model))) for model in models.values()]  # transformers leaves some behind
    adapter.scale, adapter.enabled = 1.0, False
    for model in models.values():
        model.eval()
    try:
        yield
    finally:
        _unload(models)
        adapter.scale, adapter.enabled = scale, enabled
        for module, mode in modes:
            module.training = mode
        for parameter, needed in gradients:
            parameter.requires_grad_(needed)
        for own, before in attributes:
            own.clear()
            own.update(before)


def _load(path: Path, models: dict[str, nn.Module]) -> torch.dtype:
    """Put the file into the models as any user of diffusers would; returns the dtype of its factors."""
    from diffusers.loaders import StableDiffusionLoraLoaderMixin as Loader

    state, alphas = Loader.lora_state_dict(str(path), use_safetensors=True)
    if foreign := sorted({key.split(".")[0] for key in state} - set(models)):
        raise ValueError(f"it has layers for {', '.join(foreign)}, which the adapter has not")
    if "unet" in models:
        Loader.load_lora_into_unet(state, network_alphas=alphas, unet=models["unet"], adapter_name=_NAME)
    if "text_encoder" in models:
        with _quiet():
            Loader.load_lora_into_text_encoder(
                state, network_alphas=alphas, text_encoder=models["text_encoder"], adapter_name=_NAME
            )
    return next(iter(state.values())).dtype


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar of transformers between the lines of our own."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _unload(models: dict[str, nn.Module]) -> None:
    from diffusers.loaders import StableDiffusionLoraLoaderMixin

    class Pipeline(StableDiffusionLoraLoaderMixin):  # the loader asks a pipeline for its models; this is one
        unet = models.get("unet")
        text_encoder = models.get("text_encoder")

    Pipeline().unload_lora_weights()


def _output(root: str, model: nn.Module) -> Tensor:
    """The model's output on fixed random inputs, float32 on the CPU. The same numbers on every device."""
    draw = torch.Generator().manual_seed(0)
    device = next(model.parameters()).device
    dtype = next(model.parameters()).dtype
    with torch.autocast(device.type, enabled=False):
        if root == "text_encoder":
            length = min(16, model.config.max_position_embeddings)
            ids = torch.randint(0, model.config.vocab_size, (1, length), generator=draw)
            return model(ids.to(device)).last_hidden_state.float().cpu()
        config = model.config
        side = 2 ** len(config.block_out_channels)  # two pixels remain in the middle: self-attention has a choice
        latents = torch.randn(1, config.in_channels, side, side, generator=draw)
        text = torch.randn(1, 8, config.cross_attention_dim, generator=draw)
        time = torch.tensor([500], device=device)
        return model(latents.to(device, dtype), time, text.to(device, dtype)).sample.float().cpu()


# ---- comparison


def _compare_weights(path: Path, adapter: Adapter, models: dict[str, nn.Module], file_dtype: torch.dtype) -> None:
    """Every layer's change as diffusers has it against the adapter's own; UserError for the first that differs.

    Rounding each entry of B and A by at most u changes s·B·A by at most (2u + u²)·s·|B|·|A| (Frobenius norms); 4u
    leaves room for the products' own rounding. A wrong strength, a swapped or missing factor are far above it. fp16
    also loses what is below 2^-25; that matters only to layers which change next to nothing beside the strongest.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    loaded = {
        canonical(f"{root}.{name}"): module
        for root, model in models.items()
        for name, module in model.named_modules()
        if isinstance(module, BaseTunerLayer)
    }
    own = {canonical(name): layer for name, layer in adapter.layers.items()}
    if odd := sorted(set(loaded) ^ set(own)):
        raise _mismatch(path, f"{odd[0]} is {'missing' if odd[0] in own else 'unknown'} ({len(odd)} such layers)")
    rounding = max(_ROUNDING[file_dtype], *(_unit(model) for model in models.values()))
    sizes = {
        name: layer.scale * float(layer.up.weight.norm() * layer.down.weight.norm()) for name, layer in own.items()
    }
    floor = 1e-4 * max(sizes.values())
    for name, layer in own.items():
        theirs = loaded[name].get_delta_weight(_NAME).float()
        error = float((theirs - layer.delta_weight()).norm())
        if not error <= 4 * rounding * (sizes[name] + floor):
            raise _mismatch(path, f"{name} differs by {error / (sizes[name] or 1):.2g} of its strength")


def _compare_effect(
    path: Path, root: str, model: nn.Module, ours: Tensor, theirs: Tensor, without: Tensor, file_dtype: torch.dtype
) -> float:
    """Relative error of the effect; UserError if it is more than rounding.

    Two sources. The file's rounding u moves the weights' change by about u, and the network's depth amplifies that: up
    to 256u of the effect are allowed. And both effects are differences of two outputs, each with its arithmetic's own
    noise: up to 256 roundings of the output, which is what remains to compare with in the first steps. Both are at most
    a quarter: a doubled or halved strength gives a half at least. Zero on both sides is a match.
    """
    if not (ours.isfinite().all() and without.isfinite().all()):
        return 0.0  # the base overflows on random inputs in half precision; the weights have been compared
    noise = min(256 * _unit(model), 0.25) * float(without.norm())
    allowed = min(256 * max(_ROUNDING[file_dtype], _unit(model)), 0.25)
    error, effect = float((theirs - ours).norm()), float(ours.norm())
    if not error <= allowed * effect + noise:
        raise _mismatch(path, f"the {root}'s outputs differ by {error / (effect or 1):.2g} of the LoRA's effect")
    return error / max(effect, noise) if error else 0.0


def _unit(model: nn.Module) -> float:
    """The rounding of the model's arithmetic. On a GPU float32 convolutions run in TF32, which rounds as fp16 does."""
    parameter = next(model.parameters())
    rounding = _ROUNDING.get(parameter.dtype, 2**-24)
    return max(rounding, 2**-11) if parameter.device.type == "cuda" else rounding


def _mismatch(path: Path, what: str) -> UserError:
    return UserError(
        f"{path.name}, read back by diffusers, is not what was trained: {what}.",
        fix="Don't use this file; please report it.",
        where=str(path),
    )
