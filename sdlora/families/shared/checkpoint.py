"""One .safetensors file in the original (LDM) layout, told from its header.

No torch, and no tensor is read but one of 320 numbers.

The key names are those of the published checkpoints: CompVis/latent-diffusion for SD 1 and 2, and
Stability-AI/generative-models for SDXL.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdlora.errors import Problem
from sdlora.families.family import Family, Part
from sdlora.families.registry import FAMILIES, Evidence, prefixes, tell
from sdlora.families.shared import architectures
from sdlora.families.shared.header import Header, dtype_word, numbers, quantised

UNET = "model.diffusion_model."
EMBEDDING = UNET + "label_emb.0.0.weight"  # of the pooled text and the sizes
# A v-prediction UNet's last attention norm has larger biases than an epsilon UNet's; ComfyUI tells SD 2 files so.
TELLTALE, TELLTALE_SPREAD = UNET + "output_blocks.11.1.transformer_blocks.0.norm1.bias", 0.09
# Marker tensors are lost in merges; makers of v-prediction models mostly say it in the file's name.
V_NAME = re.compile(r"v[\W_]?pred|v[\W_]?param", re.IGNORECASE)
ZERO_SNR_NAME = re.compile(r"zt?[\W_]?snr", re.IGNORECASE)
VOCABULARY = 49408  # CLIP's, whose tokenizer is shipped
CHOOSE = "Choose an SD 1.x, 2.x or SDXL checkpoint with its text encoder."
# What else such files hold: words found in key names, what that is, what to do.
OTHERS = (
    (r"lora_(up|down|A|B|mid)\b|\.lora\.(up|down)\.|hada_w|lokr_w|^lora_", "a LoRA, not a base model",
     "Choose its base model; a LoRA to go on from is adapter.start_from."),
    (r"joint_blocks\.", "a Stable Diffusion 3 model", CHOOSE),
    (r"double_(stream_)?blocks\.|single_transformer_blocks\.", "a Flux model or one of its kind", CHOOSE),
    (r"^control_model\.|controlnet_|^input_hint_block", "a ControlNet", CHOOSE),
    (r"^(ip_adapter|image_proj)\.", "an IP-Adapter", CHOOSE),
    (r"motion_modules\.", "an AnimateDiff motion module", CHOOSE),
    (r"^(down_blocks|up_blocks|mid_block)\.", "a UNet in the diffusers layout, by itself",
     "Choose the whole diffusers folder."),
    (r"^(emb_params|string_to_param|clip_[lg])", "a textual inversion embedding", CHOOSE),
    (r"^(text_model|transformer\.resblocks)\.", "a text encoder by itself", CHOOSE),
)  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What the header tells; see BaseInfo for the fields."""

    family: str
    prediction: str
    zero_snr: bool
    resolution: int
    precision: str
    evidence: str
    hint: str = ""


def _spelled(part: Part) -> str:
    """ "text encoder", "text encoder 2"."""
    return part.root.replace("_", " ")


def names_of(names: Iterable[str], part: str) -> list[str]:
    """The keys of one part ("unet", "vae", "text_encoder", "text_encoder_2"); EMA copies are no part."""
    return [name for name in names if name.startswith(prefixes(part))]


def problems(header: Header, file: str) -> list[Problem]:
    """All that keeps this file from being a base model to train on (a missing VAE is not among it)."""
    found: list[Problem] = []

    def wrong(what: str, fix: str = CHOOSE) -> None:
        found.append(Problem(f"{file} {what}.", fix, "model.base"))

    tensors = header.tensors
    if other := _other_kind(header):
        wrong("is " + other[0], other[1])
        return found
    if kind := quantised(header):
        wrong(f"holds {kind} weights, which can't be trained on", "Choose the fp16 or fp32 file of this model.")
    family = FAMILIES[family_of(header)]
    if any(name.startswith("edm_") for name in tensors):
        wrong("is an EDM model (as Playground 2.5 and CosXL are), with another noise schedule")
    for part in family.text_encoders:
        if not names_of(tensors, part.root):
            wrong(f"holds no {_spelled(part)}", "Choose a whole checkpoint, or a diffusers folder.")
    channels = header.shape(UNET + "input_blocks.0.0.weight")[1]
    if channels not in (4, 9):
        wrong(f"has a UNet of {channels} input channels; text-to-image has 4, inpainting 9")
    if not found:
        try:
            config(header, family.name, family.denoiser.root, "epsilon", False)
            for part in family.text_encoders:
                words = config(header, family.name, part.root, "epsilon", False)["vocab_size"]
                if words != VOCABULARY:
                    wrong(f"has a {_spelled(part)} of {words} words; CLIP's has {VOCABULARY}")
        except (KeyError, IndexError, ValueError):
            wrong("names its weights like Stable Diffusion, but lacks some or has others than its architecture")
    return found


