"""The settings with nothing left open, as a run keeps them."""

import os
import secrets
from pathlib import Path

from sdlora.check.adapter import stack_of
from sdlora.check.base import as_wished
from sdlora.check.images import cache_folder
from sdlora.data.captions import read_captions
from sdlora.data.dataset import rng_for
from sdlora.data.listing import find_images
from sdlora.data.tags import variant
from sdlora.families.base import BaseInfo
from sdlora.families.shared.prompts import escape
from sdlora.settings import Settings

PROMPT_LENGTH = 300  # characters of a caption that becomes a prompt
MIN_SNR_GAMMA = 5.0  # the paper's


def resolve(settings: Settings, info: BaseInfo, prompts: bool = True) -> Settings:
    """A copy with every "auto" value filled in and the data folders absolute, as settings.toml keeps it.

    data.resolution: the base's own. sample.size: data.resolution. sample.prompts: two of the captions (with the
    trigger word), else the trigger word. train.text_encoder_lr: half of train.lr; where it is 0, adapter.text_encoder
    is off. model.prediction: the base's. train.min_snr_gamma: 5, or 0 for v-prediction with zero terminal SNR.
    train.seed and sample.seed: of -1 a number that is drawn now. train.precision and train.device stay: only the
    machine that trains can tell.

    prompts: read the captions for test prompts where there are none; without, the settings are not for training.
    """
    done = settings.model_copy(deep=True)
    done.data.folder = os.path.abspath(os.path.expanduser(settings.data.folder))
    done.data.cache = str(cache_folder(settings))
    done.data.resolution = settings.data.resolution or info.resolution
    done.sample.size = settings.sample.size or done.data.resolution
    if prompts and not settings.sample.prompts:
        done.sample.prompts = _prompts(done)
    if settings.adapter.start_from:
        done.adapter.start_from = os.path.abspath(os.path.expanduser(settings.adapter.start_from))
    stack = stack_of(settings.adapter.stack)
    done.adapter.stack = [f"{os.path.abspath(os.path.expanduser(path))}={strength:g}" for path, strength in stack]
    if settings.train.text_encoder_lr is None:
        done.train.text_encoder_lr = settings.train.lr / 2
    if done.train.text_encoder_lr == 0:
        done.adapter.text_encoder = False
    for section in (done.train, done.sample):
        section.seed = drawn_seed() if section.seed == -1 else section.seed
    if settings.model.prediction == "auto":
        done.model.prediction = info.prediction
    if settings.model.zero_snr == "auto":
        done.model.zero_snr = "on" if info.zero_snr else "off"
    if settings.train.min_snr_gamma is None:
        done.train.min_snr_gamma = usual_gamma(as_wished(info, done.model))
    return done


def usual_gamma(info: BaseInfo) -> float:
    """Min-SNR's gamma where none is set; 0 for v-prediction with zero terminal SNR.

    There min-SNR gives the last timestep the weight 0 and those near it next to none, yet brightness and composition
    are learnt in them.
    """
    return 0.0 if info.prediction == "v_prediction" and info.zero_snr else MIN_SNR_GAMMA


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
            text = escape(text)  # prompts do read brackets as weights
        if text and text not in found:
            found.append(text)
        if len(found) == 2:
            break
    return found or [trigger]
