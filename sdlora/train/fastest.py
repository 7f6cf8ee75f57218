"""In which precision a CPU trains fastest, and whether packed convolutions pay: measured on layers like the base's.

A processor with bf16 units (AVX512-BF16, AMX) trains several times faster in bf16, one without up to three times
slower, and what PyTorch makes of either differs by its version: so it is tried, for a second or two. What is tried is a
piece of a training step: of every width in the denoiser one residual block and one transformer block, forward and
backward, with the sizes that the run's images have there. Their weights are made up: time does not depend on them.
"""

import copy
import platform
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import psutil
import torch
from accelerate import init_empty_weights
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from sdlora.adapters.packed import FAILURES, Packed
from sdlora.families.base import BaseInfo
from sdlora.families.shared.copies import parameters_of_denoiser
from sdlora.runs.arithmetic import Arithmetic, way_of

LEAST = 50_000_000  # parameters; a step of a smaller denoiser is short anyway, and keeps one and the same arithmetic
MARGIN = 0.9  # of the time of fp32, or of unpacked weights: what wins by less may have won by chance
WORTH = 2.0  # packing must win back so many times what it costs, over the run
SIDE, BATCH = 32, 4  # at most: latents of the images and images that are tried with
ROUNDS = 3
SPARE = 1_500_000_000  # bytes of memory to leave free
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
TEXT = 77  # tokens
Piece = Callable[[], None]


class Figures(NamedTuple):
    """Seconds of a piece of a step by way, and of laying its weights out by precision. earlier: not of this run."""

    seconds: dict[str, float]
    laying: dict[str, float]
    earlier: bool = False


Measure = Callable[[BaseInfo, tuple[str, ...], int, int], Figures]


