"""AUTOMATIC1111: extensions-builtin/Lora of the checkout, unchanged; the web UI around it is stood in for.

Its own code: networks.py (key names, loading, application to the weights), network*.py, lyco_helpers.py, mmdit.py, and
sd_models.py's reading of files and metadata. Stood in: gradio, shared, devices, scripts, hijack, caches.
The Stable Diffusion code that it clones from other repositories is no part of the checkout: the models are plain torch
modules under the names that code gives them.
"""

import ast
import hashlib
import os
import sys
import types
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from benchmarks.interop import tool
from benchmarks.interop.bases import Base, fused_attention, hugging_text, original_path, original_unet

TITLE = "AUTOMATIC1111"
FOLDER = "a1111"
DTYPE = torch.float32  # --no-half


def prepare(folder: Path) -> None:
    tool.stand_in("gradio")
    modules = tool.module("modules", __path__=[str(folder / "modules")])
    options = types.SimpleNamespace(lora_in_memory_limit=0, disable_mmap_load_safetensors=False)
    shared = tool.module(
        "modules.shared",
        opts=options,
        cmd_opts=types.SimpleNamespace(lora_dir=os.devnull, lyco_dir_backcompat=os.devnull),
        walk_files=lambda *args, **kwargs: [],
        weight_load_location="cpu",
    )
    cpu = torch.device("cpu")
    devices = tool.module("modules.devices", dtype=DTYPE, cpu=cpu, device=cpu, torch_gc=lambda: None)
    readers = ["read_metadata_from_safetensors", "read_state_dict", "get_state_dict_from_checkpoint"]
    readers += ["transform_checkpoint_dict_key", "checkpoint_dict_replacements_sd1"]
    readers += ["checkpoint_dict_replacements_sd2_turbo"]
    around = {"os": os, "safetensors": safetensors, "torch": torch, "shared": shared, "devices": devices}
    around |= {"errors": types.SimpleNamespace(display=_raise)}
    found = tool.functions(folder / "modules" / "sd_models.py", readers, around)
    tool.module("modules.sd_models", **found)
    tool.module("modules.errors", display=_raise, report=_raise)
    tool.module("modules.scripts")
    tool.module("modules.sd_hijack")
    tool.module("modules.textual_inversion")
    tool.module("modules.textual_inversion.textual_inversion")
    tool.module("modules.cache", cached_data_for_file=lambda section, title, name, read: read())
    tool.module("modules.hashes", sha256_from_cache=lambda name, *args, **kwargs: _hash(name))
    modules.models = tool.module("modules.models", __path__=[str(folder / "modules" / "models")])
    os.makedirs = _unless_null(os.makedirs)
    sys.path.insert(0, str(folder / "extensions-builtin" / "Lora"))
    import network  # noqa: F401
    import networks  # noqa: F401


def apply(base: Base, file: Path) -> tool.Patched:
    import network
    import networks
    from modules import shared

    shared.sd_model = _model(base)
    networks.extra_network_lora = types.SimpleNamespace(errors={})
    networks.assign_network_names_to_compvis_modules(shared.sd_model)
    on_disk = network.NetworkOnDisk(file.stem, str(file))
    with tool.log_of() as lines:
        net = networks.load_network(file.stem, on_disk)
        networks.loaded_networks[:] = [net]
        for layer in shared.sd_model.network_layer_mapping.values():
            if type(layer) in (nn.Linear, nn.Conv2d, nn.MultiheadAttention):
                networks.network_apply_weights(layer)  # as the forward that it puts in place of theirs does
    unmatched: list[str] = []
    for line in lines:
        _, found, keys = line.partition(" didn't match keys: ")
        if found:
            unmatched = list(ast.literal_eval(keys))
    says = f"shown as {on_disk.sd_version.name}"
    if failed := networks.extra_network_lora.errors.get(net.name):
        says += f", {failed} layers failed"
    return tool.Patched(_weights(base, shared.sd_model), unmatched, says)


# ---- the model, and back


def _model(base: Base) -> types.SimpleNamespace:
    unet = tool.module_tree({f"diffusion_model.{key}": value for key, value in original_unet(base).items()})
    model = types.SimpleNamespace(model=unet, is_sdxl=base.family == "sdxl")
    if base.family == "sd1":
        model.cond_stage_model = types.SimpleNamespace(wrapped=_hugging(base))
    elif base.family == "sd2":
        model.cond_stage_model = types.SimpleNamespace(wrapped=_open_clip(base, "text_encoder"))
    else:
        wrapped = [_hugging(base), _open_clip(base, "text_encoder_2")]
        model.conditioner = types.SimpleNamespace(embedders=[types.SimpleNamespace(wrapped=w) for w in wrapped])
    return model


def _hugging(base: Base) -> nn.Module:
    state = hugging_text(base, "text_encoder")
    return tool.module_tree({f"transformer.{key}": value for key, value in state.items()})


_OPEN_CLIP = {"mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj", "layer_norm1": "ln_1", "layer_norm2": "ln_2"}


def _open_clip(base: Base, root: str) -> nn.Module:
    """FrozenOpenCLIPEmbedder's transformer: attention with q, k and v in one matrix."""
    ours, state = hugging_text(base, root), {}
    for number in range(base.models[root].config.num_hidden_layers):
        here, there = f"text_model.encoder.layers.{number}.", f"model.transformer.resblocks.{number}."
        for kind in ("weight", "bias"):
            parts = [ours[f"{here}self_attn.{p}_proj.{kind}"] for p in "qkv"]
            state[f"{there}attn.in_proj_{kind}"] = fused_attention(*parts)
            state[f"{there}attn.out_proj.{kind}"] = ours[f"{here}self_attn.out_proj.{kind}"]
            for old, new in _OPEN_CLIP.items():
                state[f"{there}{new}.{kind}"] = ours[f"{here}{old}.{kind}"]
    return tool.module_tree(state)


def _weights(base: Base, model: types.SimpleNamespace) -> dict[str, Tensor]:
    if base.family == "sdxl":
        texts = {"text_encoder": model.conditioner.embedders[0], "text_encoder_2": model.conditioner.embedders[1]}
    else:
        texts = {"text_encoder": model.cond_stage_model}
    weights = {}
    for name in base.weights:
        root, _, path = name.partition(".")
        if root == "unet":
            found = model.model.get_submodule(f"diffusion_model.{original_path(path, base.family)}").weight
        elif path == "text_projection":
            continue
        elif hasattr(texts[root].wrapped, "transformer"):
            found = texts[root].wrapped.get_submodule(f"transformer.{path}").weight
        else:
            found = _from_open_clip(texts[root].wrapped, path)
        weights[name] = tool.copy_of(found)
    return weights


def _from_open_clip(wrapped: nn.Module, path: str) -> Tensor:
    *_, number, part, leaf = path.split(".")
    block = wrapped.get_submodule(f"model.transformer.resblocks.{number}")
    if part == "mlp":
        return block.get_submodule(_OPEN_CLIP[f"mlp.{leaf}"]).weight
    if leaf == "out_proj":
        return block.attn.out_proj.weight
    return block.attn.in_proj_weight.chunk(3)["qkv".index(leaf[0])]


# ---- stand-ins


def _hash(name: str) -> str:
    data = Path(name).read_bytes()
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def _raise(error: object, *args: object, **kwargs: object) -> None:
    if isinstance(error, BaseException):
        raise error
    raise RuntimeError(str(error))


def _unless_null(makedirs):
    """The module wants to make its LoRA folder when imported."""

    def make(path, *args, **kwargs):
        if str(path) != os.devnull:
            makedirs(path, *args, **kwargs)

    return make
