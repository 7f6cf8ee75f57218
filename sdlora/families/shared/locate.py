"""From what a person wrote as the base model to a path on disk; a hub id is downloaded. No torch."""

import os
from collections.abc import Iterator
from pathlib import Path

from sdlora.errors import UserError
from sdlora.families.shared.header import PICKLED, read_json_object
from sdlora.families.shared.hub import download, stems
from sdlora.messages import say

TINY = Path(__file__).parents[1] / "tiny"
CLIP = Path(__file__).parents[1] / "clip"


def locate(base: str, revision: str = "", where: str = "base") -> tuple[Path, str]:
    """(path, name) of a base model; downloads a hub id. UserError if there is none."""
    if base == "tiny":
        return TINY, "tiny"
    base = str(base)
    if "\0" not in base:
        path = Path(os.path.expanduser(base))
        if base and os.path.isdir(path):  # unlike Path's, these say no to a name that is too long
            return path, path.resolve().name
        if os.path.isfile(path) or path.suffix.lower() in (".safetensors", ".gguf", *PICKLED):
            return path, path.stem
    odd = base.startswith((".", "/", "~")) or base.endswith("/") or "\\" in base or "\0" in base or len(base) > 200
    if base.count("/") != 1 or odd:
        shown = base if len(base) < 300 else f"{base[:100]}…"
        of_vae = where == "vae"
        raise UserError(
            say("models.vae_missing" if of_vae else "models.base_missing", name=repr(shown)),
            fix=say("models.use_path_or_hub_id" if of_vae else "models.use_path_hub_id_or_tiny"),
            where=where,
        )
    return download(base, revision, where), base.split("/")[1]


def find_weights(folder: Path) -> list[Path]:
    """The safetensors files of one part of a diffusers folder: fp32 before the fp16 variant; shards in order.

    Empty if there are none, or if a shard named by the index is missing.
    """
    return next(iter(_choices(folder)), [])


def _choices(folder: Path) -> Iterator[list[Path]]:
    stem = stems().get(folder.name, "diffusion_pytorch_model")
    for middle in ("", ".fp16"):
        if (folder / f"{stem}{middle}.safetensors").is_file():
            yield [folder / f"{stem}{middle}.safetensors"]
        # Both spellings of a sharded variant are in use.
        for index in (f"{stem}{middle}.safetensors.index.json", f"{stem}.safetensors.index{middle}.json"):
            names = read_json_object(folder / index).get("weight_map")
            shards = sorted(set(names.values())) if isinstance(names, dict) else []
            if shards and all(isinstance(s, str) and Path(s).name == s and (folder / s).is_file() for s in shards):
                yield [folder / s for s in shards]
