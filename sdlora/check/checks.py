"""Every check that is possible before a run starts, and the settings with nothing left open. No torch."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path

from sdlora.check.effects import without_effect
from sdlora.check.fitness import about_training
from sdlora.check.size import layers_of
from sdlora.data import tokens
from sdlora.data.captions import read_captions
from sdlora.data.dataset import Dataset, Item, rng_for, scan
from sdlora.data.images import CACHE_FOLDER
from sdlora.data.listing import find_images
from sdlora.data.tags import holds, one_line, variant
from sdlora.errors import Problem, UserError
from sdlora.families.base import BaseInfo, contradiction, inspect_base
from sdlora.families.shared.prompts import escape
from sdlora.files.kinds import FIXES, told_by_first_bytes
from sdlora.settings import Model, Settings
from sdlora.settings.numbers import plain_number
from sdlora.train.optimizers import OPTIMIZERS

FEW_IMAGES = 5
PROMPT_LENGTH = 300  # characters of a caption that becomes a prompt
LATENT_CHANNELS = 4
MIN_SNR_GAMMA = 5.0  # the paper's
MARGIN = 64 << 20  # bytes left over for logs, test pictures and the system


def check(settings: Settings) -> list[Problem]:
    """Everything that is wrong with the settings, the images, the base model and the disk; fatal problems first.

    Never raises for bad input. Opens images that are new since the last check, so the first call can take a while.
    """
    info, problems = _base(settings)
    resolution = _resolution(settings, info) if info else []
    problems += _model(settings, info) if info else []
    problems += _patterns(settings, info) if info else []
    problems += _lora_files(settings)
    dataset = scan_for(settings, None if resolution else info) if settings.data.folder else None
    problems += resolution
    problems += dataset.problems if dataset else _no_folder()
    problems += _train(settings)
    problems += without_effect(settings, info, dataset.items if dataset else ())
    problems += _output(settings)
    if dataset and dataset.items:
        problems += _cache(settings)
        problems += _images(dataset, settings, info)
        problems += about_training(dataset.items, settings)
        problems += _disk(settings, info, dataset.items) if info else []
    return sorted(dict.fromkeys(problems), key=lambda problem: not problem.fatal)


def scan_for(settings: Settings, info: BaseInfo | None) -> Dataset:
    """The dataset that these settings train on; without a base model, the one for a usual SD model."""
    data = settings.data
    step = info.step if info else 8  # an unknown base: only what no model could train on is too small
    return scan(
        data.folder,
        resolution=(data.resolution or info.resolution) if info else 512,
        step=step,
        fit=data.fit,
        upscale=data.upscale,
        repeats=data.repeats,
        cache=cache_folder(settings),
    )


def cache_folder(settings: Settings) -> Path:
    """Where latents, text and the index of images are kept."""
    folder = settings.data.cache or os.path.join(settings.data.folder, CACHE_FOLDER)
    return Path(os.path.abspath(os.path.expanduser(folder)))


def resolve(settings: Settings, info: BaseInfo) -> Settings:
    """A copy with every "auto" value filled in and the data folders absolute, as settings.toml keeps it.

    data.resolution: the base's own. sample.size: data.resolution. sample.prompts: two of the captions (with the
    trigger word), else the trigger word. train.text_encoder_lr: half of train.lr; where it is 0, adapter.text_encoder
    is off. model.prediction: the base's. train.min_snr_gamma: 5, or 0 for v-prediction with zero terminal SNR.
    train.seed and sample.seed: of -1 a number that is drawn now. train.precision and train.device stay: only the
    machine that trains can tell.
    """
    done = settings.model_copy(deep=True)
    done.data.folder = os.path.abspath(os.path.expanduser(settings.data.folder))
    done.data.cache = str(cache_folder(settings))
    done.data.resolution = settings.data.resolution or info.resolution
    done.sample.size = settings.sample.size or done.data.resolution
    done.sample.prompts = settings.sample.prompts or _prompts(done)
    if settings.adapter.start_from:
        done.adapter.start_from = os.path.abspath(os.path.expanduser(settings.adapter.start_from))
    stack = stack_of(settings.adapter.stack)
    done.adapter.stack = [f"{os.path.abspath(os.path.expanduser(path))}={strength:g}" for path, strength in stack]
    if settings.train.text_encoder_lr is None:
        done.train.text_encoder_lr = settings.train.lr / 2
    if done.train.text_encoder_lr == 0:
        done.adapter.text_encoder = False
    for section in (done.train, done.sample):
        section.seed = drawn_seed() if section.seed == -1 else section.seed
    if settings.model.prediction == "auto":
        done.model.prediction = info.prediction
    if settings.model.zero_snr == "auto":
        done.model.zero_snr = "on" if info.zero_snr else "off"
    if settings.train.min_snr_gamma is None:
        done.train.min_snr_gamma = usual_gamma(as_wished(info, done.model))
    return done


def usual_gamma(info: BaseInfo) -> float:
    """Min-SNR's gamma where none is set; 0 for v-prediction with zero terminal SNR.

    There min-SNR gives the last timestep the weight 0 and those near it next to none, yet brightness and composition
    are learnt in them.
    """
    return 0.0 if info.prediction == "v_prediction" and info.zero_snr else MIN_SNR_GAMMA


def drawn_seed() -> int:
    """A seed by chance, as other tools draw them: 0 to 2**32 - 1."""
    return secrets.randbelow(2**32)


def _prompts(settings: Settings) -> list[str]:
    """Two different captions, of the first image and one from the middle on; those made from file names count too."""
    folder, trigger = Path(settings.data.folder), settings.data.trigger
    images = find_images(folder)
    captions, middle = read_captions(images, folder)[0], len(images) // 2
    found: list[str] = []
    for image in images[:1] + images[middle:] + images[1:middle]:
        caption = captions[image].text[:PROMPT_LENGTH].strip()
        text = variant(
            caption, trigger=trigger, shuffle=False, keep_tags=0, tag_dropout=0, caption_dropout=0, rng=rng_for(0)
        )
        if not settings.data.weighted_captions:
            text = escape(text)  # prompts do read brackets as weights
        if text and text not in found:
            found.append(text)
        if len(found) == 2:
            break
    return found or [trigger]


def as_wished(info: BaseInfo, model: Model) -> BaseInfo:
    """The base model as the settings want it read: their prediction and noise schedule over the detected ones."""
    if model.prediction not in ("auto", info.prediction):
        info = replace(info, prediction=model.prediction, evidence="model.prediction")
    return info if model.zero_snr == "auto" else replace(info, zero_snr=model.zero_snr == "on")


def base_in_short(info: BaseInfo, min_snr_gamma: float) -> str:
    """One line on what is trained on and how that is known. info: ``as_wished``; the gamma is a resolved one."""
    weighting = f"min-SNR gamma {min_snr_gamma:g}" if min_snr_gamma else "no min-SNR weighting"
    return f"{info.described}; prediction {info.told_by}; {weighting}"


# ---- the checks, one subject each


def _base(settings: Settings) -> tuple[BaseInfo | None, list[Problem]]:
    try:
        return inspect_base(settings.model.base, settings.model.revision, settings.model.vae), []
    except UserError as error:
        return None, list(error.problems)


def _model(settings: Settings, info: BaseInfo) -> list[Problem]:
    """Wishes that this base model can't fulfil."""
    model = settings.model
    problems = contradiction(info, model.prediction, model.zero_snr)
    prediction = info.prediction if model.prediction == "auto" else model.prediction
    if (info.zero_snr if model.zero_snr == "auto" else model.zero_snr == "on") and prediction == "epsilon":
        what = "Zero terminal SNR leaves nothing to learn from in epsilon prediction."
        problems.append(Problem(what, 'Set model.zero_snr to "off", or choose a v-prediction model.', "model.zero_snr"))
    if not info.spec.clip_skip and model.clip_skip != 1:
        what = f"model.clip_skip is {model.clip_skip}, but {info.spec.title} always reads its second to last layer."
        problems.append(Problem(what, "Set it to 1.", "model.clip_skip"))
    layers = min(info.config(root).get("num_hidden_layers", 12) for root in info.text_encoders)
    if info.spec.clip_skip and model.clip_skip > layers:
        what = f"model.clip_skip is {model.clip_skip}, but the text encoder has {layers} layers."
        problems.append(Problem(what, f"Use 1 to {layers}.", "model.clip_skip"))
    return problems


