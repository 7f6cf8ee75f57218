"""Nerogar/OneTrainer's JSON: presets hold what differs from its defaults, saved settings hold everything."""

from pathlib import PurePath
from typing import Any

from sdlora.errors import UserError
from sdlora.foreign.reader import OPTIMIZERS, Imported, Left, Reader, finite_number, only_kinds, side, whole, yes
from sdlora.messages import say

NAME = "OneTrainer"
# OneTrainer's own defaults of what changes the result.
DEFAULTS = {
    "base_model_name": "stable-diffusion-v1-5/stable-diffusion-v1-5", "learning_rate": 3e-6, "batch_size": 1,
    "learning_rate_scheduler": "CONSTANT", "learning_rate_warmup_steps": 200, "learning_rate_cycles": 1, "epochs": 100,
    "gradient_accumulation_steps": 1, "train_dtype": "FLOAT_16", "resolution": "512", "loss_weight_fn": "CONSTANT",
    "clip_grad_norm": 1.0, "lora_rank": 16, "lora_alpha": 1.0, "layer_filter_preset": "full",
    "aspect_ratio_bucketing": True, "loss_weight_strength": 5.0,
}  # fmt: skip
FAMILIES = ("STABLE_DIFFUSION_1", "STABLE_DIFFUSION_2", "STABLE_DIFFUSION_XL")
SCHEDULERS = {"CONSTANT": "constant_with_warmup", "LINEAR": "linear", "COSINE": "cosine", "REX": "rex",
              "COSINE_WITH_HARD_RESTARTS": "cosine_with_restarts"}  # fmt: skip
PRECISIONS = {"FLOAT_16": "fp16", "BFLOAT_16": "bf16", "FLOAT_32": "fp32", "TFLOAT_32": "fp32"}
WEIGHTINGS = {"MIN_SNR_GAMMA": ("min_snr", "train.min_snr_gamma"), "P2": ("p2", "train.p2_gamma"),
              "DEBIASED_ESTIMATION": ("debiased", "")}  # fmt: skip
TARGETS = {"full": "full", "attn-mlp": "attn-mlp", "attn-only": "attn"}
# Where things lie, how fast they go, what is logged and kept: nothing of the result. Parts of other models.
NO_BEARING = (
    "__version", "training_method", "model_type", "debug_mode", "debug_dir", "workspace_dir", "cache_dir",
    "tensorboard", "tensorboard_expose", "tensorboard_always_on", "tensorboard_port", "continue_last_backup",
    "prevent_overwrites", "include_train_config", "multi_gpu", "device_indexes", "gradient_reduce_precision",
    "fused_gradient_reduce", "async_gradient_reduce", "async_gradient_reduce_buffer", "output_model_format",
    "async_offloading", "compile", "concept_file_name", "image_caching", "text_caching", "latent_caching",
    "clear_cache_before_training", "caching_threads", "dataloader_threads", "prefetch_next_batch", "train_device",
    "temp_device", "fallback_train_dtype", "enable_autocast_cache", "only_cache", "frames", "attention_mechanism",
    "ema_decay", "ema_update_step_interval", "huber_delta", "vb_loss_strength", "prior", "transformer", "quantization",
    "unconditional_transformer", "text_encoder_3", "text_encoder_4", "effnet_encoder", "decoder",
    "decoder_text_encoder", "decoder_vqgan", "unmasked_probability", "embedding",
    "additional_embeddings", "embedding_weight_dtype", "embeddings", "cloud", "lora_weight_dtype",
    "lora_decompose_norm_epsilon", "bundle_additional_embeddings", "optimizer_defaults", "samples", "sample_after",
    "sample_definition_file_name", "sample_after_unit", "sample_image_format", "sample_video_format",
    "sample_audio_format", "samples_to_tensorboard", "non_ema_sampling", "backup_after", "backup_after_unit",
    "rolling_backup", "rolling_backup_count", "backup_before_save", "save_every_unit", "save_filename_prefix",
    "secrets", "validate_after", "validate_after_unit", "weight_dtype", "scheduler_params",
    "text_encoder_2_sequence_length", "oft_block_size", "oft_clipped_norm", "lokr_dim", "lokr_decompose_factor",
    "lokr_dora_on_output", "lokr_vec_trick", "enable_activation_offloading", "enable_async_offloading",
)  # fmt: skip


# What has one value here, which is its default there.
FIXED = {
    "mse_strength": (1.0, say("foreign.because_mse_only")),
    "timestep_shift": (1.0, say("foreign.because_timesteps_unshifted")),
    "learning_rate_scaler": ("NONE", say("foreign.because_rate_unscaled")),
    "loss_scaler": ("NONE", say("foreign.because_loss_unscaled")),
}


def is_ours(values: dict[str, Any]) -> bool:
    """Are these settings of OneTrainer?"""
    return "training_method" in values or {"base_model_name", "model_type"} <= values.keys()


