"""A checkpoint in the original layout is the same model as the diffusers folder it was written from."""

import importlib.util
import json
import shutil
from pathlib import Path

import ldm_layout
import numpy as np
import pytest
import torch
from base_models import make_base, write_single_file
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from said import Said, saying
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from sdlora.errors import UserError
from sdlora.families.base import contradictions, inspect_base
from sdlora.families.shared import checkpoint
from sdlora.families.shared.load import load_scheduler, load_text_encoders, load_tokenizers, load_unet, load_vae

ROOT = Path(__file__).parents[2]
MARKERS = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
FAMILIES = ("sd1", "sd2", "sdxl")
V_BIASES = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"


@pytest.fixture(scope="session")
def singles(bases, tmp_path_factory):
    """singles("sdxl") -> the single file of bases("sdxl"), made once."""
    made: dict = {}

    def get(family):
        if family not in made:
            path = tmp_path_factory.mktemp("singles") / f"{family}.safetensors"
            made[family] = write_single_file(bases(family), family, path)
        return made[family]

    return get


def unet_input(family: str, channels: int = 4):
    g = torch.Generator().manual_seed(1)
    width = 64 if family == "sdxl" else 32
    inputs = [torch.randn(1, channels, 8, 8, generator=g), torch.tensor([500]), torch.randn(1, 7, width, generator=g)]
    added = {"text_embeds": torch.randn(1, 32, generator=g), "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]])}
    return inputs, ({"added_cond_kwargs": added} if family == "sdxl" else {})


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_every_part_equals_diffusers_and_transformers_own_reading(bases, singles, family):
    """Bit for bit: diffusers' from_pretrained on the folder, our folder, our single file."""
    folder, file = inspect_base(str(bases(family))), inspect_base(str(singles(family)))
    assert file.single_file and (file.family, file.text_encoders) == (family, folder.text_encoders)
    (inputs, more), ids = unet_input(family), torch.tensor([[49406, 320, 2368, 49407, 49407]])
    pixels = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(2))

    def equal(results):
        # Weights are compared bit for bit below; where they lie in memory changes the last bit on some processors.
        for other in results[1:]:
            torch.testing.assert_close(other, results[0], rtol=1e-5, atol=1e-5)
        assert results[0].isfinite().all()

    stock = UNet2DConditionModel.from_pretrained(folder.source / "unet")
    equal([unet(*inputs, **more).sample for unet in (stock, load_unet(folder), load_unet(file))])
    vaes = [AutoencoderKL.from_pretrained(folder.source / "vae"), load_vae(folder), load_vae(file)]
    equal([vae.encode(pixels).latent_dist.mean for vae in vaes])
    equal([vae.decode(inputs[0]).sample for vae in vaes])
    assert len({vae.config.scaling_factor for vae in vaes}) == 1
    ours, theirs = load_text_encoders(folder), load_text_encoders(file)
    assert list(ours) == list(theirs) == list(file.text_encoders)
    for part, cls in zip(file.text_encoders, (CLIPTextModel, CLIPTextModelWithProjection), strict=False):
        encoders = [cls.from_pretrained(folder.source / part).eval(), ours[part], theirs[part]]
        outputs = [encoder(ids, output_hidden_states=True) for encoder in encoders]
        equal([output[0] for output in outputs])
        equal([output.hidden_states[-2] for output in outputs])


@pytest.mark.parametrize("family", FAMILIES)
def test_tokenizers_of_folder_and_file_agree(bases, singles, family):
    texts = ["a photo of a cat", "wow!! (really), naïve café", "", "! "]
    folder, file = (load_tokenizers(inspect_base(str(base(family)))) for base in (bases, singles))
    assert list(folder) == list(file)
    for part in folder:
        one, two = (tokenizers[part](texts, padding="max_length").input_ids for tokenizers in (folder, file))
        assert one == two and {len(ids) for ids in one} == {77}
        assert folder[part].pad_token_id == file[part].pad_token_id


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_parts_come_frozen_in_the_wished_dtype(bases, tmp_path, dtype):
    path = write_single_file(bases("sd1"), "sd1", tmp_path / "half.safetensors", dtype=torch.float16)
    info = inspect_base(str(path))
    assert info.precision == "fp16" and info.described == "SD 1.x, epsilon (assumed), 512 px, fp16, single file"
    for model in (load_unet(info, dtype), load_vae(info, dtype), *load_text_encoders(info, dtype).values()):
        assert not model.training and all(p.dtype == dtype and not p.requires_grad for p in model.parameters())
        assert model.dtype == dtype
    stored = load_file(path)["model.diffusion_model.out.2.bias"]
    assert torch.equal(load_unet(info, dtype).conv_out.bias, stored.to(dtype))


