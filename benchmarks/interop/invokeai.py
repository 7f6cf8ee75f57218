"""InvokeAI: LoRALoader and LayerPatcher of the checkout on diffusers' and transformers' models, unchanged.

Its own code: base detection, key conversion, layers, patching (invokeai/backend). It pins transformers 5.5, so the text
encoders get that version's module names. Patched directly, not by sidecar modules, which compute the same at run time.
"""

import contextlib
import logging
import sys
import types
from pathlib import Path

import torch

from benchmarks.interop import tool
from benchmarks.interop.bases import Base, old_names

TITLE = "InvokeAI"
FOLDER = "invokeai"
_PREFIXES = {  # as its invocations compel.py and denoise_latents.py pass them
    "sd1": {"unet": "lora_unet_", "text_encoder": "lora_te_"},
    "sd2": {"unet": "lora_unet_", "text_encoder": "lora_te_"},
    "sdxl": {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"},
}
_NOT_NEEDED = ["compel", "cv2", "onnx", "onnxruntime", "spandrel", "torchvision"]


def prepare(folder: Path) -> None:
    tool.stand_in(*_NOT_NEEDED)
    sys.path.insert(0, str(folder))
    import invokeai.backend.model_manager.load.model_loaders.lora
    import invokeai.backend.patches.layer_patcher  # noqa: F401


def apply(base: Base, file: Path) -> tool.Patched:
    from invokeai.backend.model_manager.load.model_loaders.lora import LoRALoader
    from invokeai.backend.model_manager.taxonomy import BaseModelType
    from invokeai.backend.model_manager.util.model_util import lora_token_vector_length
    from invokeai.backend.patches.layer_patcher import LayerPatcher
    from safetensors.torch import load_file

    kinds = {
        "sd1": BaseModelType.StableDiffusion1,
        "sd2": BaseModelType.StableDiffusion2,
        "sdxl": BaseModelType.StableDiffusionXL,
    }
    loader = LoRALoader.__new__(LoRALoader)  # its constructor wants the application's model cache
    loader._model_base, loader._torch_dtype = kinds[base.family], torch.float32
    with tool.log_of("InvokeAI", LayerPatcher.__name__) as lines:
        patch = loader._load_model(types.SimpleNamespace(path=str(file), format=None, base=loader._model_base))
        weights = {}
        with contextlib.ExitStack() as held:
            for root, prefix in _PREFIXES[base.family].items():
                model = base.models[root] if root == "unet" else old_names(base.models[root])
                held.enter_context(
                    LayerPatcher.apply_smart_model_patches(
                        model, [(patch, 1.0)], prefix, torch.float32, force_direct_patching=True
                    )
                )
            for name in base.weights:  # the patches come off again at the end of the context
                root, _, path = name.partition(".")
                model = base.models[root] if root == "unet" else old_names(base.models[root])
                weights[name] = tool.copy_of(model.get_submodule(path).weight)
    lost = {line.rpartition(": ")[2] for line in lines if line.startswith("Failed to find module")}
    lost |= {key for key in patch.layers if not key.startswith(tuple(_PREFIXES[base.family].values()))}
    unmatched = [key for key in load_file(str(file)) if key.partition(".")[0] in lost]
    width = lora_token_vector_length(_full_width(load_file(str(file)), base.family))
    recognised = {768: "SD-1", 1024: "SD-2", 1280: "SDXL", 2048: "SDXL"}.get(width, "nothing known")
    return tool.Patched(weights, unmatched, f"recognised as {recognised}")


_WIDTHS = {  # of the real models, where the small ones differ and the detection looks
    "lora_te_": {"sd1": 768, "sd2": 1024},
    "lora_te1_": {"sdxl": 768},
    "lora_te2_": {"sdxl": 1280},
}


def _full_width(tensors: dict[str, torch.Tensor], family: str) -> dict[str, torch.Tensor]:
    """The file's tensors in their order, with the inputs that they would have on the real base; without contents."""
    widths = {prefix: by_family[family] for prefix, by_family in _WIDTHS.items() if family in by_family}
    full = {}
    for key, tensor in tensors.items():
        shape, down = list(tensor.shape), key.endswith("lora_down.weight")
        if down and "_self_attn_" in key:
            shape[1] = next((width for prefix, width in widths.items() if key.startswith(prefix)), shape[1])
        elif down and "time_emb_proj" in key:
            shape[1] = 1280
        full[key] = torch.empty(shape, dtype=tensor.dtype, device="meta")
    return full


logging.getLogger("InvokeAI").propagate = False
