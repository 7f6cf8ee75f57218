"""Does the base model predict what it is trained as? Measured by one call of the UNet."""

import torch
from torch import Tensor

from sdlora.data.dataset import Item, seed_for
from sdlora.errors import Problem
from sdlora.messages import say
from sdlora.objectives import OBJECTIVES, USUAL
from sdlora.train.batch import Captioning, still_batch
from sdlora.train.caching import Latents
from sdlora.train.objective import answer_to, level_of
from sdlora.train.trainee import Trainee

# High enough that epsilon and v are nearly at right angles (v is mostly -x0 there), and low enough that a model which
# predicts v still sees something. On the embedded model the right kind has errors of 0.00 to 0.23 (epsilon) or 0.01 to
# 0.77 (v) there, for pictures in styles that it knows and does not know, the wrong one 1.1 to 2.0 or 0.6 to 2.3. For
# pictures that are quite unlike what it draws v's own errors rise to 1: then neither is said.
SHARE = 0.6


def errors_of(predicted: Tensor, latents: Tensor, noise: Tensor, a: Tensor, own: str = USUAL) -> dict[str, float]:
    """Per prediction the squared error over the target's own square: 0 is right, 1 is as bad as saying 0.

    Of the predictions that noise images as ``own`` does; others are not comparable.

    predicted, latents (scaled), noise: float32 (B, 4, h, w). a: alpha_bar at their timesteps, float32 (B,).
    """
    alike = [entry for entry in OBJECTIVES.values() if entry.noisy is OBJECTIVES[own].noisy]
    targets = {entry.name: entry.target(latents, noise, a) for entry in alike}
    return {name: float((predicted - aim).square().sum() / aim.square().sum()) for name, aim in targets.items()}


def looks_like(errors: dict[str, float]) -> str:
    """The prediction that the errors speak for; "" for none, as with a model that has learnt nothing."""
    best, *others = sorted(errors, key=errors.__getitem__)
    return best if errors[best] < 0.75 and all(errors[other] > 1.5 * errors[best] for other in others) else ""


@torch.no_grad()
def prediction_note(
    trainee: Trainee, item: Item, latents: Latents, captioning: Captioning, seed: int
) -> Problem | None:
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
    own = trainee.base.prediction
    enabled, trainee.adapter.enabled = trainee.adapter.enabled, False
    try:
        a = level_of(trainee, batch)
        noisy = OBJECTIVES[own].noisy(batch.latents, batch.noise, a)
        predicted = answer_to(noisy, trainee, batch)
    finally:
        trainee.adapter.enabled = enabled
    errors = errors_of(predicted, batch.latents, batch.noise, a, own)
    seen = looks_like(errors)
    if seen in ("", own):
        return None
    what = say(
        "models.prediction_doubtful",
        name=trainee.base.name,
        own=own,
        prediction=seen,
        error=f"{errors[seen]:.2f}",
        other=f"{errors[own]:.2f}",
    )
    return Problem(what, say("models.stop_and_set_prediction", prediction=seen), "model.prediction", fatal=False)