def test_only_the_part_asked_for_is_read(singles, tmp_path):
    """With garbage (NaN) in place of all other parts, the VAE still loads the same."""
    tensors = load_file(singles("sd1"))
    spoilt = {n: t if n.startswith("first_stage_model.") else torch.full_like(t, torch.nan) for n, t in tensors.items()}
    save_file(spoilt, tmp_path / "spoilt.safetensors")
    vaes = [load_vae(inspect_base(str(path))) for path in (singles("sd1"), tmp_path / "spoilt.safetensors")]
    assert all(torch.equal(*pair) for pair in zip(*(vae.state_dict().values() for vae in vaes), strict=True))


def test_ema_copies_are_ignored(bases, tmp_path):
    extra = {"model_ema.diffusion_modelinput_blocks00weight": torch.zeros(3), "model_ema.decay": torch.tensor(1.0)}
    path = write_single_file(bases("sd1"), "sd1", tmp_path / "ema.safetensors", extra=extra)
    info = inspect_base(str(path))
    assert not any("ema" in name for part in ("unet", "vae") for name in info.shapes(part))
    stock = UNet2DConditionModel.from_pretrained(bases("sd1") / "unet").state_dict()
    assert all(torch.equal(value, stock[name]) for name, value in load_unet(info).state_dict().items())