def fastest(
    base: BaseInfo, wanted: str, pixels: int, batch: int, steps: int, measure: Measure | None = None
) -> Arithmetic:
    """How to train on this CPU.

    wanted: "auto", or a precision that is kept whatever it takes. pixels: side of the images. steps: of the run, over
    which packing has to pay. measure: stands in for ``measured``, such as what remembers its answers.
    """
    plain = Arithmetic("fp32" if wanted == "auto" else wanted)
    if wanted not in ("auto", *DTYPES) or parameters_of_denoiser(base) < LEAST:
        return plain
    precisions = tuple(DTYPES) if wanted == "auto" else (wanted,)
    side, batch = max(2, min(pixels // base.factor, SIDE)), min(batch, BATCH)
    figures = (measure or measured)(base, precisions, side, batch)
    if not figures.seconds:
        return plain
    free = psutil.virtual_memory().available - SPARE
    chosen = choose(figures.seconds, figures.laying, steps, lambda precision: has_room(base, precision, free))
    return replace(chosen, earlier=figures.earlier)


def choose(
    seconds: Mapping[str, float], laying: Mapping[str, float], steps: int, room: Callable[[str], bool]
) -> Arithmetic:
    """The fastest of the ways measured, by a margin, where fp32 and unpacked weights win a draw.

    laying: seconds that laying the weights out takes, by precision. room: is there memory for packed copies in it?
    """
    best: dict[str, tuple[float, bool]] = {}
    for precision in (p for p in DTYPES if p in seconds):
        plain, packed = seconds[precision], seconds.get(way_of(precision, True), float("inf"))
        pays = packed < MARGIN * plain and (plain - packed) * steps > WORTH * laying.get(precision, 0.0)
        packs = pays and room(precision)
        best[precision] = (packed if packs else plain, packs)
    first, *others = best
    chosen = min(others, key=lambda p: best[p][0], default=first)
    if best[chosen][0] > MARGIN * best[first][0]:
        chosen = first
    return Arithmetic(chosen, best[chosen][1], dict(seconds), processor(), torch.get_num_threads())


def measured(base: BaseInfo, precisions: tuple[str, ...], side: int, batch: int) -> Figures:
    """What a piece of a step takes, each way: the least of some times.

    All is empty where the denoiser has no such blocks. A way that PyTorch refuses is left out.
    """
    with init_empty_weights():
        network = base.spec.functions().network(base.spec.part(base.denoiser), base.config(base.denoiser))
    blocks = _blocks(network)
    ways: dict[str, Piece] = {}
    laying: dict[str, float] = {}
    for precision in precisions if blocks else ():
        filled = [_filled(block, DTYPES[precision]) for block, _ in blocks]
        again = [_same(block, copy) for (block, _), copy in zip(blocks, filled, strict=True)]
        sides = [max(2, side >> level) for _, level in blocks]
        with suppress(*FAILURES):  # this PyTorch can't do it on this processor
            ways[precision] = _piece(filled, sides, batch, precision)
            began = time.perf_counter()
            packed = Packed(nn.ModuleList(again))
            piece = _piece(again, sides, batch, precision)  # calls it once, which packs
            if packed.convolutions and not packed.notes:
                ways[way_of(precision, True)], laying[precision] = piece, time.perf_counter() - began
    took: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):  # in turn: a machine's speed drifts
        for way, piece in ways.items():
            began = time.perf_counter()
            piece()
            took[way].append(time.perf_counter() - began)
    return Figures({way: min(seconds) for way, seconds in took.items()}, laying)


def has_room(base: BaseInfo, precision: str, free: float) -> bool:
    """Do the base's denoiser and two copies of its convolutions fit into so many bytes?"""
    whole, convolutions = parameters_of_denoiser(base), 0
    for shape in base.shapes(base.denoiser).values():
        if len(shape) == 4:
            convolutions += _count(shape)
    return (whole + 2 * convolutions) * DTYPES[precision].itemsize <= free


def processor() -> str:
    """The processor's name, as well as the system tells it."""
    try:
        told = re.search(r"^model.name\s*:(.+)$", Path("/proc/cpuinfo").read_text(errors="replace"), re.M)
    except OSError:
        told = None
    return (told[1].strip() if told else platform.processor()) or platform.machine()


def _blocks(network: nn.Module) -> list[tuple[nn.Module, int]]:
    """(block, level) for one residual and one transformer block of each width; level: halvings of the side."""
    found: dict[tuple[type, int], tuple[nn.Module, int]] = {}
    for name, module in network.named_modules():
        place = re.match(r"down_blocks\.(\d+)\.", name)
        if place and type(module) in (ResnetBlock2D, BasicTransformerBlock):
            found[type(module), _width(module)] = module, int(place[1])
    return list(found.values())


def _width(block: nn.Module) -> int:
    """Channels of its output."""
    return block.out_channels if isinstance(block, ResnetBlock2D) else block.norm1.normalized_shape[0]


def _filled(block: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of a block without memory that has some, and numbers in it."""
    filled = copy.deepcopy(block).to(dtype).to_empty(device="cpu").requires_grad_(False).eval()
    for parameter in filled.parameters():
        parameter.fill_(0.01)
    return filled


def _same(block: nn.Module, filled: nn.Module) -> nn.Module:
    """Another copy, with the very weights of the first."""
    other = copy.deepcopy(block)
    other.load_state_dict(filled.state_dict(), assign=True)
    return other.requires_grad_(False).eval()


def _piece(blocks: list[nn.Module], sides: list[int], batch: int, precision: str) -> Piece:
    """A function that goes through the blocks and back; called once here, for a first call does more than a step."""
    calls = [_call(block, side, batch) for block, side in zip(blocks, sides, strict=True)]

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            for block, x, others in calls:
                y = block(x, **others)
                y.backward(torch.ones_like(y))

    run()
    return run


def _call(block: nn.Module, side: int, batch: int) -> tuple[nn.Module, Tensor, dict[str, Tensor]]:
    """(block, its input, its other arguments)."""
    if isinstance(block, ResnetBlock2D):
        x = torch.full((batch, block.in_channels, side, side), 0.01)
        others = {"temb": torch.full((batch, block.time_emb_proj.in_features), 0.01)}
    else:
        x = torch.full((batch, side * side, _width(block)), 0.01)
        others = {"encoder_hidden_states": torch.full((batch, TEXT, block.attn2.to_k.in_features), 0.01)}
    dtype = next(block.parameters()).dtype
    return block, x.to(dtype).requires_grad_(), {name: other.to(dtype) for name, other in others.items()}


def _count(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())
