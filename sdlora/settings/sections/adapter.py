"""adapter.*: what learns: layers, rank, strength."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field as PydanticField

from sdlora.adapters.table import KINDS, PLAIN
from sdlora.families.table import target_sets
from sdlora.messages import say
from sdlora.settings.setting import OneOf, Section, When, setting

# Beside the number a slider of these values; any other number can be typed.
_HALVES = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


def _one_of(names: Iterable[str]) -> str:
    """The test of ``When`` for a choice out of several."""
    return f"like:^({'|'.join(names)})$"


_CUT = ", ".join(kind.title for kind in KINDS.values() if "factor" in kind.options)
_NEW_LAYERS = When({"adapter.start_from": "unset"}, say("settings.because_start_from"))


# fmt: off
class AdapterSettings(Section):
    """What learns: layers, rank, strength."""

    rank: int = setting(
        16, "Rank of the LoRA: its capacity and its file size.", "basic",
        label="Rank", group="adapter", slider=_HALVES, usual=(1, 256), ge=1, le=1024, when=_NEW_LAYERS,
        into=("strength",)
    )
    alpha: float = setting(
        8.0, "Alpha: the LoRA acts with strength alpha / rank.", "basic",
        label="Alpha", group="adapter", slider=(0.5, *_HALVES), cost=False, gt=0, le=100_000, when=_NEW_LAYERS,
        into=("strength",)
    )
    rslora: bool = setting(
        False, "rsLoRA: strength alpha / √rank, so that high ranks learn as fast as low ones (Kalajdzievski 2023).",
        "expert", label="Strength by √rank (rsLoRA)", group="adapter", cost=False, when=_NEW_LAYERS, into=("strength",)
    )
    targets: Annotated[str, OneOf(target_sets())] = setting(
        "attn-mlp",
        "Which UNet layers learn: all attention, cross-attention, q and v, attention and MLP, or convolutions too.",
        label="Layers", group="adapter", when=_NEW_LAYERS
    )
    text_encoder: bool = setting(
        True, "Train the text encoder's projections as well (SDXL: both encoders').",
        label="Train the text encoder", group="adapter"
    )
    kind: Annotated[str, OneOf(KINDS)] = setting(
        PLAIN.name, "What learns: a LoRA, which every tool reads, or another kind of adapter.", "expert",
        label="Kind of adapter", group="adapter", when=_NEW_LAYERS
    )
    factor: int = setting(
        -1, f"Of {_CUT}: into how many blocks a side a weight is cut; fewer make a larger file; -1: the most even cut.",
        "expert",
        label="Blocks a side (factor)", group="adapter", ge=-1, le=1024,
        when=When({"adapter.kind": _one_of(n for n, k in KINDS.items() if "factor" in k.options)},
                  say("settings.because_kind_without_factor"))
    )
    start_from: str = setting(
        "", "LoRA file to go on from; it keeps its layers and ranks.", "expert",
        label="Go on from a LoRA", group="adapter", wide=True, path="file"
    )
    stack: list[str] = setting(
        list, "LoRA files merged into the base model before training, each as FILE or FILE=STRENGTH.", "expert",
        label="LoRAs in the base model", group="adapter", hint="/home/me/loras/style.safetensors=0.7", path="file",
        cost=False
    )
    rank_pattern: dict[str, Annotated[int, PydanticField(ge=1, le=1024)]] = setting(
        dict, 'Other ranks by module name pattern, such as {"*.mid_block.*" = 4}.', "expert",
        label="Ranks by layer", group="adapter", hint="*.mid_block.*=4",
        page_help="Other ranks by module name pattern.", when=_NEW_LAYERS,
        into=("strength",)
    )
    alpha_pattern: dict[str, Annotated[float, PydanticField(gt=0, le=100_000)]] = setting(
        dict, "Other alphas by module name pattern.", "expert",
        label="Alphas by layer", group="adapter", hint="*.mid_block.*=2", cost=False, when=_NEW_LAYERS,
        into=("strength",)
    )
    lr_pattern: dict[str, Annotated[float, PydanticField(gt=0, le=10)]] = setting(
        dict, "Other learning rates by module name pattern.", "expert",
        label="Learning rates by layer", group="adapter", hint="*.mid_block.*=5e-5", cost=False
    )
