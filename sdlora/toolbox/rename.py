"""Another name, trigger word or description in a LoRA file; the tensors stay byte for byte."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sdlora.errors import Problem, UserError
from sdlora.files.paths import last_part
from sdlora.lorafiles.metadata import hash_entries
from sdlora.lorafiles.read import LoraFile, look
from sdlora.lorafiles.readers.cards import broken_keys, seen_as, with_base
from sdlora.lorafiles.stream import TensorFile, TensorWriter, header_bytes
from sdlora.messages import parts_of, say
from sdlora.toolbox.files import Result, model_hashes, output_path

_COMPUTED = tuple(hash_entries("", ""))
_SORTED_BY = ("ss_base_model_version", "ss_v2")  # what A1111 goes by
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
    """Write the LoRA with other metadata; its tensors and keys stay as they are.

    Hashes are computed again; the base's family is told where the file does not, as A1111 would hide the file else;
    what breaks A1111's card is left out.

    name: what the tools call it (``ss_output_name``, ``modelspec.title``). trigger: its trigger word
    (``modelspec.trigger_phrase``, ``modelspec.usage_hint``); description: ``modelspec.description``; "" removes them.
    values: further metadata by key; remove: keys to take out. Raises UserError: a file without layers, numbers
    that are not finite, a key that is computed, a family that is not the file's, a key to remove that is not there, a
    header too large for the tools.
    """
    path = output_path(out, [lora])
    file = TensorFile(lora)
    layers = _readable(lora)
    metadata = dict(file.metadata)
    values, remove = dict(values or {}), list(remove)
    _check(file, layers.family, values, remove)
    if name:
        metadata["ss_output_name"] = last_part(name).lstrip("{")  # A1111 takes "{" for JSON
        metadata["modelspec.title"] = last_part(name)
    if trigger is not None:
        metadata["modelspec.trigger_phrase"] = trigger
        metadata["modelspec.usage_hint"] = f"Put {trigger} into the prompt." if trigger else ""
    if description is not None:
        metadata["modelspec.description"] = description
    metadata = {key: text for key, text in (metadata | values).items() if text and key not in remove}
    broken = broken_keys(metadata)
    metadata = with_base({key: text for key, text in metadata.items() if key not in broken}, layers.family)
    metadata |= hash_entries(*model_hashes(file, metadata))
    if len(header_bytes(file.entries, metadata)) > _LARGEST:
        longest = max(metadata, key=lambda key: len(metadata[key]))
        fix = say("toolbox.shorten_or_remove", key=longest)
        raise UserError(say("toolbox.metadata_too_large"), fix=fix)
    with TensorWriter(path, dict(file.entries), metadata) as writer:
        for key in file.entries:
            writer.write(key, file.raw(key))
    note = f"AutoV3 {metadata['sshs_model_hash'][:12]}"
    return Result(path, len(layers.changes), 0.0, note, parts_of(say("toolbox.of_no_use", key=key) for key in broken))


def _readable(lora: Path | str) -> LoraFile:
    """The file's layers; UserError if it has none, or some are broken. Foreign keys are no fault here."""
    found = look(lora)
    if found.faults or found.lora is None:
        raise UserError(*(found.faults or found.foreign))
    return found.lora


def _check(file: TensorFile, family: str, values: Mapping[str, str], remove: Iterable[str]) -> None:
    problems = [
        Problem(say("toolbox.key_computed", key=key), say("toolbox.leave_it_out")) for key in values if key in _COMPUTED
    ]
    problems += [
        Problem(say("toolbox.key_missing", file=file.path.name, key=repr(key)), say("toolbox.inspect_lists_keys"))
        for key in remove
        if key not in file.metadata
    ]
    told = {key: values[key] for key in _SORTED_BY if key in values}
    if told and seen_as(with_base({}, family) | told) != family:
        what = ", ".join(f"{key}={value}" for key, value in told.items())
        problems.append(
            Problem(
                say("toolbox.family_hidden", file=file.path.name, family=family, what=what), say("toolbox.leave_it_out")
            )
        )
    problems += [
        Problem(say("toolbox.key_needed", key=key, file=file.path.name), say("toolbox.leave_it_out"))
        for key in remove
        if key in _SORTED_BY
    ]
    if problems:
        raise UserError(*problems)