def import_values(values: dict[str, Any]) -> Imported:
    """What the file says in settings of ours; OneTrainer's defaults where it says nothing.

    UserError for files that train something else than a LoRA of Stable Diffusion 1, 2 or XL.
    """
    method, model = values.get("training_method", "FINE_TUNE"), values.get("model_type", "STABLE_DIFFUSION_15")
    if method != "LORA" or not str(model).startswith(FAMILIES):
        what = say("foreign.other_training", kind=method, model=model)
        raise UserError(what, fix=say("foreign.choose_lora_settings"))
    reader = Reader(NAME, _as_of_today(values), DEFAULTS)
    _model(reader)
    _adapter(reader)
    _training(reader)
    if reader.get("masked_training") is True:
        reader.put("data.masks", "files", reader.said("masked_training", True))
        reader.take("unmasked_weight", "train.unmasked_weight", finite_number)
    reader.ignore("unmasked_weight")
    for key, (same, why) in FIXED.items():
        reader.unless(key, same, why)
    reader.ignore(*NO_BEARING)
    return reader.finish()


def _as_of_today(values: dict[str, Any]) -> dict[str, Any]:
    """The first versions had what is a table of a part today in keys of their own: train_unet, optimizer_eps …"""
    moved = dict(values)
    for part in ("unet", "text_encoder", "text_encoder_2"):
        table = moved.get(part)
        if not isinstance(table, dict):
            table = {}
        for name, old in {"train": f"train_{part}", "learning_rate": f"{part}_learning_rate"}.items():
            if old in moved:
                table = {name: moved.pop(old)} | table
        if table:
            moved[part] = table
    if isinstance(moved.get("optimizer"), str):
        optimizer_keys = {
            key: moved.pop(key) for key in list(moved) if key.startswith("optimizer_") and key != "optimizer_defaults"
        }
        moved["optimizer"] = {"optimizer": moved["optimizer"]} | {
            key.removeprefix("optimizer_"): value for key, value in optimizer_keys.items()
        }
        if "weight_decay" in moved:
            moved["optimizer"].setdefault("weight_decay", moved.pop("weight_decay"))
    return moved


def _part(reader: Reader, name: str) -> dict[str, Any]:
    part = reader.get(name)
    return part if isinstance(part, dict) else {}


def _model(reader: Reader) -> None:
    reader.take("base_model_name", "model.base")
    if vae := _part(reader, "vae").get("model_name"):
        reader.put("model.vae", str(vae), f"vae.model_name = {vae!r}")
    reader.take("force_v_prediction", "model.prediction", lambda v: "v_prediction" if yes(v) else None)
    reader.take("force_epsilon_prediction", "model.prediction", lambda v: "epsilon" if yes(v) else None)
    reader.take("rescale_noise_scheduler_to_zero_terminal_snr", "model.zero_snr", lambda v: "on" if yes(v) else None)
    # It counts the layers that are skipped, 0 for the last one.
    reader.take("text_encoder_layer_skip", "model.clip_skip", lambda v: whole(v) + 1)
    reader.unless("text_encoder_2_layer_skip", 0, say("foreign.because_sdxl_text_encoders"))
    reader.take("resolution", "data.resolution", _side)
    reader.take("aspect_ratio_bucketing", "data.fit", lambda v: "bucket" if yes(v) else "crop")
    listed = reader.get("concepts")
    concepts = [c for c in listed if isinstance(c, dict) and c.get("enabled", True)] if isinstance(listed, list) else []
    if concepts and concepts[0].get("path"):
        reader.put("data.folder", str(concepts[0]["path"]), f"concepts[0].path = {concepts[0]['path']!r}")
        _concept(reader, concepts[0])
    for concept in concepts[1:]:
        reader.found.left.append(
            (
                say("foreign.said_concept", name=repr(concept.get("path"))),
                say("foreign.because_one_folder"),
            )
        )
    if not concepts:
        reader.found.left.append((say("foreign.said_concepts"), say("foreign.because_own_file")))


