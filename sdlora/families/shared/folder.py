"""A diffusers folder: what its configuration files say, and what is wrong with it. No torch, no weights read."""

from functools import lru_cache
from pathlib import Path

from sdlora.errors import Problem, UserError
from sdlora.families.family import Family
from sdlora.families.registry import FAMILIES, Evidence, tell
from sdlora.families.shared.header import dtype_word, quantised, read_header, read_json
from sdlora.families.shared.locate import find_weights

AGAIN = "Download or convert the model again."
CONVERT = "Convert it with diffusers' save_pretrained(folder)."
TEXT_TO_IMAGE = "Choose a text-to-image or inpainting model."
CHANNELS = {5: "a depth-to-image model", 7: "an upscaling model", 8: "an image-editing model such as InstructPix2Pix"}
SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")  # those of diffusers' DDIMScheduler
OTHERS = ("transformer", "prior", "image_encoder", "controlnet", "motion_adapter", "low_res_scheduler")


def read_config(folder: Path, part: str) -> dict:
    """The configuration of "unet", "vae", "text_encoder", "text_encoder_2" or "scheduler"; {} if it has none."""
    return read_json(folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json"))


def evidence(folder: Path) -> Evidence:
    """What tells the family: the pipeline's class, what its UNet takes, its projections, the text's width."""
    unet = read_config(folder, "unet")
    yield "pipeline", str(read_json(folder / "model_index.json").get("_class_name", ""))
    yield "conditions", str(unet.get("addition_embed_type") or "")
    if unet.get("use_linear_projection"):
        yield "projections", "linear"
    yield "text_width", unet.get("cross_attention_dim")
    yield "projections", "convolutions"


def family_of(folder: Path) -> str:
    """The family's name."""
    return tell(evidence(folder))


def vae_folder(path: Path) -> Path:
    """A VAE's own folder, or that of the VAE within a whole model."""
    return path / "vae" if (path / "vae/config.json").is_file() and not (path / "config.json").is_file() else path


def precision(folder: Path) -> str:
    """How the UNet is stored, "fp16" for example; "" where the header can't be read."""
    try:
        kinds = {dtype for file in find_weights(folder / "unet") for dtype, _ in read_header(file).tensors.values()}
    except UserError:
        return ""
    return dtype_word(kinds)


def problems(folder: Path) -> list[Problem]:
    """All that keeps this folder from being a base model to train on."""
    found: list[Problem] = []

    def wrong(what: str, fix: str = AGAIN) -> None:
        found.append(Problem(f"The base model {folder.resolve().name}: {what}", fix, where="model.base"))

    index = read_json(folder / "model_index.json")
    if not index:
        wrong("there is no model_index.json in it.", "Choose a diffusers folder.")
        return found
    other = next((part for part in OTHERS if isinstance(index.get(part), list) and index[part][0]), "")
    if other or "unet" not in index:
        kind = str(index.get("_class_name", "another kind of model"))
        wrong(f"it is no Stable Diffusion 1, 2 or XL model ({kind}).", "Choose one of those.")
        return found
    if (folder / "text_encoder_2").is_dir() and not (folder / "text_encoder").is_dir():
        wrong("it is the SDXL refiner, which has no first text encoder.", "Choose the SDXL base model.")
        return found
    spec = FAMILIES[family_of(folder)]
    first, *others = spec.text_encoders
    missing = [part for part in others if not (folder / part.root).is_dir()]
    for part in missing:
        wrong(f"its UNet is {spec.short}'s, but the folder {part.root} is missing.")
    texts = [part for part in spec.text_encoders if part not in missing]
    for part in (spec.denoiser.root, "vae", *(part.root for part in texts)):
        for what in part_problems(folder / part, part):
            wrong(what, CONVERT if "pickled" in what else AGAIN)
    for name in (part.tokenizer for part in texts):
        files = folder / name
        classic = (files / "vocab.json").is_file() and (files / "merges.txt").is_file()
        if not classic and not (files / "tokenizer.json").is_file():
            wrong(f"{name}/vocab.json or {name}/merges.txt is missing.")
        elif _entries(files / ("vocab.json" if classic else "tokenizer.json")) < 2:
            wrong(f"{name} has no words in it.")
    return found + [
        Problem(f"The base model {folder.resolve().name}: {what}", fix, where="model.base")
        for what, fix in _unfit(spec, *(read_config(folder, part) for part in ("unet", "vae", "scheduler")))
    ]


def _entries(path: Path) -> int:
    """How many entries the JSON object there has; 0 where there is none."""
    stat = path.stat()
    return _counted(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _counted(path: Path, *_: int) -> int:
    return len(read_json(path))  # a vocabulary is read in a hundredth of a second, and checks are many


def part_problems(folder: Path, name: str) -> list[str]:
    """What is wrong with one part's configuration and weights, as sentences that begin with ``name``."""
    found = []
    if not read_json(folder / "config.json"):
        found.append(f"{name}/config.json is missing or unreadable.")
    weights = find_weights(folder)
    if not weights:
        if any(folder.glob("*.bin")):
            found.append(f"{name} has only pickled weights (.bin), which can run code when opened.")
        elif any(folder.glob("*.index*.json")):
            found.append(f"{name}: weight files that its index names are missing.")
        else:
            found.append(f"{name} has no safetensors weights.")
    for file in weights:
        try:
            header = read_header(file)
        except UserError as error:
            found += [f"{name}/{problem.what}" for problem in error.problems]
            continue
        if kind := quantised(header):
            found.append(f"{name}/{file.name} holds {kind} weights, which can't be trained on.")
    return found


def _unfit(spec: Family, unet: dict, vae: dict, scheduler: dict) -> list[tuple[str, str]]:
    """(what, fix): a model of the right layout that is another kind all the same."""
    found = []
    if not scheduler:
        found.append(("scheduler/scheduler_config.json is missing or unreadable.", AGAIN))
    for part, config in (("unet", unet), ("vae", vae)):
        if config and not isinstance(config.get("block_out_channels"), list):
            found.append((f"{part}/config.json has no block_out_channels.", "Choose another model."))
    own = spec.latent.channels
    if vae.get("latent_channels", 4) != own:
        found.append(
            (f"its VAE has {vae.get('latent_channels', 4)} latent channels, not {own}.", "Choose another model.")
        )
    scale, schedule = vae.get("scaling_factor", 1.0), scheduler.get("beta_schedule", "linear")
    if not isinstance(scale, (int, float)) or not 0 < scale < float("inf"):
        found.append((f"its VAE has the scaling_factor {scale!r}, which must be more than 0.", AGAIN))
    if schedule not in SCHEDULES:
        found.append((f"its scheduler has the unknown beta_schedule {schedule!r}.", AGAIN))
    channels = unet.get("in_channels", 4)
    if channels not in (own, 2 * own + 1):
        found.append((f"its UNet takes {channels} channels ({CHANNELS.get(channels, 'unknown')}).", TEXT_TO_IMAGE))
    if unet.get("class_embed_type") or unet.get("num_class_embeds"):
        found.append(("its UNet takes a class or image embedding (an unCLIP or upscaling model).", TEXT_TO_IMAGE))
    if unet.get("addition_embed_type") == "text_time" and unet.get("projection_class_embeddings_input_dim") == 2560:
        found.append(("it is the SDXL refiner.", "Choose the SDXL base model."))
    prediction = scheduler.get("prediction_type", "epsilon")
    if prediction not in ("epsilon", "v_prediction"):
        found.append((f"it predicts {prediction!r}, not epsilon or v_prediction.", "Choose another model."))
    if str(scheduler.get("_class_name", "")).startswith("EDM"):
        what = "it is an EDM model (as Playground 2.5 is), with another noise schedule."
        found.append((what, "Choose another model."))
    return found
