"""Where results go: LoRA files from factors, paths that must not be inputs, hashes."""

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sdlora.errors import Problem, UserError
from sdlora.families.table import FAMILIES, is_denoiser
from sdlora.files.paths import last_part
from sdlora.lorafiles import algebra
from sdlora.lorafiles.changes import Factors
from sdlora.lorafiles.keys import kernel_of, kohya_name
from sdlora.lorafiles.metadata import add_hashes
from sdlora.lorafiles.numbered import RANK
from sdlora.lorafiles.read import LoraFile
from sdlora.lorafiles.readers.cards import broken_keys, with_base
from sdlora.lorafiles.stream import Spec, TensorFile, header_bytes, write_tensors
from sdlora.messages import parts_of, say

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
CONTAINERS = ("kohya", "diffusers")
_LARGEST = 6e4  # fp16 ends at 65504, and A1111 computes with the factors in fp16 whatever the file's dtype
# What describes one training or one file, and is wrong for any other.
_OF_ONE_FILE = ("sshs_", "ss_network_", "modelspec.hash", "modelspec.title", "modelspec.date", "lora_adapter_metadata")


@dataclass(frozen=True)
class Result:
    """What a tool has written. path: file or folder. layers: how many. error: relative, 0 if exact. note: about it.

    left_out: what of the inputs is not in it, in words.
    """

    path: Path
    layers: int
    error: float = 0.0
    note: str = ""
    left_out: str = ""

    def __str__(self) -> str:
        note = say("toolbox.with_note", note=self.note) if self.note else ""
        left = say("toolbox.left_out", what=self.left_out) if self.left_out else ""
        return say(
            "toolbox.wrote", path=self.path, layers=self.layers, note=note, error=f"{self.error:.1e}", left_out=left
        )


def left_out_of(loras: Iterable[LoraFile]) -> str:
    """What was passed over in reading, such as "norm layer (12), bias (3)"."""
    counts: Counter = Counter()
    for lora in loras:
        counts.update(lora.left_out)
    return parts_of(say("toolbox.part_counted", what=what, count=count) for what, count in counts.items())


def output_path(out: Path | str, inputs: Iterable[Path | str], suffix: str = ".safetensors") -> Path:
    """``out`` as a path. UserError if it has another ending, is a folder, or is one of the inputs."""
    path = Path(out)
    if suffix and path.suffix.lower() != suffix:
        raise UserError(say("toolbox.out_wrong_suffix", path=path, suffix=suffix), where=str(path))
    if suffix and path.is_dir():
        raise UserError(say("toolbox.out_is_folder", path=path), fix=say("toolbox.name_a_file"), where=str(path))
    for other in inputs:
        if _same(path, Path(other)):
            raise UserError(
                say("toolbox.out_is_input", path=path), fix=say("toolbox.choose_another_name"), where=str(path)
            )
    return path


def _same(a: Path, b: Path) -> bool:
    if a.exists() and b.exists():
        return os.path.samefile(a, b) or a.resolve().is_relative_to(b.resolve())
    return a.resolve() == b.resolve() or a.resolve().is_relative_to(b.resolve())


def rank_note(ranks: Iterable[int]) -> str:
    """ "rank 8", or "rank 4 to 8" where layers differ."""
    ranks = sorted(ranks)
    if ranks[0] == ranks[-1]:
        return say("toolbox.rank_single", rank=ranks[0])
    return say("toolbox.rank_range", least=ranks[0], most=ranks[-1])


def choose_dtype(dtype: str, loras: Iterable[LoraFile] = ()) -> str:
    """ "fp16", "bf16" or "fp32"; empty takes the most precise of the inputs."""
    if dtype and dtype not in DTYPES:
        raise UserError(
            say("toolbox.dtype_is", given=repr(dtype)), fix=say("settings.must_be_one_of", choices=", ".join(DTYPES))
        )
    if dtype:
        return dtype
    found = {tensor.dtype for lora in loras for change in lora.changes.values() for tensor in change.parts.values()}
    if found <= {torch.float16}:
        return "fp16"
    return "bf16" if found <= {torch.bfloat16} else "fp32"


def common_family(loras: Iterable[LoraFile]) -> str:
    """The one family of all; UserError naming two files that are of different ones."""
    loras = list(loras)
    for lora in loras[1:]:
        if lora.family != loras[0].family:
            raise UserError(
                say(
                    "toolbox.families_differ",
                    first=loras[0].path.name,
                    family=loras[0].family,
                    second=lora.path.name,
                    other=lora.family,
                ),
                fix=say("toolbox.merge_one_family"),
            )
    return loras[0].family


# ---- LoRA files