def _concept(reader: Reader, concept: dict[str, Any]) -> None:
    """What a concept says of its images and captions, beside its folder."""
    image, text = (part if isinstance(part := concept.get(name), dict) else {} for name in ("image", "text"))
    repeats = concept.get("balancing", 1) if concept.get("balancing_strategy", "REPEATS") == "REPEATS" else 1
    for where, name, key, convert in (
        (image, "enable_random_flip", "data.flip", lambda v: yes(v) or None),
        (text, "enable_tag_shuffling", "data.shuffle_tags", lambda v: yes(v) or None),
        (text, "keep_tags_count", "data.keep_tags", whole),
        ({"balancing": repeats}, "balancing", "data.repeats", lambda v: whole(v) if finite_number(v) != 1 else None),
    ):
        if name in where:
            reader.put(key, where[name], f"concepts[0] {name} = {where[name]!r}", convert)
    if text.get("prompt_source") not in (None, "sample"):
        source = f"concepts[0] prompt_source = {text['prompt_source']!r}"
        reader.found.left.append((source, say("foreign.because_caption_suffix")))
    if concept.get("loss_weight") not in (None, 1, 1.0):
        weight = concept["loss_weight"]
        reader.found.left.append((f"concepts[0] loss_weight = {weight!r}", say("foreign.because_no_setting")))
    known = ("enable_random_flip", "enable_crop_jitter", "enable_tag_shuffling")
    for name, value in {**image, **text}.items():
        if str(name).startswith("enable_") and name not in known and value is True:
            reader.found.left.append((f"concepts[0] {name} = True", say("foreign.because_no_setting")))


def _side(value: Any) -> int:
    """The side of a square of equal area, of "768" or "768x512"; sizes after commas are trained side by side there."""
    if "," in str(value):
        raise Left(say("foreign.because_one_resolution"))
    return side(str(value).replace("x", ","))


def _adapter(reader: Reader) -> None:
    kind = reader.get("peft_type") or "LORA"
    if kind == "LOHA":
        reader.take("peft_type", "adapter.kind", lambda _: "loha")
    elif kind != "LORA":
        reader.leave("peft_type", only_kinds())
    reader.take("lora_rank", "adapter.rank", whole)
    reader.take("lora_alpha", "adapter.alpha", finite_number)
    reader.take("lora_decompose", "adapter.kind", lambda value: "dora" if yes(value) else None)
    reader.take("lora_model_name", "adapter.start_from")
    if reader.get("layer_filter") and reader.get("layer_filter_preset") in (None, "full"):
        reader.leave("layer_filter", say("foreign.because_set_targets"))  # the presets fill it in
    else:
        reader.take("layer_filter_preset", "adapter.targets", _targets)
    reader.leave("dropout_probability", say("foreign.because_no_dropout"))
    text = _part(reader, "text_encoder")
    if not text.get("train", True):
        reader.put("adapter.text_encoder", False, "text_encoder.train = False")
    else:
        rate = text.get("learning_rate")
        rate = reader.get("learning_rate") if rate is None else rate
        reader.put(
            "train.text_encoder_lr", rate, f"text_encoder.learning_rate, learning_rate = {rate!r}", finite_number
        )
        if text.get("stop_training_after") and text.get("stop_training_after_unit", "EPOCH") != "NEVER":
            source = f"text_encoder.stop_training_after = {text['stop_training_after']!r}"
            reader.found.left.append((source, say("foreign.because_text_encoder_to_end")))
    _second_encoder(reader, text)
    if text.get("dropout_probability"):
        source = f"text_encoder.dropout_probability = {text['dropout_probability']!r}"
        reader.put("data.caption_dropout", text["dropout_probability"], source, finite_number)


def _second_encoder(reader: Reader, first: dict[str, Any]) -> None:
    """SDXL's: here both learn, at one rate, or none does."""
    second = _part(reader, "text_encoder_2")
    if "STABLE_DIFFUSION_XL" not in str(reader.get("model_type")):
        return
    for name, default in (("train", True), ("learning_rate", None), ("dropout_probability", 0)):
        if second and second.get(name, default) != first.get(name, default):
            source = f"text_encoder_2.{name} = {second.get(name, default)!r}"
            reader.found.left.append((source, say("foreign.because_text_encoders_alike")))


def _targets(preset: str) -> str:
    if preset not in TARGETS:
        raise Left(say("foreign.because_set_targets"))
    return TARGETS[preset]


