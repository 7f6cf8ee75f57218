"""kohya's sd-scripts: networks/lora.py of the checkout, on its own UNet classes, unchanged.

Its own code: create_network_from_weights, LoRANetwork.merge_to, original_unet.py (SD 1 and 2), sdxl_original_unet.py.
The UNets' widths are module constants there and are set to the small ones. It pins transformers 4.54, so the text
encoders get that version's module names.
"""

import sys
from pathlib import Path

import torch
from torch import nn

from benchmarks.interop import tool
from benchmarks.interop.bases import CHANNELS, UNETS, Base, old_names, original_path, original_unet

TITLE = "kohya sd-scripts"
FOLDER = "kohya"


def prepare(folder: Path) -> None:
    tool.stand_in("torchvision", "cv2")
    sys.path.insert(0, str(folder))
    import networks.lora  # noqa: F401


def apply(base: Base, file: Path) -> tool.Patched:
    import networks.lora as lora

    unet = _unet(base)
    texts = {root: old_names(model) for root, model in base.models.items() if root != "unet"}
    encoders = list(texts.values()) if base.family == "sdxl" else texts["text_encoder"]
    network, state = lora.create_network_from_weights(1.0, str(file), None, encoders, unet, for_inference=True)
    names = {module.lora_name for module in network.text_encoder_loras + network.unet_loras}
    known = {f"{name}.{leaf}" for name in names for leaf in ("lora_down.weight", "lora_up.weight", "alpha")}
    unmatched = [key for key in state if key not in known]
    network.merge_to(encoders, unet, state, torch.float32, "cpu")
    weights = {}
    for name in base.weights:
        root, _, path = name.partition(".")
        if root == "unet" and base.family == "sdxl":
            found = unet.get_submodule(original_path(path, base.family))
        else:
            found = (unet if root == "unet" else texts[root]).get_submodule(path)
        weights[name] = tool.copy_of(found.weight)
    return tool.Patched(weights, unmatched)


def _unet(base: Base) -> nn.Module:
    if base.family == "sdxl":
        import library.sdxl_original_unet as code

        code.MODEL_CHANNELS, code.TIME_EMBED_DIM = CHANNELS, CHANNELS * 4
        unet = code.SdxlUNet2DConditionModel()
        unet.load_state_dict(original_unet(base), strict=True)
        return unet.requires_grad_(False)
    import library.original_unet as code

    config = UNETS[base.family]
    code.BLOCK_OUT_CHANNELS = config["block_out_channels"]
    code.TIMESTEP_INPUT_DIM, code.TIME_EMBED_DIM = CHANNELS, CHANNELS * 4
    heads, linear = config["attention_head_dim"], config.get("use_linear_projection", False)
    unet = code.UNet2DConditionModel(64, heads, config["cross_attention_dim"], linear)
    unet.load_state_dict(base.models["unet"].state_dict(), strict=True)
    return unet.requires_grad_(False)
