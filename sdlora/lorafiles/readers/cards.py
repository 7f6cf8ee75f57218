"""What the programs make of a LoRA's metadata: where they would hide the file, or fail on its card. Rules by reader.

A1111 1.10 (``extensions-builtin/Lora``: ``network.py detect_version``, ``ui_edit_user_metadata.py``), Forge of 2025-06
(the same file of its own), ComfyUI 0.19 (``server.py``), diffusers 0.42 (``lora_base.py``).
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from sdlora.families.registry import FAMILIES

_LARGEST = 1024 * 1024  # bytes of header that ComfyUI reads


def seen_as(metadata: Mapping[str, str]) -> str:
    """The family that A1111 takes a file for, by its metadata alone: "" shows it everywhere."""
    if metadata.get("ss_base_model_version", "").startswith("sdxl_"):
        return "sdxl"
    if metadata.get("ss_v2", "") == "True":
        return "sd2"
    return "sd1" if metadata.keys() - {"ssmd_cover_images"} else ""


def with_base(metadata: Mapping[str, str], family: str) -> dict[str, str]:
    """The metadata with ``ss_base_model_version`` and ``ss_v2``, by which A1111 shows the file beside the right models.

    A version that is of the family already, such as sd_v2_v, stays.
    """
    labels = FAMILIES[family].labels
    told = metadata.get("ss_base_model_version", "")
    version = told if _is_for(family, told) else labels.version
    return {**metadata, "ss_base_model_version": version, "ss_v2": str(labels.v2)}


def _is_for(family: str, version: str) -> bool:
    """Is ``ss_base_model_version`` the family's, and for A1111 too?"""
    return FAMILIES[family].shows("version", version) and (family != "sdxl" or version.startswith("sdxl_"))


def broken_keys(metadata: Mapping[str, str]) -> dict[str, str]:
    """Key -> a sentence on its value, for those on which a program's card fails."""
    found = {}
    for key in ("ss_training_started_at", "ss_training_finished_at"):
        if key in metadata and not is_number(metadata[key]):
            found[key] = f"{key} is {metadata[key][:40]!r}, no time in seconds: A1111 can't show the file's card."
    for key, (check, what) in _SHAPES.items():
        if key in metadata and not check(_json(metadata[key])):
            found[key] = f"{key} is no {what}: A1111 can't show the file's card."
    if metadata.get("ss_output_name", "").startswith("{"):
        found["ss_output_name"] = "ss_output_name begins with {, which A1111 takes for JSON and not for a name."
    return found


def metadata_faults(metadata: Mapping[str, str], family: str, header: int = 0) -> list[str]:
    """Sentences on what the programs make of the metadata of a LoRA whose keys and shapes are ``family``'s.

    header: its length in bytes.
    """
    found = []
    told = seen_as(metadata)
    if told and family and told != family:
        version = metadata.get("ss_base_model_version", "")
        why = f"ss_base_model_version is {version[:40]}" if version else "ss_base_model_version and ss_v2 are missing"
        if told == "sd2" or (version and _is_for(family, version)):
            why = f"ss_v2 is {metadata.get('ss_v2', 'missing')}"
        found.append(
            f"A1111 takes it for {FAMILIES[told].short} and hides it beside {FAMILIES[family].short} models: {why}. "
            "`sdlora rename` mends that."
        )
    found += broken_keys(metadata).values()
    if header > _LARGEST:
        found.append(f"Its header has {header} bytes: ComfyUI shows no metadata of more than {_LARGEST}.")
    return found


def is_number(text: str) -> bool:
    """Is a metadata text a finite number?"""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _json(text: str) -> Any:
    """As A1111 reads it: only what begins with "{" is JSON."""
    if not text.startswith("{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _is_tags(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(tags, dict) and all(isinstance(count, (int, float)) for count in tags.values())
        for tags in value.values()
    )


def _is_folders(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(own, dict) and is_number(str(own.get("img_count", 0))) for own in value.values()
    )


def _is_buckets(value: Any) -> bool:
    buckets = value.get("buckets", {}) if isinstance(value, dict) else None
    return isinstance(buckets, dict) and all(
        isinstance(own, dict) and isinstance(own.get("resolution"), list) for own in buckets.values()
    )


_SHAPES = {
    "ss_tag_frequency": (_is_tags, "JSON object of folders and tags"),
    "ss_dataset_dirs": (_is_folders, "JSON object of folders"),
    "ss_bucket_info": (_is_buckets, "JSON object of buckets"),
}
