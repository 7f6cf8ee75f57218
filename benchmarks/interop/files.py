"""The LoRA files of the check: written by sdlora's exporter from adapters with random factors, and broken ones.

Beside every file NAME.safetensors lies NAME.changes.safetensors: what the adapter did, taken from the live layers and
not from the file.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor

from benchmarks.interop.bases import Base, canonical, make_base
from benchmarks.interop.reference import Change, kohya_name, load_changes, save_changes
from sdlora.adapters.adapter import Adapter
from sdlora.adapters.inject import inject
from sdlora.adapters.targets import target_patterns
from sdlora.lorafiles.metadata import build_metadata
from sdlora.lorafiles.write import write_lora

EVERY = ("a1111", "a1111_half", "forge", "comfyui", "kohya", "invokeai", "diffusers_")
DORA = ("a1111", "forge", "comfyui", "invokeai")
MIXED = {
    "rank": 4,
    "alpha": 2.0,
    "rank_pattern": {"*attn1*": 8, "*self_attn*": 2},
    "alpha_pattern": {"*attn2*": 5.0, "*ff.net*": 1.0},
}


@dataclass
class Entry:
    """One file. exact: the tools that must load it completely and exactly; caught: those that must be seen failing."""

    name: str
    family: str
    what: str
    container: str
    dtype: str
    exact: tuple[str, ...] = ()
    caught: tuple[str, ...] = ()
    broken: bool = False


def write_files(folder: Path, families: list[str]) -> list[Entry]:
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for family in families:
        base = make_base(family)
        good = [
            _export(folder, base, "attn-mlp", "kohya", "fp16", rank=4, alpha=2.0),
            _export(folder, base, "full", "kohya", "bf16", rank=4, alpha=4.0),
            _export(folder, base, "full", "kohya", "fp32", rank=4, alpha=1.0, text=False),
            _export(folder, base, "attn-mlp", "kohya", "fp32", label="mixed ranks and alphas", **MIXED),
            _export(folder, base, "attn-mlp", "kohya", "fp16", label="rank 1", rank=1, alpha=1.0),
            _export(folder, base, "full", "diffusers", "fp16", rank=4, alpha=2.0),
            _export(folder, base, "attn-mlp", "kohya", "fp16", label="DoRA", rank=4, alpha=2.0, kind="dora"),
        ]
        good[-2].exact = ("diffusers_",)
        good[-1].exact, good[-1].caught = DORA, ("kohya", "diffusers_")
        entries += good + _broken(folder, good[0], base)
    (folder / "files.json").write_text(json.dumps([asdict(entry) for entry in entries], indent=1))
    return entries


def read_entries(folder: Path) -> list[Entry]:
    rows = json.loads((folder / "files.json").read_text())
    return [Entry(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}) for row in rows]


# ---- by the exporter


def _export(folder, base, targets, container, dtype, *, label="", text=True, **adapter_settings) -> Entry:
    models = {root: model for root, model in base.models.items() if text or root == "unet"}
    patterns = target_patterns(targets, text_encoder=text)
    adapter = inject(models, patterns, **adapter_settings)
    _randomise(adapter)
    entry = Entry(
        name=f"{base.family}-{container}-{label or targets}-{dtype}".replace(" ", "-"),
        family=base.family,
        what=f"{label or targets}{', text encoder' + 's' * (base.family == 'sdxl') if text else ''}",
        container=container,
        dtype=dtype,
        exact=EVERY,
    )
    path = folder / f"{entry.name}.safetensors"
    write_lora(
        adapter,
        path,
        configs={root: model.config for root, model in models.items()},
        family=base.family,
        container=container,
        dtype=dtype,
        metadata=_metadata(base.family, adapter_settings),
    )
    save_changes(_beside(path), {canonical(n): _change(layer) for n, layer in adapter.layers.items()})
    adapter.remove()
    return entry


def _randomise(adapter: Adapter) -> None:
    """As if trained: ``up`` is no longer zero."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for layer in adapter.layers.values():
            layer.up.weight.copy_(torch.randn(layer.up.weight.shape, generator=generator) * 0.1)
            if layer.magnitude is not None:
                layer.magnitude.mul_(1 + torch.randn(layer.magnitude.shape, generator=generator) * 0.1)


def _change(layer) -> Change:
    magnitude = None if layer.magnitude is None else layer.magnitude.detach().clone()
    return Change(layer.down.weight.detach().clone(), layer.up.weight.detach().clone(), layer.scale, magnitude)


def _metadata(family: str, adapter_settings: dict) -> dict[str, str]:
    return build_metadata(
        family=family,
        name="interop",
        rank=adapter_settings["rank"],
        alpha=adapter_settings["alpha"],
        resolution=1024 if family == "sdxl" else 512,
        trigger="zib",
        tag_frequency={"images": {"zib": 3, "a red ball": 2}},
        folders={"images": {"n_repeats": 1, "img_count": 3}},
        buckets={(512, 512): 3},
        started=1_700_000_000.0,
        finished=1_700_000_600.0,
    )


def _beside(path: Path) -> Path:
    return path.with_suffix(".changes.safetensors")


# ---- broken by hand


