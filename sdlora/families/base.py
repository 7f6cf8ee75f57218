"""What a base model is, told from its configuration files and headers alone: no torch, no weights read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sdlora.errors import Problem, UserError
from sdlora.families.family import Family
from sdlora.families.shared import architectures, checkpoint, folder
from sdlora.families.shared.header import quantised, read_header
from sdlora.families.shared.locate import find_weights, locate
from sdlora.families.shared.vae import difference
from sdlora.families.table import FAMILIES
from sdlora.messages import Message, either, parts_of, say
from sdlora.objectives import OBJECTIVES

VAE_FIX = say("models.choose_vae")


@dataclass(frozen=True)
class BaseInfo:
    """A base model on disk.

    source: the diffusers folder, or one .safetensors checkpoint in the original (LDM) layout.
    family: its name in ``table.FAMILIES``.
    prediction: what its UNet predicts, by its name in ``objectives.OBJECTIVES``.
    zero_snr: its noise schedule ends in pure noise (Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps
    are Flawed").
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
    prediction: str
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
        """The description of its family."""
        return FAMILIES[self.family]

    @property
    def single_file(self) -> bool:
        """Is it one .safetensors file, not a diffusers folder?"""
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
        """The root of the network that learns, such as "unet"."""
        return self.spec.denoiser.root

    def files(self, part: str) -> list[Path]:
        """The weight files of one part ("unet", "vae", "text_encoder", "text_encoder_2")."""
        if part == "vae" and self.vae:
            return find_weights(folder.vae_folder(self.vae)) if self.vae.is_dir() else [self.vae]
        return [self.source] if self.single_file else find_weights(self.source / part)

    def config(self, part: str) -> dict:
        """The part's configuration as diffusers or transformers write it."""
        if part == "vae" and self.vae:
            if self.vae.is_dir():
                return folder.read_json_object(folder.vae_folder(self.vae) / "config.json")
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
    def described(self) -> Message:
        """One line for people, such as "SDXL, epsilon, 1024 px, fp16, single file"."""
        prediction = OBJECTIVES[self.prediction].title
        words = [
            say("models.described_inpainting", family=self.spec.title) if self.inpainting else self.spec.title,
            prediction if self.evidence else say("models.described_assumed", prediction=prediction),
            say("models.described_zero_snr") if self.zero_snr else "",
            say("models.described_px", size=self.resolution),
            self.precision,
            say("models.described_single_file") if self.single_file else "",
            say("models.described_vae", name=self.vae.stem) if self.vae else "",
        ]
        return parts_of([word for word in words if word])

    @property
    def told_by(self) -> Message:
        """How the prediction is known, to stand behind it: "read from …" or "assumed …"."""
        if self.evidence:
            return say("models.read_from", evidence=self.evidence)
        return say("models.assumed_from", hint=self.hint) if self.hint else say("models.assumed_unsaid")


def inspect_base(base: str, revision: str = "", vae: str = "") -> BaseInfo:
    """What ``base`` ("tiny", a diffusers folder, a .safetensors checkpoint or a hub id) is.

    A hub id is downloaded (or found in the hub's own cache) first. ``vae``: another VAE, a diffusers folder, a
    .safetensors file or a hub id. Raises UserError with every problem: missing folder or files, pickled weights,
    damaged files, another kind of model.
    """
    problems: list[Problem] = []
    info: BaseInfo | None = None
    other: Path | None = None
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
    if problems or info is None:
        raise UserError(*problems)
    if info.single_file and not other and not checkpoint.names_of(read_header(info.source).tensors, "vae"):
        raise UserError(
            say("modelfiles.no_vae_inside", file=info.source.name), fix=say("models.choose_vae_setting"), where="vae"
        )
    if other:
        _check_same_family(info, other)
    return replace(info, vae=other)


def _check_same_family(base: BaseInfo, vae: Path) -> None:
    """UserError for another VAE than those of the base's latent space."""
    other = replace(base, vae=vae)
    config, latent = other.config("vae"), base.spec.latent
    _check_channels(vae.name, config.get("latent_channels", 4), {latent.channels})
    has_own = not base.single_file or checkpoint.names_of(read_header(base.source).tensors, "vae")
    stated = config.get("scaling_factor") if vae.is_dir() else None
    scaling = base.config("vae").get("scaling_factor") if has_own else latent.scale
    reason = difference(base.files("vae") if has_own else (), scaling or latent.scale, other.files("vae"), stated)
    if reason:
        raise UserError(
            say("models.vae_of_other_family", name=vae.name, base=base.name, other_family=reason),
            fix=say("models.choose_vae_of_family", family=base.spec.title),
            where="vae",
        )


def contradictions(base: BaseInfo, prediction: str, zero_snr: str) -> list[Problem]:
    """Settings of prediction and schedule against what the model itself says; a warning where both only assume.

    prediction: "auto" or the name of one. zero_snr: "auto", "on" or "off". ``base`` as ``inspect_base``
    gave it.
    """
    found = []
    if base.evidence:
        if prediction not in ("auto", base.prediction):
            found.append(
                Problem(
                    say(
                        "models.prediction_contradicted",
                        given=prediction,
                        name=base.name,
                        prediction=base.prediction,
                        evidence=base.evidence,
                    ),
                    say("models.set_auto_or_relabel"),
                    "prediction",
                )
            )
        if zero_snr not in ("auto", "on" if base.zero_snr else "off"):
            has = say("models.zero_snr_yes") if base.zero_snr else say("models.zero_snr_no")
            what = say(
                "models.zero_snr_contradicted", given=zero_snr, name=base.name, has_zero_snr=has, evidence=base.evidence
            )
            # v-prediction models are often made without a word on their schedule, so only one direction is certain.
            found.append(Problem(what, say("models.set_auto"), "zero_snr", fatal=base.zero_snr))
    elif prediction == "auto" and (base.spec.several_predictions or base.hint):
        assumed = say("models.prediction_assumed", name=base.name, prediction=base.prediction)
        if base.hint:
            assumed = say(
                "models.prediction_guessed", name=base.name, prediction=base.prediction, assumed_from=base.hint
            )
        found.append(
            Problem(
                assumed,
                say("models.try_other_prediction"),
                "prediction",
                fatal=False,
            )
        )
    return found


def _folder(source: Path, name: str) -> BaseInfo:
    problems = folder.folder_problems(source)
    if problems:
        raise UserError(*problems)
    unet, vae, scheduler, text = (
        folder.read_config(source, part) for part in (folder.denoiser_of(source), "vae", "scheduler", "text_encoder")
    )
    family = folder.family_of_folder(source)
    channels = FAMILIES[family].latent.channels
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    prediction, zero_snr, hint = folder.stated_prediction(scheduler), bool(scheduler.get("rescale_betas_zero_snr")), ""
    if not prediction:
        prediction, zero_snr, hint = checkpoint.guess_prediction(source.name, None, zero_snr)
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
        precision=folder.stored_precision(source),
        evidence=say("models.evidence_scheduler_config") if "prediction_type" in scheduler else "",
        hint=hint,
    )


