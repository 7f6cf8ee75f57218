"""Nerogar/OneTrainer's JSON: presets hold what differs from its defaults, saved settings hold everything."""

from pathlib import PurePath
from typing import Any

from sdlora.errors import UserError
from sdlora.foreign.reader import OPTIMIZERS, Imported, Left, Reader, number, only_kinds, side, whole, yes

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
SCHEDULERS = {"CONSTANT": "constant_with_warmup", "LINEAR": "linear", "COSINE": "cosine",
              "COSINE_WITH_HARD_RESTARTS": "cosine_with_restarts"}  # fmt: skip
PRECISIONS = {"FLOAT_16": "fp16", "BFLOAT_16": "bf16", "FLOAT_32": "fp32", "TFLOAT_32": "fp32"}
TARGETS = {"full": "full", "attn-mlp": "attn-mlp", "attn-only": "attn"}
EPOCHS = "training is counted in steps here: set train.steps to images x repeats x epochs / batch size"
# Where things lie, how fast they go, what is logged and kept: nothing of the result. Parts of other models.
NO_BEARING = (
    "__version", "training_method", "model_type", "debug_mode", "debug_dir", "workspace_dir", "cache_dir",
    "tensorboard", "tensorboard_expose", "tensorboard_always_on", "tensorboard_port", "continue_last_backup",
    "prevent_overwrites", "include_train_config", "multi_gpu", "device_indexes", "gradient_reduce_precision",
    "fused_gradient_reduce", "async_gradient_reduce", "async_gradient_reduce_buffer", "output_model_format",
    "async_offloading", "compile", "concept_file_name", "image_caching", "text_caching", "latent_caching",
    "clear_cache_before_training", "caching_threads", "dataloader_threads", "prefetch_next_batch", "train_device",
    "temp_device", "fallback_train_dtype", "enable_autocast_cache", "only_cache", "frames", "attention_mechanism",
    "mse_strength", "ema", "ema_decay", "ema_update_step_interval", "huber_delta", "vb_loss_strength", "loss_scaler",
    "max_noising_strength", "timestep_distribution", "timestep_shift", "prior", "transformer", "quantization",
    "unconditional_transformer", "text_encoder_2", "text_encoder_3", "text_encoder_4", "effnet_encoder", "decoder",
    "decoder_text_encoder", "decoder_vqgan", "unmasked_probability", "unmasked_weight", "layer_filter", "embedding",
    "additional_embeddings", "embedding_weight_dtype", "embeddings", "cloud", "peft_type", "lora_weight_dtype",
    "lora_decompose_norm_epsilon", "bundle_additional_embeddings", "optimizer_defaults", "samples", "sample_after",
    "sample_definition_file_name", "sample_after_unit", "sample_image_format", "sample_video_format",
    "sample_audio_format", "samples_to_tensorboard", "non_ema_sampling", "backup_after", "backup_after_unit",
    "rolling_backup", "rolling_backup_count", "backup_before_save", "save_every_unit", "save_filename_prefix",
    "secrets", "validate_after", "validate_after_unit", "weight_dtype", "learning_rate_scaler", "scheduler_params",
    "text_encoder_2_sequence_length", "oft_block_size", "oft_clipped_norm", "lokr_dim", "lokr_decompose_factor",
    "lokr_dora_on_output", "lokr_vec_trick", "enable_activation_offloading", "enable_async_offloading",
)  # fmt: skip


def is_ours(values: dict[str, Any]) -> bool:
    return "training_method" in values or {"base_model_name", "model_type"} <= values.keys()


def read(values: dict[str, Any]) -> Imported:
    """What the file says in settings of ours; OneTrainer's defaults where it says nothing. UserError for files that
    train something else than a LoRA of Stable Diffusion 1, 2 or XL."""
    method, model = values.get("training_method", "FINE_TUNE"), values.get("model_type", "STABLE_DIFFUSION_15")
    if method != "LORA" or not str(model).startswith(FAMILIES):
        what = f"These settings of OneTrainer train a {method} of {model}, not a LoRA of Stable Diffusion."
        raise UserError(what, fix="Choose settings of a LoRA for SD 1.x, 2.x or SDXL.")
    reader = Reader(NAME, values, DEFAULTS)
    _model(reader)
    _adapter(reader)
    _training(reader)
    reader.ignore(*NO_BEARING)
    return reader.finish()


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
    reader.ignore("text_encoder_2_layer_skip")
    reader.take("resolution", "data.resolution", side)
    reader.take("aspect_ratio_bucketing", "data.fit", lambda v: "bucket" if yes(v) else "crop")
    listed = reader.get("concepts")
    concepts = [c for c in listed if isinstance(c, dict) and c.get("enabled", True)] if isinstance(listed, list) else []
    if concepts and concepts[0].get("path"):
        reader.put("data.folder", str(concepts[0]["path"]), f"concepts[0].path = {concepts[0]['path']!r}")
    for concept in concepts[1:]:
        reader.found.left.append((f"concept {concept.get('path')!r}", "one folder is trained here"))
    if not concepts:
        reader.found.left.append(("the concepts", "they are in a file of their own: set data.folder"))


