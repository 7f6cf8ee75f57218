"""Every layout of LoRA files, each against the same change in float64, and every fault with its sentence."""

import json
import math

import pytest
import torch
from lycoris import create_lycoris
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from safetensors.torch import load_file, save_file
from said import saying
from small_models import SD2, SDXL, make_text_encoder, make_unet

from sdlora.adapters.inject import inject
from sdlora.errors import UserError
from sdlora.families.shared.unet_paths import unet_paths
from sdlora.lorafiles.attach import load_into, load_lora, merge_into_modules, read_lora, survey
from sdlora.lorafiles.keys import canonical_of, kohya_name, original_path, sort_keys

TO_Q = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
TO_OUT = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_out.0"
PROJ = "down_blocks.0.attentions.0.proj_in"
TEXT = "text_model.encoder.layers.1.self_attn.q_proj"


def pair(rank: int = 4, columns: int = 24, rows: int = 16, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(rank, columns, generator=draw), torch.randn(rows, rank, generator=draw)


def saved(tmp_path, tensors, metadata=None, name="x.safetensors"):
    save_file({key: tensor.clone().contiguous() for key, tensor in tensors.items()}, tmp_path / name, metadata)
    return tmp_path / name


DOWN, UP = pair()
TRUTH = UP.double() @ DOWN.double()
A = ".lora_A.weight", ".lora_B.weight"
K = ".lora_down.weight", ".lora_up.weight"

LAYOUTS = {
    "kohya": (f"lora_unet_{TO_Q.replace('.', '_')}", K, f"unet.{TO_Q}"),
    "kohya, original blocks": ("lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q", K, f"unet.{TO_Q}"),
    "kohya text": (f"lora_te_{TEXT.replace('.', '_')}", K, f"text_encoder.{TEXT}"),
    "kohya text 1": (f"lora_te1_{TEXT.replace('.', '_')}", K, f"text_encoder.{TEXT}"),
    "kohya text 2": (f"lora_te2_{TEXT.replace('.', '_')}", K, f"text_encoder_2.{TEXT}"),
    "lycoris": (f"lycoris_{TO_Q.replace('.', '_')}", K, f"unet.{TO_Q}"),
    "lycoris text": (f"lycoris_{TEXT.replace('.', '_')}", K, f"text_encoder.{TEXT}"),
    "peft in diffusers": (f"unet.{TO_Q}", A, f"unet.{TO_Q}"),
    "peft text, transformers 5.6": (f"text_encoder.{TEXT.removeprefix('text_model.')}", A, f"text_encoder.{TEXT}"),
    "peft alone": (f"base_model.model.{TO_Q}", A, f"unet.{TO_Q}"),
    "peft alone, twice wrapped": (f"base_model.model.base_model.model.{TO_OUT}", A, f"unet.{TO_OUT}"),
    "peft text alone": (f"base_model.model.{TEXT}", A, f"text_encoder.{TEXT}"),
    "peft with the adapter's name": (TO_Q, (".lora_A.default.weight", ".lora_B.default.weight"), f"unet.{TO_Q}"),
    "diffusers, lora.down": (f"unet.{TO_Q}", (".lora.down.weight", ".lora.up.weight"), f"unet.{TO_Q}"),
    "processor": (
        f"unet.{TO_Q.replace('to_q', 'processor.to_q')}",
        ("_lora.down.weight", "_lora.up.weight"),
        f"unet.{TO_Q}",
    ),
    "processor, bare, to_out": (
        TO_OUT.replace("to_out.0", "processor.to_out"),
        ("_lora.down.weight", "_lora.up.weight"),
        f"unet.{TO_OUT}",
    ),
    "diffusers text": (
        f"text_encoder.{TEXT}",
        (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"),
        f"text_encoder.{TEXT}",
    ),
    "oldest diffusers text": (
        f"text_encoder.{TEXT.replace('q_proj', 'to_q')}",
        ("_lora.down.weight", "_lora.up.weight"),
        f"text_encoder.{TEXT}",
    ),
    "generic": ("diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q", K, f"unet.{TO_Q}"),
    "generic, whole prefix": ("model.diffusion_model.middle_block.1.proj_in", A, "unet.mid_block.attentions.0.proj_in"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_names_its_layer(tmp_path, layout):
    stem, endings, name = LAYOUTS[layout]
    path = saved(tmp_path, {stem + endings[0]: DOWN, stem + endings[1]: UP})
    lora = read_lora(path)
    assert list(lora.changes) == [name]
    torch.testing.assert_close(lora.delta(name, dtype=torch.float64).flatten(1), TRUTH)
    down, up, scale = lora.modules[name]
    assert down.dtype == torch.float32 and scale == 1.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_alpha_and_dtypes(tmp_path, dtype):
    stem = LAYOUTS["kohya"][0]
    tensors = {stem + K[0]: DOWN.to(dtype), stem + K[1]: UP.to(dtype), f"{stem}.alpha": torch.tensor(3.0, dtype=dtype)}
    truth = UP.to(dtype).double() @ DOWN.to(dtype).double() * (3 / 4)
    torch.testing.assert_close(read_lora(saved(tmp_path, tensors)).delta(f"unet.{TO_Q}", dtype=torch.float64), truth)


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({"unet.r": 4, "unet.lora_alpha": 8}, 2.0),
        ({"unet.lora_alpha": 8, "unet.use_rslora": True}, 4.0),
        ({"unet.lora_alpha": 8, "unet.alpha_pattern": {TO_Q: 2}}, 0.5),
        ({"unet.lora_alpha": 8, "unet.alpha_pattern": {"attn1.to_q": 4, "to_k": 1}}, 1.0),
        ({"text_encoder.lora_alpha": 8}, 1.0),
    ],
)
def test_pefts_metadata_tells_the_strength(tmp_path, config, scale):
    tensors = {f"unet.{TO_Q}{A[0]}": DOWN, f"unet.{TO_Q}{A[1]}": UP}
    lora = read_lora(saved(tmp_path, tensors, {"lora_adapter_metadata": json.dumps(config)}))
    assert lora.changes[f"unet.{TO_Q}"].scale == scale


def test_the_config_beside_a_peft_file_tells_the_strength(tmp_path):
    tensors = {f"base_model.model.{TO_Q}{A[0]}": DOWN, f"base_model.model.{TO_Q}{A[1]}": UP}
    path = saved(tmp_path, tensors, name="adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text('{"r": 4, "lora_alpha": 2}')
    assert read_lora(path).changes[f"unet.{TO_Q}"].scale == 0.5
    (tmp_path / "adapter_config.json").write_text("[1")
    with pytest.raises(UserError, match=saying("lorafiles.peft_config_not_json")):
        read_lora(path)


@pytest.mark.parametrize("use_dora", [False, True])
@pytest.mark.parametrize("use_rslora", [False, True])
def test_pefts_own_files_do_what_peft_does(tmp_path, use_dora, use_rslora):
    unet = make_unet()
    config = LoraConfig(
        r=4, lora_alpha=2, target_modules=["to_q", "proj_in", "conv1"], use_dora=use_dora, use_rslora=use_rslora
    )
    inject_adapter_in_model(config, unet)
    draw = torch.Generator().manual_seed(4)
    for name, parameter in unet.named_parameters():
        if "lora_" in name:
            noise = torch.randn(parameter.shape, generator=draw)
            parameter.data = parameter.data * (1 + 0.2 * noise.abs()) if "magnitude" in name else noise * 0.1
    state = {f"unet.{k}": v for k, v in get_peft_model_state_dict(unet).items()}
    metadata = {"unet.lora_alpha": 2, "unet.use_rslora": use_rslora}
    path = saved(tmp_path, state, {"lora_adapter_metadata": json.dumps(metadata)})
    lora = read_lora(path)
    live = {name: module for name, module in unet.named_modules() if hasattr(module, "merge") and "lora" in str(module)}
    assert len(lora.changes) == len(live) > 10
    for name, module in live.items():
        before = module.base_layer.weight.detach().clone()
        module.merge()
        truth = module.base_layer.weight.detach() - before
        torch.testing.assert_close(lora.delta(f"unet.{name}", before), truth, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("algo", ["locon", "loha", "lokr"])
@pytest.mark.parametrize("extra", [{}, {"use_tucker": True}, {"dora_wd": True}])
def test_lycoris_own_files_are_applied_as_lycoris_applies_them(tmp_path, algo, extra):
    """The whole way: LyCORIS's network on a UNet, its state dict in a file, our merge, its merge."""
    unet, twin = make_unet(), make_unet()
    network = create_lycoris(unet, 1.0, linear_dim=2, linear_alpha=1.0, algo=algo, **extra)
    draw, tensors = torch.Generator().manual_seed(6), {}
    for lora in network.loras:
        for name, parameter in lora.named_parameters():
            noise = torch.randn(parameter.shape, generator=draw)
            parameter.data = parameter * (1 + 0.1 * noise.abs()) if "dora" in name else noise * 0.2
        if any(word in lora.lora_name for word in ("attentions", "resnets")):
            tensors |= {f"{lora.lora_name}.{k}": v.detach() for k, v in lora.custom_state_dict().items()}
    path = saved(tmp_path, tensors)
    count = merge_into_modules({"unet": twin}, path)
    modules = {lora.lora_name: lora for lora in network.loras}
    checked = 0
    for name, module in unet.named_modules():
        lora = modules.get("lycoris_" + name.replace(".", "_"))
        if lora is None or not ("attentions" in name or "resnets" in name):
            continue
        plain = lora.make_weight() * lora.scale if algo == "locon" else lora.get_weight(lora.shape)
        truth = module.weight + plain.view(module.weight.shape)
        truth = lora.apply_weight_decompose(truth) if extra.get("dora_wd") else truth
        torch.testing.assert_close(twin.get_submodule(name).weight, truth, rtol=1e-4, atol=1e-5)
        checked += 1
    assert checked == count > 20


def a_lora(tmp_path, family: str, models, targets="attn-mlp", rank=2):
    """A file in kohya's names, made with our names of the layers only."""
    adapter = inject(models, targets, rank=rank, alpha=1.0)
    tensors, draw = {}, torch.Generator().manual_seed(2)
    for name, layer in adapter.layers.items():
        root, _, path = name.partition(".")
        name = name if root == "unet" or path.startswith("text_model.") else f"{root}.text_model.{path}"
        stem = kohya_name(name, family)
        tensors[f"{stem}.lora_down.weight"] = layer.down.weight.detach()
        tensors[f"{stem}.lora_up.weight"] = torch.randn(layer.up.weight.shape, generator=draw) * 0.1
        tensors[f"{stem}.alpha"] = torch.tensor(1.0)
    adapter.remove()
    return saved(tmp_path, tensors)


@pytest.mark.parametrize(("family", "config"), [("sd2", SD2), ("sdxl", SDXL)])
def test_names_without_a_configuration_are_those_of_the_table_with_one(family, config):
    for path, original in unet_paths(config | {"up_block_types": config["up_block_types"]}):
        assert original_path(path, family) == original
        assert canonical_of("lora_unet_" + original.replace(".", "_"))[0] == f"unet.{path}"
        assert canonical_of(f"diffusion_model.{original}")[0] == f"unet.{path}"


@pytest.mark.parametrize(("family", "config"), [("sd1", {}), ("sd2", SD2), ("sdxl", SDXL)])
def test_a_file_of_any_family_goes_into_live_models(tmp_path, family, config):
    roots = {"unet": make_unet(**config), "text_encoder": make_text_encoder()}
    if family == "sdxl":
        roots["text_encoder_2"] = make_text_encoder(3)
    path = a_lora(tmp_path, family, roots, ["*to_q", "*q_proj", "*proj_in", "*.resnets.0.conv1"])
    lora = read_lora(path)
    assert lora.family == family and {name.split(".")[0] for name in lora.changes} == set(roots)
    adapter = load_lora(roots, path)
    for name, layer in adapter.layers.items():
        root, _, rest = name.partition(".")
        full = name if root == "unet" or rest.startswith("text_model") else f"{root}.text_model.{rest}"
        torch.testing.assert_close(layer.delta(), lora.delta(full), rtol=1e-4, atol=1e-6)
    fresh = inject(roots, list(adapter.layers), rank=2, alpha=7.0)
    load_into(fresh, path)
    for name, layer in fresh.layers.items():
        torch.testing.assert_close(layer.delta(), adapter.layers[name].delta(), rtol=1e-4, atol=1e-6)


def test_merging_into_modules_is_exact_and_all_or_nothing(tmp_path):
    unet = make_unet().half()
    path = a_lora(tmp_path, "sd1", {"unet": unet})
    lora, twin = read_lora(path), make_unet().half()
    assert merge_into_modules({"unet": twin}, path, 0.5) == len(lora.changes)
    for name in lora.changes:
        before = unet.get_submodule(name.removeprefix("unet.")).weight
        truth = (before.double() + 0.5 * lora.delta(name, dtype=torch.float64).view(before.shape)).half()
        after = twin.get_submodule(name.removeprefix("unet.")).weight
        torch.testing.assert_close(after, truth, rtol=2**-10, atol=2**-24)
    small = make_unet(cross_attention_dim=40)
    before = {k: v.clone() for k, v in small.state_dict().items()}
    with pytest.raises(UserError, match=saying("lorafiles.other_base_shape")):
        merge_into_modules({"unet": small}, path)
    assert all(v.equal(before[k]) for k, v in small.state_dict().items())


def test_other_kinds_load_exactly_at_full_rank_and_are_refused_for_training(tmp_path):
    unet, twin = make_unet(), make_unet()
    draw = torch.Generator().manual_seed(8)
    stem = f"lora_unet_{PROJ.replace('.', '_')}"
    path = saved(tmp_path, {f"{stem}.diff": torch.randn(16, 16, 1, 1, generator=draw)})
    adapter = load_lora({"unet": unet}, path)
    merge_into_modules({"unet": twin}, path)
    adapter.merge()
    torch.testing.assert_close(unet.get_submodule(PROJ).weight, twin.get_submodule(PROJ).weight)
    adapter.unmerge()
    said = saying("lorafiles.not_of_kind", title="LoRA", kind_of_lora=saying("lorafiles.kind_full"))
    with pytest.raises(UserError, match=said + ".*" + saying("lorafiles.resize_to_lora")):
        load_into(adapter, path)


def test_dora_needs_the_base(tmp_path):
    stem = LAYOUTS["kohya"][0]
    path = saved(tmp_path, {stem + K[0]: DOWN, stem + K[1]: UP, f"{stem}.dora_scale": torch.ones(1, 24)})
    lora = read_lora(path)
    assert not lora.modules and "DoRA" in lora.kind_shown(f"unet.{TO_Q}")
    with pytest.raises(UserError, match=saying("lorafiles.dora_needs_base")):
        lora.delta(f"unet.{TO_Q}")


@pytest.mark.parametrize(
    ("width", "metadata", "family"),
    [
        (768, {}, "sd1"),
        (1024, {}, "sd2"),
        (2048, {}, "sdxl"),
        (768, {"ss_v2": "True"}, "sd1"),
        (24, {"ss_v2": "True"}, "sd2"),
    ],
)
def test_the_family_is_told_by_the_width_of_the_text_before_the_metadata(tmp_path, width, metadata, family):
    stem = f"lora_unet_{TO_Q.replace('.', '_').replace('attn1_to_q', 'attn2_to_k')}"
    down, up = pair(columns=width)
    assert read_lora(saved(tmp_path, {stem + K[0]: down, stem + K[1]: up}, metadata)).family == family


def test_a_dora_adapter_goes_on_from_dora_and_from_plain_files(tmp_path):
    unet = make_unet()
    plain = a_lora(tmp_path, "sd1", {"unet": unet}, ["*to_q", "*conv1"])
    tensors, draw = load_file(plain), torch.Generator().manual_seed(1)
    for key in [key for key in tensors if key.endswith(".lora_down.weight")]:
        inputs = tensors[key].shape[1]
        shape = (1, inputs, 1, 1) if tensors[key].ndim == 4 else (1, inputs)
        tensors[key.replace("lora_down.weight", "dora_scale")] = torch.rand(shape, generator=draw) + 0.5
    dora = saved(tmp_path, tensors, name="dora.safetensors")
    for path in (plain, dora):
        adapter = inject({"unet": unet}, ["*to_q", "*conv1"], rank=2, alpha=5.0, kind="dora")
        load_into(adapter, path)
        lora = read_lora(path)
        for name in adapter.layers:
            truth = lora.delta(name, unet.get_submodule(name.removeprefix("unet.")).weight.detach())
            torch.testing.assert_close(adapter.delta(name), truth, rtol=1e-4, atol=1e-5)
        adapter.remove()
    fresh = load_lora({"unet": unet}, dora)
    assert fresh.kind.name == "dora" and {layer.rank for layer in fresh.layers.values()} == {2}
    for name in fresh.layers:
        truth = read_lora(dora).delta(name, unet.get_submodule(name.removeprefix("unet.")).weight.detach())
        torch.testing.assert_close(fresh.delta(name), truth, rtol=1e-4, atol=1e-5)
    fresh.remove()
    said = saying("lorafiles.not_of_kind", title="LoRA", kind_of_lora=saying("lorafiles.kind_dora", kind="LoRA"))
    with pytest.raises(UserError, match=said + ".*" + saying("lorafiles.or_set_kind", name="dora")):
        load_into(inject({"unet": unet}, ["*to_q", "*conv1"], rank=2, alpha=5.0), dora)


# ---- faults

STEM = LAYOUTS["kohya"][0]
GOOD = {STEM + K[0]: DOWN, STEM + K[1]: UP}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"lora_unet_nonsense.lora_down.weight": DOWN},
            saying("lorafiles.foreign_layers", file="x.safetensors") + ".*" + saying("lorafiles.convert_without_them"),
        ),
        ({"bundle_emb.cat.string_to_param.*": DOWN}, saying("lorafiles.foreign_embedding")),
        ({f"{STEM}.oft_blocks": DOWN}, saying("lorafiles.foreign_oft")),
        ({"lora_unet_double_blocks_0_img_mlp_0.lora_down.weight": DOWN}, saying("lorafiles.foreign_transformer")),
        ({"lora_te_encoder_layers_0_mlp_fc1.lora_down.weight": DOWN}, saying("lorafiles.foreign_lacks_text_model")),
        ({f"unet.{TO_Q}{A[0]}": DOWN}, saying("lorafiles.layer_twice")),
        ({STEM + K[1]: None}, saying("lorafiles.fault_half_missing")),
        ({STEM + K[1]: torch.ones(16, 5)}, saying("lorafiles.fault_shapes")),
        ({STEM + K[1]: torch.full((16, 4), math.nan)}, saying("lorafiles.fault_not_finite")),
    ],
)
def test_each_fault_has_its_sentence(tmp_path, more, words):
    path = saved(tmp_path, {k: v for k, v in (GOOD | more).items() if v is not None})
    with pytest.raises(UserError, match=words) as caught:
        read_lora(path)
    assert len(caught.value.problems) == 1 and "x.safetensors" in str(caught.value)
    survey(path)  # never raises