def _single(source: Path, name: str) -> BaseInfo:
    header = read_header(source)
    problems = checkpoint.file_problems(header, source.name)
    if problems:
        raise UserError(*problems)
    facts = checkpoint.header_facts(source, header)
    denoiser = FAMILIES[facts.family].denoiser.root
    unet = checkpoint.config(header, facts.family, denoiser, facts.prediction, facts.zero_snr)
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
    path, name = locate(vae, where="vae")
    told = {"where": "vae"}
    if path.is_dir():
        own = folder.vae_folder(path)
        wrong = folder.part_problems(own, name)
        if wrong:
            raise UserError(
                *(Problem(say("modelfiles.vae_unusable", fault_of_folder=what), folder.AGAIN, "vae") for what in wrong)
            )
        config = folder.read_json_object(own / "config.json")
        if config.get("_class_name", "AutoencoderKL") != "AutoencoderKL" or "block_out_channels" not in config:
            raise UserError(
                say("modelfiles.vae_of_other_kind", name=name, kind=config.get("_class_name")), fix=VAE_FIX, **told
            )
        channels = config.get("latent_channels", 4)
    else:
        header = read_header(path, "vae")
        if not checkpoint.is_vae(header.tensors):
            raise UserError(say("modelfiles.no_vae_inside", file=path.name), fix=VAE_FIX, **told)
        if kind := quantised(header):
            raise UserError(say("modelfiles.vae_quantised", file=path.name, bits=kind), fix=VAE_FIX, **told)
        try:
            channels = architectures.vae_sizes(checkpoint.vae_shapes(header))["latent_channels"]
        except (KeyError, IndexError):
            raise UserError(say("modelfiles.not_a_vae", file=path.name), fix=VAE_FIX, **told) from None
    _check_channels(name, channels, {entry.latent.channels for entry in FAMILIES.values()})
    return path


def _check_channels(name: str, channels: int, needed: set[int]) -> None:
    if channels not in needed:
        raise UserError(
            say("modelfiles.vae_latent_channels", name=name, channels=channels, needed=either(sorted(needed))),
            fix=VAE_FIX,
            where="vae",
        )
