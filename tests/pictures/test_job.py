"""`sdlora draw`: every picture is the one that the same weights give when drawn alone."""

import json

import numpy as np
import pytest
import torch
from base_models import make_base
from PIL import Image
from said import saying

from sdlora.adapters.inject import inject
from sdlora.cli import main
from sdlora.errors import UserError
from sdlora.families.base import inspect_base
from sdlora.families.shared.load import load_text_encoders, load_unet
from sdlora.lorafiles.write import write_lora
from sdlora.pictures.job import draw_job, read_job
from sdlora.pictures.pipeline import Look, draw
from sdlora.runs.run import Run
from sdlora.settings import dump_settings, make_settings
from sdlora.train.checkpoint import save_checkpoint
from sdlora.train.trainee import attach_adapter

LOOK = {"steps": 2, "guidance": 3.0, "seed": 5, "size": 32}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("base") / "sd")


def attached(settings, base):
    info = inspect_base(str(base))
    return attach_adapter(settings, info, {"unet": load_unet(info)})


def noise_into(adapter, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for layer in adapter.layers.values():
        layer.up.weight.data = torch.randn(layer.up.weight.shape, generator=generator) * 0.3


@pytest.fixture(scope="module")
def run(base, tmp_path_factory):
    """A run folder with one checkpoint."""
    values = {
        "model": {"base": str(base)},
        "adapter": {"rank": 2, "alpha": 4.0, "text_encoder": False},
        "run": {"name": "x"},
    }
    settings = make_settings(values | {"sample": {"negative": "blurry", "steps": 2, "guidance": 3.0, "size": 32}})
    made = Run.create(tmp_path_factory.mktemp("runs"), "x", dump_settings(settings))
    adapter = attached(settings, base)
    noise_into(adapter, 1)
    save_checkpoint(made.folder / "checkpoints", 7, adapter, torch.optim.AdamW(adapter.parameters()), {})
    return made


@pytest.fixture(scope="module")
def lora(base, tmp_path_factory):
    """A LoRA file of another training."""
    info = inspect_base(str(base))
    unet = load_unet(info)
    adapter = inject({"unet": unet}, rank=3, alpha=3.0)
    noise_into(adapter, 2)
    path = tmp_path_factory.mktemp("files") / "other.safetensors"
    configs = {"unet": info.config("unet")}
    write_lora(adapter, path, configs=configs, family="sd1", container="kohya", dtype="fp32", metadata={})
    return path


def ask(folder, **job):
    folder.mkdir(exist_ok=True)
    (folder / "job.json").write_text(json.dumps(job))
    return folder


def pictures(folder):
    index = json.loads((folder / "index.json").read_text())
    cells = {(c["variant"], c["prompt"]): np.asarray(Image.open(folder / c["file"])) for c in index["cells"]}
    assert index["of"] == len(cells)
    return cells


def alone(base, prompts, merged=(), negative=""):
    """The pictures of a base whose weights have been changed by hand: {module: added matrix}."""
    info = inspect_base(str(base))
    unet = load_unet(info)
    with torch.no_grad():
        for change in merged:
            for name, delta in change.items():
                unet.get_submodule(name.removeprefix("unet.")).weight += delta
    look = Look(tuple(prompts), negative, 32, 2, 3.0, 5)
    return [np.asarray(image) for image in draw(info, look, unet, load_text_encoders(info))]


def _product(layer):
    down, up = layer.down.weight, layer.up.weight
    return (up.flatten(1) @ down.flatten(1)).view(up.shape[0], *down.shape[1:])


def deltas(adapter, factor):
    return {
        name: factor * layer.alpha / layer.rank * _product(layer).detach() for name, layer in adapter.layers.items()
    }


def test_checkpoint_and_file_at_several_strengths_and_together(base, run, lora, tmp_path):
    checkpoint, file = str(run.folder / "checkpoints" / "000007"), str(lora)
    variants = [
        [],
        [{"path": checkpoint, "strength": 1.0}],
        [{"path": checkpoint, "strength": 0.5}, {"path": file, "strength": 0.7}],
        [{"path": file, "strength": 0}],
    ]
    prompts = ["a cat", "a dog"]
    assert main(["draw", str(ask(tmp_path / "d", variants=variants, prompts=prompts, negative="", **LOOK))]) == 0
    drawn = pictures(tmp_path / "d")
    assert sorted(drawn) == [(v, p) for v in range(4) for p in range(2)]

    settings = make_settings(
        {"model": {"base": str(base)}, "adapter": {"rank": 2, "alpha": 4.0, "text_encoder": False}}
    )
    first = attached(settings, base)
    noise_into(first, 1)
    second = inject({"unet": load_unet(inspect_base(str(base)))}, rank=3, alpha=3.0)
    noise_into(second, 2)
    plain = alone(base, prompts)
    wanted = {0: plain, 1: alone(base, prompts, [deltas(first, 1)]), 3: plain}
    wanted[2] = alone(base, prompts, [deltas(first, 0.5), deltas(second, 0.7)])
    for (variant, prompt), picture in drawn.items():
        close = np.abs(picture.astype(int) - wanted[variant][prompt].astype(int))
        assert close.max() <= (0 if variant in (0, 3) else 2), (variant, prompt)
    assert np.abs(drawn[1, 0].astype(int) - plain[0].astype(int)).max() > 8


def test_what_is_left_open_is_as_the_run_has_it(base, run, tmp_path):
    variants = [[{"path": str(run.folder / "checkpoints" / "000007"), "strength": 0}]]
    draw_job(ask(tmp_path / "d", variants=variants, prompts=["a cat"], seed=5))
    assert np.array_equal(pictures(tmp_path / "d")[0, 0], alone(base, ["a cat"], negative="blurry")[0])


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"variants": [], "prompts": []}, saying("pictures.too_many", count="0")),
        ({"variants": [[]] * 900, "prompts": ["a", "b"]}, saying("pictures.too_many", count="1800")),
        (
            {"variants": [[{"path": "x", "strength": 1e9}]], "prompts": ["a"], "steps": 0, "size": 33},
            saying("pictures.steps_invalid", given="0"),
        ),
        ({"variants": [[{"path": "x", "strength": "NaN"}]], "prompts": ["a"]}, saying("pictures.strength_invalid")),
        ({"variants": [[{}]], "prompts": ["a"]}, saying("pictures.not_a_request")),
        ({"variants": 3}, saying("pictures.not_a_request")),
        (
            {"variants": [[]], "prompts": ["a"], "sampler": "magic", "guidance": 0, "seed": -1},
            saying("pictures.sampler_unknown", given="magic"),
        ),
        ({"variants": [[]], "prompts": ["a"], "steps": "many"}, saying("pictures.not_a_request")),
    ],
)
def test_bad_jobs_get_sentences(tmp_path, job, said):
    folder = ask(tmp_path / "d", **job)
    with pytest.raises(UserError, match=said):
        read_job(folder / "job.json")


def test_no_job_and_no_lora_are_sentences(tmp_path, capsys):
    assert main(["draw", str(tmp_path)]) == 1
    assert "can't be read" in capsys.readouterr().err
    assert main(["draw", str(ask(tmp_path / "d", variants=[[{"path": "/no/such"}]], prompts=["a"]))]) == 1
    assert "Traceback" not in capsys.readouterr().err
