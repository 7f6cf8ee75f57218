"""The arithmetic of LoRA layers with that of the frozen layers they are on, one autograd function each.

Written out by hand because launching an operation costs more than computing most of these: the change is added into
the base's own product, the strength rides on products that are there anyway, and the backward pass keeps of each layer
its input, the r features and the weights, nothing else. Symbols: x (…, in), W (out, in), A (r, in), B (out, r), s the
strength; y = x·Wᵀ + s·(x·Aᵀ)·Bᵀ. All tensors of a call have one dtype; whoever calls casts them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


class LinearProducts(Function):
    """y of one linear layer; (x, W, bias or None, A, B, s). Gradients of x, A and B."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, s: float) -> Tensor:
        """Compute y, (…, out)."""
        rows = x.reshape(-1, x.shape[-1])  # (N, in)
        features = rows @ a.t()  # (N, r)
        y = _plain(rows, weight, bias).addmm_(features, b.t(), alpha=s)  # (N, out)
        ctx.save_for_backward(rows, features, weight, a, b)
        ctx.s, ctx.shape = s, x.shape
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of x, A and B for that of y."""
        rows, features, weight, a, b = ctx.saved_tensors
        g = gradients[0].reshape(-1, weight.shape[0])  # (N, out)
        inner = g @ b  # (N, r)
        to_x = _to_input(g, inner, rows, weight, a, ctx.s).view(ctx.shape) if ctx.needs_input_grad[0] else None
        # With beta = 0 the first argument is not read: the product, times alpha, in one operation.
        to_a = torch.addmm(a, inner.t(), rows, beta=0, alpha=ctx.s) if ctx.needs_input_grad[3] else None
        to_b = torch.addmm(b, g.t(), features, beta=0, alpha=ctx.s) if ctx.needs_input_grad[4] else None
        return to_x, None, None, to_a, to_b, None


class StackedProducts(Function):
    """y of n linear layers that read the same input, as attention's q, k and v do; one product for all of them.

    (x (batch, N, in), W (n·out, in), bias (n·out) or None, A (n·r, in), B (n, out, r), s, heads, n factors A, n B).
    W, A and B hold the layers' own one after the other; the single factors are there to get their gradients. Without
    them A and B get theirs. Returns n tensors (batch, heads, N, out / heads), views of one.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, s: float, heads: int,
        *factors: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """Compute each layer's y, (batch, heads, N, out / heads)."""
        rows, n, out = x.reshape(-1, x.shape[-1]), b.shape[0], b.shape[1]
        features = rows @ a.t()  # (rows, n·r)
        y = _apart(_plain(rows, weight, bias), n)  # (n, rows, out)
        y = _adding(y)(_apart(features, n), b.transpose(1, 2), alpha=s)
        ctx.save_for_backward(rows, features, weight, a, b)
        ctx.s, ctx.shape, ctx.dtype = s, x.shape, factors[0].dtype if factors else None
        return y.view(n, *x.shape[:-1], heads, out // heads).transpose(2, 3).unbind()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of x and of every factor, or of A and B, for those of the n outputs."""
        rows, features, weight, a, b = ctx.saved_tensors
        n, out, rank = b.shape
        apart = [gradient.transpose(1, 2) for gradient in gradients]  # (batch, N, heads, out / heads)
        g = torch.stack(apart, dim=2).view(-1, n * out)  # (rows, n·out)
        inner = _apart(g.new_empty(g.shape[0], n * rank), n)  # what is in it is not read
        inner = _adding(inner)(_apart(g, n), b, beta=0).transpose(0, 1).reshape(-1, n * rank)  # (rows, n·r)
        to_x = _to_input(g, inner, rows, weight, a, ctx.s).view(ctx.shape) if ctx.needs_input_grad[0] else None
        to_a = torch.addmm(a, inner.t(), rows, beta=0, alpha=ctx.s)
        to_b = torch.baddbmm(b, _apart(g, n).transpose(1, 2), _apart(features, n), beta=0, alpha=ctx.s)
        if ctx.dtype is None:
            return to_x, None, None, to_a, to_b, None, None
        to_a = to_a.view(n, rank, -1)
        to_a, to_b = to_a.to(ctx.dtype), to_b.to(ctx.dtype)  # at once, not one by one
        return to_x, None, None, None, None, None, None, *to_a.unbind(), *to_b.unbind()


class ConvolutionProducts(Function):
    """y of one convolution with zero padding: A has the base's kernel and B is 1x1.

    (x (batch, in, h, w), W, bias or None, A (r, in, k, k), B (out, r, 1, 1), s, stride, padding, dilation).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, s: float,
        stride: tuple, padding: tuple, dilation: tuple,
    ) -> Tensor:  # fmt: skip
        """Compute y, (batch, out, h', w')."""
        how = (stride, padding, dilation)
        features = _convolved(x, a, None, *how)
        scaled = b if s == 1 else b * s
        y = _convolved(x, weight, bias, *how).add_(_convolved(features, scaled))
        ctx.save_for_backward(x, features, weight, a, scaled)
        ctx.s, ctx.how = s, how
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of x, A and B for that of y."""
        x, features, weight, a, scaled = ctx.saved_tensors
        needs_x, g = ctx.needs_input_grad[0], gradients[0]
        inner, to_b = _convolved_back(g, features, scaled, True, ctx.needs_input_grad[4])
        more, to_a = _convolved_back(inner, x, a, needs_x, ctx.needs_input_grad[3], *ctx.how)
        to_x = _convolved_back(g, x, weight, True, False, *ctx.how)[0].add_(more) if needs_x else None
        if to_b is not None and ctx.s != 1:
            to_b = to_b.mul_(ctx.s)
        return to_x, None, None, to_a, to_b, None, None, None, None


def _plain(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(N, in) -> (N, out), a tensor of its own."""
    return rows @ weight.t() if bias is None else torch.addmm(bias, rows, weight.t())


def _to_input(g: Tensor, inner: Tensor, rows: Tensor, weight: Tensor, a: Tensor, s: float) -> Tensor:
    """g·W + s·inner·A, laid out in memory as the input was: images come with their channels first."""
    if rows.stride(0) == 1 and rows.shape[1] > 1:
        return (weight.t() @ g.t()).addmm_(a.t(), inner.t(), alpha=s).t()
    return (g @ weight).addmm_(inner, a, alpha=s)


def _apart(joined: Tensor, n: int) -> Tensor:
    """(rows, n·k) as (n, rows, k), without a copy."""
    return joined.view(joined.shape[0], n, -1).transpose(0, 1)


def _adding(batch: Tensor) -> Callable[..., Tensor]:
    """baddbmm into the very tensor; a compiler, which plans memory itself, can't do that to a transposed view."""
    return batch.baddbmm if torch.compiler.is_compiling() else batch.baddbmm_


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride=1, padding=0, dilation=1) -> Tensor:
    return torch.conv2d(x, weight, bias, stride, padding, dilation)


def _convolved_back(
    g: Tensor, x: Tensor, weight: Tensor, to_x: bool, to_weight: bool, stride=(1, 1), padding=(0, 0), dilation=(1, 1)
) -> tuple[Tensor, Tensor]:
    """Gradients of input and weight, None for what is not asked for."""
    mask = [to_x, to_weight, False]
    args = (None, list(stride), list(padding), list(dilation), False, [0, 0], 1, mask)
    return torch.ops.aten.convolution_backward(g, x, weight, *args)[:2]
