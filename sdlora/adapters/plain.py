"""The nearest plain LoRA of any adapter: for the tools that read nothing else."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sdlora.adapters.adapter import Adapter
from sdlora.adapters.inject import inject
from sdlora.adapters.table import PLAIN


@torch.no_grad()
def nearest_lora(adapter: Adapter, rank: int) -> tuple[dict[str, dict[str, Tensor]], dict[str, float], float]:
    """The nearest plain LoRA of ``rank``, by SVD of every weight's change: (tensors by name, errors, total error).

    up · down is the change at scale 1, without alpha: float32 on the CPU, down (rank, in) or (rank, in, k, k), up
    (out, rank) or (out, rank, 1, 1), both of equal size; a layer that has fewer singular values has that rank.
    Errors: what is lost of each layer's change, as a part of it (Frobenius norms), by Eckart and Young the least
    possible; total: over all layers together.
    """
    found, errors = {}, {}
    lost = whole = 0.0
    for name in adapter.layers:
        change = adapter.delta(name).double().cpu()
        u, s, v = torch.linalg.svd(change.flatten(1), full_matrices=False)
        root = s[:rank].sqrt()
        up, down = (u[:, :rank] * root).float(), (root[:, None] * v[:rank]).float()
        ones = (1,) * (change.ndim - 2)
        found[name] = {"down": down.view(-1, *change.shape[1:]), "up": up.view(*up.shape, *ones)}
        cut, size = float(s[rank:].square().sum()), float(s.square().sum())
        errors[name] = (cut / size) ** 0.5 if size else 0.0
        lost, whole = lost + cut, whole + size
    return found, errors, (lost / whole) ** 0.5 if whole else 0.0


def as_plain_lora(adapter: Adapter, models: Mapping[str, nn.Module], rank: int) -> tuple[Adapter, float]:
    """(the nearest plain LoRA of ``rank`` in the place of ``adapter``, the part of the change that is lost).

    models: root -> the live models that ``adapter`` is on. Its strength is 1 (alpha = rank).
    """
    tensors, _, lost = nearest_lora(adapter, rank)
    adapter.remove()
    ranks = {name: own["down"].shape[0] for name, own in tensors.items()}
    alphas = {name: float(own) for name, own in ranks.items()}
    plain = inject(models, list(ranks), rank_pattern=ranks, alpha_pattern=alphas, kind=PLAIN.name)
    plain.load_state_dict({f"{name}.{part}": t for name, own in tensors.items() for part, t in own.items()})
    return plain, lost
