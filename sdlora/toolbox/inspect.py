"""What a LoRA file is: family, layers, ranks, spectrum, metadata, hashes, which tools load it, what is suspicious."""

import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sdlora.errors import UserError
from sdlora.families.registry import FAMILIES
from sdlora.lorafiles import algebra
from sdlora.lorafiles.beside import words_for
from sdlora.lorafiles.changes import by_output
from sdlora.lorafiles.numbered import RANK
from sdlora.lorafiles.read import LoraFile, look, read_lora
from sdlora.lorafiles.readers.cards import is_number, metadata_faults
from sdlora.lorafiles.readers.tools import tool_table
from sdlora.lorafiles.stream import TensorFile, shown_bytes
from sdlora.lorafiles.topology import topology
from sdlora.toolbox.files import file_hashes

_LONG = ("ssmd_cover_images", "modelspec.thumbnail", "sdlora_settings", "ss_tag_frequency", "ss_bucket_info")
_TINY, _LARGE = 6e-8, 6e4  # what fp16 holds


@dataclass
class Report:
    """Everything that ``inspect`` knows; plain values, ready for JSON.

    roots: "unet", "text_encoder", … -> {"layers", "ranks", "alphas", "norm", "effective_rank", "rank_90", "rank_99"}:
        ranks and alphas as value -> number of layers; norm: Frobenius, of all changes at strength 1; the last three are
        medians over layers: exp of the spectrum's entropy, and the ranks that keep 90 % and 99 % of the energy.
    hashes: sha256, autov2, autov3 (as computed) and what the file says. tools: tool -> what it does with the file, on
    ``base``, "" for the family's published one.
    problems: why it can't be used; misread: what programs make wrongly of its metadata; warnings: what else may go
    wrong. Sentences.
    """

    file: str
    size: int
    family: str = ""
    base: str = ""
    kinds: dict[str, int] = field(default_factory=dict)
    spellings: dict[str, int] = field(default_factory=dict)
    dtypes: dict[str, int] = field(default_factory=dict)
    roots: dict[str, dict[str, Any]] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    against: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    misread: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    @property
    def is_sound(self) -> bool:
        """Can it be used, and does every program load all of it as it is meant, and show it where it belongs?"""
        return not self.problems and not self.misread and all(text == "loads all" for text in self.tools.values())


def inspect_lora(
    lora: Path | str,
    *,
    against: Path | str | None = None,
    base: Path | str | None = None,
    leave_out: bool = False,
) -> Report:
    """Look at a LoRA file of any layout, broken ones too.

    against: another LoRA to compare with, such as the file before a conversion: strength (1: the same, 0.5: alpha
    applied twice, …) and relative difference. base: the model to hold the tools' rules against, the family's published
    one by default. leave_out: pass over foreign keys of both files. Raises UserError only for no safetensors.
    """
    file = TensorFile(lora)
    seen = look(lora)
    found = seen.lora
    report = Report(file.path.name, file.size, metadata=dict(file.metadata))
    report.dtypes = dict(Counter(entry.dtype for entry in file.entries.values()))
    report.problems = [str(problem) for problem in (*seen.faults, *([] if leave_out else seen.foreign))]
    report.warnings = [str(problem) for problem in seen.beside]
    report.hashes = _hashes(file, report.warnings)
    if found is None:
        return report
    report.family = found.family
    report.base = Path(base).name if base else ""
    report.kinds = dict(Counter(found.kind_shown(name) for name in found.changes)) | words_for(found.layout.beside)
    report.spellings = dict(Counter(found.layout.spelling.values()))
    report.roots = {root: _root(found, names) for root, names in _by_root(found).items()}
    configs = _configs(base)
    report.tools = _tools(file, found, configs)
    report.misread = metadata_faults(file.metadata, found.family, file.data_start)
    report.warnings += _suspicions(file, found, topology(found.family, configs).shapes)
    if against:
        report.against = compare(found, read_lora(against, leave_out=leave_out))
        report.warnings += _suspicions_against(report.against, Path(against).name)
    return report


def compare(ours: LoraFile, other: LoraFile) -> dict[str, Any]:
    """{"strength", "difference", "odd", "missing", "extra"}: median factor by which ``ours`` is stronger than
    ``other``, the relative Frobenius norm of their difference, layers whose own factor is more than 5 % off the
    median, layers that only one of them has."""
    shared = [name for name in other.changes if name in ours.changes]
    ratios, difference, whole = {}, 0.0, 0.0
    for name in shared:
        if ours.changes[name].size() != other.changes[name].size():
            raise UserError(f"{ours.path.name} and {other.path.name} are for different base models ({name}).")
        a, b = ours.changes[name].matrix().double(), other.changes[name].matrix().double()
        square = float((b * b).sum())
        if square:
            ratios[name] = float((a * b).sum()) / square
        difference += float(((a - b) ** 2).sum())
        whole += square
    middle = statistics.median(ratios.values()) if ratios else math.nan
    return {
        "strength": middle,
        "difference": math.sqrt(difference / whole) if whole else math.nan,
        "odd": [name for name, ratio in ratios.items() if abs(ratio - middle) > 0.05 * abs(middle)],
        "missing": [name for name in other.changes if name not in ours.changes],
        "extra": [name for name in ours.changes if name not in other.changes],
    }


