"""The disk: is there room for the cache, the checkpoints and the base's weights in another precision?"""

import os
import shutil
import sys
from math import prod
from pathlib import Path

from sdlora.adapters.table import KINDS, PLAIN
from sdlora.check.case import Case
from sdlora.check.images import cache_folder
from sdlora.check.output import existing
from sdlora.data.dataset import Item, usual_held_out
from sdlora.errors import Problem
from sdlora.families.base import BaseInfo
from sdlora.families.shared.copies import SPARE, copy_bytes, copy_path, wants_copy
from sdlora.messages import all_of, say
from sdlora.settings import Settings
from sdlora.train.optimizers import OPTIMIZERS

MARGIN = 64 << 20  # bytes left over for logs, test pictures and the system


def room(case: Case) -> list[Problem]:
    """Not enough room for the cache, the checkpoints and the weights, with the estimate in the sentence."""
    settings, info, items = case.settings, case.base, (*case.items, *(case.regular.items if case.regular else ()))
    needs: dict[int, list[tuple[str, Path, int]]] = {}
    runs = Path(os.path.abspath(os.path.expanduser(settings.run.folder)))
    for what, folder, size in (
        (say("settings.content_latents"), cache_folder(settings), _cache_bytes(settings, info, items)),
        (say("settings.content_checkpoints"), runs, _checkpoint_bytes(settings, info, len(case.items))),
        (say("settings.content_weights"), cache_folder(settings), _weight_bytes(settings, info)),
    ):
        try:
            needs.setdefault(existing(folder).stat().st_dev, []).append((what, folder, size))
        except OSError:
            continue  # a folder that can't be looked at is ``output``'s to tell
    problems = []
    for parts in needs.values():
        free, total = shutil.disk_usage(existing(parts[0][1])).free, sum(size for _, _, size in parts) + MARGIN
        if total > free:
            told = [(what, size) for what, _, size in parts if size]
            whole = all_of([say("settings.need_of", size=_amount(size), content=what) for what, size in told])
            what = say(
                "settings.disk_too_full", path=parts[0][1], needs=whole, spare=_amount(MARGIN), free=_amount(free)
            )
            problems.append(Problem(what, say("settings.free_space_or_keep_fewer"), "run.folder"))
    return problems


def _cache_bytes(settings: Settings, info: BaseInfo, items: tuple[Item, ...]) -> int:
    """fp32 mean and std per image and side, less what is cached already (of this run or another, here nobody knows)."""
    pixels = sum(w * h for w, h in (item.placement.bucket for item in items))
    sides = 2 if settings.data.flip else 1
    latents = cache_folder(settings) / "latents"
    there = sum(entry.stat().st_size for entry in os.scandir(latents)) if latents.is_dir() else 0
    return max(0, sides * (pixels // info.factor**2 * info.spec.latent.channels * 2 * 4 + len(items) * 4096) - there)


def _weight_bytes(settings: Settings, info: BaseInfo) -> int:
    """The denoiser's copy in the run's precision, if a run on the CPU will make one: it does where there is room."""
    train, cache = settings.train, cache_folder(settings)
    if train.device not in ("cpu", "auto") or (train.device == "auto" and _has_gpu()):
        return 0
    sizes = [0]
    for precision in ("fp32", "bf16") if train.precision == "auto" else (train.precision,):
        if wants_copy(info, precision) and not copy_path(info, precision, cache).exists():
            sizes.append(copy_bytes(info, precision))
    room = max(sizes) + SPARE <= shutil.disk_usage(existing(cache)).free
    return max(sizes) if room else 0


def _has_gpu() -> bool:
    """As far as can be told without PyTorch."""
    there = shutil.which("nvidia-smi") or Path("/dev/kfd").exists() or Path("/dev/dri/renderD128").exists()
    return bool(there) or sys.platform == "darwin"


def _checkpoint_bytes(settings: Settings, info: BaseInfo, images: int) -> int:
    """At most: the LoRA of every layer and its optimizer's state in fp32, for each checkpoint there is at once.

    The LoRA is there twice where its average is exported.
    """
    save, train, validation = settings.save, settings.train, settings.validation
    count = 1 + (train.steps // save.every if save.every else 0)
    if save.keep:
        count = min(count, save.keep) + 1  # a new one is written before the oldest goes
    held_out = usual_held_out(images) if validation.held_out is None else validation.held_out
    if validation.every != 0:  # those of the offers stay beside them
        count += (held_out > 0) + (validation.drift_bound is not None)
    parts = (info.denoiser, *(info.text_encoders if settings.adapter.text_encoder else ()))
    rank, moments = settings.adapter.rank, OPTIMIZERS[train.optimizer].moments
    copies = 2 if train.ema_decay or OPTIMIZERS[train.optimizer].averaged else 1
    kind, size = KINDS[settings.adapter.kind], 0.0
    for part in parts:
        for name, shape in info.shapes(part).items():
            if len(shape) >= 2 and "embedding" not in name:
                plain = [(rank, shape[1]), (shape[0], rank)]
                more = kind.size(shape[:2], rank, **kind.told(vars(settings.adapter))) / PLAIN.size(shape[:2], rank)
                size += more * sum(copies * prod(factor) + moments(factor) for factor in plain)
    return round((count + 1) * 4 * size)


def _amount(size: float) -> str:
    if size < 1000:
        return say("settings.size_in_bytes", bytes=f"{size:.0f}")
    for unit in ("kB", "MB"):
        size /= 1000
        if size < 1000:
            return f"{size:.0f} {unit}"
    return f"{size / 1000:.1f} GB"
