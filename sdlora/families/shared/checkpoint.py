"""One .safetensors file in the original (LDM) layout, told from its header.

No torch, and no tensor is read but one of 320 numbers.

The key names are those of the published checkpoints: CompVis/latent-diffusion for SD 1 and 2, and
Stability-AI/generative-models for SDXL.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sdlora.errors import Problem
from sdlora.families.family import Family, Part
from sdlora.families.shared import architectures
from sdlora.families.shared.header import Header, dtype_word, quantised, read_numbers
from sdlora.families.table import FAMILIES, Evidence, prefixes, tell
from sdlora.messages import say
from sdlora.objectives import OBJECTIVES, USUAL
from sdlora.objectives.objective import Numbers

UNET = "model.diffusion_model."
EMBEDDING = UNET + "label_emb.0.0.weight"  # of the pooled text and the sizes
ZERO_SNR_NAME = re.compile(r"zt?[\W_]?snr", re.IGNORECASE)
VOCABULARY = 49408  # CLIP's, whose tokenizer is shipped
CHOOSE = say("modelfiles.choose_checkpoint_with_encoder")
# What else such files hold: words found in key names, what that is, what to do.
OTHERS = (
    (r"lora_(up|down|A|B|mid)\b|\.lora\.(up|down)\.|hada_w|lokr_w|^lora_", say("modelfiles.is_lora"),
     say("modelfiles.choose_base_not_lora")),
    (r"joint_blocks\.", say("modelfiles.is_sd3"), CHOOSE),
    (r"double_(stream_)?blocks\.|single_transformer_blocks\.", say("modelfiles.is_flux"), CHOOSE),
    (r"^control_model\.|controlnet_|^input_hint_block", say("modelfiles.is_controlnet"), CHOOSE),
    (r"^(ip_adapter|image_proj)\.", say("modelfiles.is_ip_adapter"), CHOOSE),
    (r"motion_modules\.", say("modelfiles.is_motion_module"), CHOOSE),
    (r"^(down_blocks|up_blocks|mid_block)\.", say("modelfiles.is_unet"),
     say("modelfiles.choose_whole_folder")),
    (r"^(emb_params|string_to_param|clip_[lg])", say("modelfiles.is_textual_inversion"), CHOOSE),
    (r"^(text_model|transformer\.resblocks)\.", say("modelfiles.is_text_encoder"), CHOOSE),
)  # fmt: skip


@dataclass(frozen=True)
class HeaderFacts:
    """What a single file's header tells of its model; see BaseInfo for the fields."""

    family: str
    prediction: str
    zero_snr: bool
    resolution: int
    precision: str
    evidence: str
    hint: str = ""


def _spelled(part: Part) -> str:
    """ "text encoder", "text encoder 2"."""
    return say(f"modelfiles.encoder_{part.root}")


def names_of(names: Iterable[str], part: str) -> list[str]:
    """The keys of one part ("unet", "vae", "text_encoder", "text_encoder_2"); EMA copies are no part."""
    return [name for name in names if name.startswith(prefixes(part))]


def file_problems(header: Header, file: str) -> list[Problem]:
    """All that keeps this file from being a base model to train on (a missing VAE is not among it)."""
    found: list[Problem] = []

    def wrong(what: str, fix: str = CHOOSE) -> None:
        found.append(Problem(say("common.fault", name=file, fault=what), fix, "base"))

    tensors = header.tensors
    if other := _other_kind(header):
        wrong(say("modelfiles.fault_is", what=other[0]), other[1])
        return found
    if kind := quantised(header):
        wrong(say("modelfiles.fault_quantised", bits=kind), say("modelfiles.choose_fp16"))
    family = FAMILIES[family_of_header(header)]
    if any(name.startswith("edm_") for name in tensors):
        wrong(say("modelfiles.fault_edm"))
    for part in family.text_encoders:
        if not names_of(tensors, part.root):
            wrong(
                say("modelfiles.fault_lacks_encoder", encoder=_spelled(part)),
                say("modelfiles.choose_whole_model"),
            )
    channels = header.shape(UNET + "input_blocks.0.0.weight")[1]
    if channels not in (4, 9):
        wrong(say("modelfiles.fault_input_channels", channels=channels))
    if not found:
        try:
            config(header, family.name, family.denoiser.root, USUAL, False)
            for part in family.text_encoders:
                words = config(header, family.name, part.root, USUAL, False)["vocab_size"]
                if words != VOCABULARY:
                    wrong(
                        say(
                            "modelfiles.fault_vocabulary",
                            encoder=_spelled(part),
                            count=words,
                            known=VOCABULARY,
                        )
                    )
        except (KeyError, IndexError, ValueError):
            wrong(say("modelfiles.fault_weights_differ"))
    return found


