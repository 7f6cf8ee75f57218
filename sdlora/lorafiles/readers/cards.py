"""What the programs make of a LoRA's metadata: where they would hide the file, or fail on its card. Rules by reader.

A1111 1.10 (``extensions-builtin/Lora``: ``network.py detect_version``, ``ui_edit_user_metadata.py``), Forge of 2025-06
(the same file of its own), ComfyUI 0.19 (``server.py``), diffusers 0.42 (``lora_base.py``).
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from sdlora.families.table import FAMILIES
from sdlora.messages import say

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
    stated = metadata.get("ss_base_model_version", "")
    version = stated if _is_for(family, stated) else labels.version
    return {**metadata, "ss_base_model_version": version, "ss_v2": str(labels.v2)}


def _is_for(family: str, version: str) -> bool:
    """Is ``ss_base_model_version`` the family's, and for A1111 too?"""
    return FAMILIES[family].shows("version", version) and (family != "sdxl" or version.startswith("sdxl_"))


def broken_keys(metadata: Mapping[str, str]) -> dict[str, str]:
    """Key -> a sentence on its value, for those on which a program's card fails."""
    sentences: dict[str, str] = {}
    for key in ("ss_training_started_at", "ss_training_finished_at"):
        if key in metadata and not is_number(metadata[key]):
            sentences[key] = say("inspection.card_time", key=key, given=repr(metadata[key][:40]))
    for key, (check, what) in _SHAPES.items():
        if key in metadata and not check(_json(metadata[key])):
            sentences[key] = say("inspection.card_shape", key=key, what=what)
    if metadata.get("ss_output_name", "").startswith("{"):
        sentences["ss_output_name"] = say("inspection.name_like_json")
    return sentences


def metadata_faults(metadata: Mapping[str, str], family: str, header: int = 0) -> list[str]:
    """Sentences on what the programs make of the metadata of a LoRA whose keys and shapes are ``family``'s.

    header: its length in bytes.
    """
    faults: list[str] = []
    taken = seen_as(metadata)
    if taken and family and taken != family:
        version = metadata.get("ss_base_model_version", "")
        why = (
            say("inspection.because_version", version=version[:40]) if version else say("inspection.because_no_version")
        )
        if taken == "sd2" or (version and _is_for(family, version)):
            why = say("inspection.because_v2", given=metadata.get("ss_v2") or say("saving.odd_missing"))
        faults.append(
            say("inspection.hidden_by_a1111", seen=FAMILIES[taken].short, family=FAMILIES[family].short, because=why)
        )
    faults += broken_keys(metadata).values()
    if header > _LARGEST:
        faults.append(say("inspection.header_too_large", size=header, most=_LARGEST))
    return faults


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
        isinstance(folder, dict) and is_number(str(folder.get("img_count", 0))) for folder in value.values()
    )


def _is_buckets(value: Any) -> bool:
    buckets = value.get("buckets", {}) if isinstance(value, dict) else None
    return isinstance(buckets, dict) and all(
        isinstance(bucket, dict) and isinstance(bucket.get("resolution"), list) for bucket in buckets.values()
    )


_SHAPES = {
    "ss_tag_frequency": (_is_tags, say("inspection.card_tags")),
    "ss_dataset_dirs": (_is_folders, say("inspection.card_folders")),
    "ss_bucket_info": (_is_buckets, say("inspection.card_buckets")),
}
