"""The adapter: patterns that fit no layer, LoRA files to start from, who reads its kind."""

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from sdlora.adapters.kind import why_not_in
from sdlora.adapters.table import KINDS, PLAIN
from sdlora.check.case import Case
from sdlora.check.size import layers_of
from sdlora.errors import Problem, UserError
from sdlora.families.shared.header import PICKLED, read_header
from sdlora.files.kinds import FIXES, OF_LORAS, told_by_first_bytes, told_by_names
from sdlora.settings.numbers import plain_number

# Of alpha / rank. The weakest in use is alpha 1, kohya's default, at rank 1024, the highest that its page offers; the
# strongest alpha / sqrt(rank) with alpha as the rank ("rsLoRA", Kalajdzievski 2023, arXiv:2312.03732), at rank 64.
WEAKEST, STRONGEST = 1 / 1024, 8.0


def patterns(case: Case) -> list[Problem]:
    """Patterns of ranks and alphas that fit no layer: ``inject`` would say so after the base model has been loaded."""
    adapter = case.settings.adapter
    wishes = {"rank_pattern": adapter.rank_pattern, "alpha_pattern": adapter.alpha_pattern}
    if adapter.start_from or not any(wishes.values()):
        return []
    try:
        names = layers_of(case.base, adapter.targets, adapter.text_encoder)
    except UserError as error:
        return list(error.problems)
    return [
        Problem(f"The {key} {pattern!r} fits none of the layers that learn.", "Mend or remove it.", f"adapter.{key}")
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
            yield Problem(f"There is no LoRA file {path}.", f"Check {key}.", key)
        elif path and (other := told_by_first_bytes(os.path.expanduser(path))):
            yield Problem(f"{Path(path).name} {other}.", FIXES[other], key)
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
    return [Problem(f"{path.name} is {what}, not a LoRA.", f"Check {key}.", key)] if what else []


def strengths(case: Case) -> Iterator[Problem]:
    """Alphas with which a LoRA learns next to nothing, or falls apart."""
    adapter = case.settings.adapter
    if adapter.start_from:
        return
    given = [("adapter.alpha", adapter.alpha, adapter.rank)]
    for pattern, alpha in adapter.alpha_pattern.items():
        given.append(("adapter.alpha_pattern", alpha, adapter.rank_pattern.get(pattern, adapter.rank)))
    for key, alpha, rank in given:
        if not WEAKEST <= alpha / rank <= STRONGEST:
            what = f"{key} is {alpha:g} at rank {rank}: the LoRA acts with strength {alpha / rank:.2g}, far from usual."
            fix = "Alpha is usually between 1 and twice the rank; else train.lr has to make up for it."
            yield Problem(what, fix, key, fatal=False)


def kind(case: Case) -> Iterator[Problem]:
    """What holds files of the chosen kind, and who reads them."""
    chosen = KINDS[case.settings.adapter.kind]
    if problem := why_not_in(case.settings.save.container, chosen):
        yield problem
    if chosen is not PLAIN:
        what = f"A {chosen.title} file does what it should in these tools only: {', '.join(chosen.readers)}."
        fix = "For all tools, write it as a plain LoRA afterwards: sdlora export RUN --plain."
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
