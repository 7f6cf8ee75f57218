"""From what a person wrote as the base model to a path on disk; a hub id is downloaded. No torch."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sdlora.errors import UserError
from sdlora.models.header import PICKLED, read_json

TINY = Path(__file__).with_name("tiny")
CLIP = Path(__file__).with_name("clip")
# Repositories that were taken down, and where the same weights are now.
MOVED = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "runwayml/stable-diffusion-inpainting": "stable-diffusion-v1-5/stable-diffusion-inpainting",
    **{
        f"stabilityai/stable-diffusion-{kind}": f"sd2-community/stable-diffusion-{kind}"
        for kind in ("2", "2-base", "2-1", "2-1-base", "2-inpainting")
    },
}
CONFIGS = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    *(f"{part}/config.json" for part in ("unet", "vae", "text_encoder", "text_encoder_2")),
    *(f"{part}/*" for part in ("tokenizer", "tokenizer_2")),
)
STEMS = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
    "text_encoder_2": "model",
}


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
    return _download(base, revision, where), base.split("/")[1]


def find_weights(folder: Path) -> list[Path]:
    """The safetensors files of one part of a diffusers folder: fp32 before the fp16 variant; shards in order.

    Empty if there are none, or if a shard named by the index is missing.
    """
    return next(iter(_choices(folder)), [])


def wanted(files: Iterable[str], prefix: str = "") -> list[str]:
    """Which weights of a repository to download: of each part the fp16 variant, half the size, before fp32."""
    there, chosen = set(files), []
    for part, stem in STEMS.items():
        folder = "" if prefix == part else f"{part}/"
        for name in (f"{stem}.fp16.safetensors", f"{stem}.safetensors"):
            if folder + name in there:
                chosen.append(folder + name)
                break
        else:
            chosen += sorted(f for f in there if f.startswith(f"{folder}{stem}") and ".safetensors" in f)
    return chosen


def _choices(folder: Path) -> Iterator[list[Path]]:
    stem = STEMS.get(folder.name, "diffusion_pytorch_model")
    for middle in ("", ".fp16"):
        if (folder / f"{stem}{middle}.safetensors").is_file():
            yield [folder / f"{stem}{middle}.safetensors"]
        # Both spellings of a sharded variant are in use.
        for index in (f"{stem}{middle}.safetensors.index.json", f"{stem}.safetensors.index{middle}.json"):
            names = read_json(folder / index).get("weight_map")
            shards = sorted(set(names.values())) if isinstance(names, dict) else []
            if shards and all(isinstance(s, str) and Path(s).name == s and (folder / s).is_file() for s in shards):
                yield [folder / s for s in shards]


def _download(base: str, revision: str, where: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    vae = where == "model.vae"
    say = {"where": where}
    what = "VAE" if vae else "base model"
    try:
        allowed = [*(("config.json",) if vae else CONFIGS), *_listed(base, revision, "vae" if vae else "")]
        return Path(snapshot_download(base, revision=revision or None, allow_patterns=allowed))
    except GatedRepoError:
        fix = "Accept its licence on its page and run `hf auth login`, or choose a local folder."
        raise UserError(f"The {what} {base} is access-restricted.", fix=fix, **say) from None
    except RevisionNotFoundError:
        raise UserError(f"{base} has no revision {revision!r}.", fix="Check model.revision.", **say) from None
    except RepositoryNotFoundError:
        fix = f'It was taken down; use "{MOVED[base]}".' if base in MOVED else "Check the spelling."
        raise UserError(f"The hub has no {what} {base}.", fix=fix, **say) from None
    except (OSError, ValueError) as error:  # no network, not cached, proxy refused, a malformed id
        if base in MOVED:
            raise UserError(f"The {what} {base} was taken down.", fix=f'Use "{MOVED[base]}".', **say) from None
        raise UserError(
            f"The {what} {base} could not be downloaded ({type(error).__name__}).",
            fix='Check the connection, or use a local model or the embedded base "tiny".',
            **say,
        ) from None


def _listed(base: str, revision: str, prefix: str) -> list[str]:
    """Which weights of a hub repository to download; all of them if there is no asking (the cache then serves)."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        files = HfApi().model_info(base, revision=revision or None, timeout=10).siblings or []
    except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except Exception:  # no network, in whatever words the hub's HTTP library of the day has for it
        return ["*.safetensors"]
    return wanted((file.rfilename for file in files), prefix)
