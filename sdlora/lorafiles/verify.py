"""Read a LoRA file back through diffusers' public loader and compare what it does with what the adapter does."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sdlora.adapters.adapter import Adapter
from sdlora.adapters.kind import Kind
from sdlora.adapters.layer import Layer
from sdlora.errors import UserError
from sdlora.families.table import Evidence, family, is_denoiser, roots, tell
from sdlora.lorafiles.names import canonical
from sdlora.lorafiles.read import read_lora
from sdlora.messages import say

_NAME = "sdlora_check"
NOISE = 16  # times what one rounding of every factor moves: a forward pass rounds in many more places
_ROUNDING = {torch.float16: 2**-11, torch.bfloat16: 2**-8, torch.float32: 2**-24}  # largest relative error of a cast


@torch.no_grad()
def verify_with_diffusers(path: Path | str, adapter: Adapter, models: Mapping[str, nn.Module]) -> float:
    """Check that diffusers does with the file at ``path`` what ``adapter`` does at scale 1; returns the relative error.

    The same live models are used, with peft's layers put in for the moment and taken out again: no second copy.
    Compared are (1) every layer's change of the weights, and (2) the effect, that is outputs with the LoRA minus
    outputs without, of the UNet and of each text encoder on fixed random inputs.

    models: root -> live model: "unet" (UNet2DConditionModel), "text_encoder" (CLIPTextModel), "text_encoder_2"
        (CLIPTextModelWithProjection); at least those that learn. The loader is that of their family's pipeline.
    Afterwards models and adapter are as before, also if this raises. The adapter must not be merged.
    Of a kind or family that diffusers does not read (DoRA, LoHa …) the changes of the weights are compared that its
    readers make of the file, by their formula.
    Raises UserError if diffusers can't load the file or the difference is more than rounding.
    """
    path = Path(path)
    if adapter.merged:
        raise ValueError("unmerge() the adapter before verifying its file")
    if "diffusers" not in adapter.kind.readers:
        return _verify_by_formula(path, adapter)
    spec = family(tell(_evidence(models)))
    if "diffusers" not in spec.readers:
        return _verify_by_formula(path, adapter)
    loader = spec.functions().lora_loader()
    models = {root: model for root, model in models.items() if model is not None and adapter.parameters_of(root)}
    with _undisturbed(adapter, models, loader):
        without = {root: _output(root, model) for root, model in models.items()}
        adapter.enabled = True
        ours = {root: _output(root, model) - without[root] for root, model in models.items()}
        adapter.enabled = False
        try:
            file_dtype = _load(path, models, loader)
        except Exception as error:  # the loader raises KeyError, IndexError, ValueError, RuntimeError and others
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                say("saving.not_loadable", file=path.name, kind=type(error).__name__, what=reason),
                where=str(path),
            ) from error
        _compare_weights(path, adapter, models, file_dtype)
        theirs = {root: _output(root, model) - without[root] for root, model in models.items()}
    errors = []
    for root, model in models.items():
        difference, excess = _compare_effect(model, ours[root], theirs[root], without[root], file_dtype)
        if excess > 0:
            with _undisturbed(adapter, models, loader):
                moved = _moved_by_rounding(root, model, adapter, ours[root] + without[root], file_dtype)
            if not excess <= NOISE * moved:
                raise _mismatch(path, say("saving.difference_of_outputs", part=root, share=f"{difference:.2g}"))
        errors.append(difference)
    return max(errors, default=0.0)


# ---- the moment in which peft's layers are in


@contextmanager
def _undisturbed(adapter: Adapter, models: dict[str, nn.Module], loader: type) -> Iterator[None]:
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
        _unload(models, loader)
        adapter.scale, adapter.enabled = scale, enabled
        for module, mode in modes:
            module.training = mode
        for parameter, needed in gradients:
            parameter.requires_grad_(needed)
        for own, before in attributes:
            own.clear()
            own.update(before)


def _evidence(models: Mapping[str, nn.Module]) -> Evidence:
    """What live models show of their family; without a denoiser, the number of text encoders."""
    config: Any = next((model.config for root, model in models.items() if is_denoiser(root)), {})
    yield "conditions", config.get("addition_embed_type") or ""
    yield "text_encoders", 2 if "text_encoder_2" in models else 1
    yield "text_width", config.get("cross_attention_dim")
    yield "projections", "linear" if config.get("use_linear_projection") else "convolutions"


def _load(path: Path, models: dict[str, nn.Module], loader: Any) -> torch.dtype:
    """Put the file into the models as any user of diffusers would; returns the dtype of its factors."""
    # diffusers counts the original code's blocks with the UNet's configuration
    config = next(({"unet_config": model.config} for root, model in models.items() if is_denoiser(root)), {})
    state, alphas = loader.lora_state_dict(str(path), use_safetensors=True, **config)
    if foreign := sorted({key.split(".")[0] for key in state} - set(models)):
        raise ValueError(f"it has layers for {', '.join(foreign)}, which the adapter has not")
    for root, model in models.items():
        if is_denoiser(root):
            loader.load_lora_into_unet(state, network_alphas=alphas, unet=model, adapter_name=_NAME)
            continue
        with _quiet():
            loader.load_lora_into_text_encoder(
                state, network_alphas=alphas, text_encoder=model, prefix=root, adapter_name=_NAME
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


def _unload(models: dict[str, nn.Module], loader: type) -> None:
    """The loader asks a pipeline for its models; a class with them is one."""
    own = {root: models.get(root) for root in (*roots("denoiser"), *roots("text"))}
    type("Pipeline", (loader,), own)().unload_lora_weights()


def _output(root: str, model: nn.Module) -> Tensor:
    """The model's output on fixed random inputs, float32 on the CPU. The same numbers on every device."""
    draw = torch.Generator().manual_seed(0)
    device = next(model.parameters()).device
    dtype = next(model.parameters()).dtype
    with torch.autocast(device.type, enabled=False):
        if not is_denoiser(root):
            length = min(16, model.config.max_position_embeddings)
            ids = torch.randint(0, model.config.vocab_size, (1, length), generator=draw)
            return model(ids.to(device)).last_hidden_state.float().cpu()
        config = model.config
        side = 2 ** len(config.block_out_channels)  # two pixels remain in the middle: self-attention has a choice
        latents = torch.randn(1, config.in_channels, side, side, generator=draw)
        text = torch.randn(1, 8, config.cross_attention_dim, generator=draw)
        time = torch.tensor([500], device=device)
        sized = config.get("addition_embed_type") == "text_time"
        more = _size_conditions(config, draw, device, dtype) if sized else None
        output = model(latents.to(device, dtype), time, text.to(device, dtype), added_cond_kwargs=more).sample
        return output.float().cpu()


