"""What a run needs before its first step: device, frozen model, adapter."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from sdlora.adapters.adapter import Adapter
from sdlora.adapters.inject import inject
from sdlora.adapters.packed import Packed
from sdlora.adapters.table import KINDS
from sdlora.adapters.targets import target_patterns
from sdlora.check import as_wished, stack_of
from sdlora.errors import UserError
from sdlora.events import Started
from sdlora.families.base import BaseInfo, inspect_base
from sdlora.families.shared import device as device_kinds
from sdlora.families.shared.clip_text import TextEncoding, TextReader, Tokens
from sdlora.families.shared.load import load_scheduler, load_text_encoders, load_tokenizers, load_unet
from sdlora.lorafiles.attach import load_lora, merge_into_modules, read_lora
from sdlora.messages import say
from sdlora.runs.arithmetic import Arithmetic, record_arithmetic, recorded_arithmetic
from sdlora.runs.run import Run
from sdlora.settings import Settings
from sdlora.train.caching import TextStore
from sdlora.train.fastest import fastest
from sdlora.train.processes import PATIENCE, made_by_main, trains_on_cpu, unsharded
from sdlora.train.remembered import remembering

DTYPES = {"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def make_accelerator(device: str, precision: str) -> Accelerator:
    """accelerate's own choice of device and processes; UserError for a device that is not there."""
    if device != "auto" and not device_kinds.present(device):
        raise UserError(
            say("training.device_missing", given=device),
            fix=say("training.set_auto_or_install"),
            where="train.device",
        )
    on_cpu = trains_on_cpu(device)
    precision = device_kinds.choose_precision(precision, "cpu" if on_cpu else device_kinds.choose_device())
    precision = "no" if precision == "fp32" else precision
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != precision:
        AcceleratorState._reset_state()  # of a run before this one in the same process: accelerate keeps its precision
    with unsharded():
        return Accelerator(
            mixed_precision=precision, cpu=on_cpu, kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)]
        )


def arithmetic_of(settings: Settings, run: Run, base: BaseInfo, anew: bool = False) -> Arithmetic:
    """The precision, and on a CPU how else it computes: as the run began, else as measured here, and recorded there.

    anew: measured now, even if an earlier run has measured the same. A run that began without a record goes on as its
    precision is said to be, by a rule. All processes get the same.
    """
    train = settings.train
    if not trains_on_cpu(train.device):
        return Arithmetic(device_kinds.choose_precision(train.precision, device_kinds.choose_device()))
    if train.device not in ("auto", "cpu"):  # it is not there, which ``make_accelerator`` says
        return Arithmetic(device_kinds.choose_precision(train.precision, "cpu"))
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return _on_cpu(settings, run, base, anew)
    return made_by_main(lambda: _on_cpu(settings, run, base, anew), train.device)


def _on_cpu(settings: Settings, run: Run, base: BaseInfo, anew: bool) -> Arithmetic:
    train, kept = settings.train, recorded_arithmetic(run.folder)
    if kept is not None and train.precision in ("auto", kept.precision):
        return kept
    if any(isinstance(event, Started) for _, event in run.events()):
        return Arithmetic(device_kinds.choose_precision(train.precision, "cpu"))
    batches, pixels = train.steps * train.accumulate, settings.data.resolution or base.resolution
    measure = remembering(Path(settings.data.cache), anew)
    found = fastest(base, train.precision, pixels, train.batch_size, batches, measure)
    if found.seconds:
        record_arithmetic(run.folder, found)
    return found


def base_of(settings: Settings) -> BaseInfo:
    """The base model as the settings want it read."""
    model = settings.model
    return as_wished(inspect_base(model.base, model.revision, model.vae), model)


