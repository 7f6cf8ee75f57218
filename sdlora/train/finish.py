"""From a job to its LoRA file: metadata, export, and the check through diffusers' own loader."""

import os
import time
from collections import Counter
from pathlib import Path

from sdlora.config import Settings, dump_settings
from sdlora.lora.export import export_lora, verify_with_diffusers
from sdlora.lora.metadata import build_metadata, count_tags
from sdlora.train.batch import Captioning
from sdlora.train.setup import Trainee


def write_lora(path: Path, settings: Settings, trainee: Trainee, facts: dict, *, container: str, dtype: str) -> float:
    """Export to ``path``, read back through diffusers, and only then put it in place; returns the relative error.

    facts: as ``facts_of`` gives them. Raises UserError if the file does not do what the adapter does; an older
    file of that name then stays.
    """
    chosen = settings.adapter
    metadata = build_metadata(
        family=trainee.base.family,
        name=path.stem.strip("."),
        rank=chosen.rank,
        alpha=chosen.alpha,
        resolution=settings.data.resolution,
        prediction=trainee.base.prediction,
        mode=settings.save.metadata,
        settings_toml=dump_settings(settings),
        trigger=settings.data.trigger,
        base_name=trainee.base.name,
        conv_rank=chosen.rank if chosen.targets == "full" else None,
        conv_alpha=chosen.alpha if chosen.targets == "full" else None,
        finished=time.time(),
        **facts,
    )
    candidate = path.with_name(f".{path.stem}.{os.getpid()}.new.safetensors")
    try:
        export_lora(
            trainee.adapter,
            candidate,
            unet_config=trainee.configs["unet"],
            text_config=trainee.configs["text_encoder"] if chosen.text_encoder else None,
            family=trainee.base.family,
            container=container,
            dtype=dtype,
            metadata=metadata,
        )
        encoder = trainee.text_encoder if chosen.text_encoder else None
        error = verify_with_diffusers(candidate, trainee.adapter, trainee.unet, encoder)
        os.replace(candidate, path)
    finally:
        candidate.unlink(missing_ok=True)
    return error


def facts_of(settings: Settings, items, step: int, epoch: float, precision: str, started: float | None) -> dict:
    """What the file tells about the training, in the arguments of ``build_metadata``."""
    train, data = settings.train, settings.data
    captioning = Captioning(trigger=data.trigger)
    folder = Path(data.folder).name or "images"
    texts = [captioning.text(item, 0, 0, 0) for item in items]
    return {
        "tag_frequency": {folder: count_tags(texts)},
        "folders": {folder: {"n_repeats": data.repeats, "img_count": len(items)}},
        "buckets": dict(Counter(item.placement.bucket for item in items)),
        "started": started,
        "training": {
            "steps": step,
            "epoch": int(epoch),
            "num_epochs": max(1, round(epoch)),
            "num_train_images": sum(item.repeats for item in items),
            "num_reg_images": 0,
            "learning_rate": train.lr,
            "unet_lr": train.lr,
            "text_encoder_lr": train.text_encoder_lr if settings.adapter.text_encoder else None,
            "lr_scheduler": train.scheduler,
            "lr_warmup_steps": train.warmup,
            "optimizer": "torch.optim.AdamW",
            "batch_size_per_device": train.batch_size,
            "gradient_accumulation_steps": train.accumulate,
            "gradient_checkpointing": train.gradient_checkpointing,
            "mixed_precision": precision,
            "seed": train.seed,
            "max_grad_norm": train.max_grad_norm,
            "min_snr_gamma": train.min_snr_gamma or None,
            "noise_offset": train.noise_offset or None,
            "caption_dropout_rate": data.caption_dropout,
            "shuffle_caption": data.shuffle_tags,
            "keep_tokens": data.keep_tags,
        },
    }