def _other_kind(header: Header) -> tuple[str, str] | None:
    """(what it is, what to do) for a file that is no SD checkpoint; None for one that is."""
    names = header.tensors
    if len(header.shape(UNET + "input_blocks.0.0.weight")) == 4:
        if any(name.startswith("conditioner.embedders.0.model.") for name in names):
            return "the SDXL refiner", "Choose the SDXL base model."
        if EMBEDDING in names and not any(name.startswith("conditioner.") for name in names):
            if any(name.startswith("cond_stage_model.") for name in names):
                return "an unCLIP or upscaling model, whose UNet takes an embedding of its own", CHOOSE
            return "an SDXL UNet without its text encoders", CHOOSE
        return None
    for pattern, what, fix in OTHERS:
        expression = re.compile(pattern)
        if any(expression.search(name.removeprefix(UNET)) for name in names):
            return what, fix
    if is_vae(names):
        return "a VAE by itself", "Choose a whole checkpoint; a VAE belongs in model.vae."
    return "no Stable Diffusion 1, 2 or XL checkpoint", CHOOSE


def is_vae(names: Iterable[str]) -> bool:
    """Does a file hold a VAE, in the original or the diffusers spelling, with or without a prefix?"""
    there = {re.sub(r"^(first_stage_model|vae)\.", "", name) for name in names}
    return {"encoder.conv_in.weight", "decoder.conv_in.weight"} <= there


def evidence(header: Header) -> Evidence:
    """What tells the family: the embedding of a pooled text, else the kind of the transformers' projections."""
    if EMBEDDING in header.tensors:
        yield "conditions", "text_time"
    projection = next((n for n in header.tensors if n.startswith(UNET) and n.endswith(".proj_in.weight")), "")
    yield "projections", "linear" if len(header.shape(projection)) == 2 else "convolutions"


def family_of(header: Header) -> str:
    """The family's name."""
    return tell(evidence(header))


def facts(path: Path, header: Header) -> Facts:
    """Family, prediction, schedule and resolution of a file without ``problems``."""
    family = family_of(header)
    spec = FAMILIES[family]
    prediction, stated_by = _stated(header)
    hint, zero_snr = "", "ztsnr" in header.tensors
    if not prediction:
        plain = header.shape(UNET + "input_blocks.0.0.weight")[1] == spec.latent.channels
        v_biases = _v_biases(path, header) if spec.both_predictions and plain else None
        prediction, zero_snr, hint = guess(path.stem, v_biases, zero_snr)
    size = re.match(r"(\d+)x\d+$", header.metadata.get("modelspec.resolution", ""))
    return Facts(
        family=family,
        prediction=prediction,
        zero_snr=zero_snr,
        resolution=int(size[1]) if size and 64 <= int(size[1]) <= 4096 else spec.side(prediction),
        precision=dtype_word({header.tensors[name][0] for name in names_of(header.tensors, spec.denoiser.root)}),
        evidence=stated_by,
        hint=hint,
    )


def guess(name: str, v_biases: bool | None, zero_snr: bool) -> tuple[str, bool, str]:
    """(prediction, zero_snr, what it is guessed from) where nothing states the prediction.

    v_biases: what the weights of an SD 2 UNet look like; None where they don't tell. zero_snr: of its marker tensor.
    """
    if v_biases is not None:
        return "v_prediction" if v_biases else "epsilon", zero_snr, "its weights"
    if V_NAME.search(name):
        return "v_prediction", zero_snr or bool(ZERO_SNR_NAME.search(name)), "its name"
    return "epsilon", zero_snr, ""


def _stated(header: Header) -> tuple[str, str]:
    """(prediction, where that is said); ("", "") if the file does not say."""
    if "v_pred" in header.tensors:
        return "v_prediction", "its v_pred tensor"
    for key, words in (
        ("modelspec.prediction_type", {"v": "v_prediction", "v_prediction": "v_prediction", "epsilon": "epsilon"}),
        (
            "modelspec.architecture",
            {"stable-diffusion-v2-768-v": "v_prediction", "stable-diffusion-v2-512": "epsilon"},
        ),
        ("ss_v_parameterization", {"True": "v_prediction", "False": "epsilon"}),
    ):
        if found := words.get(str(header.metadata.get(key, ""))):
            return found, f"its metadata ({key})"
    return "", ""


def _v_biases(path: Path, header: Header) -> bool | None:
    """Does an SD 2 UNet look like a v-prediction one? None for another size of UNet, which can't be told."""
    if TELLTALE not in header.tensors:
        return None
    biases = numbers(path, header, TELLTALE)
    return None if biases is None else float(biases.astype("f8").std()) > TELLTALE_SPREAD


# ---- configurations: the published ones, with the sizes read from the shapes


def config(header: Header, family: str, part: str, prediction: str, zero_snr: bool) -> dict:
    """The part's configuration as diffusers or transformers write it. KeyError or IndexError for foreign shapes."""
    if part == "scheduler":
        return architectures.scheduler(prediction, zero_snr)
    if part == "vae":
        return vae_config(header, family)
    shapes, spec = strip(header, part), FAMILIES[family]
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
    shapes = strip(header, "vae")
    return shapes or {name: shape for name, (_, shape) in header.tensors.items()}


def strip(header: Header, part: str) -> dict[str, tuple[int, ...]]:
    """Shapes of a part by their names without the prefix."""
    expression = re.compile("|".join(re.escape(prefix) for prefix in prefixes(part)))
    tensors: Mapping = header.tensors
    return {name[m.end() :]: tensors[name][1] for name in tensors if (m := expression.match(name))}


def factor(header: Header) -> int:
    """Pixels per latent: 8, whatever the file lacks."""
    shapes = strip(header, "vae")
    return 2 ** (len(architectures.vae_sizes(shapes)["block_out_channels"]) - 1) if shapes else 8
