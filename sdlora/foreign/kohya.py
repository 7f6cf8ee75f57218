"""kohya-ss/sd-scripts' TOML (--config_file), as LyCORIS' examples and lora-scripts write it, too."""

from typing import Any

from sdlora.adapters.kind import Kind
from sdlora.adapters.table import KINDS, PLAIN
from sdlora.foreign.kohya_datasets import is_dataset, is_on, of_datasets
from sdlora.foreign.reader import OPTIMIZERS, Imported, Left, Reader, finite_number, only_kinds, rate, side, whole, yes
from sdlora.messages import say

NAME = "kohya's sd-scripts"
# Any of these, in whatever section, tells the file; sd-scripts reads sections as one.
TELLING = {"pretrained_model_name_or_path", "train_data_dir", "network_module", "network_dim", "network_alpha"}
# sd-scripts' own defaults of what changes the result.
DEFAULTS = {
    "network_dim": 4, "network_alpha": 1, "lr_scheduler": "constant", "min_snr_gamma": 0, "max_token_length": 75,
    "keep_tokens": 0, "bucket_no_upscale": False, "enable_bucket": False, "train_batch_size": 1,
    "learning_rate": 2e-6, "max_train_steps": 1600,
}  # fmt: skip
OF_SETS = ("keep_tokens", "bucket_no_upscale", "enable_bucket")  # those that a dataset configuration has
SCHEDULERS = (
    "constant",
    "constant_with_warmup",
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "piecewise_constant",
)
SAMPLERS = {"ddim": "ddim", "euler": "euler", "k_euler": "euler", "dpmsolver++": "dpm++ 2m"}
TARGETS = {"attn-mlp": "attn-mlp", "attn-only": "attn", "full": "full", "unet-transformer-only": "attn-mlp"}
MODULES = ("", "networks.lora", "lycoris.kohya", "locon.locon_kohya")
HUBER_C = 0.1
RENAMED_OPTIMIZERS = {"adamwschedulefree": "schedule_free_adamw"}
# Where things lie, how fast they go, what is cached, logged and shown: nothing of the result.
NO_BEARING = (
    "cache_latents", "cache_latents_to_disk", "xformers", "sdpa", "mem_eff_attn", "persistent_data_loader_workers",
    "max_data_loader_n_workers", "vae_batch_size", "lowram", "highvram", "logging_dir", "log_with", "log_prefix",
    "log_tracker_name", "log_tracker_config", "wandb_api_key", "save_model_as", "no_half_vae", "no_metadata",
    "training_comment", "output_dir", "save_state", "bucket_reso_steps", "min_bucket_reso", "max_bucket_reso",
    "v2", "sdxl", "save_last_n_steps_state", "save_last_n_epochs_state", "save_last_n_epochs",
    "debug_dataset", "cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk", "save_n_epoch_ratio",
    "huggingface_repo_id", "console_log_level", "skip_cache_check", "keep_tokens_separator",
)  # fmt: skip
CONVOLUTIONS = ("*.conv1", "*.conv2", "*samplers.*.conv")  # the 3 x 3 ones, which have a rank of their own there


def is_ours(values: dict[str, Any]) -> bool:
    """Are these settings of sd-scripts?"""
    return bool(TELLING & flat(values).keys()) or is_dataset(values)


def flat(values: dict[str, Any]) -> dict[str, Any]:
    """Sections are mere headings: their keys side by side."""
    merged: dict[str, Any] = {}
    for key, value in values.items():
        merged |= value if isinstance(value, dict) else {key: value}
    return merged


def import_values(values: dict[str, Any]) -> Imported:
    """What the file says in settings of ours; sd-scripts' defaults where it says nothing."""
    given = flat({k: v for k, v in values.items() if k != "datasets"})
    datasets, more = of_datasets(values)
    defaults = DEFAULTS if TELLING & given.keys() else {key: DEFAULTS[key] for key in OF_SETS}
    reader = Reader(NAME, given | datasets, defaults)
    take_all(reader)
    imported = reader.finish()
    imported.left += more
    return imported


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
    reader.leave("save_every_n_epochs", say("foreign.because_saved_by_steps"))
    reader.leave("sample_every_n_epochs", say("foreign.because_sampled_by_steps"))
    reader.leave("sample_prompts", say("foreign.because_set_prompts"))
    reader.ignore(*NO_BEARING)