# ---- parts of the report


def _by_root(lora: LoraFile) -> dict[str, list[str]]:
    roots: dict[str, list[str]] = {}
    for name in lora.changes:
        roots.setdefault(name.partition(".")[0], []).append(name)
    return roots


def _root(lora: LoraFile, names: list[str]) -> dict[str, Any]:
    ranks: Counter = Counter()
    alphas: Counter = Counter()
    spectra, square = [], 0.0
    for name in names:
        change = lora.changes[name]
        ranks[change.rank] += 1
        alphas[f"{change.scale * change.rank:g}" if change.rank else "1"] += 1
        if name in lora.modules:
            s = algebra.spectrum(*lora.modules[name])
        else:
            s = algebra.decompose_matrix(change.matrix()).s  # DoRA: without its magnitude, which needs the base
        square += float((s**2).sum())
        if s.sum() > 0:
            spectra.append(s)
    return {
        "layers": len(names),
        "ranks": {str(rank): count for rank, count in sorted(ranks.items())},
        "alphas": dict(alphas.most_common()),
        "norm": math.sqrt(square),
        "effective_rank": _median(algebra.effective_rank(s) for s in spectra),
        "rank_90": _median(algebra.choose_rank(s, energy=0.9) for s in spectra),
        "rank_99": _median(algebra.choose_rank(s, energy=0.99) for s in spectra),
    }


def _median(values: Any) -> float:
    values = list(values)
    return float(statistics.median(values)) if values else 0.0


def _hashes(file: TensorFile, warnings: list[str]) -> dict[str, str]:
    found = file_hashes(file)
    stored = file.metadata.get("sshs_model_hash", "")
    if stored and stored != found.model:
        warnings.append(
            "The sshs_model_hash in the metadata is stale: pictures on Civitai would not link to this file. "
            "`sdlora rename` computes it again."
        )
    return {
        "sha256": found.sha256,
        "autov2": found.autov2,
        "autov3": found.model,
        "sshs_model_hash": stored,
        "sshs_legacy_hash": file.metadata.get("sshs_legacy_hash", ""),
        "legacy": found.legacy,
    }


def _configs(base: Path | str | None) -> dict[str, Any] | None:
    if not base:
        return None
    from sdlora.families.base import inspect_base

    info = inspect_base(str(base))
    return {root: info.config(root) for root in (info.denoiser, *info.text_encoders)}


def _tools(file: TensorFile, lora: LoraFile, configs: dict[str, Any] | None) -> dict[str, str]:
    table = tool_table(file.path, lora.family, configs)
    return {tool: " ".join([f"loads {verdict.loads}", *verdict.sentences]) for tool, verdict in table.items()}


# ---- suspicions


