"""Does the base model predict what it is trained as? Measured by one call of the UNet."""

import torch
from torch import Tensor

from sdlora.data.dataset import Item, seed_for
from sdlora.errors import Problem
from sdlora.train.batch import Captioning, still_batch
from sdlora.train.caching import Latents
from sdlora.train.objective import OBJECTIVES, add_noise, answer_to, level_of
from sdlora.train.trainee import Trainee

# High enough that epsilon and v are nearly at right angles (v is mostly -x0 there), and low enough that a model which
# predicts v still sees something. On the embedded model the right kind has errors of 0.02 to 0.16 (epsilon) or 0.2 to
# 0.65 (v) there, the wrong one 1.1 to 1.8, for pictures that it knows and for noise alike.
SHARE = 0.6
KINDS = ("epsilon", "v_prediction")


def errors_of(predicted: Tensor, latents: Tensor, noise: Tensor, a: Tensor) -> dict[str, float]:
    """Per kind of prediction the squared error over the target's own square: 0 is right, 1 is as bad as saying 0.

    predicted, latents (scaled), noise: float32 (B, 4, h, w). a: alpha_bar at their timesteps, float32 (B,).
    """
    targets = {kind: OBJECTIVES[kind].target(latents, noise, a) for kind in KINDS}
    return {kind: float((predicted - aim).square().sum() / aim.square().sum()) for kind, aim in targets.items()}


def looks_like(errors: dict[str, float]) -> str:
    """The kind that the errors speak for; "" where they speak for none, as with a model that has learnt nothing."""
    best, other = sorted(KINDS, key=errors.__getitem__)
    return best if errors[best] < 0.75 and errors[other] > 1.5 * errors[best] else ""


@torch.no_grad()
def contradiction(trainee: Trainee, item: Item, latents: Latents, captioning: Captioning, seed: int) -> Problem | None:
    """A note if the UNet's answer to one image under strong noise speaks for another prediction than the one trained.

    Call it under autocast as the steps are. The adapter is silent meanwhile.
    """
    clean = latents.load(item, False)[0]
    noise = torch.randn((1, *clean.shape), generator=torch.Generator().manual_seed(seed_for(seed, "measure", 0, 0)))
    batch = still_batch(
        item, latents, Captioning(trigger=captioning.trigger), noise,
        torch.tensor([int(SHARE * len(trainee.alphas_cumprod))]),
        scaling_factor=trainee.scaling_factor, inpainting=trainee.base.inpainting,
    ).to(trainee.unet.device)  # fmt: skip
    enabled, trainee.adapter.enabled = trainee.adapter.enabled, False
    try:
        a = level_of(trainee, batch)
        predicted = answer_to(add_noise(batch.latents, batch.noise, a), trainee, batch)
    finally:
        trainee.adapter.enabled = enabled
    errors, own = errors_of(predicted, batch.latents, batch.noise, a), trainee.base.prediction
    seen = looks_like(errors)
    if seen in ("", own):
        return None
    what = (
        f"{trainee.base.name} is trained as {own}, but its own answer to a noisy image is that of {seen} "
        f"(relative error {errors[seen]:.2f} against {errors[own]:.2f})."
    )
    return Problem(what, f'Stop the run and set model.prediction to "{seen}".', "model.prediction", fatal=False)
