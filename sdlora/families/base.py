"""What a base model is, told from its configuration files and headers alone: no torch, no weights read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sdlora.errors import Problem, UserError
from sdlora.families.family import Family
from sdlora.families.registry import FAMILIES
from sdlora.families.shared import architectures, checkpoint, folder
from sdlora.families.shared.header import quantised, read_header
from sdlora.families.shared.locate import find_weights, locate
from sdlora.families.shared.vae import difference

VAE_FIX = "Choose a VAE made for SD 1.x, 2.x or SDXL."


@dataclass(frozen=True)
class BaseInfo:
    """A base model on disk.

    source: the diffusers folder, or one .safetensors checkpoint in the original (LDM) layout.
    family: its name in ``registry.FAMILIES``.
    prediction: what its UNet predicts. zero_snr: its noise schedule ends in pure noise (Lin et al. 2023,
    "Common Diffusion Noise Schedules and Sample Steps are Flawed").
    inpainting: its UNet takes 9 channels: latents, mask, masked image's latents.
    resolution: side in pixels it was trained at. factor: pixels per latent.
    step: sizes in pixels are multiples of it (factor x the UNet's own downsampling).
    tokens: prompt length in tokens, start and end included. name: what to call it, never a path.
    vae: another VAE (diffusers folder or single file) in place of its own.
    precision: how the UNet is stored, "fp16" for example.
    evidence: what ``prediction`` and ``zero_snr`` were read from; empty if nothing says so and they are assumed.
    hint: what they are assumed from then; empty for what is usual in the family.
    """

    source: Path
    family: str
    prediction: Literal["epsilon", "v_prediction"]
    zero_snr: bool
    inpainting: bool
    resolution: int
    factor: int
    step: int
    tokens: int
    name: str
    vae: Path | None = None
    precision: str = ""
    evidence: str = ""
    hint: str = ""

    @property
    def spec(self) -> Family:
        """Its family's entry."""
        return FAMILIES[self.family]

    @property
    def single_file(self) -> bool:
        return not self.source.is_dir()

    @property
    def folder(self) -> Path:
        """The diffusers folder; of a single file there is none, so use ``config`` and the loaders."""
        return self.source

    @property
    def text_encoders(self) -> tuple[str, ...]:
        """The roots of its text encoders, in order."""
        return tuple(part.root for part in self.spec.text_encoders)

    @property
    def denoiser(self) -> str:
        """The root of the network that learns: "unet"."""
        return self.spec.denoiser.root

    @property
    def weight_files(self) -> list[Path]:
        """All files that weights are read from."""
        parts = (self.denoiser, "vae", *self.text_encoders)
        return list(dict.fromkeys(file for part in parts for file in self.files(part)))

    def files(self, part: str) -> list[Path]:
        """The weight files of one part ("unet", "vae", "text_encoder", "text_encoder_2")."""
        if part == "vae" and self.vae:
            return find_weights(folder.vae_folder(self.vae)) if self.vae.is_dir() else [self.vae]
        return [self.source] if self.single_file else find_weights(self.source / part)

    def config(self, part: str) -> dict:
        """The part's configuration as diffusers or transformers write it."""
        if part == "vae" and self.vae:
            if self.vae.is_dir():
                return folder.read_json(folder.vae_folder(self.vae) / "config.json")
            return checkpoint.vae_config(read_header(self.vae), self.family)
        if not self.single_file:
            return folder.read_config(self.source, part)
        return checkpoint.config(read_header(self.source), self.family, part, self.prediction, self.zero_snr)

    def shapes(self, part: str) -> Mapping[str, tuple[int, ...]]:
        """Shape of every tensor of a part, by its name in the file, from the headers alone."""
        names: dict[str, tuple[int, ...]] = {}
        for file in self.files(part):
            tensors = read_header(file).tensors
            chosen = checkpoint.names_of(tensors, part) if file == self.source else tensors
            names |= {name: tensors[name][1] for name in chosen}
        return names

    @property
    def described(self) -> str:
        """One line for people, such as "SDXL, epsilon, 1024 px, fp16, single file"."""
        words = [
            self.spec.title + (" inpainting" if self.inpainting else ""),
            ("epsilon" if self.prediction == "epsilon" else "v-prediction") + ("" if self.evidence else " (assumed)"),
            "zero terminal SNR" if self.zero_snr else "",
            f"{self.resolution} px",
            self.precision,
            "single file" if self.single_file else "",
            f"VAE {self.vae.stem}" if self.vae else "",
        ]
        return ", ".join(word for word in words if word)

    @property
    def told_by(self) -> str:
        """How the prediction is known, to stand behind it: "read from …" or "assumed …"."""
        if self.evidence:
            return f"read from {self.evidence}"
        return f"assumed from {self.hint}" if self.hint else "assumed, since the model does not say"


def inspect_base(base: str, revision: str = "", vae: str = "") -> BaseInfo:
    """What ``base`` ("tiny", a diffusers folder, a .safetensors checkpoint or a hub id) is.

    A hub id is downloaded (or found in the hub's own cache) first. ``vae``: another VAE, a diffusers folder, a
    .safetensors file or a hub id. Raises UserError with every problem: missing folder or files, pickled weights,
    damaged files, another kind of model.
    """
    problems: list[Problem] = []
    info, other = None, None
    try:
        source, name = locate(base, revision)
        info = _folder(source, name) if source.is_dir() else _single(source, name)
    except UserError as error:
        problems += error.problems
    if vae:
        try:
            other = _other_vae(vae)
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)
    if info.single_file and not other and not checkpoint.names_of(read_header(info.source).tensors, "vae"):
        raise UserError(
            f"{info.source.name} holds no VAE.", fix="Choose one with model.vae: a folder or a file.", where="model.vae"
        )
    if other:
        _check_same_family(info, replace(info, vae=other))
    return replace(info, vae=other)