def _suspicions(file: TensorFile, lora: LoraFile, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    return [*_about_names(lora), *_about_strength(file, lora), *_about_numbers(lora), *_about_shapes(lora, shapes)]


def _about_names(lora: LoraFile) -> list[str]:
    found = []
    spellings = set(lora.layout.spelling.values())
    unet = {s for name, s in lora.layout.spelling.items() if name.startswith("unet.")}
    if len(unet) > 1 or (spellings - {"kohya", "kohya-original"} and spellings & {"kohya", "kohya-original"}):
        found.append(f"It mixes spellings of layers ({', '.join(sorted(spellings))}): tools read only one of them.")
    elif spellings & {"peft", "processor"}:
        found.append("Its keys are diffusers' own, of which other programs load a part or nothing (see above).")
        found[-1] += " `sdlora convert` mends that."
    prefixes = {key.split("_text_model")[0] for keys in lora.layout.keys.values() for key in keys.values()}
    if "lora_te1_" not in FAMILIES[lora.family].prefixes.values() and "lora_te1" in prefixes:
        found.append("It has lora_te1_ keys for one text encoder: kohya's tools and InvokeAI drop them.")
    for root, names in _by_root(lora).items():
        if root != "unet":
            found += _about_text(root, names)
    return found


def _about_text(root: str, names: list[str]) -> list[str]:
    parts = Counter(name.rpartition("layers.")[2].partition(".")[0] for name in names)
    if any(count != 6 for count in parts.values()):
        return [f"Its {root} has layers with only some of their six parts: A1111 and diffusers do not load those."]
    return []


def _about_strength(file: TensorFile, lora: LoraFile) -> list[str]:
    found = []
    alphas: dict[str, set[float]] = {}
    without = []
    for name, change in lora.changes.items():
        if not change.rank:
            continue
        alphas.setdefault(name.partition(".")[0], set()).add(round(change.scale * change.rank, 5))
        if "alpha" not in lora.layout.keys[name] and lora.layout.spelling[name].startswith("kohya"):
            without.append(name)
    if without:
        found.append(f"{len(without)} layers have no alpha: the strength is then 1, which may not be what was trained.")
    for root, values in alphas.items():
        if len(values) > 1:
            found.append(f"Its {root} has {len(values)} values of alpha: diffusers takes one of them for all layers.")
    if any(change.scale == 0 for change in lora.changes.values()):
        found.append("Some layers have alpha 0: most tools take that for no effect, kohya's for alpha = rank.")
    told = file.metadata.get("ss_network_alpha", "")
    values = {value for own in alphas.values() for value in own}
    if len(values) == 1 and is_number(told) and not math.isclose(float(told), next(iter(values)), rel_tol=1e-3):
        found.append(f"Its alpha is {next(iter(values)):g}, its metadata says {told}: the strength may be wrong.")
    return found


def _about_numbers(lora: LoraFile) -> list[str]:
    found, ranks_of_one, wild = [], [], []
    for name, change in lora.changes.items():
        if change.rank == 1:
            ranks_of_one.append(name)
        largest = [float(t.float().abs().max()) for t in change.parts.values()]
        if any(value > _LARGE for value in largest) or any(0 < value < _TINY for value in largest):
            wild.append(name)
    if ranks_of_one:
        found.append(f"{len(ranks_of_one)} layers have rank 1, which stable-diffusion.cpp scales wrongly.")
    if wild:
        found.append(f"{wild[0]} has numbers outside fp16, in which A1111 computes ({len(wild)} layers).")
    magnitudes = [change.magnitudes for change in lora.changes.values() if change.magnitudes is not None]
    if any(by_output(m) for m in magnitudes):
        found.append(
            "It is a DoRA with one magnitude per output: A1111 and InvokeAI make garbage of it, without a word."
        )
    elif magnitudes:
        found.append("It is a DoRA: kohya's tools, diffusers and stable-diffusion.cpp ignore the magnitudes.")
    return found


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
    return [f"{swapped[0]} has an inner width of the layer's own: down and up are swapped ({len(swapped)} layers)."]


def _suspicions_against(found: Mapping[str, Any], name: str) -> list[str]:
    warnings = []
    strength = found["strength"]
    if not math.isnan(strength) and abs(strength - 1) > 0.01:
        hint = ": alpha may be applied twice or lost" if found["difference"] > 0.01 else ""
        warnings.append(f"It has {strength:.3g} times the strength of {name}{hint}.")
    if found["odd"]:
        warnings.append(f"{len(found['odd'])} layers differ from {name} by another factor ({found['odd'][0]}).")
    if found["missing"]:
        warnings.append(f"{len(found['missing'])} layers of {name} are missing ({found['missing'][0]}).")
    if found["extra"]:
        warnings.append(f"{len(found['extra'])} layers are not in {name} ({found['extra'][0]}).")
    return warnings


# ---- for people


def report_text(report: Report) -> str:
    """The report as lines."""
    lines = [f"{report.file}: {shown_bytes(report.size)}, {report.family or 'no known family'}"]
    lines.append(
        f"  {_counts(report.kinds) or 'no layers'}; spelled {_counts(report.spellings)}; {_counts(report.dtypes)}"
    )
    for root, own in report.roots.items():
        ranks = ", ".join(f"{rank} ({count})" for rank, count in own["ranks"].items())
        lines.append(
            f"  {root}: {own['layers']} layers; rank (layers) {ranks}; alpha {', '.join(list(own['alphas'])[:4])}; "
            f"norm {own['norm']:.4g}"
        )
        lines.append(
            f"    spectrum, median layer: effective rank {own['effective_rank']:.1f}, "
            f"90 % of the energy in rank {own['rank_90']:g}, 99 % in {own['rank_99']:g}"
        )
    lines += [f"  {key}: {value}" for key, value in report.hashes.items() if value]
    if report.tools:
        lines.append(f"  On {report.base or f'a published {report.family} model'}:")
    lines += [f"    {tool}: {what}" for tool, what in report.tools.items()]
    numbers = [key for key in report.metadata if RANK.fullmatch(key)]  # the first trainer's: one for each layer
    lines += [f"  {key} = {_short(key, report.metadata[key])}" for key in sorted(report.metadata.keys() - set(numbers))]
    lines += [f"  {numbers[0]} and {len(numbers) - 1} more such keys"] if numbers else []
    if report.against:
        lines.append(
            f"  against: strength {report.against['strength']:.4g}, difference {report.against['difference']:.2e}"
        )
    lines += [f"Warning: {text}" for text in (*report.misread, *report.warnings)]
    lines += [f"Problem: {text}" for text in report.problems]
    return "\n".join(_printable(line) for line in lines)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


def _short(key: str, value: str) -> str:
    if key in _LONG and len(value) > 60:
        return f"({len(value)} characters)"
    return value if len(value) <= 160 else f"{value[:160]}… ({len(value)} characters)"


def _printable(text: str) -> str:
    """Metadata is anybody's: no control characters reach the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
