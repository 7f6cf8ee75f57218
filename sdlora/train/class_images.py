"""Regularization images that the base model draws from class prompts, once, before the first step.

DreamBooth's (Ruiz et al. 2023, section 3.3): what the frozen model itself makes of the class is what the LoRA is kept
to. Each picture has its own seed, so that a run cut off while drawing goes on with the next one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import astuple, replace
from pathlib import Path

import torch

from sdlora.data.cache import denoiser_identity, encoder_identity, vae_identity
from sdlora.data.images import content_hash
from sdlora.events import Event, Progress
from sdlora.families.base import BaseInfo
from sdlora.families.shared.load import load_unet
from sdlora.files.intact import write_atomically
from sdlora.lorafiles.attach import merge_into_modules
from sdlora.pictures.grid import save_png
from sdlora.pictures.pipeline import Look, draw

AT_ONCE = 50  # prompts whose text is held in memory


def class_folder(
    cache: Path, base: BaseInfo, prompts: Sequence[str], look: Look, stack: Sequence[tuple[str, float]]
) -> Path:
    """Where this base's pictures of these prompts are kept: in the cache, by all that they depend on.

    look: how they are drawn; its own prompts and seed don't count. stack: LoRA files merged into the base, with their
    strengths. UserError for a base whose files can't be read.
    """
    parts = [identity(base, cache) for identity in (denoiser_identity, encoder_identity, vae_identity)]
    loras = [(content_hash(Path(path)), strength) for path, strength in stack]
    how = astuple(replace(look, prompts=(), seed=0))
    made_of = repr((parts, base.prediction, base.zero_snr, loras, list(prompts), how))
    return cache / f"regularization-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"


def draw_class_images(
    base: BaseInfo,
    folder: Path,
    prompts: Sequence[str],
    count: int,
    look: Look,
    stack: Sequence[tuple[str, float]],
    device: torch.device | str,
    dtype: torch.dtype,
) -> Iterator[Event]:
    """Draw what is missing of ``count`` pictures into ``folder``, each with its prompt as caption; Progress events.

    The prompts take turns; picture n has the seed n. look, stack: as in ``class_folder``. OSError where a file can't be
    written.
    """
    missing = [number for number in range(count) if not (folder / f"{number:05d}.png").is_file()]
    if not missing:
        return
    yield Progress("class", count - len(missing), count)
    folder.mkdir(parents=True, exist_ok=True)
    unet = load_unet(base, dtype, mapped=True).to(device)
    for path, strength in stack:
        merge_into_modules({base.denoiser: unet}, path, strength)
    mixed = torch.autocast(torch.device(device).type, dtype) if dtype != torch.float32 else nullcontext()
    done = count - len(missing)
    for some in (missing[start : start + AT_ONCE] for start in range(0, len(missing), AT_ONCE)):
        words = [prompts[number % len(prompts)] for number in some]
        with mixed:
            drawn = draw(base, replace(look, prompts=tuple(words), seeds=tuple(some)), unet, stack=stack)
            for number, text, picture in zip(some, words, drawn, strict=True):
                write_atomically(folder / f"{number:05d}.txt", text)  # first: it is the picture that counts
                save_png(picture, folder / f"{number:05d}.png")
                done += 1
                yield Progress("class", done, count)