def test_a_text_encoder_without_its_text_model_prefix_is_read(bases, tmp_path):
    paths = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    tensors = load_file(write_single_file(bases("sd1"), "sd1", paths[0]))
    save_file({n.replace("transformer.text_model.", "transformer."): t for n, t in tensors.items()}, paths[1])
    one, two = (load_text_encoders(inspect_base(str(path)))["text_encoder"] for path in paths)
    assert all(torch.equal(*pair) for pair in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_an_inpainting_file(bases, tmp_path):
    folder = bases("sd1", inpainting=True)
    info = inspect_base(str(write_single_file(folder, "sd1", tmp_path / "inpaint.safetensors")))
    assert info.inpainting and info.config("unet")["in_channels"] == 9
    inputs, _ = unet_input("sd1", 9)
    with torch.no_grad():
        assert torch.equal(load_unet(info)(*inputs).sample, load_unet(inspect_base(str(folder)))(*inputs).sample)


# ---- what it predicts


@pytest.mark.parametrize(
    ("family", "metadata", "extra", "prediction", "zero_snr", "resolution", "evidence"),
    [
        ("sdxl", None, {}, "epsilon", False, 1024, ""),
        ("sdxl", None, {"v_pred": torch.zeros(0)}, "v_prediction", False, 1024, "v_pred tensor"),
        ("sdxl", None, MARKERS, "v_prediction", True, 1024, "v_pred tensor"),
        ("sd2", None, {}, "epsilon", False, 512, ""),
        ("sd2", {"modelspec.prediction_type": "v"}, {}, "v_prediction", False, 768, "modelspec.prediction_type"),
        ("sd2", {"modelspec.prediction_type": "epsilon"}, {}, "epsilon", False, 512, "modelspec.prediction_type"),
        ("sd2", {"modelspec.architecture": "stable-diffusion-v2-768-v"}, {}, "v_prediction", False, 768, "modelspec"),
        ("sd2", {"modelspec.resolution": "640x640"}, {}, "epsilon", False, 640, ""),
        # ComfyUI's rule for files without a word: widely spread biases of the last attention norm mean v-prediction.
        ("sd2", None, {V_BIASES: torch.linspace(-1, 1, 32)}, "v_prediction", False, 768, ""),
        ("sd2", None, {V_BIASES: torch.linspace(-1, 1, 32).bfloat16()}, "v_prediction", False, 768, ""),
        ("sd2", None, {V_BIASES: torch.linspace(-1, 1, 32).half() / 20}, "epsilon", False, 512, ""),
        ("sd1", {"modelspec.prediction_type": "sideways"}, {}, "epsilon", False, 512, ""),
    ],
)  # fmt: skip
def test_prediction_from_markers_metadata_and_weights(
    singles, tmp_path, family, metadata, extra, prediction, zero_snr, resolution, evidence
):
    path = tmp_path / "model.safetensors"
    save_file(load_file(singles(family)) | extra, path, metadata)
    info = inspect_base(str(path))
    assert (info.prediction, info.zero_snr, info.resolution) == (prediction, zero_snr, resolution)
    assert evidence in info.evidence and bool(evidence) == bool(info.evidence)
    assert ("(assumed)" in info.described) == (not evidence)
    scheduler = load_scheduler(info)
    assert scheduler.config.prediction_type == prediction and (scheduler.alphas_cumprod[-1] == 0) == zero_snr
    assert (scheduler.config.timestep_spacing == "trailing") == zero_snr


@pytest.mark.parametrize(
    ("name", "prediction", "zero_snr"),
    [
        ("noobaiXLNAIXL_vPred10Version", "v_prediction", False),
        ("some-v-pred_ztsnr", "v_prediction", True),
        ("mix_v_prediction.fp16", "v_prediction", False),
        ("v parameterization", "v_prediction", False),
        ("ponyDiffusionV6XL", "epsilon", False),
        ("vivid predator", "epsilon", False),
        ("noobai_nonVpred", "epsilon", False),
        ("noobai-not-v-pred", "epsilon", False),
        ("NAI-XL_vpred converted to eps", "epsilon", False),
        ("x_epsilonPred_from_vPred", "epsilon", False),
        ("steps of a naiVpred", "v_prediction", False),
    ],
)
def test_a_name_is_a_hint_that_is_told(singles, bases, tmp_path, name, prediction, zero_snr):
    """SDXL without its marker tensors, as merges lose them; and a folder whose scheduler says nothing."""
    path = tmp_path / f"{name}.safetensors"
    shutil.copy(singles("sdxl"), path)
    folder = shutil.copytree(bases("sdxl"), tmp_path / name)
    scheduler = folder / "scheduler/scheduler_config.json"
    config = json.loads(scheduler.read_text())
    del config["prediction_type"]
    scheduler.write_text(json.dumps(config))
    for base in (path, folder):
        info = inspect_base(str(base))
        assert (info.prediction, info.zero_snr, info.evidence) == (prediction, zero_snr, "")
        notes = contradictions(info, "auto", "auto")
        assert [p.fatal for p in notes] == ([False] if prediction == "v_prediction" else [])
        assert all("is assumed from its name" in p.what for p in notes)
        assert info.told_by.startswith("assumed") and ("name" in info.told_by) == bool(notes)
        assert contradictions(info, "epsilon", "off") == []  # what the user says wins over a guess


def test_an_sd2_guess_is_said_and_a_known_fact_defended(singles, tmp_path):
    (warning,) = contradictions(inspect_base(str(singles("sd2"))), "auto", "auto")
    assert not warning.fatal and "assumed" in warning.what
    assert contradictions(inspect_base(str(singles("sd2"))), "v_prediction", "on") == []
    save_file(load_file(singles("sdxl")) | MARKERS, tmp_path / "v.safetensors")
    problems = contradictions(inspect_base(str(tmp_path / "v.safetensors")), "epsilon", "off")
    assert [p.where for p in problems if p.fatal] == ["prediction", "zero_snr"]


def test_zero_terminal_snr_is_lins_algorithm(singles, tmp_path):
    """Algorithm 1 of Lin et al. 2023 in float64 against the scheduler that training takes its alphas from."""
    save_file(load_file(singles("sdxl")) | MARKERS, tmp_path / "v.safetensors")
    alphas = load_scheduler(inspect_base(str(tmp_path / "v.safetensors"))).alphas_cumprod
    root = np.sqrt(np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2))
    expected = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    assert np.allclose(alphas.numpy(), expected, atol=1e-6) and alphas[-1] == 0