def _check_same_family(own: BaseInfo, other: BaseInfo) -> None:
    """UserError for another VAE than those of the base's latent space."""
    _check_channels(other.vae.name, other.config("vae").get("latent_channels", 4), {own.spec.latent.channels})
    has_own = not own.single_file or checkpoint.names_of(read_header(own.source).tensors, "vae")
    stated = other.config("vae").get("scaling_factor") if other.vae.is_dir() else None
    scaling = own.config("vae").get("scaling_factor") if has_own else own.spec.latent.scale
    reason = difference(
        own.files("vae") if has_own else (), scaling or own.spec.latent.scale, other.files("vae"), stated
    )
    if reason:
        raise UserError(
            f"The VAE {other.vae.name} is of another family than {own.name}: {reason}.",
            fix=f"Choose a VAE made for {own.spec.title}, or leave model.vae empty for the model's own.",
            where="model.vae",
        )


def contradiction(base: BaseInfo, prediction: str, zero_snr: str) -> list[Problem]:
    """What the user set against what the model itself says; and a warning where both only assume.

    prediction: "auto", "epsilon" or "v_prediction". zero_snr: "auto", "on" or "off". ``base`` as ``inspect_base``
    gave it.
    """
    found = []
    if base.evidence:
        if prediction not in ("auto", base.prediction):
            found.append(
                Problem(
                    f"model.prediction is {prediction}, but {base.name} predicts {base.prediction}: "
                    f"{base.evidence} says so.",
                    'Set it to "auto"; if the model is mislabelled, correct that in the model.',
                    "model.prediction",
                )
            )
        if zero_snr not in ("auto", "on" if base.zero_snr else "off"):
            has = "has zero terminal SNR" if base.zero_snr else "has no zero terminal SNR"
            what = f"model.zero_snr is {zero_snr}, but {base.name} {has}: {base.evidence} says so."
            # v-prediction models are often made without a word on their schedule, so only one direction is certain.
            found.append(Problem(what, 'Set it to "auto".', "model.zero_snr", fatal=base.zero_snr))
    elif prediction == "auto" and (base.spec.both_predictions or base.hint):
        assumed = f"{base.name} does not say what it predicts; {base.prediction} is assumed."
        if base.hint:
            assumed = f"{base.name} does not say what it predicts; {base.prediction} is assumed from {base.hint}."
        found.append(
            Problem(
                assumed,
                "If test pictures come out as noise or grey, set model.prediction to the other one.",
                "model.prediction",
                fatal=False,
            )
        )
    return found


