"""The disk: is there room for the cache and the checkpoints?"""

import os
import shutil
from math import prod
from pathlib import Path

from sdlora.adapters.table import KINDS, PLAIN
from sdlora.check.case import Case
from sdlora.check.images import cache_folder
from sdlora.check.output import existing
from sdlora.data.dataset import Item
from sdlora.errors import Problem
from sdlora.families.base import BaseInfo
from sdlora.settings import Settings
from sdlora.train.optimizers import OPTIMIZERS

LATENT_CHANNELS = 4
MARGIN = 64 << 20  # bytes left over for logs, test pictures and the system


def room(case: Case) -> list[Problem]:
    """Not enough room for the cache or for the checkpoints, with the estimate in the sentence."""
    settings, info, items = case.settings, case.base, case.items
    needs: dict[int, list[tuple[str, Path, int]]] = {}
    runs = Path(os.path.abspath(os.path.expanduser(settings.run.folder)))
    for what, folder, size in (
        ("cached latents", cache_folder(settings), _cache_bytes(settings, info, items)),
        ("checkpoints", runs, _checkpoint_bytes(settings, info)),
    ):
        try:
            needs.setdefault(existing(folder).stat().st_dev, []).append((what, folder, size))
        except OSError:
            continue  # a folder that can't be looked at is ``output``'s to tell
    problems = []
    for parts in needs.values():
        free, total = shutil.disk_usage(existing(parts[0][1])).free, sum(size for _, _, size in parts) + MARGIN
        if total > free:
            whole = " and ".join(f"about {_amount(size)} of {what}" for what, _, size in parts)
            what = (
                f"The disk of {parts[0][1]} is too full: the run needs {whole}, and {_amount(MARGIN)} to spare; "
                f"{_amount(free)} are free."
            )
            problems.append(Problem(what, "Free some space, or set save.keep lower.", "run.folder"))
    return problems


def _cache_bytes(settings: Settings, info: BaseInfo, items: tuple[Item, ...]) -> int:
    """fp32 mean and std per image and side, less what is cached already (of this run or another, here nobody knows)."""
    pixels = sum(w * h for w, h in (item.placement.bucket for item in items))
    sides = 2 if settings.data.flip else 1
    latents = cache_folder(settings) / "latents"
    there = sum(entry.stat().st_size for entry in os.scandir(latents)) if latents.is_dir() else 0
    return max(0, sides * (pixels // info.factor**2 * LATENT_CHANNELS * 2 * 4 + len(items) * 4096) - there)


def _checkpoint_bytes(settings: Settings, info: BaseInfo) -> int:
    """At most: the LoRA of every layer and its optimizer's state in fp32, for each checkpoint there is at once."""
    save, train = settings.save, settings.train
    count = 1 + (train.steps // save.every if save.every else 0)
    if save.keep:
        count = min(count, save.keep) + 1  # a new one is written before the oldest goes
    parts = (info.denoiser, *(info.text_encoders if settings.adapter.text_encoder else ()))
    rank, moments = settings.adapter.rank, OPTIMIZERS[train.optimizer].moments
    kind, size = KINDS[settings.adapter.kind], 0.0
    for part in parts:
        for name, shape in info.shapes(part).items():
            if len(shape) >= 2 and "embedding" not in name:
                plain = [(rank, shape[1]), (shape[0], rank)]
                more = kind.size(shape[:2], rank) / PLAIN.size(shape[:2], rank)
                size += more * sum(prod(factor) + moments(factor) for factor in plain)
    return round((count + 1) * 4 * size)


def _amount(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
