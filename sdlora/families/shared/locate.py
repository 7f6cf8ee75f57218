"""From what a person wrote as the base model to a path on disk; a hub id is downloaded. No torch."""

import os
from collections.abc import Iterator
from pathlib import Path

from sdlora.errors import UserError
from sdlora.families.shared.header import PICKLED, read_json
from sdlora.families.shared.hub import download, stems

TINY = Path(__file__).parents[1] / "tiny"
CLIP = Path(__file__).parents[1] / "clip"


def locate(base: str, revision: str = "", where: str = "model.base") -> tuple[Path, str]:
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
    odd = base.startswith((".", "/", "~")) or "\\" in base or "\0" in base or len(base) > 200
    if base.count("/") != 1 or odd:
        shown = base if len(base) < 300 else f"{base[:100]}…"
        raise UserError(
            f"There is no {'VAE' if where == 'model.vae' else 'base model'} {shown!r}.",
            fix='Use the path of a diffusers folder or .safetensors file, or a hub id such as "organisation/model"'
            + ("." if where == "model.vae" else ', or "tiny".'),
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
            names = read_json(folder / index).get("weight_map")
            shards = sorted(set(names.values())) if isinstance(names, dict) else []
            if shards and all(isinstance(s, str) and Path(s).name == s and (folder / s).is_file() for s in shards):
                yield [folder / s for s in shards]
