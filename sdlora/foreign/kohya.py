"""kohya-ss/sd-scripts' TOML (--config_file), as LyCORIS' examples and lora-scripts write it, too."""

from typing import Any

from sdlora.adapters.kind import Kind
from sdlora.adapters.table import KINDS, PLAIN
from sdlora.foreign.reader import OPTIMIZERS, Imported, Left, Reader, number, only_kinds, rate, side, whole, yes

NAME = "kohya's sd-scripts"
# Any of these, in whatever section, tells the file; sd-scripts reads sections as one.
TELLING = {"pretrained_model_name_or_path", "train_data_dir", "network_module", "network_dim", "network_alpha"}
# sd-scripts' own defaults of what changes the result.
DEFAULTS = {
    "network_dim": 4, "network_alpha": 1, "lr_scheduler": "constant", "min_snr_gamma": 0, "max_token_length": 75,
    "keep_tokens": 0, "bucket_no_upscale": False, "enable_bucket": False, "train_batch_size": 1,
}  # fmt: skip
SCHEDULERS = ("constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial")
SAMPLERS = {"ddim": "ddim", "euler": "euler", "k_euler": "euler", "dpmsolver++": "dpm++ 2m"}
TARGETS = {"attn-mlp": "attn-mlp", "attn-only": "attn", "full": "full", "unet-transformer-only": "attn-mlp"}
MODULES = ("", "networks.lora", "lycoris.kohya", "locon.locon_kohya")
EPOCHS = "training is counted in steps here: set train.steps to images x repeats x epochs / batch size"
# Where things lie, how fast they go, what is cached, logged and shown: nothing of the result.
NO_BEARING = (
    "cache_latents", "cache_latents_to_disk", "xformers", "sdpa", "mem_eff_attn", "persistent_data_loader_workers",
    "max_data_loader_n_workers", "vae_batch_size", "lowram", "highvram", "logging_dir", "log_with", "log_prefix",
    "log_tracker_name", "log_tracker_config", "wandb_api_key", "save_model_as", "no_half_vae", "no_metadata",
    "training_comment", "output_dir", "save_state", "bucket_reso_steps", "min_bucket_reso", "max_bucket_reso",
    "prior_loss_weight", "network_train_text_encoder_only", "lr_scheduler_type", "lr_scheduler_power", "v2", "sdxl",
    "save_last_n_steps_state", "save_last_n_epochs_state", "save_last_n_epochs", "debug_dataset",
    "cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk", "sample_every_n_epochs", "save_n_epoch_ratio",
    "huggingface_repo_id", "console_log_level", "skip_cache_check", "dataset_repeats", "loss_type",
)  # fmt: skip


def is_ours(values: dict[str, Any]) -> bool:
    return bool(TELLING & flat(values).keys()) or _is_dataset(values)


def _is_dataset(values: dict[str, Any]) -> bool:
    """The other file of sd-scripts, --dataset_config: [[datasets]] with [[datasets.subsets]]."""
    sets = values.get("datasets")
    return isinstance(sets, list) and any(isinstance(s, dict) and "subsets" in s for s in sets)


def flat(values: dict[str, Any]) -> dict[str, Any]:
    """Sections are mere headings: their keys side by side."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= value if isinstance(value, dict) else {key: value}
    return found


def read(values: dict[str, Any]) -> Imported:
    """What the file says in settings of ours; sd-scripts' defaults where it says nothing."""
    given = flat({k: v for k, v in values.items() if k != "datasets"})
    datasets, more = _of_datasets(values)
    defaults = DEFAULTS if TELLING & given.keys() else {"bucket_no_upscale": False, "enable_bucket": False}
    reader = Reader(NAME, given | datasets, defaults)
    take_all(reader)
    found = reader.finish()
    found.left += more
    return found


def take_all(reader: Reader) -> None:
    """The keys that sd-scripts' TOML and kohya_ss's JSON share."""
    reader.take("pretrained_model_name_or_path", "model.base")
    reader.take("vae", "model.vae")
    reader.take("v_parameterization", "model.prediction", lambda v: "v_prediction" if yes(v) else None)
    reader.take("zero_terminal_snr", "model.zero_snr", lambda v: "on" if yes(v) else None)
    reader.take("clip_skip", "model.clip_skip", lambda v: max(1, whole(v)))
    _data(reader)
    _network(reader)
    _training(reader)
    reader.take("output_name", "run.name")
    reader.take("save_every_n_steps", "save.every", lambda v: whole(v) or None)
    reader.take("save_precision", "save.dtype", lambda v: {"fp16": "fp16", "bf16": "bf16", "float": "fp32"}[v])
    reader.take("sample_every_n_steps", "sample.every", lambda v: whole(v) or None)
    reader.take("sample_sampler", "sample.sampler", _sampler)
    reader.leave("save_every_n_epochs", "checkpoints are counted in steps here: set save.every")
    reader.leave("sample_prompts", "write the prompts into sample.prompts")
    reader.ignore(*NO_BEARING)