def _training(reader: Reader) -> None:
    unet = _part(reader, "unet")
    if unet.get("learning_rate") is not None:
        reader.put("train.lr", unet["learning_rate"], f"unet.learning_rate = {unet['learning_rate']!r}", finite_number)
        reader.ignore("learning_rate")
    else:
        reader.take("learning_rate", "train.lr", finite_number)
    if unet.get("train") is False:
        reader.found.left.append(("unet.train = False", say("foreign.because_unet_always")))
    reader.take("epochs", "train.epochs", lambda v: whole(v) or None)
    reader.take("batch_size", "train.batch_size", whole)
    reader.take("gradient_accumulation_steps", "train.accumulate", whole)
    checkpointing = unet.get("gradient_checkpointing", reader.get("gradient_checkpointing"))
    on = checkpointing not in (False, "OFF")
    reader.put("train.gradient_checkpointing", on, f"gradient_checkpointing = {checkpointing!r}")
    reader.take("learning_rate_scheduler", "train.scheduler", _scheduler)
    reader.take("learning_rate_warmup_steps", "train.warmup", _warmup)
    cycles = reader.get("learning_rate_cycles")
    if reader.found.values.get("train.scheduler") == "cosine_with_restarts":
        reader.take("learning_rate_cycles", "train.cycles", lambda v: max(1, whole(v)))
    elif cycles not in (None, 1, 1.0):
        reader.leave("learning_rate_cycles", say("foreign.because_one_fall"))
    reader.take("learning_rate_min_factor", "train.lr_floor", lambda v: finite_number(v) or None)
    if "clip_grad_norm" in reader.values and reader.values["clip_grad_norm"] is None:
        reader.put("train.max_grad_norm", 0.0, "clip_grad_norm = None")
        reader.ignore("clip_grad_norm")
    else:
        reader.take("clip_grad_norm", "train.max_grad_norm", finite_number)
    reader.take("train_dtype", "train.precision", lambda v: PRECISIONS[v])
    _weighting(reader)
    _timesteps(reader)
    reader.take("offset_noise_weight", "train.noise_offset", finite_number)
    reader.take("output_dtype", "save.dtype", lambda v: PRECISIONS[v])
    reader.take("output_model_destination", "run.name", lambda v: PurePath(str(v).replace("\\\\", "/")).stem or None)
    if reader.get("save_every_unit") == "STEP":
        reader.take("save_every", "save.every", whole)
    else:
        reader.leave("save_every", say("foreign.because_saved_by_steps"))
    if str(reader.get("ema") or "OFF") != "OFF":
        decay = reader.get("ema_decay")
        reader.put(
            "train.ema_decay", 0.999 if decay is None else decay, reader.said("ema", reader.get("ema")), finite_number
        )
        reader.unless("ema_update_step_interval", 1, say("foreign.because_each_step"))
    _optimizer(reader)


def _timesteps(reader: Reader) -> None:
    """Strengths of noise are shares of the schedule; logit-normal has a spread of noising_weight + 1."""
    for key, setting in {"min_noising_strength": "min_timestep", "max_noising_strength": "max_timestep"}.items():
        reader.take(key, f"train.{setting}", lambda v: int(finite_number(v) * 1000))
    name = reader.get("timestep_distribution") or "UNIFORM"
    if name == "LOGIT_NORMAL":
        reader.take("timestep_distribution", "train.timesteps", lambda _: "logit_normal")
        reader.take("noising_bias", "train.timestep_bias", finite_number)
        reader.take("noising_weight", "train.timestep_spread", lambda v: finite_number(v) + 1)
    elif name == "COS_MAP":
        reader.take("timestep_distribution", "train.timesteps", lambda _: "cosmap")
    elif name != "UNIFORM":
        reader.leave("timestep_distribution", say("foreign.because_no_distribution"))


def _optimizer(reader: Reader) -> None:
    optimizer = _part(reader, "optimizer")
    name = str(optimizer.get("optimizer", "ADAMW"))
    if name.lower() in OPTIMIZERS:
        if name != "ADAMW":
            reader.put("train.optimizer", name.lower(), f"optimizer = {name!r}")
    else:
        why = say("foreign.because_adamw_32") if name.startswith("ADAMW") else (
            say("foreign.because_adamw_instead")
        )  # fmt: skip
        reader.found.left.append((f"optimizer = {name!r}", why))
    if name == "ADAFACTOR":
        for switch in ("relative_step", "scale_parameter", "warmup_init"):
            if optimizer.get(switch):
                source = f"optimizer.{switch} = {optimizer[switch]!r}"
                reader.found.left.append((source, say("foreign.because_adafactor_rate")))
        optimizer = {"weight_decay": 0.0} | optimizer  # its own default
    if optimizer.get("weight_decay") is not None:
        decay = optimizer["weight_decay"]
        reader.put("train.weight_decay", decay, f"optimizer.weight_decay = {decay!r}", finite_number)


def _scheduler(name: str) -> str:
    if name not in SCHEDULERS:
        raise Left(say("foreign.because_no_schedule"))
    return SCHEDULERS[name]


def _warmup(value: Any) -> int:
    if 0 < finite_number(value) <= 1:
        raise Left(say("foreign.because_share_of_steps"))
    return whole(value)


def _weighting(reader: Reader) -> None:
    """Its weight of timesteps, and the strength of it, which has one key for all."""
    name, strength = str(reader.get("loss_weight_fn")), reader.get("loss_weight_strength")
    said = reader.said("loss_weight_fn", name)
    if name in WEIGHTINGS:
        weighting, key = WEIGHTINGS[name]
        if weighting != "min_snr":
            reader.put("train.weighting", weighting, said)
        if key:
            reader.put(key, strength, reader.said("loss_weight_strength", strength), finite_number)
    elif name == "CONSTANT":
        reader.put("train.min_snr_gamma", 0.0, said)
    else:
        reader.found.left.append((said, say("foreign.because_no_weighting")))
