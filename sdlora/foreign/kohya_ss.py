"""bmaltais/kohya_ss's JSON: sd-scripts' keys under the names of its page, numbers often as text, empty where unset."""

from typing import Any

from sdlora.adapters.table import KINDS
from sdlora.foreign import kohya
from sdlora.foreign.reader import Imported, Reader, only_kinds, rate

NAME = "kohya_ss"
TELLING = {"LoRA_type", "max_resolution", "stop_text_encoder_training_pct", "lr_warmup", "train_on_input"}
DEFAULTS = kohya.DEFAULTS | {"enable_bucket": True}  # as its page has it
RENAMED = {"max_resolution": "resolution", "lora_network_weights": "network_weights", "optimizer": "optimizer_type"}
NO_BEARING = (
    "LoRA_type", "model_list", "train_on_input", "num_cpu_threads_per_process", "additional_parameters", "epoch",
    "max_timestep", "sdxl_cache_text_encoder_outputs", "sdxl_no_half_vae", "unit", "factor", "conv_alpha", "conv_dim",
    "num_processes", "num_machines", "dynamo_backend", "gpu_ids", "main_process_port", "use_wandb", "noise_offset_type",
    "multires_noise_discount", "extra_accelerate_launch_args", "save_last_n_steps", "caption_extension",
)  # fmt: skip
# LoRA_type -> the layers that learn
LAYERS = {"Standard": "attn-mlp", "Kohya LoCon": "full", "LyCORIS/LoCon": "full", "LoCon": "full"}


def is_ours(values: dict[str, Any]) -> bool:
    return bool(TELLING & values.keys())


def read(values: dict[str, Any]) -> Imported:
    """What the file says in settings of ours; its page's defaults where it says nothing."""
    given = {RENAMED.get(key, key): value for key, value in values.items()}
    kind = str(given.get("LoRA_type") or "Standard")
    unet, text = given.get("unet_lr"), given.get("text_encoder_lr")
    if not rate(unet) and not rate(text):  # its page then trains both at learning_rate
        given = {key: value for key, value in given.items() if key not in ("unet_lr", "text_encoder_lr")}
    epochs = given.get("max_train_epochs") or given.get("epoch")
    if not given.get("max_train_steps") or str(given.get("max_train_steps")) == "0":
        given["max_train_epochs"] = epochs
    reader = Reader(NAME, given, DEFAULTS)
    reader.leave("lr_warmup", "a percentage of the steps: set train.warmup to that many steps")
    reader.leave("stop_text_encoder_training_pct", "the text encoder learns to the end here")
    kohya.take_all(reader)
    named = {f"LyCORIS/{own.title}": own for own in KINDS.values() if own.network_module.startswith("lycoris")}
    if kind in named:
        reader.put("adapter.kind", named[kind].name, f"LoRA_type = {kind!r}")
    elif kind in LAYERS:
        reader.put("adapter.targets", LAYERS[kind], f"LoRA_type = {kind!r}")
        reader.found.taken = [pair for pair in reader.found.taken if not pair[0].startswith("network_args, ")]
    else:
        reader.found.left.append((f"LoRA_type = {kind!r}", only_kinds()))
    reader.ignore(*NO_BEARING)
    return reader.finish()