def _patterns(settings: Settings, info: BaseInfo) -> list[Problem]:
    """Patterns of ranks and alphas that fit no layer: ``inject`` would say so after the base model has been loaded."""
    adapter = settings.adapter
    wishes = {"rank_pattern": adapter.rank_pattern, "alpha_pattern": adapter.alpha_pattern}
    if adapter.start_from or not any(wishes.values()):
        return []
    try:
        names = layers_of(info, adapter.targets, adapter.text_encoder)
    except UserError as error:
        return list(error.problems)
    return [
        Problem(f"The {key} {pattern!r} fits none of the layers that learn.", "Mend or remove it.", f"adapter.{key}")
        for key, patterns in wishes.items()
        for pattern in patterns
        if not any(fnmatchcase(name, pattern) for name in names)
    ]


def _lora_files(settings: Settings) -> list[Problem]:
    """The LoRA files to start from and to stack: are they there, and no pickles, web pages, archives?

    What is in safetensors files is told when they are loaded.
    """
    adapter, problems = settings.adapter, []
    for key, path in [
        ("adapter.start_from", adapter.start_from),
        *(("adapter.stack", p) for p, _ in stack_of(adapter.stack)),
    ]:
        if path and not Path(os.path.expanduser(path)).is_file():
            problems.append(Problem(f"There is no LoRA file {path}.", f"Check {key}.", key))
        elif path and (other := told_by_first_bytes(os.path.expanduser(path))):
            problems.append(Problem(f"{Path(path).name} {other}.", FIXES[other], key))
    if adapter.dora and settings.save.container == "diffusers":
        what = "diffusers' layout can't hold a DoRA of this kind."
        problems.append(Problem(what, 'Set save.container to "kohya", or adapter.dora off.', "adapter.dora"))
    if adapter.dora:
        what = "A DoRA file does what it should in A1111, Forge, ComfyUI and InvokeAI only; the others drop its sizes."
        fix = "For all tools, write it as a plain LoRA afterwards: sdlora export RUN --plain."
        problems.append(Problem(what, fix, "adapter.dora", fatal=False))
    if adapter.start_from and adapter.dora:
        what = "adapter.dora can't be added to the LoRA in adapter.start_from."
        problems.append(Problem(what, "Turn one of them off.", "adapter.dora"))
    return problems


