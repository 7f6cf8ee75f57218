"""What a LoRA file is: family, layers, ranks, spectrum, metadata, hashes, which tools load it, what is suspicious."""

import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdlora.errors import UserError
from sdlora.lorafiles import algebra
from sdlora.lorafiles.beside import kinds_of
from sdlora.lorafiles.numbered import RANK
from sdlora.lorafiles.read import LoraFile, look, read_lora
from sdlora.lorafiles.readers.cards import metadata_faults
from sdlora.lorafiles.readers.tools import tool_table
from sdlora.lorafiles.stream import TensorFile, shown_bytes
from sdlora.lorafiles.topology import topology
from sdlora.messages import parts_of, say, sentences
from sdlora.toolbox.files import file_hashes
from sdlora.toolbox.suspicions import by_root, suspicions, suspicions_against

_LONG = ("ssmd_cover_images", "modelspec.thumbnail", "sdlora_settings", "ss_tag_frequency", "ss_bucket_info")

LOADS = {  # by Verdict.loads
    "all": say("inspection.loads_all"),
    "part": say("inspection.loads_part"),
    "none": say("inspection.loads_none"),
    "wrong": say("inspection.loads_wrong"),
}


@dataclass
class Report:
    """Everything that ``inspect`` knows; plain values, ready for JSON.

    roots: "unet", "text_encoder", … -> {"layers", "ranks", "alphas", "norm", "effective_rank", "rank_90", "rank_99",
        "spectrum"}: ranks and alphas as value -> number of layers; norm: Frobenius, of all changes at strength 1; the
        next three are medians over layers: exp of the spectrum's entropy, and the ranks that keep 90 % and 99 % of the
        energy; spectrum: the share of the energy by singular value, the mean over layers.
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
        """The report as JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    @property
    def is_sound(self) -> bool:
        """Can it be used, and does every program load all of it as it is meant, and show it where it belongs?"""
        return not self.problems and not self.misread and set(self.tools.values()) <= {LOADS["all"]}


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
    lora_file = seen.lora
    report = Report(file.path.name, file.size, metadata=dict(file.metadata))
    report.dtypes = dict(Counter(entry.dtype for entry in file.entries.values()))
    report.problems = [str(problem) for problem in (*seen.faults, *([] if leave_out else seen.foreign))]
    report.warnings = [str(problem) for problem in seen.beside]
    report.hashes = _hashes(file, report.warnings)
    if lora_file is None:
        return report
    report.family = lora_file.family
    report.base = Path(base).name if base else ""
    report.kinds = dict(Counter(lora_file.kind_shown(name) for name in lora_file.changes)) | kinds_of(
        lora_file.layout.beside
    )
    report.spellings = dict(Counter(lora_file.layout.spelling.values()))
    report.roots = spectra_by_part(lora_file)
    configs = _configs(base)
    report.tools = _tools(file, lora_file, configs)
    report.misread = metadata_faults(file.metadata, lora_file.family, file.data_start)
    report.warnings += suspicions(file, lora_file, topology(lora_file.family, configs).shapes)
    if against:
        report.against = compare(lora_file, read_lora(against, leave_out=leave_out))
        report.warnings += suspicions_against(report.against, Path(against).name)
    return report


def compare(ours: LoraFile, other: LoraFile) -> dict[str, Any]:
    """Two LoRAs, layer by layer: {"strength", "difference", "odd", "missing", "extra"}.

    The median factor by which ``ours`` is stronger than ``other``, the relative Frobenius norm of their difference,
    layers whose own factor is more than 5 % off the median, layers that only one of them has.
    """
    shared = [name for name in other.changes if name in ours.changes]
    ratios, difference, whole = {}, 0.0, 0.0
    for name in shared:
        if ours.changes[name].size() != other.changes[name].size():
            raise UserError(say("inspection.other_base", first=ours.path.name, second=other.path.name, name=name))
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


def spectra_by_part(lora: LoraFile) -> dict[str, dict[str, Any]]:
    """What ``Report.roots`` has of each root."""
    return {root: _root(lora, names) for root, names in by_root(lora).items()}