def _other_kind(header: Header) -> tuple[str, str] | None:
    """(what it is, what to do) for a file that is no SD checkpoint; None for one that is."""
    names = header.tensors
    if len(header.shape(UNET + "input_blocks.0.0.weight")) == 4:
        if any(name.startswith("conditioner.embedders.0.model.") for name in names):
            return say("modelfiles.is_sdxl_refiner"), say("modelfiles.choose_sdxl_base")
        if EMBEDDING in names and not any(name.startswith("conditioner.") for name in names):
            if any(name.startswith("cond_stage_model.") for name in names):
                return say("modelfiles.is_unclip"), CHOOSE
            return say("modelfiles.is_sdxl_unet"), CHOOSE
        return None
    for pattern, what, fix in OTHERS:
        expression = re.compile(pattern)
        if any(expression.search(name.removeprefix(UNET)) for name in names):
            return what, fix
    if is_vae(names):
        return say("modelfiles.is_vae"), say("modelfiles.choose_whole_not_vae")
    return say("modelfiles.is_no_checkpoint"), CHOOSE


def is_vae(names: Iterable[str]) -> bool:
    """Does a file hold a VAE, in the original or the diffusers spelling, with or without a prefix?"""
    there = {re.sub(r"^(first_stage_model|vae)\.", "", name) for name in names}
    return {"encoder.conv_in.weight", "decoder.conv_in.weight"} <= there


def header_evidence(header: Header) -> Evidence:
    """The signs of the family in a header: the embedding of a pooled text, else the transformers' projections."""
    if EMBEDDING in header.tensors:
        yield "conditions", "text_time"
    projection = next((n for n in header.tensors if n.startswith(UNET) and n.endswith(".proj_in.weight")), "")
    yield "projections", "linear" if len(header.shape(projection)) == 2 else "convolutions"


def family_of_header(header: Header) -> str:
    """The family of a single file, by name; "" if its header does not tell."""
    return tell(header_evidence(header))


def header_facts(path: Path, header: Header) -> HeaderFacts:
    """Family, prediction, schedule and resolution of a file without ``file_problems``."""
    family = family_of_header(header)
    spec = FAMILIES[family]
    prediction, stated_by = _stated(header)
    hint, zero_snr = "", "ztsnr" in header.tensors
    if not prediction:
        plain = header.shape(UNET + "input_blocks.0.0.weight")[1] == spec.latent.channels
        spread = partial(_spread, path, header) if spec.several_predictions and plain else None
        prediction, zero_snr, hint = guess_prediction(path.stem, spread, zero_snr)
    size = re.match(r"(\d+)x\d+$", header.metadata.get("modelspec.resolution", ""))
    return HeaderFacts(
        family=family,
        prediction=prediction,
        zero_snr=zero_snr,
        resolution=int(size[1]) if size and 64 <= int(size[1]) <= 4096 else spec.side(prediction),
        precision=dtype_word({header.tensors[name][0] for name in names_of(header.tensors, spec.denoiser.root)}),
        evidence=stated_by,
        hint=hint,
    )