def _data(reader: Reader) -> None:
    reader.take("train_data_dir", "data.folder")
    reader.take("num_repeats", "data.repeats", whole)
    reader.take("resolution", "data.resolution", side)
    reader.take("enable_bucket", "data.fit", lambda v: "bucket" if yes(v) else "crop")
    reader.take("bucket_no_upscale", "data.upscale", lambda v: not yes(v))
    reader.take("flip_aug", "data.flip", yes)
    reader.take("shuffle_caption", "data.shuffle_tags", yes)
    reader.take("keep_tokens", "data.keep_tags", whole)
    reader.take("caption_tag_dropout_rate", "data.tag_dropout", number)
    reader.take("caption_dropout_rate", "data.caption_dropout", number)
    reader.take("weighted_captions", "data.weighted_captions", yes)
    reader.take("max_token_length", "data.max_tokens", whole)
    if reader.get("caption_extension") not in (None, "", ".txt", ".caption"):
        reader.leave("caption_extension", "captions are read from .txt and .caption files")
    reader.leave("class_tokens", "it is no trigger word: sd-scripts uses it where a caption is missing")


def _kind(algorithm: Any, decomposed: bool) -> Kind | None:
    """The kind of adapter that writes these network_args itself; None if it is not trained here."""
    algorithm = "lora" if algorithm == "locon" else algorithm
    for kind in KINDS.values():
        own = kind.network_args.get("algo", "lora"), _is_on(kind.network_args.get("dora_wd", False))
        if own == (algorithm, decomposed):
            return kind
    return None


def _network(reader: Reader) -> None:
    reader.take("network_dim", "adapter.rank", whole)
    reader.take("network_alpha", "adapter.alpha", number)
    reader.take("network_weights", "adapter.start_from")
    arguments = pairs(reader.get("network_args"))
    algorithm, decomposed = arguments.pop("algo", "lora"), _is_on(arguments.pop("dora_wd", False))
    module = str(reader.get("network_module") or "")
    kind = _kind(algorithm, decomposed)
    if kind is None:
        reader.found.left.append((f"network_args algo = {algorithm!r}", only_kinds()))
    elif module not in MODULES:
        reader.leave("network_module", only_kinds())
    targets = arguments.pop("preset", "full" if module.startswith("lycoris") else "attn-mlp")
    if _is_on(arguments.pop("conv_dim", 0)):
        targets = "full"
    if targets in TARGETS:
        reader.put("adapter.targets", TARGETS[targets], f"network_args, network_module -> layers {targets!r}")
    else:
        reader.found.left.append((f"network_args preset = {targets!r}", "choose adapter.targets"))
    if kind and kind is not PLAIN:
        said = "network_args dora_wd" if decomposed else f"network_args algo = {algorithm!r}"
        reader.put("adapter.kind", kind.name, said)
    for name, value in arguments.items():
        if _is_on(value):
            reader.found.left.append((f"network_args {name} = {value!r}", "there is no such setting here"))
    stack, weights = reader.get("base_weights"), reader.get("base_weights_multiplier")
    if stack:
        files = stack if isinstance(stack, list) else [stack]
        strengths = weights if isinstance(weights, list) else [weights] * len(files) if weights else []
        strengths = [*strengths, *[1.0] * (len(files) - len(strengths))]
        reader.put("adapter.stack", [f"{f}={s}" for f, s in zip(files, strengths, strict=False)], "base_weights")


def _is_on(value: Any) -> bool:
    return str(value).strip().lower() not in ("", "0", "0.0", "false", "none")


