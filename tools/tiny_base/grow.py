"""A wider or deeper autoencoder that draws what a trained one draws, to train on from.

Net2Net (https://arxiv.org/abs/1511.05641): a wider layer holds every channel several times, side by side, so that
group norms see the same groups; what reads them shares its weights out at random, or the copies would stay alike.
A further residual block begins as the identity: its last convolution is zero.
"""

import torch
from diffusers import AutoencoderKL


def grow(old: AutoencoderKL, new: AutoencoderKL, seed: int = 0) -> None:
    """Load old's weights into new, in place; the same pictures come out, to rounding.

    ValueError where new is not as wide as old or a whole multiple, level by level, or has fewer layers.
    """
    generator, known = torch.Generator().manual_seed(seed), old.state_dict()
    weights = new.state_dict()
    for name, there in weights.items():
        if name in known:
            weights[name] = widened(known[name].float(), there.shape, generator, name)
        elif name.endswith("conv_shortcut.weight") and name.replace("conv_shortcut", "conv1") in known:
            same = torch.eye(known[name.replace("conv_shortcut", "conv1")].shape[1])[:, :, None, None]
            weights[name] = widened(same, there.shape, generator, name)
        elif ".conv2." in name or "conv_shortcut.bias" in name:
            weights[name] = torch.zeros_like(there)
    if missing := set(known) - set(weights):
        raise ValueError(f"the new autoencoder has no {min(missing)}, which the one to start from has")
    new.load_state_dict(weights)


def widened(weight: torch.Tensor, shape: torch.Size, generator: torch.Generator, name: str) -> torch.Tensor:
    """A weight (out, in, ...) or (out,) repeated to a shape; the copies of an input share its old weight."""
    if any(wide % narrow for wide, narrow in zip(shape, weight.shape, strict=True)):
        raise ValueError(f"{name}: {tuple(shape)} is not a whole multiple of {tuple(weight.shape)}")
    times = [wide // narrow for wide, narrow in zip(shape, weight.shape, strict=True)]
    weight = weight.repeat_interleave(times[0], 0)
    if weight.ndim > 1 and times[1] > 1:
        shares = 0.5 + torch.rand(*weight.shape[:2], times[1], generator=generator)
        shares = (shares / shares.sum(2, keepdim=True)).flatten(1)
        weight = weight.repeat_interleave(times[1], 1) * shares.view(*shares.shape, *[1] * (weight.ndim - 2))
    # The middle's attention divides by the root of its width: n copies make q times k n times as large.
    return weight / times[0] ** 0.5 if ".to_q." in name else weight
