"""Read LoRA files: kohya's and diffusers'/peft's container, for SD1 and SD2."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from sdlora.errors import Problem, UserError, explain
from sdlora.lora.adapter import Adapter
from sdlora.lora.formats import canonical, from_kohya
from sdlora.lora.inject import inject

# ending of a key -> what it holds
_PARTS = {
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".alpha": "alpha",
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
}


@dataclass(frozen=True)
class LoraFile:
    """A LoRA file in our terms.

    modules: canonical module name (``sdlora.lora.formats``) -> (down, up, scale), the factors as float32 on the CPU:
    down (rank, in) or (rank, in, k, k), up (out, rank) or (out, rank, 1, 1); the change is scale · up · down.
    metadata: the file's own, text by key.
    """

    modules: dict[str, tuple[Tensor, Tensor, float]]
    metadata: dict[str, str]


def read_lora(path: Path | str) -> LoraFile:
    """The layers and metadata of a LoRA file.

    Raises UserError with one sentence if the file can't be read, is truncated or no safetensors file, or is no plain
    LoRA for Stable Diffusion 1 or 2 (unknown keys, halves of pairs, shapes that don't fit, values not finite).
    """
    path = Path(path)
    tensors, metadata = _open(path)
    parts: dict[str, dict[str, Tensor]] = {}
    unknown = []
    for key, tensor in tensors.items():
        ending = next((e for e in _PARTS if key.endswith(e)), None)
        name = _canonical_name(key.removesuffix(ending)) if ending else None
        if name is None:
            unknown.append(key)
        else:
            parts.setdefault(name, {})[_PARTS[ending]] = tensor
    if unknown or not parts:
        example = f": it has {unknown[0][:120]}" if unknown else ", it is empty"
        raise UserError(f"{path.name} is no plain LoRA for Stable Diffusion 1 or 2{example}.", where=str(path))
    return LoraFile({name: _pair(path, name, own) for name, own in parts.items()}, metadata)


def load_into(adapter: Adapter, path: Path | str) -> dict[str, str]:
    """Give the adapter a file's weights, to continue its training or to use it; returns the file's metadata.

    The file's strength is folded into up, so the adapter keeps its own alpha. Raises UserError, the adapter unchanged,
    if the file can't be read or its layers, ranks or shapes are others than the adapter's.
    """
    lora = read_lora(path)
    live = {canonical(name): (name, layer) for name, layer in adapter.layers.items()}
    state = {}
    for name, (down, up, scale) in lora.modules.items():
        here, layer = live.get(name, (name, None))
        if layer is not None:
            down, up = _without_padding(down, up, layer.rank)
            up = up * (scale / layer.scale)
        state |= {f"{here}.down": down, f"{here}.up": up}
    adapter.load_state_dict(state)
    return lora.metadata


def load_lora(modules: Mapping[str, nn.Module], path: Path | str) -> Adapter:
    """An adapter on {"unet": …, "text_encoder": …} with exactly the layers, ranks and weights of a LoRA file.

    Raises UserError if the file can't be read or doesn't fit the model; no hook is left behind then.
    """
    lora = read_lora(path)
    live = {
        canonical(f"{root}.{name}"): f"{root}.{name}" for root, m in modules.items() for name, _ in m.named_modules()
    }
    lost = [name for name in lora.modules if name not in live]
    if lost:
        more = f" ({len(lost)} such layers)" if len(lost) > 1 else ""
        raise UserError(f"{Path(path).name} is for another base model: here is no {lost[0]}{more}.", where=str(path))
    ranks = {live[name]: down.shape[0] for name, (down, _, _) in lora.modules.items()}
    alphas = {live[name]: scale * down.shape[0] or 1.0 for name, (down, _, scale) in lora.modules.items()}
    adapter = inject(modules, list(ranks), rank_pattern=ranks, alpha_pattern=alphas)
    try:
        load_into(adapter, path)
    except UserError:
        adapter.remove()
        raise
    return adapter


def _open(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"There is no LoRA file {path}.", fix="Check the path.", where=str(path)) from None
    except PermissionError as error:
        raise explain(error) from error
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0][:150]
        raise UserError(
            f"{path.name} is truncated, damaged or no safetensors file ({reason}).",
            fix="Get it again.",
            where=str(path),
        ) from None


def _canonical_name(name: str) -> str | None:
    if name.startswith(("unet.", "text_encoder.")):
        return canonical(name)
    try:
        return from_kohya(name)
    except UserError:
        return None


def _pair(path: Path, name: str, own: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, float]:
    problems = []
    if "down" not in own or "up" not in own:
        raise UserError(f"{path.name} has only one half of {name}.", fix="Get the file again.", where=str(path))
    if not all(t.is_floating_point() for t in own.values()) or own.get("alpha", torch.zeros(())).numel() != 1:
        raise UserError(f"{path.name} has no usable numbers in {name}.", fix="Get the file again.", where=str(path))
    down, up = own["down"].float(), own["up"].float()
    if down.ndim != up.ndim or down.ndim not in (2, 4) or down.numel() == 0 or down.shape[0] != up.shape[1]:
        problems.append(
            Problem(f"{path.name}: the factors of {name} don't fit, {list(down.shape)} and {list(up.shape)}.")
        )
    elif up.ndim == 4 and up.shape[2:] != (1, 1):
        problems.append(
            Problem(f"{path.name}: up of {name} is a {list(up.shape)} convolution, which is no plain LoRA.")
        )
    scale = float(own["alpha"]) / down.shape[0] if "alpha" in own and down.ndim else 1.0
    if not (down.isfinite().all() and up.isfinite().all() and abs(scale) < float("inf")):
        problems.append(
            Problem(f"{path.name} is not finite in {name}.", "It comes from a failed training; don't use it.")
        )
    if problems:
        raise UserError(*problems)
    return down, up, scale


def _without_padding(down: Tensor, up: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Take off the zero rows that ``export_lora`` adds to rank 1, if the adapter has that rank."""
    if down.shape[0] > rank and not down[rank:].any() and not up[:, rank:].any():
        return down[:rank], up[:, :rank]
    return down, up