def _adapter(reader: Reader) -> None:
    kind = reader.get("peft_type") or "LORA"
    if kind != "LORA":
        reader.leave("peft_type", only_kinds())
    reader.take("lora_rank", "adapter.rank", whole)
    reader.take("lora_alpha", "adapter.alpha", number)
    reader.take("lora_decompose", "adapter.kind", lambda value: "dora" if yes(value) else None)
    reader.take("lora_model_name", "adapter.start_from")
    reader.take("layer_filter_preset", "adapter.targets", _targets)
    reader.leave("dropout_probability", "there is no dropout in the LoRA here")
    text = _part(reader, "text_encoder")
    if not text.get("train", True):
        reader.put("adapter.text_encoder", False, "text_encoder.train = False")
    else:
        rate = text.get("learning_rate")
        rate = reader.get("learning_rate") if rate is None else rate
        reader.put("train.text_encoder_lr", rate, f"text_encoder.learning_rate, learning_rate = {rate!r}", number)


def _targets(preset: str) -> str:
    if preset not in TARGETS:
        raise Left("choose adapter.targets")
    return TARGETS[preset]


def _training(reader: Reader) -> None:
    unet = _part(reader, "unet")
    if unet.get("learning_rate") is not None:
        reader.put("train.lr", unet["learning_rate"], f"unet.learning_rate = {unet['learning_rate']!r}", number)
        reader.ignore("learning_rate")
    else:
        reader.take("learning_rate", "train.lr", number)
    if unet.get("train") is False:
        reader.found.left.append(("unet.train = False", "the UNet always learns here"))
    reader.get("epochs")
    reader.found.left.append((reader.said("epochs", reader.get("epochs")), EPOCHS))
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
        reader.leave("learning_rate_cycles", "the schedule falls once here")
    reader.take("clip_grad_norm", "train.max_grad_norm", number)
    reader.take("train_dtype", "train.precision", lambda v: PRECISIONS[v])
    reader.take("loss_weight_fn", "train.min_snr_gamma", lambda v: _gamma(v, reader))
    reader.take("offset_noise_weight", "train.noise_offset", number)
    reader.take("output_dtype", "save.dtype", lambda v: PRECISIONS[v])
    reader.take("output_model_destination", "run.name", lambda v: PurePath(str(v).replace("\\\\", "/")).stem or None)
    if reader.get("save_every_unit") == "STEP":
        reader.take("save_every", "save.every", whole)
    else:
        reader.leave("save_every", "checkpoints are counted in steps here: set save.every")
    _optimizer(reader)


def _optimizer(reader: Reader) -> None:
    optimizer = _part(reader, "optimizer")
    name = str(optimizer.get("optimizer", "ADAMW"))
    if name.lower() in OPTIMIZERS:
        if name != "ADAMW":
            reader.put("train.optimizer", name.lower(), f"optimizer = {name!r}")
    else:
        why = "AdamW is used, in 32 bits" if name.startswith("ADAMW") else (
            "AdamW is used instead, for which the learning rate may be wrong"
        )  # fmt: skip
        reader.found.left.append((f"optimizer = {name!r}", why))
    if optimizer.get("weight_decay") is not None:
        decay = optimizer["weight_decay"]
        reader.put("train.weight_decay", decay, f"optimizer.weight_decay = {decay!r}", number)


def _scheduler(name: str) -> str:
    if name not in SCHEDULERS:
        raise Left("there is no such learning rate schedule here")
    return SCHEDULERS[name]


def _warmup(value: Any) -> int:
    if 0 < number(value) <= 1:
        raise Left("a share of the steps: set train.warmup to that many steps")
    return whole(value)


def _gamma(name: str, reader: Reader) -> float:
    if name == "MIN_SNR_GAMMA":
        return number(reader.get("loss_weight_strength"))
    reader.get("loss_weight_strength")
    if name != "CONSTANT":
        raise Left("only min-SNR weighting is used here")
    return 0.0
