"""A diffusers folder: what its configuration files say, and what is wrong with it. No torch, no weights read."""

from functools import lru_cache
from pathlib import Path

from sdlora.errors import Problem, UserError
from sdlora.families.family import Family
from sdlora.families.shared.header import dtype_word, quantised, read_header, read_json_object
from sdlora.families.shared.locate import find_weights
from sdlora.families.table import FAMILIES, Evidence, roots, tell
from sdlora.messages import either, say
from sdlora.objectives import OBJECTIVES

AGAIN = say("models.get_model_again")
CONVERT = say("modelfiles.convert_with_diffusers")
TEXT_TO_IMAGE = say("modelfiles.choose_text_to_image")
CHANNELS = {
    5: say("modelfiles.unet_depth_to_image"),
    7: say("modelfiles.unet_upscaling"),
    8: say("modelfiles.unet_image_editing"),
}
SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")  # those of diffusers' DDIMScheduler
OTHERS = ("transformer", "prior", "image_encoder", "controlnet", "motion_adapter", "low_res_scheduler")


def read_config(folder: Path, part: str) -> dict:
    """The configuration of "unet", "vae", "text_encoder", "text_encoder_2" or "scheduler"; {} if it has none."""
    return read_json_object(folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json"))


def denoiser_of(folder: Path) -> str:
    """The root of the denoiser that a folder has, of those that some family has; that of the first family if none."""
    known = roots("denoiser")
    return next((root for root in known if (folder / root).is_dir()), known[0])


def folder_evidence(folder: Path) -> Evidence:
    """The signs of the family in a folder: pipeline's class, UNet's conditions and projections, the text's width."""
    unet = read_config(folder, denoiser_of(folder))
    yield "pipeline", str(read_json_object(folder / "model_index.json").get("_class_name", ""))
    yield "conditions", str(unet.get("addition_embed_type") or "")
    if unet.get("use_linear_projection"):
        yield "projections", "linear"
    yield "text_width", unet.get("cross_attention_dim")
    yield "projections", "convolutions"


def family_of_folder(folder: Path) -> str:
    """The family of a diffusers folder, by name; "" if it does not tell."""
    return tell(folder_evidence(folder))


def stated_prediction(scheduler: dict) -> str:
    """The prediction that a scheduler's configuration states, by our name; "" if it states none that is known."""
    own = scheduler.get("prediction_type")
    return next((entry.name for entry in OBJECTIVES.values() if entry.scheduler == own), "")


def vae_folder(path: Path) -> Path:
    """A VAE's own folder, or that of the VAE within a whole model."""
    return path / "vae" if (path / "vae/config.json").is_file() and not (path / "config.json").is_file() else path


def stored_precision(folder: Path) -> str:
    """The dtype of the denoiser's weights in words, "fp16" for example; "" where the header can't be read."""
    try:
        files = find_weights(folder / denoiser_of(folder))
        kinds = {dtype for file in files for dtype, _ in read_header(file).tensors.values()}
    except UserError:
        return ""
    return dtype_word(kinds)


def folder_problems(folder: Path) -> list[Problem]:
    """All that keeps this folder from being a base model to train on."""
    problems: list[Problem] = []

    def wrong(what: str, fix: str = AGAIN) -> None:
        problems.append(
            Problem(
                say("modelfiles.folder_unusable", name=folder.resolve().name, fault_of_folder=what), fix, where="base"
            )
        )

    index = read_json_object(folder / "model_index.json")
    if not index:
        wrong(say("modelfiles.folder_no_index"), say("modelfiles.choose_folder"))
        return problems
    other = next((part for part in OTHERS if isinstance(index.get(part), list) and index[part][0]), "")
    if other or not set(roots("denoiser")) & set(index):
        kind = str(index.get("_class_name", say("modelfiles.model_of_other_kind")))
        wrong(say("modelfiles.folder_other_model", kind_of_model=kind), say("modelfiles.choose_known_family"))
        return problems
    if (folder / "text_encoder_2").is_dir() and not (folder / "text_encoder").is_dir():
        wrong(say("modelfiles.folder_refiner_without_encoder"), say("modelfiles.choose_sdxl_base"))
        return problems
    spec = FAMILIES[family_of_folder(folder)]
    first, *others = spec.text_encoders
    missing = [part for part in others if not (folder / part.root).is_dir()]
    for part in missing:
        wrong(say("modelfiles.folder_part_missing", family=spec.short, folder=part.root))
    texts = [part for part in spec.text_encoders if part not in missing]
    for root in (spec.denoiser.root, "vae", *(part.root for part in texts)):
        for what in part_problems(folder / root, root):
            wrong(what, CONVERT if "pickled" in what else AGAIN)
    for name in (part.tokenizer for part in texts):
        files = folder / name
        classic = (files / "vocab.json").is_file() and (files / "merges.txt").is_file()
        if not classic and not (files / "tokenizer.json").is_file():
            wrong(say("modelfiles.folder_no_vocabulary", part=name, other=name))
        elif _entries(files / ("vocab.json" if classic else "tokenizer.json")) < 2:
            wrong(say("modelfiles.folder_vocabulary_empty", part=name))
    return problems + [
        Problem(say("modelfiles.folder_unusable", name=folder.resolve().name, fault_of_folder=what), fix, where="base")
        for what, fix in _unfit(spec, *(read_config(folder, part) for part in (spec.denoiser.root, "vae", "scheduler")))
    ]


def _entries(path: Path) -> int:
    """How many entries the JSON object there has; 0 where there is none."""
    stat = path.stat()
    return _counted(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _counted(path: Path, *_: int) -> int:
    return len(read_json_object(path))  # a vocabulary is read in a hundredth of a second, and checks are many


def part_problems(folder: Path, name: str) -> list[str]:
    """What is wrong with one part's configuration and weights, as sentences that begin with ``name``."""
    faults: list[str] = []
    if not read_json_object(folder / "config.json"):
        faults.append(say("modelfiles.folder_config_missing", file=name))
    weights = find_weights(folder)
    if not weights:
        if any(folder.glob("*.bin")):
            faults.append(say("modelfiles.folder_pickled", part=name))
        elif any(folder.glob("*.index*.json")):
            faults.append(say("modelfiles.folder_shards_missing", part=name))
        else:
            faults.append(say("modelfiles.folder_no_weights", part=name))
    for file in weights:
        try:
            header = read_header(file)
        except UserError as error:
            faults += [say("modelfiles.in_part", part=name, problem=problem.what) for problem in error.problems]
            continue
        if kind := quantised(header):
            faults.append(say("modelfiles.folder_quantised", part=name, file=file.name, bits=kind))
    return faults


def _unfit(spec: Family, unet: dict, vae: dict, scheduler: dict) -> list[tuple[str, str]]:
    """(what, fix): a model of the right layout that is another kind all the same."""
    faults: list[tuple[str, str]] = []
    if not scheduler:
        faults.append((say("modelfiles.folder_scheduler_missing"), AGAIN))
    for part, config in ((spec.denoiser.root, unet), ("vae", vae)):
        if config and not isinstance(config.get("block_out_channels"), list):
            faults.append((say("modelfiles.folder_no_channels", part=part), say("modelfiles.choose_another")))
    latent_channels = spec.latent.channels
    if vae.get("latent_channels", 4) != latent_channels:
        faults.append(
            (
                say(
                    "modelfiles.folder_latent_channels", channels=vae.get("latent_channels", 4), needed=latent_channels
                ),
                say("modelfiles.choose_another"),
            )
        )
    scale, schedule = vae.get("scaling_factor", 1.0), scheduler.get("beta_schedule", "linear")
    if not isinstance(scale, (int, float)) or not 0 < scale < float("inf"):
        faults.append((say("modelfiles.folder_scaling_factor", given=repr(scale)), AGAIN))
    if schedule not in SCHEDULES:
        faults.append((say("modelfiles.folder_beta_schedule", given=repr(schedule)), AGAIN))
    channels = unet.get("in_channels", 4)
    if channels not in (latent_channels, 2 * latent_channels + 1):
        faults.append(
            (
                say(
                    "modelfiles.folder_input_channels",
                    channels=channels,
                    kind_of_unet=CHANNELS.get(channels, say("common.unknown")),
                ),
                TEXT_TO_IMAGE,
            )
        )
    if unet.get("class_embed_type") or unet.get("num_class_embeds"):
        faults.append((say("modelfiles.folder_unclip"), TEXT_TO_IMAGE))
    if unet.get("addition_embed_type") == "text_time" and unet.get("projection_class_embeddings_input_dim") == 2560:
        faults.append((say("modelfiles.folder_refiner"), say("modelfiles.choose_sdxl_base")))
    if "prediction_type" in scheduler and not stated_prediction(scheduler):
        given, known = scheduler["prediction_type"], either(entry.scheduler for entry in OBJECTIVES.values())
        what = say("modelfiles.folder_prediction", prediction=repr(given), known=known)
        faults.append((what, say("modelfiles.choose_another")))
    if str(scheduler.get("_class_name", "")).startswith("EDM"):
        what = say("modelfiles.folder_edm")
        faults.append((what, say("modelfiles.choose_another")))
    return faults
