"""model.*: what is trained on: the base model and how it is read."""

from typing import Annotated, Literal

from sdlora.families.table import FAMILIES
from sdlora.messages import say
from sdlora.objectives import OBJECTIVES
from sdlora.settings.setting import Follows, OneOf, Section, When, setting

_CHOOSES_LAYER = f"like:^(?!({'|'.join(entry.name for entry in FAMILIES.values() if not entry.clip_skip)})$)"


# fmt: off
class ModelSettings(Section):
    """What is trained on: the base model and how it is read."""

    base: str = setting(
        "tiny", 'Base model: "tiny" (embedded), a diffusers folder, a .safetensors checkpoint, or a hub id.', "basic",
        label="Base model", group="what", place=3, wide=True, path="model",
        into=("sight",)
    )
    revision: str = setting(
        "", "Commit or branch of the hub id; empty for its newest.", "expert",
        label="Revision", group="what",
        when=When({"model.base": r"like:^[^./~\\][^/\\]*/[^/\\]+$"}, say("settings.because_base_not_on_hub")),
        into=("sight",)
    )
    prediction: Annotated[str, OneOf(("auto", *OBJECTIVES))] = setting(
        "auto", "What the base model predicts; auto reads it from the model itself.", "expert",
        label="Prediction", group="what",
        follows=Follows(("model.base",))
    )
    zero_snr: Literal["auto", "on", "off"] = setting(
        "auto", "Noise schedule that ends in pure noise (zero terminal SNR); auto reads it from the model.", "expert",
        label="Zero terminal SNR", group="what",
        follows=Follows(("model.base",))
    )
    vae: str = setting(
        "", "Another VAE: a folder or a .safetensors file; empty for the base model's own.", "expert",
        label="Another VAE", group="what", wide=True, path="model"
    )
    clip_skip: int = setting(
        1, "Text encoder layer to read, counted from the end; many anime models want 2. SDXL has its own.",
        label="Clip skip", group="what", ge=1, le=12, when=When({"base.family": _CHOOSES_LAYER})
    )
