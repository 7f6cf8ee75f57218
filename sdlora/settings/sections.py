"""Every setting once, with all that there is to say of it: command line, page, checks and docs derive from here."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field as PydanticField

from sdlora.adapters.table import KINDS, PLAIN
from sdlora.families.registry import FAMILIES
from sdlora.settings.setting import Section, When, setting
from sdlora.train.losses import LOSSES
from sdlora.train.optimizers import OPTIMIZERS
from sdlora.train.schedules import SCHEDULES

# Beside the number a slider of these values; any other number can be typed.
_HALVES = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
_NEW_LAYERS = When(
    {"adapter.start_from": "unset"}, "the LoRA in adapter.start_from keeps its own layers, ranks and alphas"
)

_CHOOSES_LAYER = f"like:^(?!({'|'.join(entry.name for entry in FAMILIES.values() if not entry.clip_skip)})$)"


def _one_of(names: Iterable[str]) -> str:
    """The test of ``When`` for a choice out of several."""
    return f"like:^({'|'.join(names)})$"


# fmt: off
class Model(Section):
    base: str = setting(
        "tiny", 'Base model: "tiny" (embedded), a diffusers folder, a .safetensors checkpoint, or a hub id.', "basic",
        label="Base model", group="what", place=3, wide=True, path="model"
    )
    revision: str = setting(
        "", "Commit or branch of the hub id; empty for its newest.", "expert",
        label="Revision", group="what",
        when=When({"model.base": r"like:^[^./~\\][^/\\]*/[^/\\]+$"}, "model.base is no hub id")
    )
    prediction: Literal["auto", "epsilon", "v_prediction"] = setting(
        "auto", "What the base model predicts; auto reads it from the model itself.", "expert",
        label="Prediction", group="what"
    )
    zero_snr: Literal["auto", "on", "off"] = setting(
        "auto", "Noise schedule that ends in pure noise (zero terminal SNR); auto reads it from the model.", "expert",
        label="Zero terminal SNR", group="what"
    )
    vae: str = setting(
        "", "Another VAE: a folder or a .safetensors file; empty for the base model's own.", "expert",
        label="Another VAE", group="what", wide=True, path="model"
    )
    clip_skip: int = setting(
        1, "Text encoder layer to read, counted from the end; many anime models want 2. SDXL has its own.",
        label="Clip skip", group="what", ge=1, le=12, when=When({"base.family": _CHOOSES_LAYER})
    )


class Data(Section):
    folder: str = setting(
        "", "Folder with the images and their captions.", "basic",
        label="Image folder", own=True, hint="/home/me/pictures/cat-toy", path="folder", cost=False
    )
    trigger: str = setting(
        "", "Trigger word, put in front of every caption that lacks it.", "basic",
        label="Trigger word", group="what", place=2, own=True, hint="for example: ohwx", cost=False, max_length=100
    )
    repeats: int = setting(
        1, "How often each image counts per epoch.",
        label="Repeats", group="images", cost=False, usual=(1, 500), ge=1, le=10_000
    )
    resolution: int = setting(
        0, "Training size in pixels: the side of a square of equal area; 0 for the base model's own.", "basic",
        label="Resolution", group="training", place=3, ge=0, le=4096
    )
    fit: Literal["bucket", "crop", "pad"] = setting(
        "bucket", "Keep the aspect ratio in buckets, cut squares out of the middle, or pad to squares with white.",
        label="Fit", group="images"
    )
    upscale: bool = setting(
        False, "Enlarge images smaller than their bucket; if not, they train at their own size.",
        label="Enlarge small images", group="images"
    )
    flip: bool = setting(
        False, "Mirror images left to right half of the time; not for faces, text or logos.",
        label="Mirror", group="images", cost=False
    )
    shuffle_tags: bool = setting(
        False, "Shuffle comma-separated tags anew at every step.",
        label="Shuffle tags", group="images"
    )
    keep_tags: int = setting(
        1, "How many first tags stay in front when shuffling or dropping tags.",
        label="Tags that stay in front", group="images", cost=False, ge=0, le=100,
        when=When({"data.shuffle_tags": "set", "data.tag_dropout": "set"},
                  "data.shuffle_tags and data.tag_dropout are off")
    )
    tag_dropout: float = setting(
        0.0, "Chance for each tag (after the kept ones) to be left out.",
        label="Tag dropout", group="images", usual=(0, 0.7), ge=0, le=1
    )
    caption_dropout: float = setting(
        0.0, "Chance for a whole caption to be left out.",
        label="Caption dropout", group="images", cost=False, usual=(0, 0.5), ge=0, le=1
    )
    caption_lines: Literal["first", "random", "all"] = setting(
        "first", "Of a caption with several lines: the first, one drawn anew at every step, or all as one text.",
        label="Captions of several lines", group="images"
    )
    wildcards: bool = setting(
        False, "Read {red|blue} in captions as one of the two, drawn anew at every step.",
        label="Wildcards in captions", group="images"
    )
    weighted_captions: bool = setting(
        False, "Read (word:1.2) and [word] in captions as weights; off, brackets are plain text.", "expert",
        label="Weights in captions", group="images", cost=False
    )
    max_tokens: int = setting(
        225, "Longer captions are cut after so many tokens; they are read in chunks of 75.", "expert",
        label="Longest caption", group="images", ge=75, le=750
    )
    cache: str = setting(
        "", "Folder for cached latents and text; empty for .sdlora_cache inside data.folder.", "expert",
        label="Cache folder", group="images", wide=True, path="folder", cost=False
    )


class Adapter(Section):
    rank: int = setting(
        16, "Rank of the LoRA: its capacity and its file size.", "basic",
        label="Rank", group="adapter", slider=_HALVES, usual=(1, 256), ge=1, le=1024, when=_NEW_LAYERS
    )
    alpha: float = setting(
        8.0, "Alpha: the LoRA acts with strength alpha / rank.", "basic",
        label="Alpha", group="adapter", slider=(0.5, *_HALVES), cost=False, gt=0, le=100_000, when=_NEW_LAYERS
    )
    targets: Literal["attn", "cross-attn", "attn-mlp", "full"] = setting(
        "attn-mlp",
        "Which UNet layers learn: all attention, cross-attention, attention and MLP, or convolutions too.",
        label="Layers", group="adapter", when=_NEW_LAYERS
    )
    text_encoder: bool = setting(
        True, "Train the text encoder's projections as well (SDXL: both encoders').",
        label="Train the text encoder", group="adapter"
    )
    kind: Literal[tuple(KINDS)] = setting(
        PLAIN.name, "What learns: a LoRA, which every tool reads, or another kind of adapter.", "expert",
        label="Kind of adapter", group="adapter", when=_NEW_LAYERS
    )
    start_from: str = setting(
        "", "LoRA file to go on from; it keeps its layers and ranks.", "expert",
        label="Go on from a LoRA", group="adapter", wide=True, path="file"
    )
    stack: list[str] = setting(
        list, "LoRA files merged into the base model before training, each as FILE or FILE=STRENGTH.", "expert",
        label="LoRAs in the base model", group="adapter", hint="/home/me/loras/style.safetensors=0.7", path="file",
        cost=False
    )
    rank_pattern: dict[str, int] = setting(
        dict, 'Other ranks by module name pattern, such as {"*.mid_block.*" = 4}.', "expert",
        label="Ranks by layer", group="adapter", hint="*.mid_block.*=4",
        page_help="Other ranks by module name pattern.", when=_NEW_LAYERS
    )
    alpha_pattern: dict[str, float] = setting(
        dict, "Other alphas by module name pattern.", "expert",
        label="Alphas by layer", group="adapter", hint="*.mid_block.*=2", cost=False, when=_NEW_LAYERS
    )


class Train(Section):
    steps: int = setting(
        1000, "Optimizer steps in all.", "basic",
        label="Steps", group="training", place=1, cost=False, usual=(1, 100_000), ge=1, le=10_000_000
    )
    batch_size: int = setting(
        1, "Images per step on each device.",
        label="Batch size", group="memory", usual=(1, 128), ge=1, le=1024
    )
    accumulate: int = setting(
        1, "Batches added up for one optimizer step.",
        label="Gradient accumulation", group="memory", usual=(1, 64), ge=1, le=1024
    )
    lr: float = setting(
        1e-4, "Learning rate of the UNet's LoRA.", "basic",
        label="Learning rate", group="training", place=2, cost=False, gt=0, le=10
    )
    text_encoder_lr: float | None = setting(
        None, "Learning rate of the text encoder's LoRA: empty for half of train.lr, 0 not to train it.",
        label="Learning rate of the text encoder", group="training", cost=False, ge=0, le=10,
        when=When({"adapter.text_encoder": "set"}, "adapter.text_encoder is off")
    )
    optimizer: Literal[tuple(OPTIMIZERS)] = setting(
        "adamw", "How the LoRA's numbers follow their gradients.",
        label="Optimizer", group="training"
    )
    loss: Literal[tuple(LOSSES)] = setting(
        "mse", "How the distance from what is to be predicted is measured.", "expert",
        label="Loss", group="training", cost=False
    )
    scheduler: Literal[tuple(SCHEDULES)] = setting(
        "cosine", "How the learning rate changes over the run.",
        label="Learning rate schedule", group="training", cost=False
    )
    cycles: int = setting(
        3, "How many falls from full rate cosine_with_restarts makes; the other schedulers make one.",
        label="Restarts: number of falls", group="training", cost=False, ge=1, le=1000,
        when=When({"train.scheduler": _one_of(n for n, s in SCHEDULES.items() if s.cycles)},
                  'train.scheduler is not "cosine_with_restarts"')
    )
    warmup: int = setting(
        0, "Steps over which the learning rate rises from zero.",
        label="Warm-up steps", group="training", cost=False, ge=0, le=1_000_000,
        when=When({"train.scheduler": _one_of(n for n, s in SCHEDULES.items() if s.warms_up)},
                  'train.scheduler is "constant"', 'Use "constant_with_warmup".')
    )
    weight_decay: float = setting(
        0.01, "How much the LoRA's numbers shrink in each step, times the learning rate.", "expert",
        label="Weight decay", group="training", cost=False, usual=(0, 0.2), ge=0, le=1
    )
    max_grad_norm: float = setting(
        1.0, "Gradients are scaled down to this norm; 0 for never.", "expert",
        label="Gradient norm", group="training", cost=False, usual=(0, 100), ge=0, le=1_000_000
    )
    precision: Literal["auto", "fp32", "fp16", "bf16"] = setting(
        "auto", "Precision of the arithmetic; auto is bf16 or fp16 on a GPU and fp32 on a CPU.",
        label="Precision", group="memory"
    )
    gradient_checkpointing: bool = setting(
        False, "Compute activations twice instead of keeping them: less memory, slower.",
        label="Gradient checkpointing", group="memory"
    )
    min_snr_gamma: float | None = setting(
        None,
        "Min-SNR weighting (Hang et al. 2023): evens out easy and hard timesteps; 0 for none, empty for 5, or for none "
        "with v-prediction and zero terminal SNR.",
        label="Min-SNR gamma", group="training", cost=False, usual=(0, 20), ge=0, le=100
    )
    noise_offset: float = setting(
        0.0, "Adds a constant to each channel's noise: deeper blacks, brighter whites.",
        label="Noise offset", group="training", cost=False, usual=(0, 0.2), ge=0, le=1
    )
    seed: int = setting(
        0, "Same seed, same run: order, crops, noise, test pictures. -1 draws one.", "basic",
        label="Seed", group="training", place=4, cost=False, ge=-1, le=2**63 - 1
    )
    device: Literal["auto", "cpu", "cuda", "mps", "xpu"] = setting(
        "auto", "Where to train; auto takes a GPU if there is one.",
        label="Device", group="memory"
    )


class Sample(Section):
    prompts: list[str] = setting(
        list, "Prompts of the test pictures, one picture each.", "basic",
        label="Test prompts", group="test", own=True,
        hint="one prompt a line, for example:\na watercolour of a lighthouse", cost=False
    )
    negative: str = setting(
        "", "Negative prompt of the test pictures.",
        label="Negative prompt", group="test", wide=True, cost=False, max_length=10_000
    )
    every: int = setting(
        250, "Steps between test pictures; 0 for only at the start and the end.",
        label="Test pictures every … steps", group="test", cost=False, ge=0, le=10_000_000
    )
    size: int = setting(
        0, "Side of the test pictures in pixels; 0 for the training resolution.",
        label="Size of test pictures", group="test", cost=False, ge=0, le=4096
    )
    steps: int = setting(
        20, "Denoising steps of a test picture.",
        label="Denoising steps", group="test", cost=False, usual=(1, 150), ge=1, le=1000
    )
    guidance: float = setting(
        7.5, "Guidance scale: how strictly the prompt is followed.",
        label="Guidance scale", group="test", cost=False, usual=(1, 20), ge=1, le=100
    )
    sampler: Literal["ddim", "euler", "dpm++ 2m"] = setting(
        "ddim", "How test pictures are denoised.",
        label="Sampler", group="test", cost=False
    )
    seed: int = setting(
        42, "Seed of the first test picture; the next prompts count up from it. -1 draws one.",
        label="Seed of test pictures", group="test", cost=False, ge=-1, le=2**63 - 1
    )


class ValidationLoss(Section):
    every: int = setting(
        100, "Steps between measurements of the validation loss: same images, same noise each time; 0 for never.",
        label="Validation loss every … steps", cost=False, ge=0, le=10_000_000
    )
    held_out: int = setting(
        0, "Images kept out of training to measure on; 0 measures on four of the training images.",
        label="Images held out", cost=False, ge=0, le=10_000
    )


class Save(Section):
    every: int = setting(
        250, "Steps between checkpoints; 0 for only at the end.",
        label="Checkpoint every … steps", group="saving", cost=False, ge=0, le=10_000_000
    )
    keep: int = setting(
        3, "How many of the newest checkpoints stay; 0 for all.",
        label="Checkpoints to keep", group="saving", cost=False, ge=0, le=1_000_000,
        when=When({"save.every": "set"})
    )
    container: Literal["kohya", "diffusers"] = setting(
        "kohya", "Layout of the LoRA file: kohya loads in every tool, diffusers only in diffusers.",
        label="File layout", group="saving", cost=False
    )
    dtype: Literal["fp16", "bf16", "fp32"] = setting(
        "fp16", "Number format of the LoRA file.",
        label="Numbers in the file", group="saving", cost=False
    )
    side_files: bool = setting(
        True,
        "Write NAME.json and NAME.png beside the LoRA file: tools insert the trigger word and show the picture.",
        label="Side files", group="saving", cost=False
    )
    metadata: Literal["full", "minimum"] = setting(
        "full", "What the file tells about the training: everything, or no captions, prompts and settings.",
        label="Metadata", group="saving", cost=False
    )


class RunPlace(Section):
    name: str = setting(
        "my-lora", "Name of the run and of the LoRA file.", "basic",
        label="Name", group="what", place=1, own=True, cost=False, max_length=200
    )
    folder: str = setting(
        "runs", "Folder that the run's own folder is made in.", "expert",
        label="Runs folder", on_page=False, path="folder", cost=False
    )

# fmt: on


class Settings(Section):
    """All settings of one run."""

    model: Model = PydanticField(default_factory=Model)
    data: Data = PydanticField(default_factory=Data)
    adapter: Adapter = PydanticField(default_factory=Adapter)
    train: Train = PydanticField(default_factory=Train)
    sample: Sample = PydanticField(default_factory=Sample)
    validation: ValidationLoss = PydanticField(default_factory=ValidationLoss)
    save: Save = PydanticField(default_factory=Save)
    run: RunPlace = PydanticField(default_factory=RunPlace)