def _size_conditions(config: Mapping, draw: torch.Generator, device: torch.device, dtype: torch.dtype) -> dict:
    """Those of a UNet told sizes: the second encoder's pooled output (1, d), and sizes and crop (1, 6) in pixels."""
    width = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
    pooled = torch.randn(1, width, generator=draw).to(device, dtype)
    sizes = torch.tensor([[1024, 1024, 0, 0, 1024, 1024]], device=device, dtype=dtype)
    return {"text_embeds": pooled, "time_ids": sizes}


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
    live = {canonical(name): name for name in adapter.layers}
    own = {name: adapter.layers[here] for name, here in live.items()}
    if odd := sorted(set(loaded) ^ set(own)):
        raise _mismatch(path, _difference(odd, own))
    rounding = max(_ROUNDING[file_dtype], *(_unit(model) for model in models.values()))
    sizes = {name: layer.scale * _product_of_norms(layer, adapter.kind) for name, layer in own.items()}
    floor = 1e-4 * max(sizes.values())
    for name in own:
        theirs = loaded[name].get_delta_weight(_NAME).float()
        error = float((theirs - adapter.delta(live[name])).norm())
        if not error <= 4 * rounding * (sizes[name] + floor):
            raise _mismatch(
                path, say("saving.difference_of_strength", name=name, share=f"{error / (sizes[name] or 1):.2g}")
            )