def _data(reader: Reader) -> None:
    reader.take("train_data_dir", "data.folder")
    reader.take("reg_data_dir", "data.regularization")
    reader.take("prior_loss_weight", "train.prior_weight", finite_number)
    for key, masks in (("masked_loss", "files"), ("alpha_mask", "alpha")):
        if yes(reader.get(key) or False):
            reader.put("data.masks", masks, reader.said(key, True))
            reader.put("train.unmasked_weight", 0.0, reader.said(key, True))  # as it is there
    reader.take("num_repeats", "data.repeats", whole)
    reader.take("resolution", "data.resolution", side)
    reader.take("enable_bucket", "data.fit", lambda v: "bucket" if yes(v) else "crop")
    reader.take("bucket_no_upscale", "data.upscale", lambda v: not yes(v))
    reader.take("flip_aug", "data.flip", yes)
    reader.take("shuffle_caption", "data.shuffle_tags", yes)
    reader.take("keep_tokens", "data.keep_tags", whole)
    reader.take("caption_tag_dropout_rate", "data.tag_dropout", finite_number)
    reader.take("caption_dropout_rate", "data.caption_dropout", finite_number)
    reader.take("weighted_captions", "data.weighted_captions", yes)
    reader.take("enable_wildcard", "data.wildcards", lambda v: yes(v) or None)
    reader.take("enable_wildcard", "data.caption_lines", lambda v: "random" if yes(v) else None)  # the same switch
    reader.unless("dataset_repeats", 1, say("foreign.because_set_repeats"))
    reader.take("max_token_length", "data.max_tokens", whole)
    if reader.get("caption_extension") not in (None, "", ".txt", ".caption"):
        reader.leave("caption_extension", say("foreign.because_caption_suffix"))
    reader.leave("class_tokens", say("foreign.because_not_a_trigger"))


# What network_args may say beside what describes the kind -> our setting.
IN_ARGUMENTS = {"rs_lora": "adapter.rslora", "loraplus_lr_ratio": "train.lora_plus",
                "rank_dropout": "train.rank_dropout", "module_dropout": "train.module_dropout"}  # fmt: skip


def _kind(algorithm: Any, decomposed: bool) -> Kind | None:
    """The kind of adapter that writes these network_args itself; None if it is not trained here."""
    algorithm = "lora" if algorithm == "locon" else algorithm
    for kind in KINDS.values():
        described = kind.network_args.get("algo", "lora"), is_on(kind.network_args.get("dora_wd", False))
        if described == (algorithm, decomposed):
            return kind
    return None


def _network(reader: Reader) -> None:
    reader.take("network_dim", "adapter.rank", whole)
    reader.take(
        "network_alpha", "adapter.alpha", lambda v: finite_number(v) or finite_number(reader.get("network_dim"))
    )  # 0: rank
    reader.take("network_weights", "adapter.start_from")
    reader.take("scale_weight_norms", "train.max_weight_norm", lambda v: finite_number(v) or None)
    arguments = pairs(reader.get("network_args"))
    algorithm, decomposed = arguments.pop("algo", "lora"), is_on(arguments.pop("dora_wd", False))
    module = str(reader.get("network_module") or "")
    kind = _kind(algorithm, decomposed)
    if kind is None:
        reader.found.left.append((f"network_args algo = {algorithm!r}", only_kinds()))
    elif module not in MODULES:
        reader.leave("network_module", only_kinds())
    targets = arguments.pop("preset", "full" if module.startswith("lycoris") else "attn-mlp")
    size: dict[str, Any] = {name: arguments.pop(name) for name in ("conv_dim", "conv_alpha") if name in arguments}
    if is_on(size.get("conv_dim", 0)):
        targets = "full"
    if targets in TARGETS:
        reader.put("adapter.targets", TARGETS[targets], f"network_args, network_module -> layers {targets!r}")
        if TARGETS[targets] == "full":
            take_convolutions(reader, size, 1.0 if module in MODULES[:2] else None)
    else:
        reader.found.left.append((f"network_args preset = {targets!r}", say("foreign.because_set_targets")))
    if kind and kind is not PLAIN:
        source = "network_args dora_wd" if decomposed else f"network_args algo = {algorithm!r}"
        reader.put("adapter.kind", kind.name, source)
    for name, key in IN_ARGUMENTS.items():
        if name in arguments:
            value = arguments.pop(name)
            reader.put(key, value, f"network_args {name} = {value!r}", yes if name == "rs_lora" else finite_number)
    for name in kind.options if kind else ():
        if name in arguments:
            value = arguments.pop(name)
            reader.put(f"adapter.{name}", value, f"network_args {name} = {value!r}", whole)
    for name, value in arguments.items():
        if is_on(value):
            reader.found.left.append((f"network_args {name} = {value!r}", say("foreign.because_no_setting")))
    stack, weights = reader.get("base_weights"), reader.get("base_weights_multiplier")
    if stack:
        files = stack if isinstance(stack, list) else [stack]
        strengths = weights if isinstance(weights, list) else [weights] * len(files) if weights else []
        strengths = [*strengths, *[1.0] * (len(files) - len(strengths))]
        reader.put("adapter.stack", [f"{f}={s}" for f, s in zip(files, strengths, strict=False)], "base_weights")


