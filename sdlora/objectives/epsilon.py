"""Epsilon: the noise itself (Ho et al. 2020, eq. 14)."""

from sdlora.objectives.objective import Objective, add_noise, snr_of

OBJECTIVE = Objective(
    name="epsilon",
    title="epsilon",
    noisy=add_noise,
    target=lambda x0, noise, a: noise,
    weight=lambda a, gamma: snr_of(a).clamp(max=gamma) / snr_of(a),
    learns_from_noise=False,  # the input at a = 0 is the answer
    stated={
        "modelspec.prediction_type": ("epsilon",),
        "modelspec.architecture": ("stable-diffusion-v2-512",),
        "ss_v_parameterization": ("False",),
    },
)