def _broken(folder: Path, good: Entry, base: Base) -> list[Entry]:
    """Copies of a good file with one mistake each, and what they should do."""
    source = folder / f"{good.name}.safetensors"
    tensors = safetensors.torch.load_file(source)
    with safe_open(source, "pt") as opened:
        metadata = opened.metadata()
    entries = []
    for what, mistake, families, caught, exact in MISTAKES:
        if base.family not in families:
            continue
        entry = Entry(f"{base.family}-broken-{what}".replace(" ", "-"), base.family, what, "kohya", good.dtype)
        entry.broken, entry.caught, entry.exact = True, caught, exact
        path = folder / f"{entry.name}.safetensors"
        changes = load_changes(_beside(source))
        changed = {key: value.contiguous() for key, value in mistake(dict(tensors), changes, base).items()}
        safetensors.torch.save_file(changed, path, metadata)
        save_changes(_beside(path), changes)
        entries.append(entry)
    return entries


Tensors = dict[str, Tensor]
Changes = dict[str, Change]
Mistake = Callable[[Tensors, Changes, Base], Tensors]


def _renamed(old: str, new: str) -> Mistake:
    return lambda tensors, changes, base: {key.replace(old, new): value for key, value in tensors.items()}


def _swapped(tensors: Tensors, changes: Changes, base: Base) -> Tensors:
    """The pair transposed and swapped: the product has as many numbers as before, in another order."""
    for key in [key for key in tensors if key.endswith("attn2_to_k.lora_down.weight")]:
        other = key.replace("lora_down", "lora_up")
        tensors[key], tensors[other] = tensors[other].T.contiguous(), tensors[key].T.contiguous()
    return tensors


def _baked(tensors: Tensors, changes: Changes, base: Base) -> Tensors:
    """alpha / rank multiplied into the factors, and alpha still in the file."""
    for key in [key for key in tensors if key.endswith(".alpha")]:
        up = key.replace(".alpha", ".lora_up.weight")
        tensors[up] = tensors[up] * (float(tensors[key]) / tensors[up].shape[1])
    return tensors


def _without_alpha(tensors: Tensors, changes: Changes, base: Base) -> Tensors:
    return {key: value for key, value in tensors.items() if not key.endswith(".alpha")}


def _only_q_and_v(tensors: Tensors, changes: Changes, base: Base) -> Tensors:
    """No mistake by itself, and the rest should act."""
    for name in [name for name in changes if name.endswith(("k_proj", "out_proj"))]:
        del changes[name]
    return {key: value for key, value in tensors.items() if "_k_proj" not in key and "_out_proj" not in key}


def _dora_per_output(tensors: Tensors, changes: Changes, base: Base) -> Tensors:
    """DoRA with one magnitude per output channel, as LyCORIS writes it since 2025."""
    generator = torch.Generator().manual_seed(4)
    for name, change in changes.items():
        norm = base.weights[name].flatten(1).norm(dim=1).reshape(-1, *[1] * (base.weights[name].dim() - 1))
        change.magnitude = norm * (1 + 0.1 * torch.randn(norm.shape, generator=generator))
        tensors[f"{kohya_name(name, base.family)}.dora_scale"] = change.magnitude
    return tensors


def _flat_projections(tensors: Tensors, changes: Changes, base: Base) -> Tensors:
    return {key: value.flatten(1) if "_proj_" in key and value.dim() == 4 else value for key, value in tensors.items()}


def _mixed_spelling(tensors: Tensors, changes: Changes, base: Base) -> Tensors:
    """Half of the UNet with diffusers' block names."""
    names = {}
    for number, name in enumerate(n for n in base.weights if n.startswith("unet.")):
        if number % 2:
            names[kohya_name(name, "sdxl")] = "lora_unet_" + name.removeprefix("unet.").replace(".", "_")
    split = {key: key.partition(".") for key in tensors}
    return {f"{names.get(stem, stem)}.{leaf}": tensors[key] for key, (stem, _, leaf) in split.items()}


_ALL = ("sd1", "sd2", "sdxl")
# what, how, in which families, the tools that must be seen to fail, those that must load it exactly all the same
MISTAKES: list[tuple[str, Mistake, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = [
    ("names without text_model", _renamed("_text_model_", "_"), _ALL, tuple(t for t in EVERY if t != "diffusers_"), ()),
    ("pairs swapped", _swapped, _ALL, EVERY, ()),
    ("strength applied twice", _baked, _ALL, EVERY, ()),
    ("alpha left out", _without_alpha, _ALL, EVERY, ()),
    ("text encoder with q and v only", _only_q_and_v, ("sd1",), ("diffusers_",), ("a1111", "comfyui", "kohya")),
    ("text encoder with q and v only", _only_q_and_v, ("sd2", "sdxl"), ("a1111", "diffusers_"), ("comfyui", "kohya")),
    ("prefix lora_te1 on SD 1", _renamed("lora_te_", "lora_te1_"), ("sd1",), ("kohya", "invokeai"), ()),
    ("proj_in and proj_out as matrices", _flat_projections, ("sd1",), ("kohya", "diffusers_"), ()),
    ("DoRA per output channel", _dora_per_output, _ALL, EVERY, ()),
    ("both spellings", _mixed_spelling, ("sdxl",), ("invokeai", "diffusers_"), ()),
]