def take_convolutions(reader: Reader, given: dict[str, Any], alpha: float | None) -> None:
    """Rank and alpha of the 3 x 3 convolutions. alpha: where none is given; None for the other layers'."""
    taken = reader.found.values
    for key, setting, convert, default in (
        ("conv_dim", "adapter.rank", whole, None), ("conv_alpha", "adapter.alpha", finite_number, alpha)
    ):  # fmt: skip
        value = given[key] if is_on(given.get(key, 0)) else default

        def patterns(value: Any, setting: str = setting, convert: Any = convert) -> dict[str, float] | None:
            number = convert(value)
            return None if number == taken.get(setting) else dict.fromkeys(CONVOLUTIONS, number)

        if value is not None:
            reader.put(f"{setting}_pattern", value, f"{key} = {value!r}", patterns)


def _training(reader: Reader) -> None:
    take_rates(reader)
    reader.take("max_train_epochs", "train.epochs", lambda v: whole(v) or None)
    if "train.epochs" in reader.found.values:
        reader.leave("max_train_steps", say("foreign.because_epochs_first"))
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
    reader.take("max_grad_norm", "train.max_grad_norm", finite_number)
    reader.take("mixed_precision", "train.precision", lambda v: {"no": "fp32", "fp16": "fp16", "bf16": "bf16"}[v])
    _weighting(reader)
    _noise(reader)
    _loss(reader)
    _shape(reader)
    reader.leave("lr_scheduler_type", say("foreign.because_no_schedule"))
    reader.take("seed", "train.seed", lambda v: whole(v) if whole(v) >= 0 else None)
    take_optimizer(reader, "optimizer_type")


def take_rates(reader: Reader) -> None:
    """sd-scripts: unet_lr and text_encoder_lr stand before learning_rate; a text_encoder_lr of 0 trains none."""
    both = reader.get("learning_rate")
    unet, text = reader.get("unet_lr"), reader.get("text_encoder_lr")
    reader.take("unet_lr" if rate(unet) else "learning_rate", "train.lr", finite_number)
    for key in ("unet_lr", "network_train_text_encoder_only"):
        value = reader.get(key)
        if value not in (None, "") and (is_on(value) == (key != "unet_lr")):
            reader.found.left.append((reader.said(key, value), say("foreign.because_unet_always")))
    if is_on(reader.get("network_train_unet_only") or False):
        reader.put("adapter.text_encoder", False, "network_train_unet_only = True")
        return
    if isinstance(text, list):
        if len({str(value) for value in text}) > 1:
            reader.leave("text_encoder_lr", say("foreign.because_one_text_encoder_lr"))
        text = text[0] if text else None
    if text not in (None, ""):
        reader.put("train.text_encoder_lr", text, f"text_encoder_lr = {text!r}", finite_number)
    elif both not in (None, ""):
        reader.put("train.text_encoder_lr", both, f"learning_rate = {both!r}", finite_number)


def take_optimizer(reader: Reader, key: str) -> None:
    """The optimizer under ``key``, if it is one of ours; else a line on what trains in its place."""
    optimizer = str(reader.get(key) or "AdamW")
    optimizer = RENAMED_OPTIMIZERS.get(optimizer.lower(), optimizer)
    if optimizer.lower() in OPTIMIZERS:
        if optimizer.lower() != "adamw":
            reader.put("train.optimizer", optimizer.lower(), f"{key} = {optimizer!r}")
    else:
        why = say("foreign.because_adamw_32") if "adamw" in optimizer.lower() else (
            say("foreign.because_adamw_instead")
        )  # fmt: skip
        reader.leave(key, why)
    arguments = pairs(reader.get("optimizer_args"))
    if optimizer.lower() == "adafactor":
        _adafactor(reader, arguments)
    if "weight_decay" in arguments:
        decay = arguments.pop("weight_decay")
        reader.put("train.weight_decay", decay, f"optimizer_args weight_decay = {decay!r}", finite_number)
    for name, value in arguments.items():
        reader.found.left.append((f"optimizer_args {name} = {value!r}", say("foreign.because_no_setting")))


