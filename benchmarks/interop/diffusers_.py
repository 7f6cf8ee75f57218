"""diffusers, as installed: load_lora_weights and fuse_lora of its pipelines, with peft and transformers."""

from importlib.metadata import version
from pathlib import Path

from benchmarks.interop import tool
from benchmarks.interop.bases import Base, canonical, layers_of
from benchmarks.interop.reference import kohya_name

TITLE = "diffusers"
FOLDER = None  # installed, no checkout


def described() -> str:
    return f"{version('diffusers')} (peft {version('peft')}, transformers {version('transformers')})"


def prepare(folder: Path | None) -> None:
    import diffusers  # noqa: F401


def apply(base: Base, file: Path) -> tool.Patched:
    from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
    from peft.tuners.lora import LoraLayer
    from safetensors import safe_open

    parts = dict(base.models) | {"vae": None, "tokenizer": None, "scheduler": DDIMScheduler()}
    if base.family == "sdxl":
        pipeline = StableDiffusionXLPipeline(**parts, tokenizer_2=None, add_watermarker=False)
    else:
        parts |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        pipeline = StableDiffusionPipeline(**parts)
    pipeline.load_lora_weights(str(file))
    pipeline.fuse_lora(components=list(base.models))
    weights, found = {}, set()
    for root, model in base.models.items():
        for name, layer in layers_of(root, model):
            name = name.removesuffix(".base_layer")
            if name in base.weights:
                weights[name] = tool.copy_of(layer.weight)
        lora = (path for path, module in model.named_modules() if isinstance(module, LoraLayer))
        found |= {canonical(f"{root}.{path}") for path in lora}
    with safe_open(file, "pt") as opened:
        keys = list(opened.keys())
    known = {stem for name in found for stem in _spellings(name, base.family)}
    stems = {key: key.replace(".alpha", ".lora_.").replace(".dora_scale", ".dora_.").split(".lora_")[0] for key in keys}
    return tool.Patched(weights, [key for key in keys if stems[key] not in known])


def _spellings(name: str, family: str) -> set[str]:
    """The names in files that diffusers takes for the layer. It does not say itself which keys it left."""
    flat = name.partition(".")[2].replace(".", "_")
    prefixes = {"unet": ("unet",), "text_encoder": ("te", "te1"), "text_encoder_2": ("te2",)}[name.partition(".")[0]]
    kohya = {f"lora_{prefix}_{flat}" for prefix in prefixes} | {kohya_name(name, family)}
    return {name} | kohya | {stem.replace("_text_model_", "_") for stem in kohya}