def reader_of(settings: Settings, base: BaseInfo, weighted: bool) -> TextReader:
    """How captions (or, with their weights, prompts) are read for this base."""
    tokenizers = tuple(load_tokenizers(base).values())
    return TextReader(base.spec, tokenizers, settings.model.clip_skip, max(1, settings.data.max_tokens // 75), weighted)


@dataclass
class Trainee:
    """The frozen model with its adapter. text_encoders is empty where their outputs come from the cache."""

    base: BaseInfo
    unet: nn.Module
    text_encoders: dict[str, nn.Module]
    reader: TextReader
    text_cache: TextStore | None
    adapter: Adapter
    alphas_cumprod: Tensor  # (train timesteps,) float32
    scaling_factor: float
    packed: Packed | None = None  # the UNet's convolutions, where they are packed
    checkpointing: bool = False  # are activations computed twice?

    @property
    def models(self) -> dict[str, nn.Module]:
        """Its networks by root: the denoiser, then the text encoders."""
        return {self.base.denoiser: self.unet, **self.text_encoders}

    @property
    def configs(self) -> dict[str, Mapping]:
        """Configurations of the parts that learn, for the names in the file."""
        return {
            root: self.base.config(root) for root in (self.base.denoiser, *self.base.text_encoders) if self.learns(root)
        }

    def learns(self, root: str) -> bool:
        """Does anything learn under this root?"""
        return bool(self.adapter.parameters_of(root))

    def checkpoint(self) -> None:
        """Compute activations twice from now on, and keep fewer of them: gradient checkpointing."""
        self.unet.enable_gradient_checkpointing()
        for root, encoder in self.text_encoders.items():
            if self.learns(root):
                encoder.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
                encoder.train()  # transformers checkpoints in this mode only; CLIP has no dropout
        self.checkpointing = True

    def text_input(self, texts: list[str]) -> Tokens | TextEncoding:
        """Tokens for text encoders at hand, else what the cache has of the texts."""
        if self.text_encoders:
            return self.reader.tokens(texts)
        assert self.text_cache is not None  # without text encoders the cache is there
        return self.text_cache.batch(texts)

    def predict(
        self, noisy: Tensor, timesteps: Tensor, text: Tokens | TextEncoding, sizes: Tensor, masked: Tensor | None = None
    ) -> Tensor:
        """The UNet's output (B, C, h, w) for scaled latents, timesteps and ``text_input``.

        sizes: (B, 6) as ``clip_text.time_ids`` gives them, for families that are told them. masked: (B, C + 1, h, w)
        mask and masked picture, for inpainting models.
        """
        if isinstance(text, Tokens):
            text = self.reader.encode(list(self.text_encoders.values()), text)
        return self.base.spec.functions().predict(self.unet, noisy, timesteps, text, sizes, masked)


def load_trainee(
    settings: Settings, base: BaseInfo, text_cache: TextStore | None, device, dtype, unet: nn.Module | None = None
) -> Trainee:
    """Load and freeze the base, merge adapter.stack into it, attach the adapter.

    The text encoders are loaded only if they learn or if there is no ``text_cache``. unet: the denoiser in that dtype,
    where it is loaded already.
    """
    unet = (unet or load_unet(base, dtype, mapped=True)).to(device)
    encoders = load_text_encoders(base, dtype) if settings.adapter.text_encoder or text_cache is None else {}
    encoders = {root: encoder.to(device) for root, encoder in encoders.items()}
    for path, strength in stack_of(settings.adapter.stack):
        merge_into_modules({base.denoiser: unet, **encoders}, path, strength)
    adapter = attach_adapter(settings, base, {base.denoiser: unet, **encoders})
    for root, encoder in encoders.items():
        if not adapter.parameters_of(root):
            encoder.requires_grad_(False)
    trainee = Trainee(
        base=base,
        unet=unet,
        text_encoders=encoders,
        reader=reader_of(settings, base, settings.data.weighted_captions),
        text_cache=text_cache,
        adapter=adapter,
        alphas_cumprod=load_scheduler(base).alphas_cumprod.float(),
        scaling_factor=base.config("vae").get("scaling_factor", base.spec.latent.scale),
    )
    if settings.train.gradient_checkpointing:
        trainee.checkpoint()
    return trainee


def attach_adapter(settings: Settings, base: BaseInfo, models: dict[str, nn.Module]) -> Adapter:
    """New LoRA layers, or those of adapter.start_from with its weights.

    models: the UNet and, unless nothing is trained or kept there, the text encoders. With adapter.text_encoder off, the
    text-encoder layers of adapter.start_from stay as they are: they act and go into the new file, but don't learn.
    """
    chosen, spec = settings.adapter, base.spec
    if chosen.start_from:
        adapter = load_lora(models, chosen.start_from)
        for name, layer in adapter.layers.items():
            layer.requires_grad_(chosen.text_encoder or name.startswith(f"{base.denoiser}."))
        return adapter
    return inject(
        models if chosen.text_encoder else {base.denoiser: models[base.denoiser]},
        targets=target_patterns(chosen.targets, chosen.text_encoder, spec.targets, spec.text_targets),
        rank=chosen.rank,
        alpha=chosen.alpha,
        rank_pattern=chosen.rank_pattern,
        alpha_pattern=chosen.alpha_pattern,
        seed=settings.train.seed,
        kind=chosen.kind,
        options=KINDS[chosen.kind].told(vars(chosen)),
        rslora=chosen.rslora,
    )


def needs_text_encoders(settings: Settings) -> bool:
    """Must they be there in every step, because a LoRA acts in them?"""
    chosen = settings.adapter
    if chosen.text_encoder or not chosen.start_from:
        return chosen.text_encoder
    return any(name.startswith("text_encoder") for name in read_lora(chosen.start_from).changes)