def _adafactor(reader: Reader, arguments: dict[str, str]) -> None:
    """Its arguments as sd-scripts has them by default: relative steps, which set the rate by themselves; no decay."""
    for name, default in (("relative_step", True), ("scale_parameter", True), ("warmup_init", False)):
        value = arguments.pop(name, default)
        if is_on(value):
            reader.found.left.append((f"optimizer_args {name} = {value!r}", say("foreign.because_adafactor_rate")))
    reader.put("train.weight_decay", arguments.pop("weight_decay", 0), "weight_decay of Adafactor", finite_number)


def _loss(reader: Reader) -> None:
    """sd-scripts' own default of both losses makes huber_c fall with the noise; here it is constant."""
    kind, schedule = str(reader.get("loss_type") or "l2"), str(reader.get("huber_schedule") or "snr")
    threshold = reader.get("huber_c")
    if kind in ("huber", "smooth_l1"):
        reader.put("train.loss", kind, f"loss_type = {kind!r}")
        if schedule != "constant":
            reader.found.left.append((f"huber_schedule = {schedule!r}", say("foreign.because_constant")))
        if threshold not in (None, "") and rate(threshold) != HUBER_C:
            reader.found.left.append((f"huber_c = {threshold!r}", say("foreign.because_fixed", value=HUBER_C)))
        reader.unless("huber_scale", 1, say("foreign.because_no_setting"))
    else:
        reader.ignore("huber_scale")
        reader.unless("loss_type", "l2", say("foreign.because_no_loss"))


def _weighting(reader: Reader) -> None:
    """sd-scripts multiply the weights of all that is on; here it is one of them."""
    reader.take("debiased_estimation_loss", "train.weighting", lambda v: "debiased" if yes(v) else None)
    if "train.weighting" in reader.found.values:
        if rate(reader.get("min_snr_gamma")):
            reader.leave("min_snr_gamma", say("foreign.because_one_weighting"))
    else:
        reader.take("min_snr_gamma", "train.min_snr_gamma", finite_number)


def _shape(reader: Reader) -> None:
    """The knobs of a schedule. sd-scripts hand power to ``polynomial`` alone, and a lowest rate to two of their own."""
    chosen = reader.found.values.get("train.scheduler")
    if chosen == "polynomial":
        reader.take("lr_scheduler_power", "train.power", finite_number)
    else:
        reader.ignore("lr_scheduler_power")
    if reader.get("lr_scheduler") == "cosine_with_min_lr":
        reader.take("lr_scheduler_min_lr_ratio", "train.lr_floor", finite_number)
    else:
        reader.ignore("lr_scheduler_min_lr_ratio")
    rules = pairs(reader.get("lr_scheduler_args")).get("step_rules")
    if rules and chosen == "piecewise_constant":
        reader.take("lr_scheduler_args", "train.step_rules", lambda _: rules)
    else:
        reader.leave("lr_scheduler_args", say("foreign.because_no_setting"))


def _noise(reader: Reader) -> None:
    """Noise and timesteps; the strengths that are drawn anew each time have no counterpart."""
    reader.take("noise_offset", "train.noise_offset", finite_number)
    reader.take("ip_noise_gamma", "train.input_perturbation", finite_number)
    reader.take("multires_noise_iterations", "train.pyramid_noise", lambda v: whole(v) or None)
    if reader.found.values.get("train.pyramid_noise"):
        reader.take("multires_noise_discount", "train.pyramid_discount", finite_number)
    else:
        reader.ignore("multires_noise_discount")
    reader.take("min_timestep", "train.min_timestep", whole)
    reader.take("max_timestep", "train.max_timestep", lambda v: whole(v) or None)


def pairs(value: Any) -> dict[str, str]:
    """["a=1", "b=2"] or "a=1 b=2" as a table."""
    parts = value if isinstance(value, list) else str(value or "").split()
    return {name.strip(): text.strip().strip("\"'") for name, _, text in (str(p).partition("=") for p in parts) if name}


def _scheduler(value: str, reader: Reader) -> str:
    warm = reader.found.values.get("train.warmup")
    if value == "constant" and warm:
        raise Left(say("foreign.because_warmup_idle"))
    if value == "cosine_with_min_lr" and int(rate(reader.get("lr_scheduler_num_cycles") or 1)) == 1:
        return "cosine"
    if value not in SCHEDULERS:
        raise Left(say("foreign.because_no_schedule"))
    return value


def _warmup(value: Any) -> int:
    steps = finite_number(value)
    if 0 < steps < 1:
        raise Left(say("foreign.because_share_of_steps"))
    return whole(value)


def _sampler(value: str) -> str:
    if value not in SAMPLERS:
        raise Left(say("foreign.because_no_sampler"))
    return SAMPLERS[value]
