"""train.*: how it learns: steps, rates, optimizer, precision."""

from collections.abc import Iterable
from typing import Annotated, Literal

from sdlora.adapters.table import KINDS
from sdlora.messages import say
from sdlora.runs.memory import NAMES as WAYS_TO_SAVE
from sdlora.settings.setting import Follows, OneOf, Section, When, setting
from sdlora.train.losses import LOSSES
from sdlora.train.optimizers import FIRST, OPTIMIZERS
from sdlora.train.schedules import SCHEDULES
from sdlora.train.timesteps import COUNT, DISTRIBUTIONS
from sdlora.train.weightings import WEIGHTINGS


def _one_of(names: Iterable[str]) -> str:
    """The test of ``When`` for a choice out of several."""
    return f"like:^({'|'.join(names)})$"


_MASKED = When(
    {"adapter.kind": _one_of(kind.name for kind in KINDS.values() if kind.masked)},
    say("settings.because_kind_without_ranks"),
)


# fmt: off
class TrainSettings(Section):
    """How it learns: steps, rates, optimizer, precision."""

    steps: int = setting(
        1000, "Optimizer steps in all.", "basic",
        label="Steps", group="training", place=1, cost=False, usual=(1, 100_000), ge=1, le=10_000_000,
        into=("epochs",)
    )
    epochs: int | None = setting(
        None, "How often it goes over the images: decides train.steps; empty to count in steps. A run keeps the steps.",
        label="Epochs instead of steps", group="training", place=1, cost=False, usual=(1, 1000), ge=1, le=100_000,
        into=("epochs",)
    )
    batch_size: int = setting(
        1, "Images per step on each device.",
        label="Batch size", group="memory", usual=(1, 128), ge=1, le=1024,
        into=("epochs", "sight"), recorded=("batch_size_per_device",)
    )
    accumulate: int = setting(
        1, "Batches added up for one optimizer step.",
        label="Gradient accumulation", group="memory", usual=(1, 64), ge=1, le=1024,
        into=("epochs",), recorded=("gradient_accumulation_steps",)
    )
    lr: float = setting(
        1e-4, "Learning rate of the UNet's LoRA.", "basic",
        label="Learning rate", group="training", place=2, cost=False, gt=0, le=10,
        recorded=("learning_rate", "unet_lr")
    )
    text_encoder_lr: float | None = setting(
        None, "Learning rate of the text encoder's LoRA: empty for half of train.lr, or all of it where the optimizer "
        "finds the rate; 0 not to train it.",
        label="Learning rate of the text encoder", group="training", cost=False, ge=0, le=10,
        when=When({"adapter.text_encoder": "set"}, say("settings.because_text_encoder_off")),
        follows=Follows(("train.lr", "train.optimizer"), lambda lr, name: lr * OPTIMIZERS[name].text_encoder_share),
        recorded=("text_encoder_lr",)
    )
    lora_plus: float = setting(
        1.0, "LoRA+: how much faster the factor learns that starts at zero, B (Hayou et al. 2024); 1 for as fast as A, "
        "2 to 16 are usual.", "expert",
        label="LoRA+ ratio", group="training", cost=False, usual=(1, 32), gt=0, le=1000
    )
    rank_dropout: float = setting(
        0.0, "The chance of each rank not to act on an image of a step, as kohya's rank_dropout.", "expert",
        label="Rank dropout", group="training", usual=(0, 0.5), ge=0, le=0.99, when=_MASKED
    )
    module_dropout: float = setting(
        0.0, "The chance of each layer of the LoRA not to act in a step, as kohya's module_dropout.", "expert",
        label="Layer dropout", group="training", usual=(0, 0.5), ge=0, le=0.99
    )
    rank_at_noise: float = setting(
        1.0, "T-LoRA (Soboleva et al. 2025): the share of the rank that learns at the noisiest timestep, up to all "
        "at the last; for a single image or a few. 1 for all ranks always.", "expert",
        label="Rank at the noisiest timestep", group="training", ge=0, le=1, when=_MASKED
    )
    max_weight_norm: float = setting(
        0.0, "The change of a layer is scaled down to this norm after each step, as kohya's scale_weight_norms; 0 for "
        "never.", "expert",
        label="Highest norm of a layer", group="training", cost=False, ge=0, le=1_000_000
    )
    optimizer: Annotated[str, OneOf(OPTIMIZERS)] = setting(
        FIRST.name, "How the LoRA's numbers follow their gradients.",
        label="Optimizer", group="training"
    )
    loss: Annotated[str, OneOf(LOSSES)] = setting(
        next(iter(LOSSES)), "How the distance from what is to be predicted is measured.", "expert",
        label="Loss", group="training", cost=False
    )
    scheduler: Annotated[str, OneOf(SCHEDULES)] = setting(
        "cosine", "How the learning rate changes over the run.",
        label="Learning rate schedule", group="training", cost=False,
        recorded=("lr_scheduler",)
    )
    cycles: int = setting(
        3, "How many falls from full rate cosine_with_restarts makes; the other schedulers make one.",
        label="Restarts: number of falls", group="training", cost=False, ge=1, le=1000,
        when=When({"train.scheduler": _one_of(n for n, s in SCHEDULES.items() if s.cycles)},
                  say("settings.because_no_restarts"))
    )
    warmup: int = setting(
        0, "Steps over which the learning rate rises from zero.",
        label="Warm-up steps", group="training", cost=False, ge=0, le=1_000_000,
        when=When({"train.scheduler": _one_of(n for n, s in SCHEDULES.items() if s.warms_up)},
                  say("settings.because_constant_schedule"), say("settings.use_constant_with_warmup")),
        recorded=("lr_warmup_steps",)
    )
    power: float = setting(
        1.0, "Power of the polynomial schedule: 1 falls in a line, higher ones fall early.", "expert",
        label="Power", group="training", cost=False, usual=(0.5, 5), gt=0, le=100,
        when=When({"train.scheduler": _one_of(n for n, s in SCHEDULES.items() if s.power)},
                  say("settings.because_other_schedule", name="polynomial"))
    )
    lr_floor: float = setting(
        0.0, "Where a falling learning rate ends, as a share of the full one; 0 for zero.", "expert",
        label="Lowest learning rate", group="training", cost=False, usual=(0, 0.5), ge=0, le=1,
        when=When({"train.scheduler": _one_of(n for n, s in SCHEDULES.items() if s.falls)},
                  say("settings.because_rate_does_not_fall"))
    )
    step_rules: str = setting(
        "", "The rates of piecewise_constant: 1:500,0.5:800,0.1 is the full one up to step 500, half of it up to 800, "
        "then a tenth.", "expert",
        label="Rates by step", group="training", cost=False, max_length=1000, hint="1:500,0.5:800,0.1",
        when=When({"train.scheduler": _one_of(n for n, s in SCHEDULES.items() if s.rules)},
                  say("settings.because_other_schedule", name="piecewise_constant"))
    )
    ema_decay: float = setting(
        0.0, "Export an average of the weights over the steps: how much of it stays in each step; 0 for the last "
        "weights themselves.", "expert",
        label="Average of the weights (EMA)", group="training", cost=False, usual=(0, 0.9999), ge=0, lt=1,
        when=When({"train.optimizer": _one_of(n for n, o in OPTIMIZERS.items() if not o.averaged)},
                  say("settings.because_optimizer_averages"))
    )
    weight_decay: float = setting(
        0.01, "How much the LoRA's numbers shrink in each step, times the learning rate.", "expert",
        label="Weight decay", group="training", cost=False, usual=(0, 0.2), ge=0, le=1
    )
    max_grad_norm: float = setting(
        1.0, "Gradients are scaled down to this norm; 0 for never.", "expert",
        label="Gradient norm", group="training", cost=False, usual=(0, 100), ge=0, le=1_000_000,
        recorded=("max_grad_norm",)
    )
    precision: Literal["auto", "fp32", "fp16", "bf16"] = setting(
        "auto", "Precision of the arithmetic; auto is bf16 or fp16 on a GPU, and on a CPU the faster of fp32 and bf16.",
        label="Precision", group="memory"
    )
    gradient_checkpointing: bool = setting(
        False, "Compute activations twice instead of keeping them: less memory, slower.",
        label="Gradient checkpointing", group="memory",
        recorded=("gradient_checkpointing",)
    )
    memory: Annotated[str, OneOf(("auto", *WAYS_TO_SAVE))] = setting(
        "auto", "What is done to need less memory: auto does what is needed, when it is needed; unpacked, "
        "checkpointing and split begin with that and with all before it.", "expert",
        label="Saving memory", group="memory"
    )
    weighting: Annotated[str, OneOf(WEIGHTINGS)] = setting(
        next(iter(WEIGHTINGS)), "How much an image counts by the noise that is on it: min-SNR, debiased estimation or "
        "P2.", "expert",
        label="Weight of timesteps", group="training", cost=False
    )
    min_snr_gamma: float | None = setting(
        None,
        "Min-SNR weighting (Hang et al. 2023): evens out easy and hard timesteps; 0 for none, empty for 5, or for none "
        "with zero terminal SNR.",
        label="Min-SNR gamma", group="training", cost=False, usual=(0, 20), ge=0, le=100,
        when=When({"train.weighting": "is:min_snr"}, say("settings.because_other_weighting", name="min_snr")),
        recorded=("min_snr_gamma",)
    )
    p2_gamma: float = setting(
        1.0, "Strength of P2 weighting (Choi et al. 2022): how much less an image counts the clearer it is.", "expert",
        label="P2 gamma", group="training", cost=False, usual=(0, 2), ge=0, le=10,
        when=When({"train.weighting": "is:p2"}, say("settings.because_other_weighting", name="p2"))
    )
    noise_offset: float = setting(
        0.0, "Adds a constant to each channel's noise: deeper blacks, brighter whites.",
        label="Noise offset", group="training", cost=False, usual=(0, 0.2), ge=0, le=1
    )
    pyramid_noise: int = setting(
        0, "Levels of coarser noise added to the noise (multi-resolution noise): darker and brighter pictures; 0 for "
        "none, 6 to 10 are usual.", "expert",
        label="Pyramid noise: levels", group="training", cost=False, ge=0, le=20
    )
    pyramid_discount: float = setting(
        0.3, "What each level of pyramid noise weighs of the one before it.", "expert",
        label="Pyramid noise: discount", group="training", cost=False, usual=(0.1, 0.9), ge=0, le=1,
        when=When({"train.pyramid_noise": "set"}, say("settings.because_no_pyramid"))
    )
    input_perturbation: float = setting(
        0.0, "Noise that the input has and the model need not predict (Ning et al. 2023): makes it learn less by "
        "heart; 0 for none, 0.1 is the paper's.", "expert",
        label="Input perturbation", group="training", cost=False, usual=(0, 0.3), ge=0, le=1
    )
    timesteps: Annotated[str, OneOf(DISTRIBUTIONS)] = setting(
        next(iter(DISTRIBUTIONS)), "How often each amount of noise is trained.", "expert",
        label="Distribution of timesteps", group="training", cost=False
    )
    timestep_bias: float = setting(
        0.0, "Where logit_normal has its middle: above 0 more noise, below 0 less.", "expert",
        label="Bias of timesteps", group="training", cost=False, usual=(-2, 2), ge=-10, le=10,
        when=When({"train.timesteps": _one_of(n for n, d in DISTRIBUTIONS.items() if d.shaped)},
                  say("settings.because_timesteps_unshaped"))
    )
    timestep_spread: float = setting(
        1.0, "How wide logit_normal spreads around its middle.", "expert",
        label="Spread of timesteps", group="training", cost=False, usual=(0.2, 3), gt=0, le=10,
        when=When({"train.timesteps": _one_of(n for n, d in DISTRIBUTIONS.items() if d.shaped)},
                  say("settings.because_timesteps_unshaped"))
    )
    min_timestep: int = setting(
        0, "The first timestep that is trained; higher ones leave out fine detail.", "expert",
        label="First timestep", group="training", cost=False, ge=0, le=COUNT - 1
    )
    max_timestep: int = setting(
        COUNT, "The timestep at which training ends; lower ones leave out composition.", "expert",
        label="End of timesteps", group="training", cost=False, ge=1, le=COUNT
    )
    prior_weight: float = setting(
        1.0, "How much the error of a regularization image weighs beside that of an image.",
        label="Weight of regularization", group="training", cost=False, usual=(0.1, 2), ge=0, le=100,
        when=When({"data.regularization": "set", "data.class_prompts": "set"},
                  say("settings.because_no_regularization")),
        recorded=("prior_loss_weight",)
    )
    unmasked_weight: float = setting(
        0.1, "How much the error outside of the mask weighs beside that inside; 0 for not at all.",
        label="Weight outside masks", group="training", cost=False, ge=0, le=1,
        when=When({"data.masks": "like:^(alpha|files)$"}, say("settings.because_no_masks"))
    )
    seed: int = setting(
        0, "Same seed, same run: order, crops, noise, test pictures. -1 draws one.", "basic",
        label="Seed", group="training", place=4, cost=False, ge=-1, le=2**63 - 1,
        recorded=("seed",)
    )
    device: Literal["auto", "cpu", "cuda", "mps", "xpu"] = setting(
        "auto", "Where to train; auto takes a GPU if there is one.",
        label="Device", group="memory"
    )