def stack_of(entries: list[str]) -> list[tuple[str, float]]:
    """adapter.stack as (file, strength): "FILE=0.7" means strength 0.7, "FILE" strength 1."""
    found = []
    for entry in entries:
        path, _, strength = entry.rpartition("=")
        try:
            found.append((path or entry, float(plain_number(strength)) if path else 1.0))
        except ValueError:  # the sign is a part of the name
            found.append((entry, 1.0))
    return found


def _no_folder() -> list[Problem]:
    return [Problem("No image folder is chosen.", "Set data.folder to the folder with your images.", "data.folder")]


def _resolution(settings: Settings, info: BaseInfo) -> list[Problem]:
    problems = []
    for key, size in (("data.resolution", settings.data.resolution), ("sample.size", settings.sample.size)):
        if size and size % info.step:
            near = max(info.step, round(size / info.step) * info.step)
            what = f"{key} is {size}, but {info.name} needs a multiple of {info.step}."
            problems.append(Problem(what, f"Use {near}, or 0 for the model's own {info.resolution}.", key))
    return problems


def _train(settings: Settings) -> list[Problem]:
    train, problems = settings.train, []
    optimizer = OPTIMIZERS[train.optimizer]
    if train.warmup >= train.steps:
        what = f"train.warmup is {train.warmup}, but the run has only {train.steps} steps."
        problems.append(Problem(what, "Make it smaller, a tenth of train.steps for example.", "train.warmup"))
    if train.precision == "fp16" and train.device == "cpu":
        what = 'train.precision "fp16" does not work on a CPU.'
        problems.append(Problem(what, 'Use "fp32", "bf16" or "auto".', "train.precision"))
    for key, rate in {"train.lr": train.lr, "train.text_encoder_lr": train.text_encoder_lr or 0}.items():
        if optimizer.highest_lr and rate > optimizer.highest_lr:
            what = f"{key} is {rate:g}, and {optimizer.title} moves the LoRA's numbers by about that much in each step."
            fix = f"Above {optimizer.highest_lr:g} that ruins a LoRA within a few steps; 0.0001 to 0.001 are usual."
            problems.append(Problem(what, fix, key, fatal=False))
    return problems


def _output(settings: Settings) -> list[Problem]:
    target = Path(os.path.abspath(os.path.expanduser(settings.run.folder)))
    problems = _writable(target, "run.folder", "The output folder")
    data = Path(os.path.abspath(os.path.expanduser(settings.data.folder)))
    if settings.data.folder and target.is_relative_to(data):
        what = f"The output folder {target} lies inside data.folder, so test pictures would become training images."
        problems.append(Problem(what, "Choose a run.folder outside of it.", "run.folder"))
    return problems


def _cache(settings: Settings) -> list[Problem]:
    return _writable(cache_folder(settings), "data.cache", "The cache folder")


def _writable(folder: Path, key: str, what: str) -> list[Problem]:
    """Tried out with a file that is gone at once: rights alone don't tell of read-only disks."""
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            return []
    except OSError as error:
        return [Problem(f"{what} {folder} can't be written ({error.strerror}).", f"Choose another {key}.", key)]


