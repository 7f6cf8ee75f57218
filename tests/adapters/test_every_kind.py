"""What every adapter kind of the table must do: train, stop, go on bit for bit, be written, checked and read back."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from said import saying
from small_models import make_models, make_unet
from torch import nn

from sdlora.adapters.inject import inject
from sdlora.adapters.kind import BYTES
from sdlora.adapters.table import KINDS, PLAIN
from sdlora.adapters.targets import target_patterns
from sdlora.errors import UserError
from sdlora.events import Finished, StepDone, Warned
from sdlora.lorafiles.attach import load_into, load_lora
from sdlora.lorafiles.forms import FORMS, leaf_of
from sdlora.lorafiles.readers.tools import TOOLS, tool_table
from sdlora.lorafiles.verify import verify_with_diffusers
from sdlora.lorafiles.write import write_lora
from sdlora.train.loop import training

every = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


def trained(adapter, std=0.1):
    """As if trained: no tensor is as it began."""
    draw = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for tensor in adapter.tensors().values():
            tensor.add_(torch.randn(tensor.shape, generator=draw) * std * (tensor.abs().mean() or 1))
    return adapter


@every
@pytest.mark.parametrize("base", [nn.Linear(12, 8), nn.Conv2d(6, 8, 3), nn.Conv2d(6, 8, 1)], ids=str)
def test_its_description_is_what_its_layer_does(kind, base):
    adapter = inject({"layer": base}, ["layer"], rank=3, alpha=2.0, kind=kind.name)
    layer = adapter.layers["layer"]
    tensors = layer.tensors()
    assert set(tensors) in kind.sets and adapter.kind is kind and layer.shape == tuple(base.weight.shape)
    assert [part for part in kind.parts if part in tensors] == list(tensors)
    assert {id(t) for t in tensors.values()} == {id(p) for p in layer.parameters()}
    assert all(t.dtype == torch.float32 and t.is_leaf for t in tensors.values())
    assert all(tensors[part].shape[axis] == 3 for part, axis in kind.ranked_in(tensors).items())
    assert not tensors[kind.last_in(tensors)].any() and not adapter.delta("layer").abs().max() > 1e-6
    assert sum(t.numel() for t in tensors.values()) == kind.size(layer.shape, 3)
    wide = (200, 200)
    for shape, rank in ((wide, 7), (layer.shape, 6)):
        grows = kind.full(shape) is None or rank < kind.full(shape)
        more = kind.size(shape, 2) - kind.size(shape, 1) if grows else 0
        assert kind.size(shape, rank) - kind.size(shape, rank - 1) == more


@every
def test_its_change_is_linear_in_every_factor_and_of_the_size_that_health_expects(kind):
    base = nn.Linear(200, 150)
    adapter = trained(inject({"layer": base}, ["layer"], rank=8, alpha=4.0, kind=kind.name), std=0.0)
    layer, draw = adapter.layers["layer"], torch.Generator().manual_seed(2)
    tensors = layer.tensors()
    with torch.no_grad():
        for part in kind.factors_in(tensors):
            tensors[part].copy_(torch.randn(tensors[part].shape, generator=draw) * 0.01)
        for part, value in layer.neutral(base.weight).items():
            tensors[part].copy_(value)
        before, product = layer.delta(base.weight), 1.0
        for part in kind.factors_in(tensors):
            product *= float(tensors[part].norm())
        expected = layer.scale * product / kind.spread(layer.shape, layer.rank)
        assert float(before.norm()) == pytest.approx(expected, rel=0.2)
        for part in kind.factors_in(tensors):
            tensors[part].mul_(2)
            for other, value in layer.neutral(base.weight).items():
                tensors[other].copy_(value)
            torch.testing.assert_close(layer.delta(base.weight), 2 * before, rtol=1e-3, atol=1e-6)
            tensors[part].div_(2)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_new_one_changes_no_bit(kind, dtype):
    base = nn.Conv2d(6, 8, 3).to(dtype)
    x = torch.randn(2, 6, 5, 5, dtype=dtype)
    before = base(x)
    inject({"layer": base}, ["layer"], rank=3, kind=kind.name)
    assert torch.equal(base(x), before)


@torch.no_grad()
@every
@pytest.mark.parametrize("base", [nn.Linear(12, 8), nn.Conv2d(12, 8, 3, stride=2, padding=1)], ids=str)
def test_it_does_to_outputs_what_its_change_of_the_weight_does(kind, base):
    x = torch.randn(3, 12) if isinstance(base, nn.Linear) else torch.randn(2, 12, 6, 6)
    adapter = trained(inject({"layer": base}, ["layer"], rank=3, alpha=2.0, kind=kind.name))
    outputs = base(x)
    adapter.merge()
    torch.testing.assert_close(base(x), outputs, rtol=1e-4, atol=1e-5)
    adapter.unmerge()
    with torch.autocast("cpu", torch.bfloat16):
        half = base(x)
    assert (half.float() - outputs).norm() < 0.05 * outputs.norm()
    adapter.remove()


@every
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@pytest.mark.parametrize("rank", [1, 3])
def test_its_file_is_read_back_and_by_the_tools_it_names(kind, family, rank, tmp_path):
    models = make_models(family)
    options = {"rank": rank, "alpha": 2.0, "alpha_pattern": {"*.resnets.*": 3.0}, "kind": kind.name}
    adapter = trained(inject(models, target_patterns("full", text_encoder=True), **options), std=0.02)
    configs = {root: model.config for root, model in models.items()}
    path = write_lora(adapter, tmp_path / "x.safetensors", configs=configs, family=family)
    assert 0 < verify_with_diffusers(path, adapter, models) < 0.01
    verdicts = tool_table(path, family, configs)
    assert set(verdicts) == set(TOOLS) and {t for t, v in verdicts.items() if v.loads == "all"} == set(kind.readers)
    near = pytest.approx(path.stat().st_size, rel=0.15)  # of layers so small names are the most part
    assert rank == 1 or adapter.file_bytes("fp16") == near  # 1 is written as 2
    before = {name: adapter.delta(name).clone() for name in adapter.layers}
    adapter.remove()
    again = load_lora(models, path)
    assert again.kind is kind
    for name, change in before.items():
        assert (again.delta(name) - change).norm() < 0.01 * change.norm()
    again.remove()
    fresh = inject(models, target_patterns("full", text_encoder=True), **options)
    load_into(fresh, path)
    for name, change in before.items():
        assert (fresh.delta(name) - change).norm() < 0.01 * change.norm()


@every
@pytest.mark.parametrize("part", ["the last factor", "alpha"])
def test_a_wrong_file_is_an_error(kind, part, tmp_path):
    unet = make_unet()
    adapter = trained(inject({"unet": unet}, target_patterns("attn"), rank=3, alpha=2.0, kind=kind.name))
    path = write_lora(adapter, tmp_path / "x.safetensors", configs={"unet": unet.config}, family="sd1")
    tensors = load_file(path)
    ending = "alpha" if part == "alpha" else leaf_of(kind.last_in(adapter.layers[next(iter(adapter.layers))].tensors()))
    save_file({key: tensor * 1.1 if key.endswith(ending) else tensor for key, tensor in tensors.items()}, path)
    with pytest.raises(UserError, match=saying("saving.reads_back_differently")):
        verify_with_diffusers(path, adapter, {"unet": unet})


@every
def test_a_container_that_cannot_hold_it_refuses_it(kind, tmp_path):
    unet = make_unet()
    adapter = trained(inject({"unet": unet}, target_patterns("attn"), rank=2, kind=kind.name))
    options = {"configs": {"unet": unet.config}, "family": "sd1", "container": "diffusers"}
    if "diffusers" in kind.containers:
        assert verify_with_diffusers(
            write_lora(adapter, tmp_path / "x.safetensors", **options), adapter, {"unet": unet}
        )
    else:
        with pytest.raises(UserError, match=saying("settings.container_unfit", kind=kind.title)):
            write_lora(adapter, tmp_path / "x.safetensors", **options)


@pytest.mark.slow
@every
def test_a_run_stops_and_goes_on_to_the_same_bits(kind, make_run):
    changes = {"adapter.kind": kind.name, "sample.prompts": [], "train.steps": 3, "validation.every": 2}
    changes |= {"adapter.targets": "full"}
    whole, settings = make_run(**changes)
    events = list(training(settings, whole))
    assert isinstance(events[-1], Finished) and not [e.text for e in events if isinstance(e, Warned)]
    parts, settings = make_run(**changes)
    for _ in range(2):
        for event in training(settings, parts):
            parts.write(event)
            if isinstance(event, StepDone) and event.step == 2:
                parts.request("stop")
    for file in ("lora.safetensors", "optimizer.safetensors"):
        first, second = (load_file(run.checkpoints()[-1][1] / file) for run in (whole, parts))
        assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
    first, second = (load_file(run.folder / "test.safetensors") for run in (whole, parts))
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
    lasts = {leaf_of(kind.last_in(own)) for own in kind.sets}
    assert any(tensor.any() for key, tensor in first.items() if key.endswith(tuple(lasts)))


def test_the_table_needs_no_torch_and_names_are_its_own():
    code = "import sys, sdlora.adapters.table; assert not {'torch', 'numpy', 'safetensors'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert PLAIN is KINDS["lora"] and all(name == kind.name for name, kind in KINDS.items())
    assert set(PLAIN.readers) == set(TOOLS) and all(set(kind.readers) <= set(TOOLS) for kind in KINDS.values())
    assert len({kind.parts for kind in KINDS.values()}) == len(KINDS) and set(BYTES) == {"fp16", "bf16", "fp32"}
    parts = [part for form in FORMS.values() for part in form.parts]
    assert len(parts) == len(set(parts)) and all(form.name == name for name, form in FORMS.items())
    assert all(set(kind.factors) <= kind.form().parts for kind in KINDS.values())
    with pytest.raises(UserError, match=saying("adapters.kind_unknown", given="'lorra'")):
        inject(nn.Linear(2, 2), ["*"], kind="lorra")
