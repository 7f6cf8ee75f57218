"""What each tool does with the parts of a LoRA file that no plain LoRA has: norms, biases, remainders, scalars.

After the tools' own loaders, of the versions that ``toolrules`` names: A1111's ``network_norm.py`` and
``network_full.py``; ComfyUI's and Forge's ``load_lora`` (w_norm, b_norm, diff, diff_b); InvokeAI's
``lora_layer_base.py`` (bias_*) and ``norm_layer.py``; kohya's, diffusers' and stable-diffusion.cpp's know none of them.
peft's ``lora_B.bias`` is diffusers' own.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from sdlora.lorafiles.readers.file import File, Module
from sdlora.lorafiles.readers.rules import Finding
from sdlora.messages import say

_COMFY = ("ComfyUI", "Forge")
_NORMS = ("w_norm", "b_norm")


@dataclass(frozen=True)
class Extra:
    """Tensors beside a layer's factors. parts: their names. readers: the tools that apply them. why: what others do."""

    leaves: tuple[str, ...]
    readers: Collection[str]
    why: str


_EXTRAS = (
    Extra(_NORMS, ("A1111", *_COMFY, "InvokeAI"), say("readers.skips_norms")),
    Extra(("diff_b",), _COMFY, say("readers.skips_biases")),
    Extra(("bias_indices", "bias_values", "bias_size"), ("InvokeAI",), say("readers.skips_bias_values")),
    Extra(("scalar",), (), say("readers.skips_scalar")),
    Extra(("lora_B.bias",), ("diffusers",), say("readers.skips_lora_b_bias")),
)
_KNOWN = {leaf for extra in _EXTRAS for leaf in extra.leaves}
_REFUSED = say("readers.only_down_and_up")


def without_extras(file: File) -> File:
    """The file as ``toolrules`` judges it: without these parts, and without modules that have nothing else."""
    kept: dict[str, Module] = {}
    for stem, module in file.modules.items():
        parts = {leaf: shape for leaf, shape in module.parts.items() if leaf not in _KNOWN}
        if not _is_vector(module) and set(parts) - {"alpha"}:
            kept[stem] = replace(module, parts=parts)
    return File(kept, file.metadata)


def extra_findings(tool: str, file: File) -> list[Finding]:
    """What a tool drops or refuses of them."""
    found = []
    for extra in _EXTRAS:
        own = [m for m in file.loras if m.has(*extra.leaves) and not _reads(tool, extra, m)]
        found += _finding(tool, own, extra.leaves, extra.why)
    vectors = [m for m in file.loras if _is_vector(m) and "diff" in m.parts and tool not in _COMFY]
    return found + _finding(tool, vectors, ("diff",), say("readers.skips_norms"))


def _finding(tool: str, modules: list[Module], leaves: tuple[str, ...], why: str) -> list[Finding]:
    if not modules:
        return []
    key = next(modules[0].key_of(leaf) for leaf in leaves if leaf in modules[0].parts)
    if tool == "diffusers":
        return [Finding("refused", key, _REFUSED, len(modules))]
    alone = all(set(m.parts) <= _KNOWN or _is_vector(m) for m in modules)
    return [Finding("dropped" if alone else "wrong", key, why, len(modules))]


def _reads(tool: str, extra: Extra, module: Module) -> bool:
    if extra.leaves == ("diff_b",) and "diff" in module.parts:  # a whole layer's difference, with its bias
        return tool in (*extra.readers, "A1111", "InvokeAI")
    return tool in extra.readers and (module.flat or tool in (*_COMFY, "diffusers"))


def _is_vector(module: Module) -> bool:
    """Nothing but numbers of one axis: a norm's or a bias's."""
    shapes: Mapping[str, tuple[int, ...]] = {k: v for k, v in module.parts.items() if k != "alpha"}
    return bool(shapes) and set(shapes) <= {"diff", "diff_b", *_NORMS} and all(len(s) == 1 for s in shapes.values())
