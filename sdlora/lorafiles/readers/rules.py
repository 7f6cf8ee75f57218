"""What each tool does with the keys of a LoRA file, after the tools' own loaders.

One function per tool: ``rule(file, base) -> list[Finding]``; an empty list means that all is loaded as it is meant.
Versions: A1111 1.10.1, Forge of 2025-06, ComfyUI 0.19, kohya sd-scripts of 2026-02, diffusers 0.42, InvokeAI of
2026-08, stable-diffusion.cpp of 2026-08.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sdlora.adapters.table import KINDS, PLAIN
from sdlora.lorafiles.forms import leaf_of
from sdlora.lorafiles.readers.file import PAIRS, File, Module
from sdlora.lorafiles.topology import Topology
from sdlora.messages import say

Kind = Literal["dropped", "wrong", "refused"]


@dataclass(frozen=True)
class Finding:
    """One thing that a tool does otherwise than it is meant.

    key: the first that is concerned; kind: "dropped" (not applied), "wrong" (applied otherwise), "refused" (the whole
    file); why: completes "<tool> …"; keys: how many modules are concerned.
    """

    kind: Kind
    key: str
    why: str
    keys: int = 1


Resolve = Callable[[Module], str | None]
Spellings = tuple[Mapping[str, str], ...]
_TEXT = {"lora_te_": "text_encoder", "lora_te1_": "text_encoder", "lora_te2_": "text_encoder_2"}
# Only these are in kohya's Transformer2DModel, ResnetBlock2D, Downsample2D, Upsample2D
_OUTSIDE = ("conv_in", "conv_out", "time_embedding", "add_embedding")
_HADA_LOKR = ("hada_", "lokr_")
_LYCORIS = (*_HADA_LOKR, "diff", "w_norm", "b_norm", "on_input", "weight", "a1.", "a2.", "b1.", "b2.", "oft_")


def _flat(module: Module, base: Topology, prefixes: tuple[str, ...], spellings: Spellings) -> str | None:
    """The canonical name of a kohya stem under one of ``prefixes``, with the UNet's blocks in one of ``spellings``."""
    for prefix in prefixes:
        if module.stem.startswith(prefix):
            path = module.stem.removeprefix(prefix)
            tables = (base.text.get(_TEXT[prefix], {}),) if prefix in _TEXT else spellings
            return next((table[path] for table in tables if path in table), None)
    return None


def _declared(tool: str) -> tuple[str, ...]:
    """How keys end of the adapter kinds that learn here and say themselves that the tool reads them."""
    forms = {kind.form() for kind in KINDS.values() if tool in kind.readers} - {PLAIN.form()}
    return tuple(sorted({leaf_of(part) for form in forms for part in form.parts}))


def _sum_up(kind: Kind, modules: list[Module], why: str) -> list[Finding]:
    return [Finding(kind, modules[0].key, why, len(modules))] if modules else []


def _unmatched(file: File, resolve: Resolve) -> list[Module]:
    return [m for m in file.loras if resolve(m) is None]


def _fits(module: Module, shape: tuple[int, ...], exact: bool) -> Kind | None:
    """Does the change have the weight's shape? None if so; "wrong" if it is reshaped into garbage, "refused" if not."""
    if module.pair is None or module.has("lora_mid"):
        return None
    down, up = module.pair
    if len(down) < 2 or len(up) < 2 or down[0] != up[1]:
        return "refused"
    out, inputs = up[0], _product(down[1:])
    if _product(up[2:]) != 1 or out * inputs != _product(shape):
        return "refused"
    if exact:  # kohya and diffusers copy into parameters of that very shape
        expected = (module.rank, *shape[1:]), (shape[0], module.rank, *(1,) * (len(shape) - 2))
        return None if (down, up) == expected else "refused"
    return None if out == shape[0] else "wrong"


