"""The layers of a base model's networks, by the names that the loaded networks have, from headers alone. No torch."""

from sdlora.families.base import BaseInfo
from sdlora.families.shared.kohya_names import TEXT_LAYER

Shapes = dict[str, tuple[int, ...]]  # path -> shape of the weight there


def layer_shapes(info: BaseInfo, root: str) -> Shapes:
    """Path -> shape of every weight of two dimensions or more in one part, as ``network`` of its family names them.

    Of one file in the original layout: of every layer that can learn. UserError for unknown kinds of blocks.
    """
    if not info.single_file:
        return _weights(info, root)
    if root == info.denoiser:
        return _of_denoiser(info)
    return _of_text_encoder(info, root)


def _of_denoiser(info: BaseInfo) -> Shapes:
    """By the original code's names."""
    weights, part = _weights(info, info.denoiser), info.spec.denoiser
    found = {}
    for path, original in info.spec.paths(info.config(part.root)):
        shape = next((weights[p + original] for p in part.prefixes if p + original in weights), None)
        if shape:
            found[path] = shape
    return found


def _of_text_encoder(info: BaseInfo, root: str) -> Shapes:
    """By its sizes: one file may have it under OpenCLIP's names."""
    config = info.config(root)
    wide, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {"mlp.fc1": (inner, wide), "mlp.fc2": (wide, inner)}
    start = "text_model.encoder" if info.spec.part(root).projected else "encoder"
    count = range(config["num_hidden_layers"])
    return {f"{start}.layers.{n}.{name}": shapes.get(name, (wide, wide)) for n in count for name in TEXT_LAYER}


def _weights(info: BaseInfo, root: str) -> Shapes:
    shapes = info.shapes(root)
    return {name.removesuffix(".weight"): s for name, s in shapes.items() if name.endswith(".weight") and len(s) > 1}
