"""From a job to its LoRA file: metadata, export, and the check through diffusers' own loader."""

import json
import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sdlora.adapters.adapter import Adapter
from sdlora.adapters.plain import as_plain_lora
from sdlora.data.captions import KOHYA_FOLDER
from sdlora.data.dataset import Item
from sdlora.lorafiles.metadata import build_metadata, count_tags
from sdlora.lorafiles.verify import verify_with_diffusers
from sdlora.lorafiles.write import write_lora
from sdlora.settings import Settings, dump_settings, recorded, without_paths
from sdlora.train.batch import Captioning
from sdlora.train.losses import LOSSES
from sdlora.train.optimizers import OPTIMIZERS
from sdlora.train.trainee import Trainee
from sdlora.train.weightings import WEIGHTINGS


def write_trained(
    path: Path,
    settings: Settings,
    trainee: Trainee,
    facts: dict,
    *,
    container: str,
    dtype: str,
    cover: bytes | None = None,
) -> float:
    """Export to ``path``, read back through diffusers, and only then put it in place; returns the relative error.

    facts: as ``facts_of`` gives them. cover: a picture for the tools' cards. Raises UserError if the file does not do
    what the adapter does; an older file of that name then stays.
    """
    linear, convolutions = _ranks(trainee.adapter)
    metadata = build_metadata(
        family=trainee.base.family,
        name=path.stem.strip("."),
        rank=linear[0],
        alpha=linear[1],
        resolution=settings.data.resolution,
        prediction=trainee.base.prediction,
        mode=settings.save.metadata,
        settings_toml=dump_settings(without_paths(settings)),
        trigger=settings.data.trigger,
        base_name=trainee.base.name,
        vae_name=settings.model.vae,
        inpainting=trainee.base.inpainting,
        network_module=trainee.adapter.kind.network_module,
        network_args={**trainee.adapter.kind.network_args, **_words(trainee.adapter.options)},
        clip_skip=settings.model.clip_skip,
        conv_rank=convolutions and convolutions[0],
        conv_alpha=convolutions and convolutions[1],
        finished=time.time(),
        **facts,
    )
    candidate = path.with_name(f".{path.stem}.{os.getpid()}.new.safetensors")
    try:
        write_lora(
            trainee.adapter,
            candidate,
            configs=trainee.configs,
            family=trainee.base.family,
            container=container,
            dtype=dtype,
            metadata=metadata,
            cover=cover if settings.save.metadata == "full" else None,
        )
        error = verify_with_diffusers(candidate, trainee.adapter, trainee.models)
        os.replace(candidate, path)
    finally:
        candidate.unlink(missing_ok=True)
    return error


def make_plain(trainee: Trainee, rank: int) -> float:
    """Put the nearest plain LoRA of ``rank`` in the place of another kind; returns the part that is lost."""
    learning = {root: model for root, model in trainee.models.items() if trainee.learns(root)}
    trainee.adapter, lost = as_plain_lora(trainee.adapter, learning, rank)
    return lost


def _ranks(adapter: Adapter) -> tuple[tuple[int, float], tuple[int, float] | None]:
    """The commonest (rank, alpha) of all layers, and of the k x k convolutions if any learn."""
    pairs = [(layer.rank, layer.alpha, math.prod(layer.shape[2:]) > 1) for layer in adapter.layers.values()]
    both = Counter((rank, alpha) for rank, alpha, _ in pairs)
    convolutions = Counter((rank, alpha) for rank, alpha, wide in pairs if wide)
    return both.most_common(1)[0][0], convolutions.most_common(1)[0][0] if convolutions else None


def facts_of(
    settings: Settings, items, step: int, epoch: float, precision: str, started: float | None, origin="", regular=()
) -> dict:
    """What the file tells about the training, in the arguments of ``build_metadata``.

    items: the images; regular: the regularization images beside them.
    origin: "RUN@STEP" of a run that started from another one.
    """
    train, data = settings.train, settings.data
    captioning = Captioning(trigger=data.trigger, lines=data.caption_lines)
    folders = _by_folder(items, Path(data.folder))
    return {
        "tag_frequency": {
            name: count_tags(captioning.text(item, 0, 0, 0) for item in inside) for (name, _), inside in folders.items()
        },
        "folders": {
            name: {"n_repeats": repeats, "img_count": len(inside)} for (name, repeats), inside in folders.items()
        },
        "buckets": dict(Counter(item.placement.bucket for item in items)),
        "started": started,
        "origin": str(origin or ""),
        "training": {
            "steps": step,
            "epoch": int(epoch),
            "num_epochs": max(1, round(epoch)),
            "num_train_images": sum(item.repeats for item in items),
            "num_reg_images": sum(item.repeats for item in regular),
            "reg_dataset_dirs": _regular_folder(regular) if regular else None,
            "optimizer": OPTIMIZERS[train.optimizer].recorded,
            "mixed_precision": precision,
            "ema_decay": train.ema_decay if train.ema_decay and not OPTIMIZERS[train.optimizer].averaged else None,
            # What kohya's trainer writes of noise, where there is any.
            "noise_offset": train.noise_offset or None,
            "ip_noise_gamma": train.input_perturbation or None,
            "multires_noise_iterations": train.pyramid_noise or None,
            "multires_noise_discount": train.pyramid_discount if train.pyramid_noise else None,
            **LOSSES[train.loss].recorded,
            **WEIGHTINGS[train.weighting].recorded,
            **recorded(settings),
        },
    }


def _regular_folder(regular: Sequence[Item]) -> str:
    """The regularization images' folder as kohya's trainers tell it, in JSON."""
    name = Path(os.path.commonpath([item.path.parent for item in regular])).name
    return json.dumps({name: {"n_repeats": min(item.repeats for item in regular), "img_count": len(regular)}})


def _by_folder(items: Iterable[Item], root: Path) -> dict[tuple[str, int], list[Item]]:
    """(name, repeats) -> images, as kohya counts them: each N_name folder for itself, all others as the data folder."""
    folders = defaultdict(list)
    for item in items:
        inner = item.path.parent != root and KOHYA_FOLDER.fullmatch(item.path.parent.name)
        name = item.path.parent.name if inner else root.name or "images"
        folders[name, item.repeats].append(item)
    return dict(folders)


def _words(options: Mapping[str, Any]) -> dict[str, str]:
    """A kind's options as the metadata has them."""
    return {name: str(value) for name, value in options.items()}
