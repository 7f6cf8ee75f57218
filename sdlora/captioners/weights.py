"""Where a captioner's model lies: a folder, or a pinned version on the hub. Never pickles, never a model's own code."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from sdlora.captioners.captioner import Options
from sdlora.errors import UserError
from sdlora.files.paths import tidy_path
from sdlora.files.regular import read_regular
from sdlora.messages import listed, say

COMMIT = re.compile(r"[0-9a-f]{40}")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
FILES = ("*.json", "*.txt", "*.model", "*.safetensors")  # no .bin, no .py
CONFIG_LIMIT = 1 << 22  # bytes


def model_folder(options: Options, files: Sequence[str] = FILES) -> Path:
    """The folder of ``options.model``; a hub id is downloaded as far as ``files`` (patterns) go. UserError if it can't.

    A hub id needs the commit: a branch may hold something else tomorrow.
    """
    path = Path(tidy_path(options.model)).expanduser()
    if options.model and path.is_dir():
        return path
    if not HUB_ID.fullmatch(options.model):
        raise UserError(say("captioning.no_model", model=repr(options.model)), fix=say("captioning.give_model"))
    if not COMMIT.fullmatch(options.revision):
        raise UserError(say("captioning.not_pinned", model=options.model), fix=_which_commit(options.model))
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(options.model, revision=options.revision, allow_patterns=list(files)))
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0][:200]
        what = say("captioning.not_downloaded", model=options.model, revision=options.revision[:12], reason=reason)
        raise UserError(what, fix=say("captioning.download_by_hand")) from error


def _which_commit(model: str) -> str:
    """What to do: with the newest commit, where the hub can be asked."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        newest = HfApi().model_info(model, timeout=10).sha
    except (HfHubHTTPError, OSError, ValueError):
        newest = None
    return say("captioning.pin_newest", revision=newest) if newest else say("captioning.pin", model=model)


def checked_folder(options: Options, kinds: Sequence[str]) -> tuple[Path, str]:
    """(the folder of a transformers model, its kind); UserError unless it is one of ``kinds`` and has safetensors."""
    folder = model_folder(options)
    try:
        config = json.loads(read_regular(folder / "config.json", CONFIG_LIMIT))
        kind = str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        what = say("captioning.no_config", folder=folder)
        raise UserError(what, fix=say("captioning.give_model")) from error
    if kind not in kinds:
        what = say("captioning.another_kind", folder=folder, kind=kind, kinds=listed(kinds))
        raise UserError(what, fix=say("captioning.choose_captioner"))
    if not any(name.endswith(".safetensors") for name in os.listdir(folder)):
        raise UserError(say("captioning.no_safetensors", folder=folder), fix=say("captioning.convert_weights"))
    return folder, kind
