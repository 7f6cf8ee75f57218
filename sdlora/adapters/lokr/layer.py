"""One LoKr layer: the change of a frozen weight as the Kronecker product of two smaller matrices."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sdlora.adapters import weights
from sdlora.adapters.layer import shape_of, why_not
from sdlora.adapters.lokr.spec import SQUARE, blocks, full_rank
from sdlora.errors import UserError
from sdlora.messages import say


class LoKrLayer(nn.Module):
    """dW = w1 ⊗ (alpha / rank) · (w2_a·w2_b), after Yeh et al. 2023; from ``spec.full_rank`` on w1 ⊗ w2 alone.

    The tensors have LyCORIS's names, shapes and beginnings: ``lokr_w1`` (a, b), ``lokr_w2_a`` (c, r), ``lokr_w2_b``
    (r, d[ · k · k]) or ``lokr_w2`` (c, d[, k, k]) of a weight (a · c, b · d[, k, k]). w2_b, or w2, begins at zero:
    training starts at the base model exactly; the others are uniform within ± 1 / sqrt(columns).
    factor: a and b, or the nearest divisors (``spec.divided``). Other arguments and errors as for LoRALayer.
    """

    mask: Tensor | None = None

    def __init__(
        self,
        base: nn.Module,
        rank: int,
        alpha: float,
        generator: torch.Generator | None = None,
        name: str = say("adapters.the_layer"),
        factor: int = SQUARE,
    ):
        super().__init__()
        if problem := why_not(base, rank, alpha, name):
            raise UserError(problem)
        self.shape = shape_of(base)
        self.whole = rank >= full_rank(self.shape, factor)
        self.rank, self.alpha, self.scale = rank, float(alpha), 1.0 if self.whole else alpha / rank
        (a, b), (c, d) = blocks(self.shape, factor)
        kernel, device = self.shape[2:], weights.device_of(base)
        self.lokr_w1 = nn.Parameter(_uniform(a, b, generator).to(device))
        if self.whole:
            self.lokr_w2 = nn.Parameter(torch.zeros(c, d, *kernel, device=device))
        else:
            self.lokr_w2_a = nn.Parameter(_uniform(c, rank, generator).to(device))
            self.lokr_w2_b = nn.Parameter(torch.zeros(rank, d * torch.Size(kernel).numel(), device=device))

    @staticmethod
    def options_of(layers: Sequence[tuple[tuple[int, ...], Mapping[str, Tensor]]]) -> dict[str, int] | None:
        """{"factor": …} that cuts these weights as they are cut in a file; None where there is none.

        layers: (shape of the frozen weight, the file's tensors) of every layer.
        """
        highest = max(max(parts["lokr_w1"].shape) for _, parts in layers)
        for factor in (SQUARE, *range(1, highest + 1)):
            if all(_is_cut_so(shape, parts, factor) for shape, parts in layers):
                return {"factor": factor}
        return None

    def tensors(self) -> dict[str, nn.Parameter]:
        """Its two or three factors."""
        return dict(self.named_parameters())

    def neutral(self, weight: Tensor) -> dict[str, Tensor]:
        """No tensors: a LoKr has none beside its factors."""
        return {}

    def forward(self, x: Tensor, multiplier: float = 1.0, base: nn.Module | None = None) -> Tensor:
        """The change of the base's output for its input x, times ``multiplier``; base is needed.

        A linear layer's is w1 · X · w2ᵀ, with x as a matrix X (b, d): nothing of the weight's size is built.
        """
        if not isinstance(base, nn.Linear):
            with weights.without_autocast(x):
                change = self.delta() * multiplier
            return weights.apply(base, x, change.to(x.dtype))
        dtype, (_, b) = weights.autocast_dtype(x) or x.dtype, self.lokr_w1.shape
        with weights.without_autocast(x):
            w1, rows = self.lokr_w1.to(dtype), x.to(dtype).unflatten(-1, (b, -1))  # (…, b, d)
            if self.whole:
                mixed = rows @ self.lokr_w2.to(dtype).T
            else:
                mixed = rows @ self.lokr_w2_b.to(dtype).T @ self.lokr_w2_a.to(dtype).T  # (…, b, c)
            return (w1 @ mixed).flatten(-2) * (self.scale * multiplier)

    def output(self, x: Tensor, multiplier: float, base: nn.Module) -> Tensor:
        """The base's own output with the change in it: one product, with the two added, where that loses nothing."""
        if weights.precise(x):
            weight, _ = weights.parameters(base)
            return weights.apply(base, x, weight + (self.delta() * multiplier).to(x.dtype), bias=True)
        return weights.apply(base, x, bias=True) + self(x, multiplier, base)

    def delta(self, weight: Tensor | None = None) -> Tensor:
        """The change of the base's weight: float32, in its shape. weight: the base's; a LoKr does without."""
        second = self.lokr_w2.flatten(1) if self.whole else self.lokr_w2_a @ self.lokr_w2_b
        return torch.kron(self.lokr_w1, second * self.scale).view(self.shape)

    def extra_repr(self) -> str:
        """Rank and alpha, for ``print(model)``."""
        return f"rank={self.rank}, alpha={self.alpha:g}"


def _uniform(rows: int, columns: int, generator: torch.Generator | None) -> Tensor:
    """Kaiming He's uniform numbers with a = sqrt(5), as PyTorch's own linear layers begin."""
    return (torch.rand(rows, columns, generator=generator) * 2 - 1) / columns**0.5


def _is_cut_so(shape: tuple[int, ...], parts: Mapping[str, Tensor], factor: int) -> bool:
    first, (c, d) = blocks(shape, factor)
    if tuple(parts["lokr_w1"].shape) != first:
        return False
    if "lokr_w2" in parts:
        return tuple(parts["lokr_w2"].shape) == (c, d, *shape[2:])
    rank = 1 if not parts["lokr_w2_b"][1:].any() else parts["lokr_w2_b"].shape[0]  # rank 1 is written as 2
    return parts["lokr_w2_a"].shape[0] == c and rank < full_rank(shape, factor)