def _training(reader: Reader) -> None:
    take_rates(reader)
    if _is_on(reader.get("max_train_epochs") or 0):
        reader.leave("max_train_epochs", EPOCHS)
        reader.leave("max_train_steps", "the epochs in the same file come before it")
    else:
        reader.take("max_train_steps", "train.steps", lambda v: whole(v) or None)
    reader.take("train_batch_size", "train.batch_size", whole)
    reader.take("gradient_accumulation_steps", "train.accumulate", lambda v: max(1, whole(v)))
    reader.take("gradient_checkpointing", "train.gradient_checkpointing", yes)
    reader.take("lr_warmup_steps", "train.warmup", _warmup)
    reader.take("lr_scheduler", "train.scheduler", lambda v: _scheduler(v, reader))
    reader.take("lr_restart_cycles", "train.cycles", lambda v: max(1, whole(v)))  # lora-scripts' name
    reader.take("lr_scheduler_num_cycles", "train.cycles", lambda v: max(1, whole(v)))
    if reader.found.values.get("train.scheduler") == "cosine_with_restarts":
        reader.found.values.setdefault("train.cycles", 1)
    else:
        reader.found.values.pop("train.cycles", None)
        reader.found.taken = [pair for pair in reader.found.taken if not pair[1].startswith("train.cycles")]
    reader.take("max_grad_norm", "train.max_grad_norm", number)
    reader.take("mixed_precision", "train.precision", lambda v: {"no": "fp32", "fp16": "fp16", "bf16": "bf16"}[v])
    reader.take("min_snr_gamma", "train.min_snr_gamma", number)
    reader.take("noise_offset", "train.noise_offset", number)
    reader.take("seed", "train.seed", lambda v: whole(v) if whole(v) >= 0 else None)
    take_optimizer(reader, "optimizer_type")


def take_rates(reader: Reader) -> None:
    """sd-scripts: unet_lr and text_encoder_lr stand before learning_rate; a text_encoder_lr of 0 trains none."""
    both = reader.get("learning_rate")
    unet, text = reader.get("unet_lr"), reader.get("text_encoder_lr")
    reader.take("unet_lr" if rate(unet) else "learning_rate", "train.lr", number)
    if _is_on(reader.get("network_train_unet_only") or False):
        reader.put("adapter.text_encoder", False, "network_train_unet_only = True")
        return
    if isinstance(text, list):
        reader.leave("text_encoder_lr", "both text encoders learn at one rate here")
        text = text[0] if text else None
    if text not in (None, ""):
        reader.put("train.text_encoder_lr", text, f"text_encoder_lr = {text!r}", number)
    elif both not in (None, ""):
        reader.put("train.text_encoder_lr", both, f"learning_rate = {both!r}", number)


def take_optimizer(reader: Reader, key: str) -> None:
    optimizer = str(reader.get(key) or "AdamW")
    if optimizer.lower() in OPTIMIZERS:
        if optimizer.lower() != "adamw":
            reader.put("train.optimizer", optimizer.lower(), f"{key} = {optimizer!r}")
    else:
        why = "AdamW is used, in 32 bits" if "adamw" in optimizer.lower() else (
            "AdamW is used instead, for which the learning rate may be wrong"
        )  # fmt: skip
        reader.leave(key, why)
    arguments = pairs(reader.get("optimizer_args"))
    if "weight_decay" in arguments:
        decay = arguments.pop("weight_decay")
        reader.put("train.weight_decay", decay, f"optimizer_args weight_decay = {decay!r}", number)
    for name, value in arguments.items():
        reader.found.left.append((f"optimizer_args {name} = {value!r}", "there is no such setting here"))


def pairs(value: Any) -> dict[str, str]:
    """["a=1", "b=2"] or "a=1 b=2" as a table."""
    parts = value if isinstance(value, list) else str(value or "").split()
    return {name.strip(): text.strip().strip("\"'") for name, _, text in (str(p).partition("=") for p in parts) if name}


def _scheduler(value: str, reader: Reader) -> str:
    warm = reader.found.values.get("train.warmup")
    if value == "constant" and warm:
        raise Left("its warm-up has no effect, there or here")
    if value not in SCHEDULERS:
        raise Left("there is no such learning rate schedule here")
    return value


def _warmup(value: Any) -> int:
    steps = number(value)
    if 0 < steps < 1:
        raise Left("a share of the steps: set train.warmup to that many steps")
    return whole(value)


def _sampler(value: str) -> str:
    if value not in SAMPLERS:
        raise Left("there is no such sampler here")
    return SAMPLERS[value]


def _of_datasets(values: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The first folder of a dataset configuration with what holds for it, and the others, which are not taken."""
    subsets = []
    for dataset in values["datasets"] if _is_dataset(values) else []:
        own = dataset.get("subsets") if isinstance(dataset, dict) else None
        shared = {k: v for k, v in dataset.items() if k != "subsets"} if own else {}
        subsets += [shared | subset for subset in own if isinstance(subset, dict)] if isinstance(own, list) else []
    left = [(f"subset {subset.get('image_dir')!r}", "one folder is trained here; put its images into a folder of "
             "that one, named like 3_name for 3 repeats") for subset in subsets[1:]]  # fmt: skip
    if not subsets:
        return {}, left
    first = dict(subsets[0])
    renamed = {"image_dir": "train_data_dir", "batch_size": "train_batch_size"}
    return {str(renamed.get(key, key)): value for key, value in first.items()}, left
