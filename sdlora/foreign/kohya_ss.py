"""bmaltais/kohya_ss's JSON: sd-scripts' keys under the names of its page, numbers often as text, empty where unset."""

from typing import Any

from sdlora.adapters.table import KINDS
from sdlora.foreign import kohya
from sdlora.foreign.reader import Imported, Reader, only_kinds, rate, whole, yes
from sdlora.messages import say

NAME = "kohya_ss"
TELLING = {"LoRA_type", "max_resolution", "stop_text_encoder_training_pct", "lr_warmup", "train_on_input"}
# As its page has it, which always writes the rest.
DEFAULTS = kohya.DEFAULTS | {"enable_bucket": True, "learning_rate": None, "max_train_steps": None}
RENAMED = {"max_resolution": "resolution", "lora_network_weights": "network_weights", "optimizer": "optimizer_type"}
NO_BEARING = (
    "LoRA_type", "model_list", "train_on_input", "num_cpu_threads_per_process",
    "epoch", "sdxl_cache_text_encoder_outputs", "sdxl_no_half_vae", "unit", "factor",
    "num_processes", "num_machines", "dynamo_backend", "gpu_ids", "main_process_port", "use_wandb", "noise_offset_type",
    "extra_accelerate_launch_args", "save_last_n_steps", "caption_extension",
)  # fmt: skip
DORA = next(name for name, kind in KINDS.items() if kind.network_args.get("dora_wd"))
# LoRA_type -> the layers that learn
LAYERS = {"Standard": "attn-mlp", "Kohya LoCon": "full", "LyCORIS/LoCon": "full", "LoCon": "full"}


def is_ours(values: dict[str, Any]) -> bool:
    """Are these settings of kohya_ss's page?"""
    return bool(TELLING & values.keys())


def import_values(values: dict[str, Any]) -> Imported:
    """What the file says in settings of ours; its page's defaults where it says nothing."""
    given = {RENAMED.get(key, key): value for key, value in values.items()}
    kind = str(given.get("LoRA_type") or "Standard")
    unet, text = given.get("unet_lr"), given.get("text_encoder_lr")
    if not rate(unet) and not rate(text):  # its page then trains both at learning_rate
        given = {key: value for key, value in given.items() if key not in ("unet_lr", "text_encoder_lr")}
    if given.get("noise_offset_type") == "Multires":  # then its page hands on the other kind of offset alone
        given.pop("noise_offset", None)
    else:
        given = {key: value for key, value in given.items() if not key.startswith("multires_")}
    epochs = given.get("max_train_epochs") or given.get("epoch")
    if not given.get("max_train_steps") or str(given.get("max_train_steps")) == "0":
        given["max_train_epochs"] = epochs
    reader = Reader(NAME, given, DEFAULTS)
    reader.leave("lr_warmup", say("foreign.because_percentage_of_steps"))
    reader.leave("stop_text_encoder_training_pct", say("foreign.because_text_encoder_to_end"))
    reader.leave("additional_parameters", say("foreign.because_no_setting"))
    kohya.take_all(reader)
    _network(reader, kind)
    reader.ignore(*NO_BEARING)
    return reader.finish()


def _network(reader: Reader, kind: str) -> None:
    """The page's choice of a network, and the fields that it shows for that one alone."""
    named = {f"LyCORIS/{own.title}": own for own in KINDS.values() if own.network_module.startswith("lycoris")}
    lycoris, layers = kind.startswith("LyCORIS/"), LAYERS.get(kind, "full")
    if kind not in (*named, *LAYERS):
        reader.found.left.append((f"LoRA_type = {kind!r}", only_kinds()))
        return
    preset = reader.get("LyCORIS_preset")
    if lycoris and preset in kohya.TARGETS:
        layers = kohya.TARGETS[str(preset)]
    elif lycoris and preset:
        reader.leave("LyCORIS_preset", say("foreign.because_set_targets"))
    reader.found.taken = [pair for pair in reader.found.taken if not pair[0].startswith("network_args, ")]
    reader.put("adapter.targets", layers, f"LoRA_type = {kind!r}")
    if kind in named:
        reader.put("adapter.kind", named[kind].name, f"LoRA_type = {kind!r}")
        for name in named[kind].options:
            reader.take(name, f"adapter.{name}", whole)
    if reader.get("dora_wd") and lycoris and yes(reader.get("dora_wd")):
        if kind in named:
            reader.leave("dora_wd", only_kinds())
        else:
            reader.put("adapter.kind", DORA, "dora_wd = True")
    size = {key: reader.get(key) for key in ("conv_dim", "conv_alpha")}
    if layers == "full":
        kohya.take_convolutions(reader, size, None)
