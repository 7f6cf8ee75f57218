"""Every setting once: type, default, bounds, help. Command line, page, checks and docs derive from here."""

from typing import Literal

from pydantic import Field as PydanticField

from sdlora.settings.setting import PathText, Section, StackEntry, setting


class Model(Section):
    base: PathText = setting(
        "tiny", 'Base model: "tiny" (embedded), a diffusers folder, a .safetensors checkpoint, or a hub id.', "basic"
    )
    revision: str = setting("", "Commit or branch of the hub id; empty for its newest.", "expert")
    prediction: Literal["auto", "epsilon", "v_prediction"] = setting(
        "auto", "What the base model predicts; auto reads it from the model itself.", "expert"
    )
    zero_snr: Literal["auto", "on", "off"] = setting(
        "auto", "Noise schedule that ends in pure noise (zero terminal SNR); auto reads it from the model.", "expert"
    )
    vae: PathText = setting(
        "", "Another VAE: a folder or a .safetensors file; empty for the base model's own.", "expert"
    )
    clip_skip: int = setting(
        1, "Text encoder layer to read, counted from the end; many anime models want 2. SDXL has its own.", ge=1, le=12
    )


class Data(Section):
    folder: PathText = setting("", "Folder with the images and their captions.", "basic")
    trigger: str = setting("", "Trigger word, put in front of every caption that lacks it.", "basic", max_length=100)
    repeats: int = setting(1, "How often each image counts per epoch.", ge=1, le=10_000)
    resolution: int = setting(
        0,
        "Training size in pixels: the side of a square of equal area; 0 for the base model's own.",
        "basic",
        ge=0,
        le=4096,
    )
    fit: Literal["bucket", "crop", "pad"] = setting(
        "bucket", "Keep the aspect ratio in buckets, cut squares out of the middle, or pad to squares with white."
    )
    upscale: bool = setting(False, "Enlarge images smaller than their bucket; if not, they train at their own size.")
    flip: bool = setting(False, "Mirror images left to right half of the time; not for faces, text or logos.")
    shuffle_tags: bool = setting(False, "Shuffle comma-separated tags anew at every step.")
    keep_tags: int = setting(1, "How many first tags stay in front when shuffling or dropping tags.", ge=0, le=100)
    tag_dropout: float = setting(0.0, "Chance for each tag (after the kept ones) to be left out.", ge=0, le=1)
    caption_dropout: float = setting(0.0, "Chance for a whole caption to be left out.", ge=0, le=1)
    caption_lines: Literal["first", "random", "all"] = setting(
        "first", "Of a caption with several lines: the first, one drawn anew at every step, or all as one text."
    )
    wildcards: bool = setting(False, "Read {red|blue} in captions as one of the two, drawn anew at every step.")
    weighted_captions: bool = setting(
        False, "Read (word:1.2) and [word] in captions as weights; off, brackets are plain text.", "expert"
    )
    max_tokens: int = setting(
        225, "Longer captions are cut after so many tokens; they are read in chunks of 75.", "expert", ge=75, le=750
    )
    cache: PathText = setting(
        "", "Folder for cached latents and text; empty for .sdlora_cache inside data.folder.", "expert"
    )


class Adapter(Section):
    rank: int = setting(16, "Rank of the LoRA: its capacity and its file size.", "basic", ge=1, le=1024)
    alpha: float = setting(8.0, "Alpha: the LoRA acts with strength alpha / rank.", "basic", gt=0, le=100_000)
    targets: Literal["attn", "cross-attn", "attn-mlp", "full"] = setting(
        "attn-mlp", "Which UNet layers learn: all attention, cross-attention, attention and MLP, or convolutions too."
    )
    text_encoder: bool = setting(True, "Train the text encoder's projections as well (SDXL: both encoders').")
    dora: bool = setting(
        False, "DoRA: learn each weight's direction and size apart; not every tool reads such files.", "expert"
    )
    start_from: PathText = setting("", "LoRA file to go on from; it keeps its layers and ranks.", "expert")
    stack: list[StackEntry] = setting(
        list, "LoRA files merged into the base model before training, each as FILE or FILE=STRENGTH.", "expert"
    )
    rank_pattern: dict[str, int] = setting(
        dict, 'Other ranks by module name pattern, such as {"*.mid_block.*" = 4}.', "expert"
    )
    alpha_pattern: dict[str, float] = setting(dict, "Other alphas by module name pattern.", "expert")


