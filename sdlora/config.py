"""Every setting once: type, default, bounds, help. Command line, page, checks and docs derive from here."""

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import tomlkit
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic import Field as PydanticField

from sdlora import toml
from sdlora.errors import Problem, UserError
from sdlora.paths import tidy_entry, tidy_path

MOST_TOLD = 50  # problems of one kind
Level = Literal["basic", "advanced", "expert"]


def _tidied(tidy: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: tidy(value) if isinstance(value, str) else value)


# A file or folder as people paste it, and FILE or FILE=STRENGTH
PathText = Annotated[str, _tidied(tidy_path)]
StackEntry = Annotated[str, _tidied(tidy_entry)]


def setting(default: Any, help: str, level: Level = "advanced", **bounds: Any) -> Any:
    """A field with its help sentence; bounds are pydantic's (ge, gt, le, lt, max_length)."""
    factory = {"default_factory": default} if callable(default) else {"default": default}
    return PydanticField(description=help, json_schema_extra={"level": level}, **factory, **bounds)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)


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


@dataclass(frozen=True)
class SettingInfo:
    """One setting as the command line, the page and the docs see it."""

    key: str  # "adapter.rank"
    type: type  # int, float, str, bool, list or dict
    default: Any
    help: str
    level: Level
    choices: tuple[str, ...] = ()
    minimum: float | None = None  # inclusive unless the help says otherwise
    maximum: float | None = None
    optional: bool = False  # may be left open (None): the help says what it is then


def all_settings() -> Iterator[SettingInfo]:
    """Every setting in the order of declaration."""
    for section, holder in Settings.model_fields.items():
        for name, field in holder.annotation.model_fields.items():
            parts = get_args(field.annotation)
            optional = type(None) in parts
            kind = parts[0] if optional else get_origin(field.annotation) or field.annotation
            bounds = {k: getattr(m, k) for m in field.metadata for k in ("ge", "gt", "le", "lt") if hasattr(m, k)}
            yield SettingInfo(
                key=f"{section}.{name}",
                type=str if kind is Literal else kind,
                default=field.get_default(call_default_factory=True),
                help=field.description,
                level=field.json_schema_extra["level"],
                choices=parts if kind is Literal else (),
                minimum=bounds.get("ge", bounds.get("gt")),
                maximum=bounds.get("le", bounds.get("lt")),
                optional=optional,
            )


def make_settings(values: dict[str, Any], source: str = "the settings") -> Settings:
    """Settings from nested values; UserError with every problem at once, each naming key, value and bounds."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise UserError(*_sentences(error.errors(), source)) from None


def salvage(values: dict[str, Any], source: str = "the settings") -> tuple[Settings, list[Problem]]:
    """Settings with whatever is wrong replaced by its default, and the problems, so that later checks add theirs."""
    problems: list[Problem] = []
    values = merge(values, {})
    while True:
        try:
            return Settings.model_validate(values), problems
        except ValidationError as error:
            faults = error.errors()
            problems += _sentences(faults, source)
            for fault in faults:
                section, *rest = fault["loc"]
                if rest and isinstance(values[section], dict):
                    values[section].pop(rest[0], None)
                else:
                    values.pop(section, None)


def load_settings(path: Path | str, overrides: dict[str, Any] | None = None) -> Settings:
    """Settings from a TOML file, with ``overrides`` ({"adapter.rank": 8}) on top; UserError as above."""
    return make_settings(merge(read_toml(path), overrides or {}), Path(path).name)


def read_toml(path: Path | str) -> dict[str, Any]:
    """The nested values of a settings file; UserError if it can't be read or is not TOML."""
    path = Path(path)
    try:
        return parse_toml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"There is no settings file {path}.", fix="Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The settings file {path} can't be read: {error}.") from None
    except ValueError as error:
        raise UserError(f"{path.name} is not valid TOML: {error}.", fix="Mend that line.") from None


def parse_toml(text: str) -> dict[str, Any]:
    """The nested values of a settings file's text, in today's meaning; ValueError (one line) if it is not TOML."""
    return _as_of_today(toml.parse(text))