# ---- another VAE


def spellings(folder, path, spelling):
    weights = load_file(folder / "vae/diffusion_pytorch_model.safetensors")
    if spelling == "old attention":
        for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
            weights = {n.replace(f"attentions.0.{new}.", f"attentions.0.{old}."): t for n, t in weights.items()}
    if spelling in ("original", "prefixed"):
        whole = load_file(write_single_file(folder, "sd1", path))
        weights = {n: t for n, t in whole.items() if n.startswith("first_stage_model.")}
    if spelling == "original":
        weights = {n.removeprefix("first_stage_model."): t for n, t in weights.items()}
    save_file(weights, path)
    return path


@pytest.mark.parametrize("spelling", ["folder", "model", "original", "prefixed", "diffusers", "old attention"])
def test_another_vae_in_every_spelling(base_folder, singles, tmp_path, spelling):
    """The VAE of one model on another, against diffusers' reading of it."""
    donor = make_base(tmp_path / "donor", "sd1", real=True)
    with torch.no_grad():
        changed = load_vae(inspect_base(str(donor)))
        changed.encoder.conv_in.bias += 1
        changed.save_pretrained(donor / "vae")
    vae = {"folder": donor / "vae", "model": donor}.get(spelling)
    vae = vae or spellings(donor, tmp_path / "my-vae.safetensors", spelling)
    info = inspect_base(str(singles("sd1")), vae=str(vae))
    assert info.vae == vae and info.described.endswith(f"VAE {vae.stem}")
    pixels = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        stock = AutoencoderKL.from_pretrained(donor / "vae")
        assert torch.equal(load_vae(info).encode(pixels).latent_dist.mean, stock.encode(pixels).latent_dist.mean)
    assert info.config("vae")["scaling_factor"] == 0.18215


def test_a_file_without_a_vae_needs_another(bases, tmp_path):
    path = write_single_file(bases("sdxl"), "sdxl", tmp_path / "bare.safetensors", leave_out=["first_stage_model."])
    with pytest.raises(
        UserError,
        match=saying("modelfiles.no_vae_inside", file="bare.safetensors") + ".*" + saying("models.choose_vae_setting"),
    ):
        inspect_base(str(path))
    info = inspect_base(str(path), vae=str(bases("sdxl") / "vae"))
    assert info.factor == 8 and load_vae(info).config.scaling_factor == 0.13025


@pytest.mark.parametrize(("base", "other"), [("sd1", "sdxl"), ("sdxl", "sd1"), ("sd2", "sdxl")])
@pytest.mark.parametrize("spelling", ["folder", "original", "diffusers", "bf16"])
def test_a_vae_of_another_family_is_refused(singles, bases, tmp_path, base, other, spelling):
    """Every shape fits; the folder's scaling factor tells, and of a file the weights of its encoder."""
    folder, vae = bases(other), tmp_path / "my-vae.safetensors"
    if spelling == "folder":
        vae = shutil.copytree(folder / "vae", tmp_path / "my-vae")
    elif spelling == "original":
        whole = load_file(singles(other))
        save_file({n.removeprefix("first_stage_model."): t for n, t in whole.items() if "first_stage" in n}, vae)
    else:
        weights = load_file(folder / "vae/diffusion_pytorch_model.safetensors")
        save_file({n: t.bfloat16() if spelling == "bf16" else t for n, t in weights.items()}, vae)
    reason = saying(f"models.because_{'scaling_factor' if spelling == 'folder' else 'other_encoder'}")
    for model in (singles(base), bases(base)):
        with pytest.raises(
            UserError, match=saying("models.vae_of_other_family", name=Said("my-vae.*"), other_family=reason)
        ) as told:
            inspect_base(str(model), vae=str(vae))
        assert [p.where for p in told.value.problems] == ["vae"]
        assert inspect_base(str(singles(other)), vae=str(vae)).vae == vae


