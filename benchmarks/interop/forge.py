"""Forge: load_lora_for_models and the LoRA patcher of the checkout, on its own UNet class, unchanged.

Its own code: key maps, reading, merging (backend/patcher), IntegratedUNet2DConditionModel, IntegratedCLIP. Of its
networks.py, which needs the web UI, only that one function is taken. It pins transformers 4.46, so the text encoder
gets that version's module names.
"""

import sys
import types
from pathlib import Path

import torch
from torch import nn

from benchmarks.interop import tool
from benchmarks.interop.bases import Base, old_names, original_path, original_unet
from benchmarks.interop.comfyui import unet_config

TITLE = "Forge"
FOLDER = "forge"
_CLIP = {
    "sd1": {"text_encoder": "clip_l"},
    "sd2": {"text_encoder": "clip_h"},
    "sdxl": {"text_encoder": "clip_l", "text_encoder_2": "clip_g"},
}
_REPOSITORIES = {
    "sd1": "runwayml/stable-diffusion-v1-5",
    "sd2": "stabilityai/stable-diffusion-2-1",
    "sdxl": "stabilityai/stable-diffusion-xl-base-1.0",
}
_NETWORKS = Path("extensions-builtin/sd_forge_lora/networks.py")
_FOLDER = Path()


def prepare(folder: Path) -> None:
    global _FOLDER
    _FOLDER = folder
    tool.stand_in("xformers")
    sys.path[:0] = [str(folder), str(folder / "packages_3rdparty")]
    sys.argv = ["launch.py", "--always-cpu", "--all-in-fp32"]
    import backend.modules.k_model
    import backend.nn.clip
    import backend.nn.unet
    import backend.patcher.clip
    import backend.patcher.unet  # noqa: F401


def apply(base: Base, file: Path) -> tool.Patched:
    import backend.patcher.lora as lora
    import backend.utils
    from backend.patcher.base import ModelPatcher
    from backend.patcher.clip import CLIP

    model, texts, cpu = _model(base), _texts(base), torch.device("cpu")
    unet, clip = ModelPatcher(model, cpu, cpu), CLIP(texts, {})
    names = ["model_lora_keys_clip", "model_lora_keys_unet", "load_lora"]
    around = {name: getattr(lora, name) for name in names}
    load = tool.functions(_FOLDER / _NETWORKS, ["load_lora_for_models"], around)["load_lora_for_models"]
    state = backend.utils.load_torch_file(str(file), safe_load=True)
    unet, clip = load(unet, clip, dict(state), 1.0, 1.0, filename=str(file))
    unet.refresh_loras()
    clip.patcher.refresh_loras()

    unmatched = state
    for keys in (lora.model_lora_keys_unet(model, {}), lora.model_lora_keys_clip(clip.cond_stage_model, {})):
        _, unmatched = lora.load_lora(unmatched, keys)
    weights = {}
    for name in base.weights:
        root, _, path = name.partition(".")
        if root == "unet":
            found = model.get_submodule(f"diffusion_model.{original_path(path, base.family)}")
        elif path == "text_projection":
            continue
        else:
            found = texts[_CLIP[base.family][root]].transformer.get_submodule(path)
        weights[name] = tool.copy_of(found.weight)
    refused = "refuses the file" if len(unmatched) > 12 else ""
    return tool.Patched(weights, sorted(unmatched), refused)


def _model(base: Base) -> nn.Module:
    from backend.modules.k_model import KModel
    from backend.nn.unet import IntegratedUNet2DConditionModel

    config = unet_config(base.family)
    unet = IntegratedUNet2DConditionModel(**config).float()
    unet._internal_dict = config  # as its loader does
    unet.load_state_dict(original_unet(base), strict=True)
    unet.storage_dtype = unet.computation_dtype = torch.float32
    guess = types.SimpleNamespace(huggingface_repo=_REPOSITORIES[base.family])
    return KModel(unet, None, k_predictor=nn.Identity(), config=guess).requires_grad_(False)


def _texts(base: Base) -> dict[str, nn.Module]:
    from backend.nn.clip import IntegratedCLIP

    made = {}
    for root, name in _CLIP[base.family].items():
        model = base.models[root]
        made[name] = IntegratedCLIP(lambda config, model=model: old_names(model), model.config)
    return made