def write_factors(
    path: Path,
    modules: Mapping[str, Factors],
    *,
    family: str,
    metadata: Mapping[str, str],
    dtype: str = "fp16",
    container: str = "kohya",
) -> float:
    """Write factors as a LoRA file that every tool reads; returns the relative error of the cast to ``dtype``.

    modules: canonical name -> (down, up, scale). One alpha per network, the commonest strength times rank; the rest is
    in up (diffusers mis-scales a second alpha). Rank at least 2 (stable-diffusion.cpp). Factors balanced where they are
    far apart, by powers of two: what ``dtype`` holds already keeps its digits.
    Raises UserError: values that are not finite or too large, a family that has no such layers.
    """
    if container not in CONTAINERS:
        raise UserError(say("toolbox.container_is", given=repr(container)), fix=say("saving.use_kohya_or_diffusers"))
    alphas = _alphas(modules) if container == "kohya" else {}
    tensors: dict[str, Tensor] = {}
    lost = whole = 0.0
    problems = []
    for name, factors in modules.items():
        down, up, scale = _laid_out(name, family, factors)
        alpha = alphas.get(name.partition(".")[0])
        strength = alpha / down.shape[0] if alpha else 1.0
        if not math.isclose(scale, strength, rel_tol=2**-23):  # else it is alpha's own rounding to float32
            up = (up.double() * (scale / strength)).float()
        *balanced, is_exact = algebra.balance_exactly(down, up, DTYPES[dtype])
        cast = balanced[0].contiguous(), balanced[1].contiguous()
        if not all(t.isfinite().all() and t.float().abs().max() <= _LARGEST for t in cast):
            problems.append(Problem(say("toolbox.layer_too_large", name=name)))
            continue
        exact, rounded = (down, up, strength), (*cast, strength)
        whole += algebra.norm(*exact) ** 2
        lost += algebra.distance(exact, rounded) ** 2 if dtype != "fp32" and not is_exact else 0.0
        tensors |= _named(name, family, container, cast, alpha)
    if problems:
        raise UserError(*problems[:5])
    if not tensors:
        raise UserError(say("toolbox.nothing_left"), fix=say("toolbox.check_weights"))
    # lora_adapter_metadata is peft's own key and would be believed in place of the folded strength.
    kept = {k: v for k, v in metadata.items() if k != "lora_adapter_metadata"}
    write_tensors(path, tensors, add_hashes(tensors, kept | ({"format": "pt"} if container == "diffusers" else {})))
    return math.sqrt(lost / whole) if whole else 0.0


def _alphas(modules: Mapping[str, Factors]) -> dict[str, float]:
    """Root -> the commonest alpha that is not 0, as a file holds it, in float32."""
    found: dict[str, Counter] = {}
    for name, (down, _, scale) in modules.items():
        value = float(torch.tensor(abs(scale) * max(down.shape[0], 2), dtype=torch.float32))
        found.setdefault(name.partition(".")[0], Counter())[value] += value > 0
    return {root: counter.most_common(1)[0][0] or 1.0 for root, counter in found.items()}


def _laid_out(name: str, family: str, factors: Factors) -> Factors:
    """The axes that the family's layer has (4-D for convolutions), rank at least 2, float32."""
    down, up, scale = factors[0].float(), factors[1].float(), factors[2]
    rank = down.shape[0]
    if down.ndim == 2 or down.shape[2:].numel() == 1:
        ones = (1, 1) if kernel_of(name, family) else ()
        if down.ndim == 2 and kernel_of(name, family) == 3:
            ones = ()  # a linear layer where we expect a convolution: as it was
        down, up = down.reshape(rank, down.shape[1], *ones), up.reshape(up.shape[0], rank, *ones)
    if rank == 1:
        down = torch.cat([down, torch.zeros_like(down)], dim=0)
        up = torch.cat([up, torch.zeros_like(up)], dim=1)
    return down, up, scale


def _named(
    name: str, family: str, container: str, pair: tuple[Tensor, Tensor], alpha: float | None
) -> dict[str, Tensor]:
    if container == "diffusers":
        return {f"{name}.lora_A.weight": pair[0], f"{name}.lora_B.weight": pair[1]}
    file = kohya_name(name, family)
    return {
        f"{file}.lora_down.weight": pair[0],
        f"{file}.lora_up.weight": pair[1],
        f"{file}.alpha": torch.tensor(alpha, dtype=torch.float32),
    }


# ---- metadata


