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

_COMFY = ("ComfyUI", "Forge")
_NORMS = ("w_norm", "b_norm")


@dataclass(frozen=True)
class Extra:
    """leaves: the parts' names. readers: the tools that apply them. why: what the others do, after "<tool> …"."""

    leaves: tuple[str, ...]
    readers: Collection[str]
    why: str


_EXTRAS = (
    Extra(_NORMS, ("A1111", *_COMFY, "InvokeAI"), "passes over changes of norms"),
    Extra(("diff_b",), _COMFY, "passes over changes of biases"),
    Extra(("bias_indices", "bias_values", "bias_size"), ("InvokeAI",), "passes over the remainder in bias_values"),
    Extra(("scalar",), (), "passes over the strength in scalar"),
    Extra(("lora_B.bias",), ("diffusers",), "passes over the bias of lora_B"),
)
_KNOWN = {leaf for extra in _EXTRAS for leaf in extra.leaves}
_REFUSED = "takes lora_down and lora_up alone"


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
    return found + _finding(tool, vectors, ("diff",), "passes over changes of norms")


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
