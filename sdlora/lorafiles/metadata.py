"""What a LoRA file tells about itself: kohya's ``ss_*`` keys, ``modelspec.*`` 1.0.1, hashes, our settings.

A1111, Forge, ComfyUI, SwarmUI, InvokeAI and Civitai read parts of it; every value is text. No private path gets in:
folders and files are reduced to their base name. The whole header stays below 1 MB, where ComfyUI stops reading.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone

import safetensors.torch
from torch import Tensor

from sdlora.errors import UserError
from sdlora.families.table import family as entry
from sdlora.files.paths import last_part
from sdlora.lorafiles.cover import cover_metadata
from sdlora.messages import say
from sdlora.objectives import OBJECTIVES, USUAL

_HEADER_BYTES = 1_000_000  # ComfyUI refuses headers above 1024 · 1024
_TAGS_BYTES = 300_000
_SETTINGS_BYTES = 300_000


def build_metadata(
    *,
    family: str,
    name: str,
    rank: int,
    alpha: float,
    resolution: int | tuple[int, int],
    prediction: str = USUAL,
    mode: str = "full",
    settings_toml: str = "",
    trigger: str = "",
    base_name: str = "",
    base_hash: str = "",
    base_short_hash: str = "",
    vae_name: str = "",
    inpainting: bool = False,
    description: str = "",
    tag_frequency: Mapping[str, Mapping[str, int]] | None = None,
    folders: Mapping[str, Mapping[str, int]] | None = None,
    buckets: Mapping[tuple[int, int], int] | None = None,
    conv_rank: int | None = None,
    conv_alpha: float | None = None,
    network_module: str = "networks.lora",
    network_args: Mapping[str, str] | None = None,
    clip_skip: int = 1,
    started: float | None = None,
    finished: float | None = None,
    origin: str = "",
    training: Mapping[str, object] | None = None,
) -> dict[str, str]:
    """The metadata of one LoRA file, without the hashes (``add_hashes`` is last, over the final tensors).

    family: its name; prediction: by its name in ``objectives.OBJECTIVES``.
    resolution: pixels, one side or (width, height).
    name: the LoRA's, its title and A1111's alias. base_name, vae_name: the base model's and another VAE's.
    base_hash: SHA-256 of the base's file, 64 hexadecimal digits; base_short_hash: A1111's old one, 8 digits.
    inpainting: the base fills holes; said in the hint, for no tool has another architecture for such a LoRA.
    description: one paragraph for the model card.
    mode: "full", or "minimum": only what the tools need to sort the file: no captions, trigger word, prompts,
        settings, names of folders or times of day.
    settings_toml: all settings, with names for their paths (``sdlora.settings.without_paths``); absurdly many are
        left out.
    tag_frequency: folder -> tag -> count (``count_tags``); folders: folder -> {"n_repeats", "img_count"}.
    buckets: (width, height) -> images. conv_rank, conv_alpha: if convolutions learn.
    network_module, network_args: as the trainers of the adapter's kind say it (``adapters.kind.Kind``).
    started, finished: unix seconds. origin: "RUN@STEP", the run and checkpoint that the training started from.
    training: further ``ss_*`` values by their name without "ss_", as kohya calls them: "steps", "epoch", "num_epochs",
        "num_train_images", "learning_rate", "unet_lr", "text_encoder_lr", "lr_scheduler", "optimizer", "seed",
        "batch_size_per_device", "mixed_precision", "noise_offset", "min_snr_gamma", "session_id", …
    Raises UserError for an unknown family or mode.
    """
    if mode not in ("full", "minimum"):
        raise UserError(
            say("saving.metadata_is", given=repr(mode)), fix=say("saving.use_full_or_minimum"), where="metadata"
        )
    labels = entry(family).labels
    width, height = (resolution, resolution) if isinstance(resolution, int) else resolution
    arguments: dict[str, object] = {}
    if conv_rank is not None:
        arguments |= {"conv_dim": str(conv_rank), "conv_alpha": _number(conv_alpha or conv_rank)}
    arguments |= network_args or {}
    values: dict[str, object] = {
        "ss_base_model_version": labels.version_for(prediction),
        "ss_v2": str(labels.v2),
        "ss_network_module": network_module,
        "ss_network_dim": rank,
        "ss_network_alpha": _number(alpha),
        "ss_network_args": json.dumps(arguments),
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": labels.architecture_for(prediction),
        "modelspec.implementation": labels.implementation,
        "modelspec.title": last_part(name),
        "modelspec.resolution": f"{width}x{height}",
        "modelspec.prediction_type": OBJECTIVES[prediction].recorded,
    }
    if mode == "full":
        values |= {f"ss_{key}": value for key, value in (training or {}).items() if value is not None}
        values |= _of_the_data(tag_frequency or {}, folders or {}, buckets or {})
        values |= {
            "ss_output_name": last_part(name).lstrip("{"),  # A1111 takes "{" for JSON
            "ss_sd_model_name": last_part(base_name),
            "ss_new_sd_model_hash": base_hash or None,
            "ss_sd_model_hash": base_short_hash or None,
            "ss_vae_name": last_part(vae_name) or None,
            "ss_clip_skip": clip_skip,
            "ss_resolution": f"({width}, {height})",
            "ss_training_started_at": started,
            "ss_training_finished_at": finished,
            "modelspec.date": datetime.fromtimestamp(finished, timezone.utc).isoformat() if finished else None,
            "modelspec.trigger_phrase": trigger or None,
            "modelspec.usage_hint": _hint(trigger, inpainting) or None,
            "modelspec.description": description or None,
            "modelspec.encoder_layer": clip_skip,
            "sdlora_from": origin or None,
            "sdlora_settings": settings_toml
            if len(settings_toml.encode("utf-8", "replace")) <= _SETTINGS_BYTES
            else None,
        }
    return {key: _text(value) for key, value in values.items() if value is not None}


def complete_metadata(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], cover: bytes | None = None
) -> dict[str, str]:
    """The metadata as the file has it: small enough for every reader, with the cover picture and the hashes.

    Where the header would grow too large, rare tags go first, then all tags, then our settings; the cover takes the
    room that is left. cover: a picture in any format that Pillow reads; UserError if it is none.
    """
    made = dict(metadata)
    room = _HEADER_BYTES - sum(len(key.encode()) + 110 for key in tensors) - 500  # 500: the hashes
    if "ss_tag_frequency" in made:
        others = {key: value for key, value in made.items() if key != "ss_tag_frequency"}
        made["ss_tag_frequency"] = _fewer_tags(made["ss_tag_frequency"], room - _size(others))
    for key in ("ss_tag_frequency", "sdlora_settings"):
        if _size(made) > room:
            made.pop(key, None)
    if cover:
        made |= cover_metadata(cover, room - _size(made))
    return add_hashes(tensors, made)


def add_hashes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata with ``sshs_model_hash``, ``sshs_legacy_hash`` and ``modelspec.hash_sha256`` of the final tensors.

    kohya's convention (``precalculate_safetensors_hashes``): both of the file as it would be with the ``ss_*`` entries
    alone. Model hash: SHA-256 of all bytes after the header (Civitai's AutoV3). Legacy hash: the first 8 digits of
    SHA-256 of the bytes 0x100000 to 0x110000. The model spec's own is the model hash, written with 0x.
    """
    plain = safetensors.torch.save(dict(tensors), {k: v for k, v in metadata.items() if k.startswith("ss_")} or None)
    data = memoryview(plain)[8 + int.from_bytes(plain[:8], "little") :]
    legacy = hashlib.sha256(plain[0x100000:0x110000]).hexdigest()[:8]
    return {**metadata, **hash_entries(hashlib.sha256(data).hexdigest(), legacy)}