def _product(sizes: tuple[int, ...]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


def _shapes(file: File, base: Topology, resolve: Resolve, exact: bool) -> list[Finding]:
    odd: dict[Kind, list[Module]] = {"refused": [], "wrong": []}
    for module in file.loras:
        name = resolve(module)
        if name and (kind := _fits(module, base.shapes[name], exact)):
            odd[kind].append(module)
    why = say("readers.factors_of_weight_shape") if exact else say("readers.factors_unfit")
    return [
        *_sum_up("refused", odd["refused"], why),
        *_sum_up("wrong", odd["wrong"], say("readers.factors_reshaped")),
    ]


def _halves(file: File) -> list[Module]:
    """Modules with one factor and not the other."""
    names = {leaf for pair in PAIRS for leaf in pair}
    return [m for m in file.loras if m.pair is None and names & set(m.parts)]


def _dora(file: File, broken_axis: str) -> list[Finding]:
    """For the tools that read dora_scale, of which the size-1 axis comes first: (1, in, …)."""
    wrong = [m for m in file.loras if (s := m.parts.get("dora_scale")) is not None and (len(s) < 2 or s[0] != 1)]
    return _sum_up("wrong", wrong, broken_axis)


def _no_dora(file: File) -> list[Finding]:
    with_size = [m for m in file.loras if m.has("dora_scale", "lora_magnitude_vector")]
    return _sum_up("wrong", with_size, say("readers.skips_dora_scale"))


# ---- the tools


def a1111(file: File, base: Topology) -> list[Finding]:
    """What A1111's own loader does with the file."""
    text = {"sd1": ("lora_te_", "lora_te1_"), "sd2": ("lora_te_",), "sdxl": ("lora_te1_", "lora_te2_")}[base.family]
    # Converts diffusers' block names with fixed numbers: the first upsampler where SD 1 has it, no add_embedding
    converted = {
        path: name
        for path, name in base.diffusers.items()
        if not path.startswith("add_embedding")
        and not (path == "up_blocks_0_upsamplers_0_conv" and "up_blocks_0_attentions_0_proj_in" in base.diffusers)
    }

    def resolve(module: Module) -> str | None:
        return _flat(module, base, (*text, "lora_unet_"), (base.original, converted))

    findings = _sum_up("dropped", _unmatched(file, resolve), say("readers.no_layer_silent"))
    containers = [m for m in file.loras if m.stem.endswith("_to_out") and m.flat]
    findings += _sum_up("refused", containers, say("readers.finds_container"))
    # OpenCLIP's attention is one module: q, k, v and out together or nothing
    root = {"sd2": "text_encoder", "sdxl": "text_encoder_2"}.get(base.family, "")
    layers: dict[str, list[Module]] = {}
    for module in file.loras:
        name = resolve(module)
        if root and name and name.startswith(f"{root}.") and ".self_attn." in name:
            layers.setdefault(name.rpartition(".")[0], []).append(module)
    parts = [module for modules in layers.values() if len(modules) < 4 for module in modules]
    findings += _sum_up("dropped", parts, say("readers.openclip_together"))
    known = [m for m in file.loras if resolve(m)]
    kinds = ("lora_up", *_LYCORIS, *_declared("A1111"))
    halves = _halves(File({m.stem: m for m in known}))
    findings += _sum_up("refused", halves or [m for m in known if not m.has(*kinds)], say("readers.kind_unknown"))
    axis = say("readers.dora_by_input")
    return findings + _shapes(file, base, resolve, exact=False) + _dora(file, axis)


def comfyui(file: File, base: Topology) -> list[Finding]:
    """What ComfyUI's loader does with the file."""
    resolve = _comfy_resolve(base)
    return _sum_up("dropped", _unmatched(file, resolve), say("readers.no_layer_warned")) + _comfy(
        file, base, resolve, "ComfyUI"
    )


def forge(file: File, base: Topology) -> list[Finding]:
    """What Forge's loader does with the file."""
    resolve = _comfy_resolve(base)
    lost = _unmatched(file, resolve)
    if sum(len(m.parts) for m in lost) > 12:
        return _sum_up("refused", lost, say("readers.refuses_12_unknown_keys"))
    return _sum_up("dropped", lost, say("readers.no_layer")) + _comfy(file, base, resolve, "Forge")


def _comfy_resolve(base: Topology) -> Resolve:
    text = {"sd1": ("lora_te_", "lora_te1_"), "sd2": ("lora_te_", "lora_te1_")}.get(base.family, tuple(_TEXT))
    dotted = {}
    for name in base.shapes:
        root, _, path = name.partition(".")
        if root != "unet":
            dotted[name] = name
            continue
        # as older versions of diffusers wrote attention; peft's "attn1.to_q" is not among them
        path = path.replace(".to_", ".processor.to_").removesuffix(".0" if path.endswith(".to_out.0") else "")
        dotted[path] = dotted[f"unet.{path}"] = name
    original = {f"diffusion_model.{path}": name for path, name in base.original.items()}

    def resolve(module: Module) -> str | None:
        if module.flat:
            if module.stem.startswith("lycoris_"):
                return base.diffusers.get(module.stem.removeprefix("lycoris_"))
            return _flat(module, base, (*text, "lora_unet_"), (base.original, base.diffusers))
        if module.stem.startswith("diffusion_model."):
            underscored = "diffusion_model." + module.stem.removeprefix("diffusion_model.").replace(".", "_")
            return original.get(underscored)
        return dotted.get(module.stem)

    return resolve


def _comfy(file: File, base: Topology, resolve: Resolve, tool: str) -> list[Finding]:
    """What ComfyUI and Forge do with the layers that they have found."""
    known = [m for m in file.loras if resolve(m)]
    empty = [m for m in known if m.pair is None and not m.has(*_LYCORIS, *_declared(tool))]
    axis = say("readers.dora_without_change")
    findings = _sum_up("dropped", empty, say("readers.kind_unknown"))
    findings += _shapes(file, base, resolve, exact=False) + _dora(file, axis)
    if _told_strength(file) != 1:
        findings += _sum_up("wrong", known, say("readers.skips_peft_strength"))
    return findings


def kohya(file: File, base: Topology) -> list[Finding]:
    """What kohya's sd-scripts do with the file."""
    inside = {path: name for path, name in base.diffusers.items() if not path.startswith(_OUTSIDE)}
    if base.family == "sdxl":
        names = set(inside.values())
        kept = {path: name for path, name in base.original.items() if name in names}
        # It converts diffusers' block names if it sees any of these
        converts = any("down_blocks" in stem or "up_blocks" in stem for stem in file.modules)
        text, spellings = ["lora_te1_", "lora_te2_"], (kept, inside) if converts else (kept,)
    else:
        text, spellings = ["lora_te_"], (inside,)

    def resolve(module: Module) -> str | None:
        return _flat(module, base, (*text, "lora_unet_"), spellings)

    known = [m for m in file.loras if resolve(m)]
    other = [m for m in known if "lora_down.weight" not in m.parts and not m.has(*_declared("kohya"))]
    findings = _sum_up("dropped", _unmatched(file, resolve), say("readers.no_layer_silent"))
    findings += _sum_up("dropped", other, say("readers.only_down_and_up_silent"))
    tucker = [m for m in known if m.has("lora_mid")]
    findings += _sum_up("wrong", tucker, say("readers.skips_lora_mid"))
    findings += _sum_up("wrong", [m for m in known if m.alpha == 0], say("readers.alpha_0_as_rank"))
    return findings + _shapes(file, base, resolve, exact=True) + _no_dora(file)


def invokeai(file: File, base: Topology) -> list[Finding]:
    """What InvokeAI's loader does with the file."""
    sdxl = base.family == "sdxl"
    text = ("lora_te1_", "lora_te2_") if sdxl else ("lora_te_",)
    odd = [m for m in file.loras if not m.flat or m.stem.startswith("lycoris_")]
    if odd:
        return _sum_up("refused", odd, say("readers.only_kohya"))
    foreign = [m for m in file.loras if not m.stem.startswith((*text, "lora_unet_"))]
    if sdxl and foreign:
        return _sum_up("refused", foreign, say("readers.refuses_sdxl_prefix"))
    unet = [m for m in file.loras if m.stem.startswith("lora_unet_")]
    original = [m for m in unet if m.stem.removeprefix("lora_unet_") in base.original]
    if sdxl and original and len(original) < len(unet):
        others = [m for m in unet if m.stem.removeprefix("lora_unet_") not in base.original]
        return _sum_up("refused", others, say("readers.refuses_mixed_blocks"))
    spellings = (base.original, base.diffusers) if sdxl else (base.diffusers,)

    def resolve(module: Module) -> str | None:
        return _flat(module, base, (*text, "lora_unet_"), spellings)

    findings = _sum_up("dropped", _unmatched(file, resolve), say("readers.no_layer"))
    containers = [m for m in file.loras if m.stem.endswith("_to_out")]
    findings += _sum_up("refused", containers, say("readers.finds_container"))
    kinds = ("lora_up", "dora_scale", "hada_w1_a", "lokr_w1", "diff", "on_input", "w_norm", *_declared("InvokeAI"))
    unknown = _halves(file) or [m for m in file.loras if not m.has(*kinds)]
    findings += _sum_up("refused", unknown, say("readers.kind_unknown"))
    # It tells the base model by the widths of these; SDXL also by its deep transformers
    recognised = any(m.stem.endswith(("attn2_to_k", "attn2_to_v")) or "_self_attn_" in m.stem for m in file.loras)
    if not recognised and not (sdxl and any("transformer_blocks_1_" in m.stem for m in unet)):
        why = say("readers.base_unclear")
        findings += _sum_up("refused", file.loras, why)
    axis = say("readers.dora_by_input")
    return findings + _shapes(file, base, resolve, exact=False) + _dora(file, axis)


def stable_diffusion_cpp(file: File, base: Topology) -> list[Finding]:
    """What stable-diffusion.cpp's loader does with the file."""

    def resolve(module: Module) -> str | None:
        if module.flat:
            return _flat(module, base, (*_TEXT, "lora_unet_", "lycoris_"), (base.original, base.diffusers))
        root, _, path = module.stem.replace(".processor", "").partition(".")
        if root == "diffusion_model":
            return base.original.get(path.replace(".", "_"))
        return base.diffusers.get(path.replace(".", "_")) if root == "unet" else None

    known = [m for m in file.loras if resolve(m)]
    findings = _sum_up("dropped", _unmatched(file, resolve), say("readers.no_layer"))
    empty = [m for m in known if m.pair is None and not m.has(*_LYCORIS, *_declared("stable-diffusion.cpp"))]
    findings += _sum_up("dropped", empty, say("readers.kind_unknown"))
    thin = [m for m in known if m.pair and m.rank == 1 and m.alpha is not None]
    findings += _sum_up("wrong", thin, say("readers.alpha_by_inputs"))
    if _told_strength(file) != 1:
        findings += _sum_up("wrong", known, say("readers.skips_peft_strength"))
    return findings + _shapes(file, base, resolve, exact=False) + _no_dora(file)


def diffusers(file: File, base: Topology) -> list[Finding]:
    """What diffusers' loader does with the file."""
    odd = [m for m in file.modules.values() if not m.stem.startswith(("lora_unet_", *_TEXT))]
    if odd and len(odd) < len(file.modules):
        return _sum_up("refused", odd, say("readers.refuses_foreign_key"))
    return _diffusers_peft(file, base) if odd else _diffusers_kohya(file, base)


def _diffusers_kohya(file: File, base: Topology) -> list[Finding]:
    names = [m.stem.removeprefix("lora_unet_") for m in file.loras if m.stem.startswith("lora_unet_")]
    mixed = any(n in base.original for n in names) and any(n in base.diffusers for n in names)
    spellings = (base.diffusers,) if base.family != "sdxl" or mixed else (base.original, base.diffusers)

    def resolve(module: Module) -> str | None:
        return _flat(module, base, (*_TEXT, "lora_unet_"), spellings)

    findings = []
    if "lora_adapter_metadata" in file.metadata:
        why = say("readers.refuses_peft_beside_alpha")
        findings += _sum_up("refused", [m for m in file.loras if m.alpha is not None], why)
    read = {"lora_down.weight", "lora_up.weight", "dora_scale", "alpha", *_declared("diffusers")}
    odd = [m for m in file.loras if set(m.parts) - read]
    findings += _sum_up("refused", odd or _halves(file), say("readers.only_down_and_up"))
    lost = _unmatched(file, resolve)
    bare = tuple(f"{prefix}encoder_" for prefix in _TEXT)
    short = [m for m in lost if m.stem.startswith(bare)]
    findings += _sum_up("dropped", short, say("readers.finds_with_new_transformers"))
    findings += _sum_up("dropped", [m for m in lost if not m.stem.startswith(bare)], say("readers.no_layer"))
    for root in ("unet", "text_encoder", "text_encoder_2"):
        modules = [m for m in file.loras if (name := resolve(m)) and name.split(".")[0] == root]
        if root != "unet" and modules and not any(m.stem.endswith("_out_proj") for m in modules):
            findings += _sum_up("refused", modules, say("readers.only_with_out_proj"))
        findings += _strengths(modules)
    return findings + _shapes(file, base, resolve, exact=True) + _no_dora(file)


def _strengths(modules: list[Module]) -> list[Finding]:
    """One alpha per network: the commonest is taken for every module."""
    pairs = [m for m in modules if m.pair]
    alphas = Counter(m.alpha for m in pairs if m.alpha is not None)
    if alphas:
        common = alphas.most_common(1)[0][0]
        odd = [m for m in pairs if (m.rank if m.alpha is None else m.alpha) != common]
        return _sum_up("wrong", odd, say("readers.one_alpha"))
    mixed = {m.rank for m in pairs}
    if len(mixed) > 1:
        common = Counter(m.rank for m in pairs).most_common(1)[0][0]
        odd = [m for m in pairs if m.rank != common]
        return _sum_up("wrong", odd, say("readers.ranks_misscaled"))
    return []


def _diffusers_peft(file: File, base: Topology) -> list[Finding]:
    def resolve(module: Module) -> str | None:
        name = module.stem.replace(".processor", "")
        return next((n for n in (name, f"{name}.0") if n in base.shapes), None)

    findings = _sum_up("dropped", _unmatched(file, resolve), say("readers.no_layer"))
    old = [m for m in file.loras if "lora.down.weight" in m.parts]
    if old and len(old) < len([m for m in file.loras if m.pair]):
        findings += _sum_up("dropped", old, say("readers.skips_second_spelling"))
    findings += _sum_up("refused", _halves(file), say("readers.only_pairs"))
    if "text_model." in file.metadata.get("lora_adapter_metadata", ""):
        text = [m for m in file.loras if m.stem.startswith("text_encoder")]
        findings += _sum_up("refused", text, say("readers.target_modules_unmatched"))
    return findings + _shapes(file, base, resolve, exact=True) + _no_dora(file)


def _told_strength(file: File) -> float:
    """The strength that peft's metadata tells, 1 if there is none."""
    try:
        numbers = json.loads(file.metadata.get("lora_adapter_metadata", "{}"))
        return next(
            (numbers[f"{k[:-10]}lora_alpha"] / numbers[f"{k[:-10]}r"] for k in numbers if k.endswith("lora_alpha")), 1.0
        )
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError, RecursionError):
        return 1.0


RULES: dict[str, Callable[[File, Topology], list[Finding]]] = {
    "A1111": a1111,
    "Forge": forge,
    "ComfyUI": comfyui,
    "kohya": kohya,
    "InvokeAI": invokeai,
    "stable-diffusion.cpp": stable_diffusion_cpp,
    "diffusers": diffusers,
}