# What 0.1.0 wrote under [train]: all of it, whenever it wrote settings itself.
_TRAIN_0_1_0 = {
    "steps", "batch_size", "accumulate", "lr", "text_encoder_lr", "scheduler", "warmup", "weight_decay",
    "max_grad_norm", "precision", "gradient_checkpointing", "min_snr_gamma", "noise_offset", "seed", "device",
}  # fmt: skip


def _as_of_today(values: dict[str, Any]) -> dict[str, Any]:
    """Values of an older version's file that mean something else today, as they were meant.

    0.1.0 had no train.cycles: its cosine_with_restarts fell once, and text_encoder_lr 0 stood for half of train.lr.
    Files that hold only some settings were written by hand and are taken as of today.
    """
    train = values.get("train")
    if isinstance(train, dict) and "cycles" not in train and train.keys() >= _TRAIN_0_1_0:
        meant = {key: value for key, value in train.items() if key != "text_encoder_lr" or value != 0}
        return values | {"train": meant | {"cycles": 1}}
    return values


def merge(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """A copy of nested values with dotted overrides put in."""
    merged = {k: dict(v) if isinstance(v, dict) else v for k, v in values.items()}
    for key, value in overrides.items():
        section, _, name = key.partition(".")
        part = merged.setdefault(section, {})
        if isinstance(part, dict):
            part[name] = value
    return merged


def dump_settings(settings: Settings) -> str:
    """The settings as TOML, complete but for what is left open, in the order of declaration; loads back equal."""
    return tomlkit.dumps(settings.model_dump(mode="python", exclude_none=True))


def _sentences(errors: list[dict], source: str) -> list[Problem]:
    """A sentence for each, up to as many as anyone reads."""
    problems = [_sentence(error, source) for error in errors[:MOST_TOLD]]
    if len(errors) > MOST_TOLD:
        what = f"{len(errors) - MOST_TOLD} more settings in {source} are wrong."
        problems.append(Problem(what, "Mend those that are named first."))
    return problems


def _sentence(error: dict, source: str) -> Problem:
    key = _short(".".join(str(part) for part in error["loc"]), 200)
    given, context = error.get("input"), error.get("ctx", {})
    if isinstance(given, int) and not isinstance(given, bool) and abs(given) >= 10**80:
        given = _short(hex(given))  # Python refuses to write very long ones in decimals
    match error["type"]:
        case "extra_forbidden":
            known = [info.key for info in all_settings()] + list(Settings.model_fields)
            near = difflib.get_close_matches(key, known, n=1)
            what, fix = f"Unknown setting {key} in {source}.", f"Did you mean {near[0]}?" if near else "Remove it."
        case "greater_than_equal":
            what, fix = f"{key} is {given}.", f"It must be at least {_bound(context['ge'])}."
        case "greater_than":
            what, fix = f"{key} is {given}.", f"It must be more than {_bound(context['gt'])}."
        case "less_than_equal":
            what, fix = f"{key} is {given}.", f"It must be at most {_bound(context['le'])}."
        case "int_parsing" | "int_from_float" | "int_type" | "int_parsing_size":
            what, fix = f"{key} is {_shown(given)}.", "It must be a whole number."
        case "float_parsing" | "float_type" | "finite_number":
            what, fix = f"{key} is {_shown(given)}.", "It must be a number."
        case "literal_error":
            what, fix = f"{key} is {_shown(given)}.", f"It must be one of {context['expected']}."
        case "string_too_long":
            what, fix = f"{key} is {len(given)} characters long.", f"It may have {context['max_length']} at most."
        case _:
            what, fix = f"{key} is {_shown(given)}.", f"{error['msg'].rstrip('.')}."
    return Problem(what, fix, where=key)


def _shown(value: Any) -> str:
    return repr(_short(value)) if isinstance(value, str) else _short(repr(value))


def _short(text: str, most: int = 79) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _bound(bound: float) -> str:
    """A bound as people write it: 0 and not 0.0."""
    return f"{bound:g}" if isinstance(bound, float) else str(bound)