def hash_entries(model: str, legacy: str) -> dict[str, str]:
    """The metadata that holds a file's hashes: 64 digits of SHA-256 of all after the header, and A1111's old 8."""
    return {"sshs_model_hash": model, "sshs_legacy_hash": legacy, "modelspec.hash_sha256": f"0x{model}"}


def count_tags(captions: Iterable[str]) -> dict[str, int]:
    """Tag -> number of captions with it; tags are split at commas, stripped and lower-cased, as kohya does."""
    return dict(Counter(tag for caption in captions for tag in (t.strip().lower() for t in caption.split(",")) if tag))


def _of_the_data(
    tags: Mapping[str, Mapping[str, int]],
    folders: Mapping[str, Mapping[str, int]],
    buckets: Mapping[tuple[int, int], int],
) -> dict[str, str | None]:
    """A1111 shows them, and fails on empty or other shapes: a key without content is left out."""
    sizes = {str(i): {"resolution": list(size), "count": n} for i, (size, n) in enumerate(sorted(buckets.items()))}
    return {
        "ss_tag_frequency": _tags_json(tags) if tags else None,
        "ss_dataset_dirs": json.dumps({last_part(k): dict(v) for k, v in folders.items()}) if folders else None,
        "ss_bucket_info": json.dumps({"buckets": sizes}) if buckets else None,
    }


def _size(metadata: Mapping[str, str]) -> int:
    """Bytes in the header."""
    return len(json.dumps(dict(metadata), ensure_ascii=False).encode("utf-8", "replace"))


def _fewer_tags(text: str, room: int) -> str:
    """As many of the most frequent tags as fit into ``room`` bytes of the header, where quotes are escaped."""
    size = _size({"ss_tag_frequency": text})
    return text if size <= room else _tags_json(json.loads(text), max(0, int(room * len(text) / size) - 1000))


def _hint(trigger: str, inpainting: bool) -> str:
    hints = [f"Put {trigger} into the prompt." if trigger else "", "For inpainting models." if inpainting else ""]
    return " ".join(filter(None, hints))


def _tags_json(tags: Mapping[str, Mapping[str, int]], room: int = _TAGS_BYTES) -> str:
    """The tags with the most frequent first, cut at about ``room`` bytes."""
    kept: dict[str, dict[str, int]] = {last_part(folder): {} for folder in tags}
    counted = [(count, last_part(folder), tag) for folder, own in tags.items() for tag, count in own.items()]
    for count, folder, tag in sorted(counted, key=lambda entry: -entry[0]):
        room -= len(json.dumps(tag)) + 10
        if room < 0:
            break
        kept[folder][tag] = kept[folder].get(tag, 0) + count
    return json.dumps(kept)


def _number(value: float) -> str:
    return f"{value:.10g}"


def _text(value: object) -> str:
    """File names may hold what UTF-8 can't; safetensors takes UTF-8 only."""
    return str(value).encode("utf-8", "replace").decode("utf-8")