def guess_prediction(name: str, spread: Numbers | None, zero_snr: bool) -> tuple[str, bool, str]:
    """(prediction, zero_snr, what it is guessed from) where nothing states the prediction.

    spread: of a tensor by name, where the weights may tell. zero_snr: of its marker tensor.
    """
    shown = {entry.name: entry.shown(spread) for entry in OBJECTIVES.values()} if spread else {}
    if any(answer is not None for answer in shown.values()):
        found = next((prediction for prediction, answer in shown.items() if answer), USUAL)
        return found, zero_snr, say("models.assumed_from_weights")
    for entry in OBJECTIVES.values():
        if entry.named(name):
            ends = zero_snr or (entry.learns_from_noise and bool(ZERO_SNR_NAME.search(name)))
            return entry.name, ends, say("models.assumed_from_name")
    return USUAL, zero_snr, ""


def _stated(header: Header) -> tuple[str, str]:
    """(prediction, where that is said); ("", "") if the file does not say."""
    entries = OBJECTIVES.values()
    for entry in entries:
        if entry.marker and entry.marker in header.tensors:
            return entry.name, say("models.evidence_tensor", name=entry.marker)
    for key in dict.fromkeys(key for entry in entries for key in entry.stated):
        value = str(header.metadata.get(key, ""))
        if stated := next((entry.name for entry in entries if value in entry.stated.get(key, ())), ""):
            return stated, say("models.evidence_metadata", name=key)
    return "", ""


def _spread(path: Path, header: Header, name: str) -> float | None:
    """Standard deviation of a tensor's numbers; None if there is none or it can't be read."""
    numbers = read_numbers(path, header, name) if name in header.tensors else None
    return None if numbers is None else float(numbers.astype("f8").std())


# ---- configurations: the published ones, with the sizes read from the shapes


def config(header: Header, family: str, part: str, prediction: str, zero_snr: bool) -> dict:
    """The part's configuration as diffusers or transformers write it. KeyError or IndexError for foreign shapes."""
    if part == "scheduler":
        return architectures.scheduler(prediction, zero_snr)
    if part == "vae":
        return vae_config(header, family)
    shapes, spec = part_shapes(header, part), FAMILIES[family]
    if part == spec.denoiser.root:
        return architectures.unet(spec, shapes, spec.side(prediction) // factor(header), _pooled_width(header, spec))
    return architectures.text_encoder(spec.part(part), shapes)


def _pooled_width(header: Header, spec: Family) -> int:
    """Width of the pooled text that the denoiser takes; 0 without one."""
    projected = [part for part in spec.text_encoders if part.projected]
    shapes = [header.shape(f"{prefix}text_projection") for part in projected for prefix in part.prefixes]
    return next((shape[1] for shape in shapes if shape), 0)


def vae_config(header: Header, family: str) -> dict:
    """The configuration of the VAE in a checkpoint or in a file of its own, original or diffusers spelling."""
    return architectures.vae(FAMILIES[family], vae_shapes(header))


def vae_shapes(header: Header) -> dict[str, tuple[int, ...]]:
    """Shapes of the VAE's tensors by their names without prefix, in a checkpoint or in a file of its own."""
    shapes = part_shapes(header, "vae")
    return shapes or {name: shape for name, (_, shape) in header.tensors.items()}


def part_shapes(header: Header, part: str) -> dict[str, tuple[int, ...]]:
    """Shapes of one part's tensors by their names without the part's prefix."""
    expression = re.compile("|".join(re.escape(prefix) for prefix in prefixes(part)))
    tensors: Mapping = header.tensors
    return {name[m.end() :]: tensors[name][1] for name in tensors if (m := expression.match(name))}


def factor(header: Header) -> int:
    """Pixels per latent: 8, whatever the file lacks."""
    shapes = part_shapes(header, "vae")
    return 2 ** (len(architectures.vae_sizes(shapes)["block_out_channels"]) - 1) if shapes else 8
