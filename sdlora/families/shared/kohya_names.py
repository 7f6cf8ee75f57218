"""kohya's names of the layers of a UNet and its text encoders, from their configurations alone. No torch."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sdlora.families.family import Part
from sdlora.families.shared.unet_paths import get, unet_paths

TEXT_LAYER = ("self_attn.k_proj", "self_attn.v_proj", "self_attn.q_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2")


def kohya_names(parts: Sequence[Part], configs: Mapping[str, Any], original_blocks: bool = False) -> dict[str, str]:
    """Canonical name -> kohya's name of every layer that a portable LoRA file can hold.

    parts: a family's. configs: root -> configuration of its UNet2DConditionModel or CLIPTextModel; a root that is not
    there is left out. original_blocks: the UNet's blocks are named as in the original code. UserError for unknown kinds
    of blocks.
    """
    names = {}
    for part in parts:
        config = configs.get(part.root)
        if config is None or not part.kohya:
            continue
        pairs = unet_paths(config) if part.role == "denoiser" else text_paths(config, part.layers)
        for path, original in pairs:
            names[f"{part.root}.{path}"] = part.kohya + (original if original_blocks else path).replace(".", "_")
    return names


def text_paths(config: Any, most: int) -> Iterator[tuple[str, str]]:
    """(path, path) of every layer of a CLIP text model that LoRA files have names for, of ``most`` blocks at most."""
    for n in range(min(get(config, "num_hidden_layers"), most)):
        for part in TEXT_LAYER:
            path = f"text_model.encoder.layers.{n}.{part}"
            yield path, path
