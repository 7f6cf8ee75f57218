"""Another name, trigger word or description in a LoRA file; the tensors stay byte for byte."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sdlora.errors import Problem, UserError
from sdlora.lora.metadata import base_of
from sdlora.lora.stream import TensorFile, TensorWriter, header_bytes
from sdlora.toolbox.files import Result, model_hashes, output_path

_COMPUTED = ("sshs_model_hash", "sshs_legacy_hash")
_LARGEST = 1_000_000  # ComfyUI shows no metadata from a larger header


def rename_lora(
    lora: Path | str,
    out: Path | str,
    *,
    name: str = "",
    trigger: str | None = None,
    description: str | None = None,
    values: Mapping[str, str] | None = None,
    remove: Iterable[str] = (),
) -> Result:
    """Write the LoRA with other metadata; hashes are computed again, nothing else is added.

    name: what the tools call it (``ss_output_name``, ``modelspec.title``). trigger: its trigger word
    (``modelspec.trigger_phrase``, ``modelspec.usage_hint``); description: ``modelspec.description``; "" removes them.
    values: further metadata by key; remove: keys to take out. Raises UserError: a key that is computed, a key to remove
    that is not there, a header too large for the tools.
    """
    path = output_path(out, [lora])
    file = TensorFile(lora)
    metadata = dict(file.metadata)
    values, remove = dict(values or {}), list(remove)
    _check(file, values, remove)
    if name:
        metadata["ss_output_name"] = base_of(name).lstrip("{")  # A1111 takes "{" for JSON
        metadata["modelspec.title"] = base_of(name)
    if trigger is not None:
        metadata["modelspec.trigger_phrase"] = trigger
        metadata["modelspec.usage_hint"] = f"Put {trigger} into the prompt." if trigger else ""
    if description is not None:
        metadata["modelspec.description"] = description
    metadata = {key: text for key, text in (metadata | values).items() if text and key not in remove}
    metadata |= dict(zip(_COMPUTED, model_hashes(file, metadata), strict=True))
    if len(header_bytes(file.entries, metadata)) > _LARGEST:
        raise UserError("The metadata is too large: ComfyUI reads at most 1 MB.", fix="Use shorter texts.")
    with TensorWriter(path, dict(file.entries), metadata) as writer:
        for key in file.entries:
            writer.write(key, file.raw(key))
    layers = sum(key.endswith((".alpha", ".lora_A.weight")) for key in file.entries)
    return Result(path, layers, 0.0, f"AutoV3 {metadata['sshs_model_hash'][:12]}")


def _check(file: TensorFile, values: Mapping[str, str], remove: Iterable[str]) -> None:
    problems = [
        Problem(f"{key} is computed from the tensors and can't be set.", "Leave it out.")
        for key in values
        if key in _COMPUTED
    ]
    problems += [
        Problem(f"{file.path.name} has no metadata {key!r}.", "`sdlora inspect` lists its keys.")
        for key in remove
        if key not in file.metadata
    ]
    if problems:
        raise UserError(*problems)
