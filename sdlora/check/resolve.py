"""The settings with nothing left open, as a run keeps them."""

import os
import secrets
from pathlib import Path

from sdlora.check.adapter import stack_of
from sdlora.check.base import as_wished
from sdlora.check.images import cache_folder
from sdlora.data.captions import read_captions
from sdlora.data.dataset import rng_for, usual_held_out
from sdlora.data.listing import find_images
from sdlora.data.tags import variant
from sdlora.families.base import BaseInfo
from sdlora.families.shared.prompts import escape_brackets
from sdlora.settings import Settings, filled

PROMPT_LENGTH = 300  # characters of a caption that becomes a prompt
MIN_SNR_GAMMA = 5.0  # the paper's


def resolve(settings: Settings, info: BaseInfo, prompts: bool = True, images: int | None = None) -> Settings:
    """A copy with every "auto" value filled in and the paths absolute, as settings.toml keeps it.

    What follows another setting (``settings.Follows``): what comes of that one. data.resolution: the base's own.
    sample.prompts: two of the captions (with the trigger word), else the trigger word. Where train.text_encoder_lr is
    0, adapter.text_encoder is off. model.prediction: the base's. train.min_snr_gamma: 5, or 0 with zero terminal
    SNR; open under another weighting. train.seed and sample.seed: of -1 a number that is drawn now.
    validation.held_out: what is usual for so many images. train.precision, train.device and an open validation.every
    stay: only the machine that trains can tell.

    prompts: read the captions for test prompts where there are none; without, the settings are not for training.
    images: how many can be used; None to count the files.
    """
    done = settings.model_copy(deep=True)
    done.model.base, done.model.vae = _placed(settings.model.base), _placed(settings.model.vae)
    done.data.folder = os.path.abspath(os.path.expanduser(settings.data.folder))
    if settings.data.regularization:
        done.data.regularization = os.path.abspath(os.path.expanduser(settings.data.regularization))
    done.data.resolution = settings.data.resolution or info.resolution
    done = filled(done)
    done.train.epochs = None  # ``prepare`` has made steps of them
    done.data.cache = str(cache_folder(done))
    if prompts and not settings.sample.prompts:
        done.sample.prompts = _prompts(done)
    if settings.adapter.start_from:
        done.adapter.start_from = os.path.abspath(os.path.expanduser(settings.adapter.start_from))
    stack = stack_of(settings.adapter.stack)
    done.adapter.stack = [f"{os.path.abspath(os.path.expanduser(path))}={strength:g}" for path, strength in stack]
    if done.train.text_encoder_lr == 0:
        done.adapter.text_encoder = False
    for section in (done.train, done.sample):
        section.seed = drawn_seed() if section.seed == -1 else section.seed
    if settings.model.prediction == "auto":
        done.model.prediction = info.prediction
    if settings.model.zero_snr == "auto":
        done.model.zero_snr = "on" if info.zero_snr else "off"
    if settings.train.min_snr_gamma is None and settings.train.weighting == "min_snr":
        done.train.min_snr_gamma = usual_gamma(as_wished(info, done.model))
    if settings.validation.held_out is None:
        count = len(find_images(Path(done.data.folder))) if images is None else images
        done.validation.held_out = usual_held_out(count)
    return done


def _placed(model: str) -> str:
    """A path of a model in full, so that a run goes on from any folder; "tiny" and hub ids as they are."""
    path = os.path.expanduser(model)
    if not model or model == "tiny" or not os.path.exists(path):
        return model
    return os.path.abspath(path)


def usual_gamma(info: BaseInfo) -> float:
    """Min-SNR's gamma where none is set; 0 with zero terminal SNR.

    There min-SNR gives the last timestep the weight 0 and those near it next to none, yet brightness and composition
    are learnt in them.
    """
    return 0.0 if info.zero_snr else MIN_SNR_GAMMA


def drawn_seed() -> int:
    """A seed by chance, as other tools draw them: 0 to 2**32 - 1."""
    return secrets.randbelow(2**32)


def _prompts(settings: Settings) -> list[str]:
    """Two different captions, of the first image and one from the middle on; those made from file names count too."""
    folder, trigger = Path(settings.data.folder), settings.data.trigger
    images = find_images(folder)
    captions, middle = read_captions(images, folder)[0], len(images) // 2
    found: list[str] = []
    for image in images[:1] + images[middle:] + images[1:middle]:
        caption = captions[image].text[:PROMPT_LENGTH].strip()
        text = variant(
            caption, trigger=trigger, shuffle=False, keep_tags=0, tag_dropout=0, caption_dropout=0, rng=rng_for(0)
        )
        if not settings.data.weighted_captions:
            text = escape_brackets(text)  # prompts do read brackets as weights
        if text and text not in found:
            found.append(text)
        if len(found) == 2:
            break
    return found or [trigger]