def derived_metadata(
    modules: Mapping[str, Factors],
    family: str,
    *,
    name: str,
    source: Mapping[str, str] | None = None,
    merged_from: Iterable[Path | str] = (),
) -> dict[str, str]:
    """What a made file says about itself: what tools need to sort it, and what still holds of ``source``'s metadata.

    source: of the file that was resized or converted. merged_from: files by name, without their folders.
    """
    source = {key: value for key, value in (source or {}).items() if key not in broken_keys(source or {})}
    kept = {
        key: value for key, value in source.items() if not key.startswith(_OF_ONE_FILE) and not _first_trainers(key)
    }
    labels = FAMILIES[family].labels
    linear = [down for down, _, _ in modules.values() if down.shape[2:].numel() == 1]
    ranks = Counter(max(down.shape[0], 2) for down in linear or [down for down, _, _ in modules.values()])
    alphas = _alphas(modules)
    rank = ranks.most_common(1)[0][0] if ranks else 0
    made = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": labels.architecture,
        "modelspec.implementation": labels.implementation,
    }
    made |= {key: kept[key] for key in made if key in kept and _agrees(key, kept[key], family)}
    made = with_base(made | {key: kept[key] for key in ("ss_base_model_version",) if key in kept}, family)
    made |= {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(rank) if len(ranks) == 1 else "Dynamic",
        "ss_network_alpha": f"{next(iter(alphas.values())):g}" if len(set(alphas.values())) == 1 else "Dynamic",
        "ss_network_args": json.dumps(_network_args(modules, source.get("ss_network_args", ""), alphas)),
        "modelspec.title": last_part(name),
    }
    if "ss_output_name" in kept or not source:
        made["ss_output_name"] = last_part(name).lstrip("{")
    if sources := [last_part(str(path)).removesuffix(".safetensors") for path in merged_from]:
        made["modelspec.merged_from"] = ", ".join(sources)
    return {**kept, **made}


# Entries of ss_network_args that tell of the training and hold for whatever the file becomes.
_TRAINED_WITH = ("dropout", "rank_dropout", "module_dropout", "preset", "loraplus_lr_ratio", "loraplus_unet_lr_ratio",
                 "loraplus_text_encoder_lr_ratio")  # fmt: skip


def _network_args(modules: Mapping[str, Factors], told: str, alphas: Mapping[str, float]) -> dict[str, str]:
    """conv_dim and conv_alpha, by which programs know a LoCon; and what still holds of the source's."""
    try:
        before = json.loads(told or "{}")
    except (ValueError, RecursionError):
        before = {}
    kept = {key: before[key] for key in _TRAINED_WITH if key in before} if isinstance(before, dict) else {}
    ranks = {max(down.shape[0], 2) for down, _, _ in modules.values() if down.shape[2:].numel() > 1}
    if ranks:
        kept["conv_dim"] = str(ranks.pop()) if len(ranks) == 1 else "Dynamic"
        alpha = next((own for root, own in alphas.items() if is_denoiser(root)), 1.0)
        kept["conv_alpha"] = f"{alpha:g}"
    return kept


def _first_trainers(key: str) -> bool:
    """The first trainer's own metadata: a rank by number, classes of modules, an embedding's flag."""
    return bool(RANK.fullmatch(key)) or key in ("unet", "text_encoder") or key.startswith("<")


def _agrees(key: str, value: str, family: str) -> bool:
    """A v-prediction base keeps its more precise name; a name of another family does not stay."""
    return key == "modelspec.architecture" and FAMILIES[family].shows("architecture", value)


# ---- hashes


@dataclass(frozen=True)
class Hashes:
    """A LoRA file's hashes, as the sites and tools have them.

    sha256: of the file. autov2: its first 10 digits. model: of all after the header (Civitai's AutoV3,
    ``sshs_model_hash``). legacy: ``sshs_legacy_hash``.
    """

    sha256: str
    model: str
    legacy: str

    @property
    def autov2(self) -> str:
        """Civitai's AutoV2: the first 10 digits of the file's SHA-256."""
        return self.sha256[:10]


def model_hashes(file: TensorFile, metadata: Mapping[str, str]) -> tuple[str, str]:
    """(sshs_model_hash, sshs_legacy_hash) of a file's tensors in their order, with kohya's recipe:

    SHA-256 of all bytes after the header; 8 digits of that of the bytes 0x100000 to 0x110000 of the file as it would be
    with the ``ss_*`` metadata alone.
    """
    plan: dict[str, Spec] = dict(file.entries)
    plain = {key: value for key, value in metadata.items() if key.startswith("ss_")}
    header = len(header_bytes(plan, plain))
    data, start = file.data(), 0x100000 - header
    window: bytes | memoryview = data[max(start, 0) : max(start + 0x10000, 0)]
    if start < 0:  # a header of more than a megabyte reaches into it
        window = header_bytes(plan, plain)[0x100000:] + bytes(window)
        window = window[:0x10000]
    return hashlib.sha256(data).hexdigest(), hashlib.sha256(window).hexdigest()[:8]


def file_hashes(file: TensorFile) -> Hashes:
    """The hashes of a file on disk."""
    digest = hashlib.sha256()
    with open(file.path, "rb") as raw:
        while block := raw.read(1 << 22):
            digest.update(block)
    return Hashes(digest.hexdigest(), *model_hashes(file, file.metadata))