class Train(Section):
    steps: int = setting(1000, "Optimizer steps in all.", "basic", ge=1, le=10_000_000)
    batch_size: int = setting(1, "Images per step on each device.", ge=1, le=1024)
    accumulate: int = setting(1, "Batches added up for one optimizer step.", ge=1, le=1024)
    lr: float = setting(1e-4, "Learning rate of the UNet's LoRA.", "basic", gt=0, le=10)
    text_encoder_lr: float | None = setting(
        None, "Learning rate of the text encoder's LoRA: empty for half of train.lr, 0 not to train it.", ge=0, le=10
    )
    scheduler: Literal["constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"] = (
        setting("cosine", "How the learning rate changes over the run.")
    )
    cycles: int = setting(
        3, "How many falls from full rate cosine_with_restarts makes; the other schedulers make one.", ge=1, le=1000
    )
    warmup: int = setting(0, "Steps over which the learning rate rises from zero.", ge=0, le=1_000_000)
    weight_decay: float = setting(0.01, "AdamW's weight decay.", "expert", ge=0, le=1)
    max_grad_norm: float = setting(
        1.0, "Gradients are scaled down to this norm; 0 for never.", "expert", ge=0, le=1_000_000
    )
    precision: Literal["auto", "fp32", "fp16", "bf16"] = setting(
        "auto", "Precision of the arithmetic; auto is bf16 or fp16 on a GPU and fp32 on a CPU."
    )
    gradient_checkpointing: bool = setting(
        False, "Compute activations twice instead of keeping them: less memory, slower."
    )
    min_snr_gamma: float | None = setting(
        None,
        "Min-SNR weighting (Hang et al. 2023): evens out easy and hard timesteps; 0 for none, empty for 5, or for none "
        "with v-prediction and zero terminal SNR.",
        ge=0,
        le=100,
    )
    noise_offset: float = setting(
        0.0, "Adds a constant to each channel's noise: deeper blacks, brighter whites.", ge=0, le=1
    )
    seed: int = setting(
        0, "Same seed, same run: order, crops, noise, test pictures. -1 draws one.", "basic", ge=-1, le=2**63 - 1
    )
    device: Literal["auto", "cpu", "cuda", "mps", "xpu"] = setting(
        "auto", "Where to train; auto takes a GPU if there is one."
    )


class Sample(Section):
    prompts: list[str] = setting(list, "Prompts of the test pictures, one picture each.", "basic")
    negative: str = setting("", "Negative prompt of the test pictures.", max_length=10_000)
    every: int = setting(250, "Steps between test pictures; 0 for only at the start and the end.", ge=0, le=10_000_000)
    size: int = setting(0, "Side of the test pictures in pixels; 0 for the training resolution.", ge=0, le=4096)
    steps: int = setting(20, "Denoising steps of a test picture.", ge=1, le=1000)
    guidance: float = setting(7.5, "Guidance scale: how strictly the prompt is followed.", ge=1, le=100)
    sampler: Literal["ddim", "euler", "dpm++ 2m"] = setting("ddim", "How test pictures are denoised.")
    seed: int = setting(
        42, "Seed of the first test picture; the next prompts count up from it. -1 draws one.", ge=-1, le=2**63 - 1
    )


class ValidationLoss(Section):
    every: int = setting(
        100,
        "Steps between measurements of the validation loss: same images, same noise each time; 0 for never.",
        ge=0,
        le=10_000_000,
    )
    held_out: int = setting(
        0, "Images kept out of training to measure on; 0 measures on four of the training images.", ge=0, le=10_000
    )


class Save(Section):
    every: int = setting(250, "Steps between checkpoints; 0 for only at the end.", ge=0, le=10_000_000)
    keep: int = setting(3, "How many of the newest checkpoints stay; 0 for all.", ge=0, le=1_000_000)
    container: Literal["kohya", "diffusers"] = setting(
        "kohya", "Layout of the LoRA file: kohya loads in every tool, diffusers only in diffusers."
    )
    dtype: Literal["fp16", "bf16", "fp32"] = setting("fp16", "Number format of the LoRA file.")
    side_files: bool = setting(
        True, "Write NAME.json and NAME.png beside the LoRA file: tools insert the trigger word and show the picture."
    )
    metadata: Literal["full", "minimum"] = setting(
        "full", "What the file tells about the training: everything, or no captions, prompts and settings."
    )


class RunPlace(Section):
    name: str = setting("my-lora", "Name of the run and of the LoRA file.", "basic", max_length=200)
    folder: PathText = setting("runs", "Folder that the run's own folder is made in.", "expert")


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