def _folder(source: Path, name: str) -> BaseInfo:
    problems = folder.problems(source)
    if problems:
        raise UserError(*problems)
    unet, vae, scheduler, text = (
        folder.read_config(source, part) for part in ("unet", "vae", "scheduler", "text_encoder")
    )
    family = folder.family_of(source)
    channels = FAMILIES[family].latent.channels
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    prediction, zero_snr, hint = scheduler.get("prediction_type"), bool(scheduler.get("rescale_betas_zero_snr")), ""
    if not prediction:
        prediction, zero_snr, hint = checkpoint.guess(source.name, None, zero_snr)
    size = unet.get("sample_size") or 64
    return BaseInfo(
        source=source,
        family=family,
        prediction=prediction,
        zero_snr=zero_snr,
        inpainting=unet.get("in_channels", channels) == 2 * channels + 1,
        resolution=(size if isinstance(size, int) else size[0]) * factor,
        factor=factor,
        step=factor * 2 ** (len(unet["block_out_channels"]) - 1),
        tokens=text.get("max_position_embeddings", 77),
        name=name,
        precision=folder.precision(source),
        evidence="scheduler_config.json" if "prediction_type" in scheduler else "",
        hint=hint,
    )


def _single(source: Path, name: str) -> BaseInfo:
    header = read_header(source)
    problems = checkpoint.problems(header, source.name)
    if problems:
        raise UserError(*problems)
    facts = checkpoint.facts(source, header)
    unet = checkpoint.config(header, facts.family, "unet", facts.prediction, facts.zero_snr)
    factor = checkpoint.factor(header)
    return BaseInfo(
        source=source,
        family=facts.family,
        prediction=facts.prediction,
        zero_snr=facts.zero_snr,
        inpainting=unet["in_channels"] == 2 * FAMILIES[facts.family].latent.channels + 1,
        resolution=facts.resolution,
        factor=factor,
        step=factor * 2 ** (len(unet["block_out_channels"]) - 1),
        tokens=77,
        name=name,
        precision=facts.precision,
        evidence=facts.evidence,
        hint=facts.hint,
    )


def _other_vae(vae: str) -> Path:
    """The path of another VAE, a folder or file with as many latent channels as some family has; else UserError."""
    path, name = locate(vae, where="model.vae")
    say = {"where": "model.vae"}
    if path.is_dir():
        own = folder.vae_folder(path)
        wrong = folder.part_problems(own, name)
        if wrong:
            raise UserError(*(Problem(f"The VAE {what}", folder.AGAIN, "model.vae") for what in wrong))
        config = folder.read_json(own / "config.json")
        if config.get("_class_name", "AutoencoderKL") != "AutoencoderKL" or "block_out_channels" not in config:
            raise UserError(f"{name} is no VAE of Stable Diffusion ({config.get('_class_name')}).", fix=VAE_FIX, **say)
        channels = config.get("latent_channels", 4)
    else:
        header = read_header(path, "model.vae")
        if not checkpoint.is_vae(header.tensors):
            raise UserError(f"{path.name} holds no VAE.", fix=VAE_FIX, **say)
        if kind := quantised(header):
            raise UserError(f"{path.name} holds {kind} weights, which can't be used.", fix=VAE_FIX, **say)
        try:
            channels = architectures.vae_sizes(checkpoint.vae_shapes(header))["latent_channels"]
        except (KeyError, IndexError):
            raise UserError(f"{path.name} is no VAE of Stable Diffusion.", fix=VAE_FIX, **say) from None
    _check_channels(name, channels, {entry.latent.channels for entry in FAMILIES.values()})
    return path


def _check_channels(name: str, channels: int, needed: set[int]) -> None:
    if channels not in needed:
        raise UserError(
            f"The VAE {name} has {channels} latent channels (as SD 3's and Flux's have 16); "
            f"this model needs {' or '.join(map(str, sorted(needed)))}.",
            fix=VAE_FIX,
            where="model.vae",
        )
