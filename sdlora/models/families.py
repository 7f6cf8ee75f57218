"""What a base model is, told from its configuration files alone: no torch, no weights read."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sdlora.errors import Problem, UserError

TINY = Path(__file__).with_name("tiny")
PARTS = ("unet", "vae", "text_encoder")
# Only what training reads: a hub repository often holds three copies of the weights.
HUB_FILES = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "tokenizer/*",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    *(f"{part}/{name}" for part in ("unet", "vae") for name in ("config.json", "diffusion_pytorch_model.safetensors")),
]


@dataclass(frozen=True)
class BaseInfo:
    """A base model on disk.

    folder: the diffusers folder. family: "sd1" or "sd2". prediction: what its UNet predicts.
    resolution: side in pixels it was trained at. factor: pixels per latent.
    step: sizes in pixels are multiples of it (factor x the UNet's own downsampling).
    tokens: prompt length in tokens, start and end included. name: what to call it, never a path.
    """

    folder: Path
    family: Literal["sd1", "sd2"]
    prediction: Literal["epsilon", "v_prediction"]
    resolution: int
    factor: int
    step: int
    tokens: int
    name: str

    @property
    def weight_files(self) -> list[Path]:
        return [find_weights(self.folder / part) for part in PARTS]


def inspect_base(base: str, revision: str = "") -> BaseInfo:
    """What ``base`` ("tiny", a diffusers folder or a hub id) is.

    A hub id is downloaded (or found in the hub's own cache) first. Raises UserError
    with every problem: missing folder or files, pickled weights, another kind of model.
    """
    folder, name = locate(base, revision)
    problems = _problems(folder, base)
    if problems:
        raise UserError(*problems)
    unet = _read(folder / "unet/config.json")
    vae = _read(folder / "vae/config.json")
    scheduler = _read(folder / "scheduler/scheduler_config.json")
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    size = unet.get("sample_size") or 64
    return BaseInfo(
        folder=folder,
        # SD 2.x is told by its linear projections and OpenCLIP-H width (the SD 2 config files).
        family="sd2" if unet.get("use_linear_projection") or unet.get("cross_attention_dim") == 1024 else "sd1",
        prediction=scheduler.get("prediction_type", "epsilon"),
        resolution=(size if isinstance(size, int) else size[0]) * factor,
        factor=factor,
        step=factor * 2 ** (len(unet["block_out_channels"]) - 1),
        tokens=_read(folder / "text_encoder/config.json").get("max_position_embeddings", 77),
        name=name,
    )


def locate(base: str, revision: str = "") -> tuple[Path, str]:
    """(folder, name) of a base model; downloads a hub id. UserError if there is none."""
    if base == "tiny":
        return TINY, "tiny"
    path = Path(os.path.expanduser(base))
    if base and "\0" not in base and path.is_dir():
        return path, path.resolve().name
    if path.suffix in (".ckpt", ".pt", ".pth", ".bin"):
        raise UserError(
            f"{path.name} is a pickled checkpoint, which can run code when opened.",
            fix="Convert it to a diffusers folder with safetensors weights first.",
            where="model.base",
        )
    if "\0" not in base and path.is_file():
        raise UserError(
            f"{path.name} is a single file; a base model is a diffusers folder.",
            fix="Convert it with diffusers' from_single_file(...).save_pretrained(folder).",
            where="model.base",
        )
    if base.count("/") != 1 or base.startswith((".", "/", "~")) or "\\" in base:
        raise UserError(
            f"There is no base model {base!r}.",
            fix='Use "tiny", the path of a diffusers folder, or a hub id such as "organisation/model".',
            where="model.base",
        )
    return _download(base, revision), base.split("/")[1]


def find_weights(folder: Path) -> Path | None:
    """The safetensors file of one part; the fp32 one before the fp16 variant."""
    stem = "model" if folder.name.startswith("text_encoder") else "diffusion_pytorch_model"
    for name in (f"{stem}.safetensors", f"{stem}.fp16.safetensors"):
        if (folder / name).is_file():
            return folder / name
    return None


def _download(base: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    say = {"where": "model.base"}
    try:
        return Path(snapshot_download(base, revision=revision or None, allow_patterns=HUB_FILES))
    except GatedRepoError:
        fix = "Accept its licence on its page and run `hf auth login`, or choose a local folder."
        raise UserError(f"The base model {base} is access-restricted.", fix=fix, **say) from None
    except RevisionNotFoundError:
        raise UserError(f"{base} has no revision {revision!r}.", fix="Check model.revision.", **say) from None
    except RepositoryNotFoundError:
        raise UserError(f"The hub has no base model {base}.", fix="Check the spelling.", **say) from None
    except (OSError, ValueError) as error:  # no network, not cached, proxy refused, a malformed id
        raise UserError(
            f"The base model {base} could not be downloaded ({type(error).__name__}).",
            fix='Check the connection, or use a local diffusers folder or the embedded base "tiny".',
            **say,
        ) from None


def _read(path: Path) -> dict:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _problems(folder: Path, base: str) -> list[Problem]:
    found = []

    def wrong(what: str, fix: str) -> None:
        found.append(Problem(f"The base model {folder.name}: {what}", fix, where="model.base"))

    again = "Download or convert the model again."
    if not (folder / "model_index.json").is_file():
        wrong("there is no model_index.json in it.", "Choose a diffusers folder.")
        return found
    if (folder / "text_encoder_2").exists():
        wrong("it has two text encoders (SDXL), which this version can't train.", "Choose an SD 1.x or 2.x model.")
        return found
    for part in PARTS:
        config = folder / part / "config.json"
        if not _read(config):
            wrong(f"{part}/config.json is missing or unreadable.", again)
        weights = find_weights(folder / part)
        if weights is None:
            pickled = any((folder / part).glob("*.bin"))
            wrong(
                f"{part} has only pickled weights (.bin), which can run code when opened."
                if pickled
                else f"{part} has no safetensors weights.",
                "Convert it with diffusers' save_pretrained(folder)." if pickled else again,
            )
        elif weights.stat().st_size == 0:
            wrong(f"{part}/{weights.name} is empty.", again)
    tokenizer = folder / "tokenizer"
    classic = (tokenizer / "vocab.json").is_file() and (tokenizer / "merges.txt").is_file()
    if not classic and not (tokenizer / "tokenizer.json").is_file():
        wrong("tokenizer/vocab.json or tokenizer/merges.txt is missing.", again)
    scheduler = _read(folder / "scheduler/scheduler_config.json")
    if not scheduler:
        wrong("scheduler/scheduler_config.json is missing or unreadable.", again)
    unet = _read(folder / "unet/config.json")
    if unet and unet.get("in_channels", 4) != 4:
        wrong(f"its UNet takes {unet['in_channels']} channels (an inpainting model).", "Choose a text-to-image model.")
    prediction = scheduler.get("prediction_type", "epsilon")
    if prediction not in ("epsilon", "v_prediction"):
        wrong(f"it predicts {prediction!r}, not epsilon or v_prediction.", "Choose another model.")
    return found