def _images(dataset: Dataset, settings: Settings, info: BaseInfo | None) -> list[Problem]:
    problems, items = [], dataset.items
    if len(items) < FEW_IMAGES:
        are = "is only 1 image" if len(items) == 1 else f"are only {len(items)} images"
        what = f"There {are} to train on."
        problems.append(Problem(what, "Ten to thirty varied ones work better.", "data.folder", fatal=False))
    held_out = settings.validation.held_out
    if held_out >= len(items):
        what = f"validation.held_out is {held_out}, which leaves nothing of {len(items)} images to train on."
        problems.append(Problem(what, "A tenth of the images is plenty.", "validation.held_out"))
    resolution = (settings.data.resolution or info.resolution) if info else 0
    small = [i for i in items if i.size[0] * i.size[1] * 4 < resolution * resolution]
    if small:
        names = ", ".join(i.name for i in small[:3]) + (", …" if len(small) > 3 else "")
        count = "1 image is" if len(small) == 1 else f"{len(small)} images are"
        what = f"{count} very small for training at {resolution} pixels: {names}."
        problems.append(Problem(what, "Larger ones give a sharper LoRA.", "data.resolution", fatal=False))
    return problems + _long_captions(items, settings)


def _long_captions(items: Sequence[Item], settings: Settings) -> list[Problem]:
    """Captions whose end is not read, trigger word included; the same sentence as at the start of the run."""
    data = settings.data

    def fits(item: Item) -> bool:
        trigger = one_line(data.trigger)
        words = item.caption if not trigger or holds(item.caption, trigger) else f"{trigger}, {item.caption}"
        return tokens.fits(words, data.max_tokens, data.weighted_captions)

    names = [item.name for item in items if not fits(item)]
    if not names:
        return []
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    room = tokens.limit(data.max_tokens)
    what = f"Longer than {room} tokens, the end is not seen: the captions of {shown}. Shorten them."
    return [Problem(what, where="data.max_tokens", fatal=False)]


def _disk(settings: Settings, info: BaseInfo, items: tuple[Item, ...]) -> list[Problem]:
    """Not enough room for the cache or for the checkpoints, with the estimate in the sentence."""
    needs: dict[int, list[tuple[str, Path, int]]] = {}
    runs = Path(os.path.abspath(os.path.expanduser(settings.run.folder)))
    for what, folder, size in (
        ("cached latents", cache_folder(settings), _cache_bytes(settings, info, items)),
        ("checkpoints", runs, _checkpoint_bytes(settings, info)),
    ):
        try:
            needs.setdefault(_existing(folder).stat().st_dev, []).append((what, folder, size))
        except OSError:
            continue  # a folder that can't be looked at is _writable's to tell
    problems = []
    for parts in needs.values():
        free, total = shutil.disk_usage(_existing(parts[0][1])).free, sum(size for _, _, size in parts) + MARGIN
        if total > free:
            whole = " and ".join(f"about {_amount(size)} of {what}" for what, _, size in parts)
            what = (
                f"The disk of {parts[0][1]} is too full: the run needs {whole}, and {_amount(MARGIN)} to spare; "
                f"{_amount(free)} are free."
            )
            problems.append(Problem(what, "Free some space, or set save.keep lower.", "run.folder"))
    return problems


def _cache_bytes(settings: Settings, info: BaseInfo, items: tuple[Item, ...]) -> int:
    """fp32 mean and std per image and side, less what is cached already (of this run or another, here nobody knows)."""
    pixels = sum(w * h for w, h in (item.placement.bucket for item in items))
    sides = 2 if settings.data.flip else 1
    latents = cache_folder(settings) / "latents"
    there = sum(entry.stat().st_size for entry in os.scandir(latents)) if latents.is_dir() else 0
    return max(0, sides * (pixels // info.factor**2 * LATENT_CHANNELS * 2 * 4 + len(items) * 4096) - there)


def _checkpoint_bytes(settings: Settings, info: BaseInfo) -> int:
    """At most: the LoRA of every layer and its optimizer's state in fp32, for each checkpoint there is at once."""
    save, train = settings.save, settings.train
    count = 1 + (train.steps // save.every if save.every else 0)
    if save.keep:
        count = min(count, save.keep) + 1  # a new one is written before the oldest goes
    parts = (info.denoiser, *(info.text_encoders if settings.adapter.text_encoder else ()))
    rank, moments = settings.adapter.rank, OPTIMIZERS[train.optimizer].moments
    factors = [
        factor
        for part in parts
        for name, shape in info.shapes(part).items()
        if len(shape) >= 2 and "embedding" not in name
        for factor in ((rank, shape[1]), (shape[0], rank))
    ]
    return (count + 1) * 4 * sum(prod(factor) + moments(factor) for factor in factors)


def _existing(folder: Path) -> Path:
    """The folder itself or the nearest one above it that is there."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder


def _amount(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
