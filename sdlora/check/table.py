"""Every check before a run, a line each, with what it needs to know. In this order they are told."""

from sdlora.check import adapter, base, disk, effects, images, output, tracker, train
from sdlora.check.case import Check, Need

BASE: frozenset[Need] = frozenset({"base"})
IMAGES: frozenset[Need] = frozenset({"images"})
CHECKS = (
    Check(base.wishes, BASE),
    Check(adapter.layers, BASE),
    Check(adapter.patterns, BASE),
    Check(adapter.lora_files),
    Check(adapter.strengths),
    Check(adapter.kind),
    Check(images.folder),
    Check(images.regularization),
    Check(images.sizes, BASE),
    Check(train.warmup),
    Check(train.timesteps),
    Check(train.step_rules),
    Check(train.precision),
    Check(train.rates),
    Check(train.unusual),
    Check(effects.idle),
    Check(effects.idle_captions, IMAGES),
    Check(effects.uneven_length),
    Check(effects.unmeasured),
    Check(effects.dropped_timesteps, BASE),
    Check(output.runs_folder),
    Check(tracker.tracker),
    Check(output.cache, IMAGES),
    Check(images.few_images, IMAGES),
    Check(images.held_out, IMAGES),
    Check(images.small, IMAGES),
    Check(images.long_captions, IMAGES),
    Check(images.crops, IMAGES),
    Check(images.batches, IMAGES),
    Check(images.several_lines, IMAGES),
    Check(images.wildcards, IMAGES),
    Check(disk.room, BASE | IMAGES),
)
