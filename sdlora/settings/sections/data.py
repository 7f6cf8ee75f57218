"""data.*: images and captions."""

import os
from typing import Literal

from sdlora.data import CACHE_FOLDER
from sdlora.messages import say
from sdlora.settings.setting import Follows, Section, When, setting


# fmt: off
class DataSettings(Section):
    """Images and captions."""

    folder: str = setting(
        "", "Folder with the images and their captions.", "basic",
        label="Image folder", own=True, hint="/home/me/pictures/cat-toy", path="folder", cost=False
    )
    trigger: str = setting(
        "", "Trigger word, put in front of every caption that lacks it.", "basic",
        label="Trigger word", group="what", place=2, own=True, hint="for example: ohwx", cost=False, max_length=100,
        into=("sight",)
    )
    repeats: int = setting(
        1, "How often each image counts per epoch.",
        label="Repeats", group="images", cost=False, usual=(1, 500), ge=1, le=10_000,
        into=("epochs",)
    )
    resolution: int = setting(
        0, "Training size in pixels: the side of a square of equal area; 0 for the base model's own.", "basic",
        label="Resolution", group="training", place=3, ge=0, le=4096,
        into=("sight",)
    )
    fit: Literal["bucket", "crop", "pad"] = setting(
        "bucket", "Keep the aspect ratio in buckets, cut squares out of the middle, or pad to squares with white.",
        label="Fit", group="images",
        into=("sight",)
    )
    upscale: bool = setting(
        False, "Enlarge images smaller than their bucket; if not, they train at their own size.",
        label="Enlarge small images", group="images",
        into=("sight",)
    )
    flip: bool = setting(
        False, "Mirror images left to right half of the time; not for faces, text or logos.",
        label="Mirror", group="images", cost=False
    )
    shuffle_tags: bool = setting(
        False, "Shuffle comma-separated tags anew at every step.",
        label="Shuffle tags", group="images",
        recorded=("shuffle_caption",)
    )
    keep_tags: int = setting(
        1, "How many first tags stay in front when shuffling or dropping tags.",
        label="Tags that stay in front", group="images", cost=False, ge=0, le=100,
        when=When({"data.shuffle_tags": "set", "data.tag_dropout": "set"},
                  say("settings.because_tags_in_order")),
        recorded=("keep_tokens",)
    )
    tag_dropout: float = setting(
        0.0, "Chance for each tag (after the kept ones) to be left out.",
        label="Tag dropout", group="images", usual=(0, 0.7), ge=0, le=1
    )
    caption_dropout: float = setting(
        0.0, "Chance for a whole caption to be left out.",
        label="Caption dropout", group="images", cost=False, usual=(0, 0.5), ge=0, le=1,
        recorded=("caption_dropout_rate",)
    )
    caption_lines: Literal["first", "random", "all"] = setting(
        "first", "Of a caption with several lines: the first, one drawn anew at every step, or all as one text.",
        label="Captions of several lines", group="images"
    )
    wildcards: bool = setting(
        False, "Read {red|blue} in captions as one of the two, drawn anew at every step.",
        label="Wildcards in captions", group="images"
    )
    weighted_captions: bool = setting(
        False, "Read (word:1.2) and [word] in captions as weights; off, brackets are plain text.", "expert",
        label="Weights in captions", group="images", cost=False,
        into=("sight",)
    )
    max_tokens: int = setting(
        225, "Longer captions are cut after so many tokens; they are read in chunks of 75.", "expert",
        label="Longest caption", group="images", ge=75, le=750,
        into=("sight",)
    )
    regularization: str = setting(
        "", "Folder with regularization images, which keep what the base model knows of a class: trained beside the "
        "images, with captions of their own and without the trigger word.",
        label="Regularization images", group="images", own=True, path="folder", cost=False,
        into=("epochs",)
    )
    class_prompts: list[str] = setting(
        list, "Prompts that the base model draws regularization images from, as many as there are images.",
        label="Class prompts", group="images", own=True, hint="one prompt a line, for example:\na dog", cost=False,
        when=When({"data.regularization": "unset"}, say("settings.because_regularization_folder")),
        into=("epochs",)
    )
    masks: Literal["off", "alpha", "files"] = setting(
        "off", "Where to look for what of an image is learnt: alpha, its transparency; files, masks beside it "
        "(x-masklabel.png, x_mask.png, a folder of masks), white for what is learnt.",
        label="Masks", group="images", cost=False
    )
    cache: str = setting(
        "", "Folder for cached latents and text; empty for .sdlora_cache inside data.folder.", "expert",
        label="Cache folder", group="images", wide=True, path="folder", cost=False,
        follows=Follows(("data.folder",), lambda folder: os.path.join(folder, CACHE_FOLDER))
    )