def _shares(spectra: list[Tensor]) -> list[float]:
    """The mean share of the squared norm by place in the spectrum; a shorter spectrum has 0 there."""
    longest = max((len(s) for s in spectra), default=0)
    shares = torch.zeros(longest, dtype=torch.float64)
    for s in spectra:
        shares[: len(s)] += s**2 / (s**2).sum()
    return [float(share) / len(spectra) for share in shares]


def _root(lora: LoraFile, names: list[str]) -> dict[str, Any]:
    ranks: Counter = Counter()
    alphas: Counter = Counter()
    spectra: list[Tensor] = []
    square = 0.0
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
        "spectrum": _shares(spectra),
    }


def _median(values: Any) -> float:
    values = list(values)
    return float(statistics.median(values)) if values else 0.0


def _hashes(file: TensorFile, warnings: list[str]) -> dict[str, str]:
    hashes = file_hashes(file)
    stored = file.metadata.get("sshs_model_hash", "")
    if stored and stored != hashes.model:
        warnings.append(say("inspection.hash_stale"))
    return {
        "sha256": hashes.sha256,
        "autov2": hashes.autov2,
        "autov3": hashes.model,
        "sshs_model_hash": stored,
        "sshs_legacy_hash": file.metadata.get("sshs_legacy_hash", ""),
        "legacy": hashes.legacy,
    }


def _configs(base: Path | str | None) -> dict[str, Any] | None:
    if not base:
        return None
    from sdlora.families.base import inspect_base

    info = inspect_base(str(base))
    return {root: info.config(root) for root in (info.denoiser, *info.text_encoders)}


def _tools(file: TensorFile, lora: LoraFile, configs: dict[str, Any] | None) -> dict[str, str]:
    table = tool_table(file.path, lora.family, configs)
    return {tool: sentences(LOADS[verdict.loads], *verdict.sentences) for tool, verdict in table.items()}


# ---- for people


def report_text(report: Report) -> str:
    """The report as lines."""
    lines: list[str] = [
        say(
            "inspection.file_line",
            file=report.file,
            size=shown_bytes(report.size),
            family=report.family or say("inspection.no_family"),
        )
    ]
    lines.append(
        say(
            "inspection.kinds_line",
            kinds=_counts(report.kinds) or say("inspection.no_layers"),
            spellings=_counts(report.spellings),
            dtypes=_counts(report.dtypes),
        )
    )
    for root, part in report.roots.items():
        ranks = _counts(part["ranks"])
        lines.append(
            say(
                "inspection.root_line",
                root=root,
                layers=part["layers"],
                ranks=ranks,
                alphas=", ".join(list(part["alphas"])[:4]),
                norm=f"{part['norm']:.4g}",
            )
        )
        lines.append(
            say(
                "inspection.spectrum_line",
                effective=f"{part['effective_rank']:.1f}",
                rank_90=f"{part['rank_90']:g}",
                rank_99=f"{part['rank_99']:g}",
            )
        )
    lines += [f"  {key}: {value}" for key, value in report.hashes.items() if value]
    if report.tools:
        lines.append(
            say("inspection.on_base", base=report.base or say("inspection.published_model", family=report.family))
        )
    lines += [f"    {tool}: {what}" for tool, what in report.tools.items()]
    numbers = [key for key in report.metadata if RANK.fullmatch(key)]  # the first trainer's: one for each layer
    lines += [f"  {key} = {_short(key, report.metadata[key])}" for key in sorted(report.metadata.keys() - set(numbers))]
    lines += [say("inspection.more_such_keys", key=numbers[0], count=len(numbers) - 1)] if numbers else []
    if report.against:
        lines.append(
            say(
                "inspection.against_line",
                strength=f"{report.against['strength']:.4g}",
                difference=f"{report.against['difference']:.2e}",
            )
        )
    lines += [say("terminal.warning", what=text) for text in (*report.misread, *report.warnings)]
    lines += [say("terminal.problem", what=text) for text in report.problems]
    return "\n".join(_printable(line) for line in lines)


def _counts(counts: Mapping[str, int]) -> str:
    return parts_of(say("toolbox.part_counted", what=name, count=count) for name, count in counts.items())


def _short(key: str, value: str) -> str:
    if key in _LONG and len(value) > 60:
        return say("inspection.in_characters", count=len(value))
    return value if len(value) <= 160 else say("inspection.shortened", text=value[:160], count=len(value))


def _printable(text: str) -> str:
    """Metadata is anybody's: no control characters reach the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