def _compare_effect(
    model: nn.Module, ours: Tensor, theirs: Tensor, without: Tensor, file_dtype: torch.dtype
) -> tuple[float, float]:
    """(relative error of the effect, how far the outputs differ beyond what rounding usually does: 0 or less is fine).

    Two sources. The file's rounding u moves the weights' change by about u, and the network's depth amplifies that: up
    to 256u of the effect are allowed. And both effects are differences of two outputs, each with its arithmetic's own
    noise: up to 256 roundings of the output, which is what remains to compare with in the first steps. Both are at most
    a quarter: a doubled or halved strength gives a half at least. Zero on both sides is a match. A LoRA as large as the
    weights it changes amplifies more, 8,000u were measured: then ``_moved_by_rounding`` tells how much.
    """
    if not (ours.isfinite().all() and without.isfinite().all()):
        return 0.0, 0.0  # the base overflows on random inputs in half precision; the weights have been compared
    noise = min(256 * _unit(model), 0.25) * float(without.norm())
    allowed = min(256 * max(_ROUNDING[file_dtype], _unit(model)), 0.25)
    error, effect = float((theirs - ours).norm()), float(ours.norm())
    excess = error - allowed * effect - noise if math.isfinite(error) else math.inf
    return error / max(effect, noise) if error else 0.0, excess


def _moved_by_rounding(root: str, model: nn.Module, adapter: Adapter, output: Tensor, file_dtype: torch.dtype) -> float:
    """How far the output moves from ``output`` if every factor is moved by one unit in its last place, up or down."""
    unit = 2 * max(_ROUNDING[file_dtype], _unit(model))
    factors = adapter.parameters_of(root)
    kept = [factor.detach().clone() for factor in factors]
    draw = torch.Generator().manual_seed(1)
    adapter.enabled = True
    try:
        for factor in factors:
            signs = torch.randint(0, 2, factor.shape, generator=draw) * 2.0 - 1
            factor.mul_(1 + unit * signs.to(factor))
        return float((_output(root, model) - output).norm())
    finally:
        for factor, value in zip(factors, kept, strict=True):
            factor.copy_(value)


def _unit(model: nn.Module) -> float:
    """The rounding of the model's arithmetic. On a GPU float32 convolutions run in TF32, which rounds as fp16 does."""
    parameter = next(model.parameters())
    rounding = _ROUNDING.get(parameter.dtype, 2**-24)
    return max(rounding, 2**-11) if parameter.device.type == "cuda" else rounding


def _mismatch(path: Path, what: str) -> UserError:
    return UserError(
        say("saving.reads_back_differently", file=path.name, difference=what),
        fix=say("saving.dont_use_and_report"),
        where=str(path),
    )


def _difference(odd: Sequence[str], own: Collection[str]) -> str:
    """odd: layers that the file or the adapter lacks; own: the adapter's."""
    what = say("saving.odd_missing") if odd[0] in own else say("common.unknown")
    return say("saving.difference_of_layers", name=odd[0], odd=what, count=len(odd))


def _product_of_norms(layer: Layer, kind: Kind) -> float:
    tensors = layer.tensors()
    return math.prod(float(tensors[part].norm()) for part in kind.factors_in(tensors))


# ---- kinds that diffusers does not read


def _verify_by_formula(path: Path, adapter: Adapter) -> float:
    """Every layer's change by the formula of the tools that read the kind, in float64, against the adapter's own.

    Rounding each number of n factors by at most u moves no entry of their product by more than about n·u times the
    product of their absolute values. 4n·u leaves room for the products' own rounding, and for a magnitude's norm, which
    the change enters too; where there is one, float32 rounds the whole weight besides.
    """
    lora = read_lora(path)
    live = {canonical(name): name for name in adapter.layers}
    if odd := sorted(set(lora.changes) ^ set(live)):
        raise _mismatch(path, _difference(odd, live))
    kind, lost, whole = adapter.kind, 0.0, 0.0
    for name, change in lora.changes.items():
        weight = adapter.base_weight(live[name]).double().cpu()
        theirs = lora.delta(name, weight, torch.float64)
        ours = adapter.delta(live[name]).double().cpu()
        error = float((theirs - ours).norm())
        sizes = {part: tensor.abs() for part, tensor in change.parts.items()}
        size = float(replace(change, parts=sizes, scale=abs(change.scale)).matrix(torch.float64).norm())
        factors = kind.factors_in(change.parts)
        rounding = max(_ROUNDING[change.parts[part].dtype] for part in factors)
        allowed = 4 * len(factors) * rounding * size
        if kind.undecayed:
            allowed += 16 * _ROUNDING[torch.float32] * float((weight + ours).norm())
        if not error <= allowed + 1e-12:
            raise _mismatch(
                path,
                say("saving.difference_of_strength", name=name, share=f"{error / (float(ours.norm()) or 1):.2g}"),
            )
        lost, whole = lost + error**2, whole + float(ours.norm()) ** 2
    return (lost / whole) ** 0.5 if whole else 0.0