def test_a_fine_tuned_vae_is_of_its_family(singles, bases, tmp_path):
    """After a training that moved its encoder too, and scaled it as the fp16 fix of SDXL's does."""
    weights = load_file(bases("sd1") / "vae/diffusion_pytorch_model.safetensors")
    dice = torch.Generator().manual_seed(0)
    tuned = {n: t * 0.7 + 0.3 * t.std() * torch.randn(t.shape, generator=dice) if t.numel() > 1 else t
             for n, t in weights.items()}  # fmt: skip
    save_file({n: t.contiguous() for n, t in tuned.items()}, tmp_path / "tuned.safetensors")
    assert inspect_base(str(singles("sd1")), vae=str(tmp_path / "tuned.safetensors")).vae
    path = tmp_path / "bare.safetensors"
    write_single_file(bases("sd1"), "sd1", path, leave_out=["first_stage_model."])
    with pytest.raises(UserError, match=saying("models.because_scaling_factor", given="0.13025", own="0.18215")):
        inspect_base(str(path), vae=str(bases("sdxl") / "vae"))


@pytest.mark.parametrize("kind", ["16 channels", "no vae", "nothing there", "pickled", "fp8", "empty folder"])
def test_vaes_that_do_not_fit_are_told(base_folder, tmp_path, kind):
    vae, words = tmp_path / "my.safetensors", saying("modelfiles.no_vae_inside", file="my.safetensors")
    if kind == "16 channels":
        vae, words = tmp_path / "vae16", saying("modelfiles.vae_latent_channels", channels="16")
        AutoencoderKL(latent_channels=16, norm_num_groups=4, block_out_channels=(8,)).save_pretrained(vae)
    elif kind == "pickled":
        vae, words = tmp_path / "my.ckpt", saying("modelfiles.pickled")
        vae.write_bytes(b"x")
    elif kind == "fp8":
        weights = load_file(base_folder / "vae/diffusion_pytorch_model.safetensors")
        save_file({n: t.to(torch.float8_e4m3fn) for n, t in weights.items()}, vae)
        words = saying("modelfiles.vae_quantised", bits="fp8")
    elif kind == "no vae":
        save_file({"a": torch.zeros(1)}, vae)
    elif kind == "empty folder":
        vae, words = tmp_path / "hollow", saying("modelfiles.folder_config_missing")
        vae.mkdir()
    else:
        words = saying("files.not_readable")
    with pytest.raises(UserError, match=words) as told:
        inspect_base(str(base_folder), vae=str(vae))
    assert all(p.where == "vae" for p in told.value.problems)


def test_published_sizes_give_the_published_configurations():
    """Full-size shapes of the three families, against the sizes that the random models are made from."""
    spec = importlib.util.spec_from_file_location("make_sd15", ROOT / "benchmarks/speed/make_sd15.py")
    make_sd15 = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_sd15)
    for kind, family in make_sd15.FAMILIES.items():
        parts = make_sd15.models(kind)
        tensors = {}
        for part, model in parts.items():
            shapes = {ldm_layout.bare(n): tuple(v.shape) for n, v in model.state_dict().items()}
            tensors |= {e.name: ("F16", e.shape) for e in ldm_layout.entries(family, part, shapes)}
        header = checkpoint.Header(tensors, {}, {})
        assert checkpoint.file_problems(header, "file") == [] and checkpoint.family_of_header(header) == family
        prediction = "v_prediction" if kind == "sd21" else "epsilon"
        for part, model in parts.items():
            config = checkpoint.config(header, family, part, prediction, False)
            own = model.config if part in ("unet", "vae") else model.config.to_dict()
            for key in set(config) - {"_class_name", "architectures", "projection_dim"}:
                assert _plain(config[key]) == _plain(own[key]), (kind, part, key)


def _plain(value):
    return list(value) if isinstance(value, (list, tuple)) else value
