"""The adapter: patterns that fit no layer, LoRA files to start from, who reads its kind."""

import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from sdlora.adapters.kind import why_not_in
from sdlora.adapters.table import KINDS, PLAIN
from sdlora.adapters.targets import target_patterns
from sdlora.check.case import Case, as_keys
from sdlora.check.size import layers_of
from sdlora.errors import Problem, UserError
from sdlora.families.shared.header import PICKLED, read_header
from sdlora.files.kinds import FIXES, OF_LORAS, told_by_first_bytes, told_by_names
from sdlora.messages import say
from sdlora.settings.numbers import plain_number

# Of alpha / rank. The weakest in use is alpha 1, kohya's default, at rank 1024, the highest that its page offers; the
# strongest alpha / sqrt(rank) with alpha as the rank ("rsLoRA", Kalajdzievski 2023, arXiv:2312.03732), at rank 64.
WEAKEST, STRONGEST = 1 / 1024, 8.0


def layers(case: Case) -> list[Problem]:
    """A set of layers that the base model's family does not have."""
    try:
        target_patterns(case.settings.adapter.targets, sets=case.base.spec.targets)
    except UserError as error:
        return as_keys(error.problems, "adapter")
    return []


def patterns(case: Case) -> list[Problem]:
    """Patterns that fit no layer: of ranks and alphas ``inject`` would say so after the base model has been loaded."""
    adapter = case.settings.adapter
    wishes: dict[str, Mapping[str, float]] = {
        "rank_pattern": adapter.rank_pattern,
        "alpha_pattern": adapter.alpha_pattern,
        "lr_pattern": adapter.lr_pattern,
    }
    if adapter.start_from or not any(wishes.values()) or layers(case):
        return []
    try:
        names = layers_of(case.base, adapter.targets, adapter.text_encoder)
    except UserError as error:
        return as_keys(error.problems, "model")
    return [
        Problem(
            say("adapters.pattern_unused", setting=key, pattern=repr(pattern)),
            say("adapters.correct_pattern"),
            f"adapter.{key}",
        )
        for key, given in wishes.items()
        for pattern in given
        if not any(fnmatchcase(name, pattern) for name in names)
    ]


def lora_files(case: Case) -> Iterator[Problem]:
    """The LoRA files to start from and to stack: are they there, whole, and LoRAs as far as their headers tell?

    What no header tells is said when they are loaded.
    """
    adapter = case.settings.adapter
    for key, path in [
        ("adapter.start_from", adapter.start_from),
        *(("adapter.stack", p) for p, _ in stack_of(adapter.stack)),
    ]:
        if path and not Path(os.path.expanduser(path)).is_file():
            yield Problem(say("settings.lora_file_missing", path=path), say("settings.check_setting", key=key), key)
        elif path and (other := told_by_first_bytes(os.path.expanduser(path))):
            yield Problem(say("common.fault", name=Path(path).name, fault=other), FIXES[other], key)
        elif path:
            yield from _header_problems(Path(os.path.expanduser(path)), key)


def _header_problems(path: Path, key: str) -> list[Problem]:
    """Is the file torn, or a ControlNet, a VAE …? A file with any layer of a LoRA is read whole before it is judged."""
    if path.suffix.lower() in PICKLED:
        return []  # their contents decide, not their names
    try:
        names = read_header(path, where=key).tensors
    except UserError as error:
        return list(error.problems)
    what = "" if any(OF_LORAS.search(name) for name in names) else told_by_names(names)
    if not what:
        return []
    said = say("lorafiles.not_a_lora", file=path.name, contents=what)
    return [Problem(said, say("settings.check_setting", key=key), key)]


def strengths(case: Case) -> Iterator[Problem]:
    """Alphas with which a LoRA learns next to nothing, or falls apart."""
    adapter = case.settings.adapter
    if adapter.start_from:
        return
    given = [("adapter.alpha", adapter.alpha, adapter.rank)]
    for pattern, alpha in adapter.alpha_pattern.items():
        given.append(("adapter.alpha_pattern", alpha, adapter.rank_pattern.get(pattern, adapter.rank)))
    for key, alpha, rank in given:
        strength = alpha / (rank**0.5 if adapter.rslora else rank)
        if not WEAKEST <= strength <= STRONGEST:
            what = say("settings.strength_unusual", key=key, given=f"{alpha:g}", rank=rank, strength=f"{strength:.2g}")
            fix = say("settings.use_usual_alpha")
            yield Problem(what, fix, key, fatal=False)


def kind(case: Case) -> Iterator[Problem]:
    """Which containers hold the chosen kind of adapter, and which tools read it."""
    chosen = KINDS[case.settings.adapter.kind]
    if problem := why_not_in(case.settings.save.container, chosen):
        yield from as_keys([problem], "save")
    if chosen is not PLAIN:
        what = say("settings.kind_in_few_tools", kind=chosen.title, tools=", ".join(chosen.readers))
        fix = say("settings.export_plain")
        yield Problem(what, fix, "adapter.kind", fatal=False)


def stack_of(entries: list[str]) -> list[tuple[str, float]]:
    """adapter.stack as (file, strength): "FILE=0.7" means strength 0.7, "FILE" strength 1."""
    found = []
    for entry in entries:
        path, _, strength = entry.rpartition("=")
        try:
            found.append((path or entry, float(plain_number(strength)) if path else 1.0))
        except ValueError:  # the sign is a part of the name
            found.append((entry, 1.0))
    return found