def test_a_whole_model_is_not_a_lora(tmp_path):
    unet = make_unet()
    with pytest.raises(UserError, match=saying("lorafiles.whole_model") + ".*" + saying("lorafiles.extract_lora")):
        read_lora(saved(tmp_path, unet.state_dict()))
    original = {f"model.diffusion_model.{k}": v for k, v in unet.state_dict().items()}
    with pytest.raises(UserError, match=saying("lorafiles.whole_model")):
        read_lora(saved(tmp_path, original))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234\n", "git_lfs_pointer"),
        (b"<!doctype html><html>", "web_page"),
        (b"PK\x03\x04\0\0\x08\x08" + b"\0" * 90, "pickle"),
    ],
)
def test_another_kind_of_file_is_told_wherever_a_safetensors_file_is_read(tmp_path, content, kind):
    """Going on from it, stacking it, as another VAE, as a base model, in a toolbox command."""
    from sdlora.families.base import inspect_base
    from sdlora.toolbox.bake import merge_into_base

    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    for read in (
        lambda: load_lora({"unet": make_unet()}, path),
        lambda: load_into(inject(make_unet(), ["*to_q"], rank=2, alpha=1.0), path),
        lambda: merge_into_modules({"unet": make_unet()}, path),
        lambda: inspect_base("tiny", vae=str(path)),
        lambda: inspect_base(str(path)),
        lambda: merge_into_base(path, [(path, 1.0)], tmp_path / "o.safetensors"),
    ):
        fault = saying(f"modelfiles.bytes_{kind}")
        with pytest.raises(UserError, match=saying("common.fault", name="x.safetensors", fault=fault)) as caught:
            read()
        assert len(caught.value.problems) == 1


