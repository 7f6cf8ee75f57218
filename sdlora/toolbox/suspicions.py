"""What is odd about a LoRA file that can be used: mixed spellings, strengths, numbers, shapes, differences."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from sdlora.families.table import FAMILIES, is_denoiser
from sdlora.lorafiles.changes import by_output
from sdlora.lorafiles.read import LoraFile
from sdlora.lorafiles.readers.cards import is_number
from sdlora.lorafiles.stream import TensorFile
from sdlora.messages import say

TINY, LARGE = 6e-8, 6e4  # what fp16 holds


def by_root(lora: LoraFile) -> dict[str, list[str]]:
    """Names of the changes, by the network that they are in."""
    roots: dict[str, list[str]] = {}
    for name in lora.changes:
        roots.setdefault(name.partition(".")[0], []).append(name)
    return roots


def suspicions(file: TensorFile, lora: LoraFile, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Remarks on a LoRA by itself. shapes: of the base's weights, by name."""
    return [*_about_names(lora), *_about_strength(file, lora), *_about_numbers(lora), *_about_shapes(lora, shapes)]


def _about_names(lora: LoraFile) -> list[str]:
    remarks: list[str] = []
    spellings = set(lora.layout.spelling.values())
    unet = {s for name, s in lora.layout.spelling.items() if is_denoiser(name.partition(".")[0])}
    if len(unet) > 1 or (spellings - {"kohya", "kohya-original"} and spellings & {"kohya", "kohya-original"}):
        remarks.append(say("inspection.spellings_mixed", spellings=", ".join(sorted(spellings))))
    elif spellings & {"peft", "processor"}:
        remarks.append(say("inspection.diffusers_keys"))
    prefixes = {key.split("_text_model")[0] for keys in lora.layout.keys.values() for key in keys.values()}
    if "lora_te1_" not in FAMILIES[lora.family].prefixes.values() and "lora_te1" in prefixes:
        remarks.append(say("inspection.te1_keys"))
    for root, names in by_root(lora).items():
        if not is_denoiser(root):
            remarks += _about_text(root, names)
    return remarks


def _about_text(root: str, names: list[str]) -> list[str]:
    parts = Counter(name.rpartition("layers.")[2].partition(".")[0] for name in names)
    if any(count != 6 for count in parts.values()):
        return [say("inspection.text_layers_partial", part=root)]
    return []


def _about_strength(file: TensorFile, lora: LoraFile) -> list[str]:
    remarks: list[str] = []
    alphas: dict[str, set[float]] = {}
    without = []
    for name, change in lora.changes.items():
        if not change.rank:
            continue
        alphas.setdefault(name.partition(".")[0], set()).add(round(change.scale * change.rank, 5))
        if "alpha" not in lora.layout.keys[name] and lora.layout.spelling[name].startswith("kohya"):
            without.append(name)
    if without:
        remarks.append(say("inspection.alpha_missing", count=len(without)))
    for root, values in alphas.items():
        if len(values) > 1:
            remarks.append(say("inspection.alphas_differ", part=root, count=len(values)))
    if any(change.scale == 0 for change in lora.changes.values()):
        remarks.append(say("inspection.alpha_0"))
    stated = file.metadata.get("ss_network_alpha", "")
    values = {value for numbers in alphas.values() for value in numbers}
    if len(values) == 1 and is_number(stated) and not math.isclose(float(stated), next(iter(values)), rel_tol=1e-3):
        remarks.append(say("inspection.alpha_contradicted", alpha=f"{next(iter(values)):g}", other=stated))
    return remarks


def _about_numbers(lora: LoraFile) -> list[str]:
    remarks: list[str] = []
    ranks_of_one, wild = [], []
    for name, change in lora.changes.items():
        if change.rank == 1:
            ranks_of_one.append(name)
        largest = [float(t.float().abs().max()) for t in change.parts.values()]
        if any(value > LARGE for value in largest) or any(0 < value < TINY for value in largest):
            wild.append(name)
    if ranks_of_one:
        remarks.append(say("inspection.rank_1", count=len(ranks_of_one)))
    if wild:
        remarks.append(say("inspection.outside_fp16", name=wild[0], count=len(wild)))
    magnitudes = [change.magnitudes for change in lora.changes.values() if change.magnitudes is not None]
    if any(by_output(m) for m in magnitudes):
        remarks.append(say("inspection.dora_by_output"))
    elif magnitudes:
        remarks.append(say("inspection.dora_ignored"))
    return remarks


def _about_shapes(lora: LoraFile, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Swapped factors of a square layer are (rank, rank) with an inner width of the layer; others don't fit at all.

    shapes: of the base's weights. A rank above the layer's width alone is odd, and no fault.
    """
    swapped = []
    for name, change in lora.changes.items():
        rows, *columns = shapes.get(name, (0,))
        weight = (rows, math.prod(columns))
        if change.is_plain and change.size() != weight == (change.rank, change.rank):
            swapped.append(name)
    if not swapped:
        return []
    return [say("inspection.factors_swapped", name=swapped[0], count=len(swapped))]


def suspicions_against(comparison: Mapping[str, Any], name: str) -> list[str]:
    """Remarks on what ``inspect.compare`` found against the file of that name."""
    warnings: list[str] = []
    strength = comparison["strength"]
    if not math.isnan(strength) and abs(strength - 1) > 0.01:
        hint = say("inspection.hint_alpha") if comparison["difference"] > 0.01 else ""
        warnings.append(say("inspection.strength_differs", times=f"{strength:.3g}", file=name, hint=hint))
    if comparison["odd"]:
        warnings.append(
            say("inspection.layers_differ", count=len(comparison["odd"]), file=name, name=comparison["odd"][0])
        )
    if comparison["missing"]:
        warnings.append(
            say("inspection.layers_missing", count=len(comparison["missing"]), file=name, name=comparison["missing"][0])
        )
    if comparison["extra"]:
        warnings.append(
            say("inspection.layers_extra", count=len(comparison["extra"]), file=name, name=comparison["extra"][0])
        )
    return warnings
