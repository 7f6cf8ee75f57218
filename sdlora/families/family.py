"""What a model family is: one frozen bundle of data and functions per family. No torch.

A family is a folder here with a ``spec.py`` (its ``Family``, without torch) and, where its networks are run in a way of
their own, a ``model.py``; and one line in ``table.py``. Everything else asks the entry.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any, Literal

from sdlora.families.shared.unet_paths import unet_paths

Configs = Mapping[str, Any]  # root -> configuration of its network, object or mapping
READERS = ("A1111", "Forge", "ComfyUI", "kohya", "InvokeAI", "stable-diffusion.cpp", "diffusers")


@dataclass(frozen=True)
class Part:
    """One network of a base model.

    root: its folder in a diffusers model, and the first word of its layers' names. title: what to call it.
    prefixes: what its tensors' names begin with in one file of the original layout.
    kohya: what kohya's names of its layers begin with; empty for a part that LoRA files have no names for.
    open_clip: a text encoder of OpenCLIP's kind (GELU, padded with token 0, its own names in one file); else CLIP's.
    projected: a text encoder with a projection, whose pooled output the denoiser takes beside the hidden states.
    layers: the most layers of a text encoder that are run, and that tools have names for.
    """

    root: str
    role: Literal["denoiser", "vae", "text"]
    title: str
    prefixes: tuple[str, ...] = ()
    kohya: str = ""
    open_clip: bool = False
    projected: bool = False
    layers: int = 32

    @property
    def stem(self) -> str:
        """What the files of its weights begin with in a diffusers folder."""
        return "model" if self.role == "text" else "diffusion_pytorch_model"

    @property
    def tokenizer(self) -> str:
        """The tokenizer's folder beside a text encoder's: "tokenizer", "tokenizer_2"."""
        return self.root.replace("text_encoder", "tokenizer")


@dataclass(frozen=True)
class Latent:
    """The latent space of the VAE.

    channels: of a latent. factor: pixels per latent, each way. scale: the denoiser sees the raw latents times it, about
    of variance 1; a folder's own ``scaling_factor`` has precedence.
    """

    channels: int
    factor: int
    scale: float


@dataclass(frozen=True)
class Labels:
    """What a LoRA file says of its base model, as kohya's tools write it.

    version: ``ss_base_model_version``; architecture: ``modelspec.architecture``; versions, architectures: prediction ->
    another value for bases of that prediction. v2: ``ss_v2``. implementation: whose code the file's names follow.
    sidecar: A1111's "sd version". hub: tags of its LoRAs on the hub; civitai: Civitai's name of the base; licence: of
    its published models, as the hub calls it.
    """

    version: str
    architecture: str
    sidecar: str
    versions: Mapping[str, str] = field(default_factory=dict)
    architectures: Mapping[str, str] = field(default_factory=dict)
    v2: bool = False
    implementation: str = "diffusers"
    hub: tuple[str, ...] = ("stable-diffusion", "stable-diffusion-diffusers")
    civitai: str = "Other"
    licence: str = ""

    def version_for(self, prediction: str) -> str:
        """kohya's ``ss_base_model_version`` for bases of a prediction."""
        return self.versions.get(prediction, self.version)

    def architecture_for(self, prediction: str) -> str:
        """``modelspec.architecture`` for bases of a prediction."""
        return self.architectures.get(prediction, self.architecture)


@dataclass(frozen=True, eq=False)
class Family:
    """One kind of base model.

    name: as files and settings have it. title: of all its models ("SD 1.x"); short: without the rest ("SD 1");
    preset: what the names of its presets begin with, empty without presets.
    signs: clue -> what speaks for this family (``table.tell``). Text fits if it begins so, all else if it is equal:
        "pipeline" (class in model_index.json), "conditions" (``addition_embed_type`` of its UNet), "text_encoders"
        (how many), "text_width" (channels of the text that the denoiser attends to), "depth" ("deep": transformers of
        several blocks), "version", "ss_v2", "architecture" (a LoRA file's metadata), "blocks" (whose block names, where
        only outer blocks lack attention), "encoder_width" (of the first text encoder), "projections" ("linear" or
        "convolutions" at a transformer's ends).
    parts: denoiser, VAE, text encoders in order.
    resolution: side in pixels that it was trained at; resolutions: prediction -> another side for models of that.
    published: root -> configuration of the published models, as far as it differs from diffusers' defaults.
    original_blocks: LoRA files name the denoiser's blocks as the original code does.
    targets: adapter.targets -> patterns (fnmatch) of the denoiser's layers that learn; text_targets: of the text
        encoders', where those learn too.
    names: configurations of the parts -> canonical name -> kohya's name, of every layer that files can hold.
    paths: configuration of the denoiser -> (path in the network, path in one file of the original layout) of every
        layer that can learn.
    labels: what LoRA files say. readers: the programs that run it and load its LoRAs.
    model: module with ``network``, ``text_state``, ``predict``, ``pipeline`` and ``lora_loader`` (see
        ``families.sd1.model``), imported when they are first needed.
    clip_skip: may another layer of the text encoder be read than the usual one?
    several_predictions: do its published models predict one thing or another, so that nothing is assumed untold?
    block_lists: how many numbers block-weight lists for it have, with and without the blocks that no LoRA acts in.
    """

    name: str
    title: str
    short: str
    signs: Mapping[str, tuple]
    parts: tuple[Part, ...]
    latent: Latent
    resolution: int
    published: Mapping[str, Mapping[str, Any]]
    targets: Mapping[str, Sequence[str]]
    text_targets: Sequence[str]
    names: Callable[[Configs], dict[str, str]]
    labels: Labels
    model: str
    paths: Callable[[Any], Iterable[tuple[str, str]]] = unet_paths
    resolutions: Mapping[str, int] = field(default_factory=dict)
    original_blocks: bool = False
    readers: tuple[str, ...] = READERS
    clip_skip: bool = True
    several_predictions: bool = False
    block_lists: tuple[int, ...] = ()
    preset: str = ""
    _by_root: dict[str, Part] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_root.update({part.root: part for part in self.parts})

    def part(self, root: str) -> Part:
        """The part of that root; KeyError if the family has none."""
        return self._by_root[root]

    @property
    def denoiser(self) -> Part:
        """The network that learns."""
        return next(part for part in self.parts if part.role == "denoiser")

    @property
    def text_encoders(self) -> tuple[Part, ...]:
        """The text encoders, in order."""
        return tuple(part for part in self.parts if part.role == "text")

    @property
    def pooled(self) -> bool:
        """Does the denoiser take a pooled text beside the hidden states?"""
        return any(part.projected for part in self.parts)

    @property
    def prefixes(self) -> dict[str, str]:
        """root -> kohya's prefix, in the order of a LoRA file."""
        return {part.root: part.kohya for part in self.parts if part.kohya}

    def side(self, prediction: str) -> int:
        """Side in pixels that models of this prediction were trained at."""
        return self.resolutions.get(prediction, self.resolution)

    def shows(self, clue: str, value: object) -> bool:
        """Does this clue speak for this family?"""
        own = self.signs.get(clue, ())
        return any(value.startswith(sign) if type(sign) is type(value) is str else value == sign for sign in own)

    def functions(self) -> ModuleType:
        """Its networks' functions; imports torch."""
        return import_module(self.model)
