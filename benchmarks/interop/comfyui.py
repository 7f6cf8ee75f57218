"""ComfyUI: comfy.sd.load_lora_for_models of the checkout, on its own UNet and text encoder classes, unchanged.

Its own code: key maps, LoRA reading, weight adapters, ModelPatcher, UNetModel, CLIPTextModel; the models are made from
its own configuration classes with small widths and get their weights by name, with none missing or left over.
"""

import sys
from pathlib import Path

import torch
from torch import nn

from benchmarks.interop import tool
from benchmarks.interop.bases import CHANNELS, TEXT, TEXT_2, Base, hugging_text, original_path, original_unet

TITLE = "ComfyUI"
FOLDER = "comfyui"
_CLIP = {
    "sd1": {"text_encoder": "clip_l"},
    "sd2": {"text_encoder": "clip_h"},
    "sdxl": {"text_encoder": "clip_l", "text_encoder_2": "clip_g"},
}
_DEPTHS = {  # transformer_depth, transformer_depth_output, transformer_depth_middle: as its detection finds them
    "sd1": ([1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], 1),
    "sd2": ([1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], 1),
    "sdxl": ([0, 0, 2, 2, 10, 10], [0, 0, 0, 2, 2, 2, 10, 10, 10], 10),
}


def unet_config(family: str) -> dict:
    """The original code's configuration of the base's UNet. Forge takes the same."""
    down, up, middle = (value[:] if isinstance(value, list) else value for value in _DEPTHS[family])
    heads = {"num_heads": 8, "num_head_channels": -1} if family == "sd1" else {"num_heads": -1, "num_head_channels": 32}
    config = {
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": CHANNELS,
        "num_res_blocks": [2, 2, 2] if family == "sdxl" else [2, 2, 2, 2],
        "channel_mult": [1, 2, 4] if family == "sdxl" else [1, 2, 4, 4],
        "transformer_depth": down,
        "transformer_depth_output": up,
        "transformer_depth_middle": middle,
        "context_dim": {"sd1": 768, "sd2": 1024, "sdxl": 2048}[family],
        "use_linear_in_transformer": family != "sd1",
        "use_spatial_transformer": True,
        **heads,
    }
    return config | ({"num_classes": "sequential", "adm_in_channels": 2816} if family == "sdxl" else {})


def prepare(folder: Path) -> None:
    tool.stand_in("torchvision", "torchaudio")
    sys.path.insert(0, str(folder))
    sys.argv = ["main.py", "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.sd  # noqa: F401


def apply(base: Base, file: Path) -> tool.Patched:
    import comfy.model_patcher
    import comfy.sd
    import comfy.utils

    unet, text = _unet(base), _text(base)
    cpu = torch.device("cpu")
    model = comfy.model_patcher.ModelPatcher(unet, load_device=cpu, offload_device=cpu)
    clip = comfy.sd.CLIP(no_init=True)
    clip.cond_stage_model, clip.tokenizer, clip.layer_idx, clip.tokenizer_options = text, None, None, {}
    clip.use_clip_schedule, clip.apply_hooks_to_conds = False, None
    clip.patcher = comfy.model_patcher.ModelPatcher(text, load_device=cpu, offload_device=cpu)
    lora = comfy.utils.load_torch_file(str(file), safe_load=True)
    with tool.log_of() as lines:
        model, clip = comfy.sd.load_lora_for_models(model, clip, lora, 1.0, 1.0)
        for patcher in (model, clip.patcher):
            for key in list(patcher.patches):
                patcher.patch_weight_to_device(key, device_to=cpu)
    unmatched = [line.partition(": ")[2] for line in lines if line.startswith("lora key not loaded: ")]
    refused = [line for line in lines if line.startswith(("NOT LOADED", "ERROR", "Calculate Weight Failed"))]
    states = {"unet": unet.state_dict(), **dict.fromkeys(_CLIP[base.family], text.state_dict())}
    weights = {}
    for name in base.weights:
        root, _, path = name.partition(".")
        if root == "unet":
            key = f"diffusion_model.{original_path(path, base.family)}.weight"
        else:
            key = f"{_CLIP[base.family][root]}.transformer.{path}.weight"
        weights[name] = tool.copy_of(states[root][key])
    return tool.Patched(weights, unmatched, "; ".join(refused[:2]))


def _unet(base: Base) -> nn.Module:
    import comfy.model_base
    import comfy.supported_models

    known = comfy.supported_models
    made = {"sd1": known.SD15, "sd2": known.SD20, "sdxl": known.SDXL}[base.family](unet_config(base.family))
    # its constructor puts the real models' head widths in
    made.unet_config |= unet_config(base.family) | {"image_size": 32, "dtype": torch.float32}
    model = (comfy.model_base.SDXL if base.family == "sdxl" else comfy.model_base.BaseModel)(made, device="cpu")
    model.diffusion_model.load_state_dict(original_unet(base), strict=True)
    return model.requires_grad_(False)


def _text(base: Base) -> nn.Module:
    import comfy.sd1_clip
    import comfy.sdxl_clip
    import comfy.text_encoders.sd2_clip

    kinds = {
        "sd1": comfy.sd1_clip.SD1ClipModel,
        "sd2": comfy.text_encoders.sd2_clip.SD2ClipModel,
        "sdxl": comfy.sdxl_clip.SDXLClipModel,
    }
    options = {"clip_l_model_config": TEXT, "clip_h_model_config": TEXT, "clip_g_model_config": TEXT_2}
    model = kinds[base.family](device="cpu", dtype=torch.float32, model_options=options)
    for root, name in _CLIP[base.family].items():
        state = {f"{name}.transformer.{key}": value for key, value in hugging_text(base, root).items()}
        wanted = {key: value for key, value in state.items() if "embeddings." not in key}  # its vocabulary is real
        left = model.load_state_dict(wanted, strict=False).unexpected_keys
        if left:
            raise RuntimeError(f"{TITLE} has no {left[0]}")
    return model.requires_grad_(False)
