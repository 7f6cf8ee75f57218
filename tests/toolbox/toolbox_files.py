"""Small bases with the block structure of the real ones, as folders and as single files, and LoRAs for them."""

from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save_file
from small_models import SD2, SDXL, make_text_encoder, make_unet

from sdlora.lorafiles.keys import kohya_name, original_path

SDXL = SDXL | {"transformer_layers_per_block": (1, 2, 3)}  # ten blocks would add names and no case
SD1 = {key: value for key, value in SD2.items() if key != "use_linear_projection"}
CONFIGS = {"sd1": SD1, "sd2": SD2, "sdxl": SDXL}


@cache
def unet_of(family: str):
    """Never changed by a test: all share it."""
    return make_unet(**CONFIGS[family])


def small_configs(family: str) -> dict:
    configs = {"unet": unet_of(family).config, "text_encoder": make_text_encoder(2).config}
    return configs | ({"text_encoder_2": make_text_encoder(2).config} if family == "sdxl" else {})


def full_path(key: str) -> str:
    """transformers 5.6 dropped "text_model." from the names; the files of every tool have it."""
    return key if key.startswith(("text_model.", "text_projection")) else f"text_model.{key}"


@cache
def text_weights(layers: int = 2) -> dict[str, torch.Tensor]:
    return {full_path(k): v.detach() for k, v in make_text_encoder(layers).state_dict().items() if "ids" not in k}


def make_folder(folder: Path, family: str = "sd1", dtype=torch.float32) -> Path:
    (folder / "unet").mkdir(parents=True)
    unet = {k: v.to(dtype) for k, v in unet_of(family).state_dict().items()}
    save_file(unet, folder / "unet/diffusion_pytorch_model.safetensors", {"format": "pt"})
    (folder / "unet/config.json").write_text("{}")
    (folder / "model_index.json").write_text("{}")
    for n, root in enumerate(("text_encoder", "text_encoder_2")[: 2 if family == "sdxl" else 1]):
        (folder / root).mkdir()
        text = {k: v.to(dtype) for k, v in text_weights(2 + n).items()}
        save_file(text, folder / root / "model.safetensors", {"format": "pt"})
        (folder / root / "pytorch_model.bin").write_bytes(b"an unmerged copy")
    return folder


_OPEN = {
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def make_single(path: Path, family: str = "sd1", dtype=torch.float16, change=None) -> Path:
    """A checkpoint in the original layout. change: canonical name -> what is added to its weight."""
    tensors = {"first_stage_model.decoder.conv_in.weight": torch.randn(4, 4, 3, 3)}
    add = change or {}
    for key, value in unet_of(family).state_dict().items():
        stem, _, kind = key.rpartition(".")
        value = value + add.get(f"unet.{stem}", 0) if kind == "weight" else value
        try:
            tensors[f"model.diffusion_model.{original_path(stem, family)}.{kind}"] = value
        except Exception:  # noqa: BLE001 (norms and the like, which no LoRA has)
            tensors[f"model.diffusion_model.{key}"] = value
    tensors |= text_tensors(family, add)
    save_file({k: v.detach().to(dtype).clone() for k, v in tensors.items()}, path, {"modelspec.title": "base"})
    return path


def text_tensors(family: str, add: dict) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for n, root in enumerate(("text_encoder", "text_encoder_2")[: 2 if family == "sdxl" else 1]):
        weights = {}
        for key, value in text_weights(2 + n).items():
            stem, _, kind = key.rpartition(".")
            weights[key] = value + add.get(f"{root}.{stem}", 0) if kind == "weight" else value
        if (family, root) == ("sd1", "text_encoder"):
            found |= {f"cond_stage_model.transformer.{k}": v for k, v in weights.items()}
        elif (family, root) == ("sdxl", "text_encoder"):
            found |= {f"conditioner.embedders.0.transformer.{k}": v for k, v in weights.items()}
        else:
            top = "cond_stage_model" if family == "sd2" else "conditioner.embedders.1"
            found |= open_clip(weights, f"{top}.model.transformer.resblocks", 2 + n)
    return found


def open_clip(weights: dict[str, torch.Tensor], top: str, layers: int) -> dict[str, torch.Tensor]:
    found = {}
    for n in range(layers):
        own = f"text_model.encoder.layers.{n}."
        qkv = [weights[f"{own}self_attn.{x}_proj.weight"] for x in "qkv"]
        found[f"{top}.{n}.attn.in_proj_weight"] = torch.cat(qkv)
        for ours, theirs in _OPEN.items():
            found[f"{top}.{n}.{theirs}.weight"] = weights[f"{own}{ours}.weight"]
    return found


TEXT = [
    f"{{root}}.text_model.encoder.layers.{n}.{part}"
    for n in range(2)
    for part in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2")
]


@cache
def layer_shapes(family: str) -> dict[str, torch.Size]:
    """Canonical name -> weight's shape, of the UNet's attention and convolutions and the text encoders' layers."""
    unet = {
        f"unet.{k.removesuffix('.weight')}": v.shape
        for k, v in unet_of(family).state_dict().items()
        if k.endswith(".weight") and v.ndim in (2, 4) and "_blocks" in k or k.startswith("mid") and v.ndim in (2, 4)
    }
    unet = {k: v for k, v in unet.items() if not k.endswith(".bias")}
    text = text_weights(2)
    for root in ("text_encoder", "text_encoder_2")[: 2 if family == "sdxl" else 1]:
        for name in (t.format(root=root) for t in TEXT):
            unet[name] = text[name.removeprefix(f"{root}.") + ".weight"].shape
    return unet


def make_lora(
    path: Path,
    family: str = "sd1",
    rank: int = 4,
    alpha: float = 2.0,
    seed: int = 0,
    words: tuple[str, ...] = ("attentions", "layers"),
    dtype=torch.float32,
    metadata: dict[str, str] | None = None,
    strength: float = 0.1,
    decay: float = 1.0,
) -> Path:
    """decay: how fast the factors' columns shrink, for a spectrum that a lower rank keeps."""
    draw, tensors = torch.Generator().manual_seed(seed), {}
    weights = decay ** torch.arange(rank)
    for name, shape in layer_shapes(family).items():
        if not any(word in name for word in words):
            continue
        stem, ones = kohya_name(name, family), (1, 1) if len(shape) == 4 else ()
        up = torch.randn(shape[0], rank, generator=draw) * weights * strength
        tensors[f"{stem}.lora_down.weight"] = torch.randn(rank, *shape[1:], generator=draw).to(dtype)
        tensors[f"{stem}.lora_up.weight"] = up.view(shape[0], rank, *ones).to(dtype)
        tensors[f"{stem}.alpha"] = torch.tensor(alpha)
    save_file(tensors, path, metadata)
    return path


def deltas(path: Path) -> dict[str, torch.Tensor]:
    """kohya stem -> alpha / rank · up · down in float64, by the plain formula."""
    from safetensors.torch import load_file

    tensors = load_file(path)
    found = {}
    for key in tensors:
        if key.endswith(".lora_down.weight"):
            stem = key.removesuffix(".lora_down.weight")
            down, up = tensors[key].double(), tensors[f"{stem}.lora_up.weight"].double()
            scale = float(tensors[f"{stem}.alpha"]) / down.shape[0]
            found[stem] = up.flatten(1) @ down.flatten(1) * scale
    return found


def relative(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """Frobenius norm of the difference over that of b, all layers together."""
    assert a.keys() == b.keys()
    lost = sum(float((a[k] - b[k]).norm()) ** 2 for k in b)
    return (lost / sum(float(b[k].norm()) ** 2 for k in b)) ** 0.5
