"""The model that pictures are drawn with: the one that was trained, in every respect, with LoRAs at any strength."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

from sdlora.adapters.adapter import Adapter
from sdlora.check import stack_of
from sdlora.errors import UserError
from sdlora.families.base import BaseInfo
from sdlora.families.shared import device
from sdlora.families.shared.load import load_text_encoders, load_unet
from sdlora.lorafiles.attach import load_lora, merge_into_modules
from sdlora.messages import say
from sdlora.runs.arithmetic import recorded_arithmetic
from sdlora.runs.checkpoints import WEIGHTS
from sdlora.runs.run import Run, is_folder, safe_name
from sdlora.settings import ModelSettings, Settings, make_settings, parse_toml, without_paths
from sdlora.train.checkpoint import load_weights
from sdlora.train.trainee import attach_adapter, base_of

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass
class Source:
    """A LoRA on disk. checkpoint: its folder is a run's checkpoint, in the trainer's own layout."""

    path: Path
    settings: Settings | None
    checkpoint: bool = False


@dataclass
class Loaded:
    """A base model in memory with the LoRAs that have been attached to it, all silent (scale 0).

    half: the dtype of autocast, as in training; None for float32.
    """

    base: BaseInfo
    modules: dict[str, nn.Module]
    half: torch.dtype | None = None
    adapters: dict[str, Adapter] = field(default_factory=dict)

    @property
    def unet(self) -> nn.Module:
        """The denoiser."""
        return self.modules[self.base.denoiser]

    @property
    def text_encoders(self) -> dict[str, nn.Module]:
        """The text encoders by root, in order."""
        return {root: module for root, module in self.modules.items() if root != self.base.denoiser}

    def autocast(self) -> AbstractContextManager:
        """Mixed precision as the trainer has it around its own test pictures."""
        return torch.autocast(self.unet.device.type, self.half) if self.half else nullcontext()

    def set(self, strengths: Mapping[str, float], sources: Mapping[str, Source]) -> None:
        """Let exactly these LoRAs act, path to strength; attached when first asked for."""
        for path in strengths:
            if path not in self.adapters:
                self.adapters[path] = _attach(sources[path], self.base, self.modules)
        for path, adapter in self.adapters.items():
            adapter.scale = strengths.get(path, 0.0)


def source_of(path: Path) -> Source:
    """The LoRA at ``path``: a file, a run folder or a checkpoint of one, with its settings where they are known.

    UserError for a folder that is neither.
    """
    if is_folder(path) and (path / WEIGHTS).is_file():
        return Source(path, _as_computed(Run(path.parent.parent)), checkpoint=True)
    return Source(*lora_of(path))


def lora_of(path: Path) -> tuple[Path, Settings | None]:
    """The LoRA file and, where known, the settings it was trained with."""
    if not is_folder(path):
        told = _settings_in(path)
        return path, _of_its_run(path, told) or told
    if not (path / "settings.toml").is_file():
        raise UserError(say("runs.not_a_run", path=path), fix=say("pictures.give_lora"))
    files = sorted(path.glob("*.safetensors"), key=lambda p: p.stat().st_mtime)
    if not files:
        raise UserError(say("pictures.no_lora_file", name=path.name), fix=say("pictures.export_first", path=path))
    return files[-1], _as_computed(Run(path))


def _settings_in(path: Path) -> Settings | None:
    """The settings in a LoRA file's metadata; None for files of other trainers or versions."""
    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get("sdlora_settings", "")
        return make_settings(parse_toml(text)) if text else None
    except Exception as error:  # unreadable: the loader names the fault; foreign: nothing to use
        if isinstance(error, (UserError, OSError)) or type(error).__module__.startswith(("safetensors", "tomlkit")):
            return None
        raise


def _of_its_run(path: Path, told: Settings | None) -> Settings | None:
    """The settings of the run folder that a LoRA file lies in, if it is that run's: the file's own have no folders."""
    try:
        own = Run(path.parent).settings()
    except UserError:
        return None
    if told is None:  # a file that tells the minimum
        return own if path.stem.startswith(safe_name(own.run.name)) else None
    same = without_paths(own)
    return _as_computed(Run(path.parent)) if same.model_copy(update={"save": told.save}) == told else None


def _as_computed(run: Run) -> Settings:
    """A run's settings, with the precision that was measured and chosen where they leave it open."""
    settings, kept = run.settings(), recorded_arithmetic(run.folder)
    if kept is None or settings.train.precision != "auto":
        return settings
    return settings.model_copy(update={"train": settings.train.model_copy(update={"precision": kept.precision})})


def load_model(settings: Settings) -> Loaded:
    """The base as it was trained on: its revision, VAE, prediction and schedule, with adapter.stack merged into it.

    On the run's device, or on what there is, in the precision that the run had or would have there.
    """
    base = base_of(settings)
    place = device.choose_device(settings.train.device)
    precision = device.choose_precision(settings.train.precision, place)
    dtype = DTYPES["fp32" if (precision, place) == ("fp16", "cpu") else precision]  # no fp16 arithmetic on a CPU
    modules = {base.denoiser: load_unet(base, dtype), **load_text_encoders(base, dtype)}
    modules = {root: module.to(place) for root, module in modules.items()}
    for path, strength in stack_of(settings.adapter.stack):
        merge_into_modules(modules, path, strength)
    return Loaded(base, modules, None if dtype == torch.float32 else dtype)


def models_of(variants: Iterable[Settings | None], base: str = "", vae: str = "") -> Iterator[tuple[Loaded, list[int]]]:
    """(model, numbers of the variants to draw with it): each model is loaded once, and one at a time.

    base, vae: others than those that were trained with.
    """
    groups: dict[str, tuple[Settings, list[int]]] = {}
    for number, known in enumerate(variants):
        settings = known or Settings()
        if base and base != settings.model.base:
            settings = settings.model_copy(update={"model": ModelSettings(base=base)})
        if vae:
            settings = settings.model_copy(update={"model": settings.model.model_copy(update={"vae": vae})})
        key = f"{settings.model!r} {settings.adapter.stack} {settings.train.device} {settings.train.precision}"
        groups.setdefault(key, (settings, []))[1].append(number)
    for settings, numbers in groups.values():
        yield load_model(settings), numbers


def _attach(source: Source, base: BaseInfo, modules: dict[str, nn.Module]) -> Adapter:
    if not source.checkpoint:
        adapter = load_lora(modules, source.path)
    else:
        assert source.settings  # a checkpoint has its run's settings
        adapter = attach_adapter(source.settings, base, modules)
        load_weights(source.path, adapter)
    adapter.requires_grad_(False)
    return adapter.to(modules[base.denoiser].device)