def test_a_peft_configuration_without_sense_is_one_sentence(tmp_path):
    tensors = {f"unet.{TO_Q}{A[0]}": DOWN, f"unet.{TO_Q}{A[1]}": UP, f"unet.{TO_OUT}{A[0]}": DOWN}
    path = saved(tmp_path, tensors | {f"unet.{TO_OUT}{A[1]}": UP}, {"lora_adapter_metadata": "[1"})
    lora, problems = survey(path)
    assert lora is None and len(problems) == 1 and "no JSON object" in str(problems[0])


def test_many_faults_are_five_sentences_and_a_number(tmp_path):
    path = a_lora(tmp_path, "sd1", {"unet": make_unet()})
    tensors = load_file(path)
    broken = {
        key: torch.full_like(t, math.nan) if "up" in key.rpartition(".lora_")[2] else t for key, t in tensors.items()
    }
    with pytest.raises(UserError) as caught:
        read_lora(saved(tmp_path, broken, name="y.safetensors"))
    assert len(caught.value.problems) == 6 and "more layers" in str(caught.value.problems[-1])


def test_the_spelling_of_each_layer_is_known():
    layout = sort_keys(["lora_unet_middle_block_1_proj_in.alpha", f"unet.{TO_Q}.lora_A.weight", "a.b"])
    assert layout.spelling == {"unet.mid_block.attentions.0.proj_in": "kohya-original", f"unet.{TO_Q}": "peft"}
    assert layout.foreign == ["a.b"]
