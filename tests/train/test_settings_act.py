"""Every training setting changes the weights of a run of one or two steps, and to the side that its help says.

One small base model and one folder for all; each case trains without what surrounds the loop. A setting that is added
and named neither in CASES nor in ELSEWHERE fails ``test_every_setting_is_tried``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from base_models import make_base
from diffusers import AutoencoderKL
from PIL import Image

from sdlora.adapters.inject import inject
from sdlora.check import resolve
from sdlora.data.tags import split_tags
from sdlora.families.base import inspect_base
from sdlora.families.shared.load import load_unet
from sdlora.lorafiles.write import write_lora
from sdlora.objectives import snr_of
from sdlora.runs.run import Run
from sdlora.settings import all_settings, dump_settings, make_settings, merge
from sdlora.train import loop
from sdlora.train.batch import make_batch
from sdlora.train.ladder import start_on_rung
from sdlora.train.prepare import Job, prepare_job
from sdlora.train.schedules import make_scheduler
from sdlora.train.timesteps import DISTRIBUTIONS
from sdlora.train.trainee import base_of, make_accelerator

PLAIN = {
    "train.steps": 2, "train.lr": 1e-3, "train.scheduler": "constant", "train.device": "cpu", "train.precision": "fp32",
    "train.max_grad_norm": 0.0, "train.min_snr_gamma": 0.0, "train.weight_decay": 0.0, "train.seed": 7,
    "adapter.rank": 4, "adapter.alpha": 4.0, "data.resolution": 32, "sample.prompts": ["-"], "validation.every": 0,
    "data.trigger": "zib",
}  # fmt: skip


@dataclass
class Result:
    """What a run of ``train.steps`` steps left. before, after: the LoRA; down, up and all, by name."""

    job: Job
    before: dict[str, torch.Tensor]
    after: dict[str, torch.Tensor]
    batches: list

    def moved(self, root: str = "unet", part: str = "up") -> float:
        """How far the factors went, as a norm."""
        names = [n for n in self.after if n.startswith(f"{root}.") and n.endswith(part)]
        return torch.stack([(self.after[n] - self.before[n]).norm() for n in names]).norm().item()

    def gradient(self, part: str = "up") -> torch.Tensor:
        """Of the last step, if it was the first: AdamW's mean is a tenth of it then."""
        state = self.job.optimizer.state
        layers = [layer for name, layer in self.job.trainee.adapter.layers.items() if name.startswith("unet.")]
        return torch.cat([state[getattr(layer, part).weight]["exp_avg"].flatten() * 10 for layer in layers])

    @property
    def texts(self) -> list[str]:
        return [text for batch in self.batches for text in batch.texts]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Base models, images and LoRA files, made once."""
    place = tmp_path_factory.mktemp("act")
    base = make_base(place / "base")
    make_base(place / "other", prediction="v_prediction")
    vae = AutoencoderKL.from_pretrained(base / "vae")
    with torch.no_grad():
        vae.quant_conv.bias[:4] += 0.5  # the mean's half
    vae.save_pretrained(place / "vae")
    (place / "images").mkdir()
    for number in range(4):
        size = (48, 24) if number == 3 else (20, 20) if number == 2 else (64, 64)
        Image.effect_noise(size, 60 + 10 * number).convert("RGB").save(place / f"images/p{number}.png")
        words = ", ".join(f"{tag}{number}" for tag in ("red", "round", "small", "soft", "warm"))
        tags = words.replace("small", "(small") + ":1.5), {pale|dark}, " + "long, " * 40
        (place / f"images/p{number}.txt").write_text(tags + "\nanother line")
    (place / "regular").mkdir()
    Image.effect_noise((64, 64), 20).convert("RGB").save(place / "regular/r.png")
    (place / "regular/r.txt").write_text("a dog")
    info = inspect_base(str(base))
    adapter = inject({"unet": load_unet(info)}, rank=2, alpha=2.0)
    for layer in adapter.layers.values():
        torch.nn.init.normal_(layer.up.weight, std=0.3, generator=torch.Generator().manual_seed(1))
    configs = {"unet": info.config("unet")}
    path = place / "lora.safetensors"
    write_lora(adapter, path, configs=configs, family="sd1", container="kohya", dtype="fp32", metadata={})
    return place


@pytest.fixture(scope="module")
def learn(place):
    """learn(**changes) -> Result of a run with PLAIN and these; the same changes train once."""

    @cache
    def made(changes: tuple) -> Result:
        values = {"model.base": str(place / "base"), "data.folder": str(place / "images"), **PLAIN, **dict(changes)}
        listed = {
            "data.class_prompts": list,
            "adapter.stack": list,
            "adapter.rank_pattern": dict,
            "adapter.alpha_pattern": dict,
            "adapter.lr_pattern": dict,
        }
        values = {k: listed[k](v) if k in listed else v for k, v in values.items()}
        values = {k: v.format(place=place) if isinstance(v, str) else v for k, v in values.items()}
        values = {k: [e.format(place=place) for e in v] if k == "adapter.stack" else v for k, v in values.items()}
        settings = make_settings(merge({}, values))
        settings = resolve(settings, inspect_base(settings.model.base))
        AcceleratorState._reset_state(reset_partial_state=True)
        accelerator = make_accelerator("cpu", settings.train.precision)
        run = Run.create(place / "runs", "act", dump_settings(settings))
        preparation = prepare_job(settings, run, base_of(settings), accelerator)
        while True:
            try:
                next(preparation)
            except StopIteration as done:
                job = done.value
                break
        return _steps(job)

    return lambda **changes: made(tuple(sorted(changes.items())))


def _steps(job: Job) -> Result:
    train, batches = job.settings.train, []

    def spy(*args, **kwargs):
        batches.append(make_batch(*args, **kwargs))
        return batches[-1]

    before = {n: t.clone() for n, t in job.trainee.adapter.state_dict().items()}
    schedule = make_scheduler(job.optimizer, train.scheduler, train.steps, loop.knobs_of(train))
    job.wrap()
    list(start_on_rung(job))
    loop.make_batch, real = spy, loop.make_batch
    try:
        for step in range(1, train.steps + 1):
            loop.take(job, step)
            schedule.step()
    finally:
        loop.make_batch = real
    after = {n: t.clone() for n, t in job.trainee.adapter.state_dict().items()}
    return Result(job, before, after, batches)


# ---- what each setting is to do

ONE = {"train.steps": 1}


@dataclass(frozen=True)
class Case:
    """holds(without, with ``value``): what the setting does to a run. common: settings of both runs."""

    key: str
    value: object
    holds: Callable[[Result, Result], bool]
    common: dict | None = None


def near(a: float, b: float, within: float = 0.02) -> bool:
    return abs(a - b) <= within * abs(b)


def farther(a: Result, b: Result) -> bool:
    return b.moved() > 1.1 * a.moved()


def less_far(a: Result, b: Result) -> bool:
    return b.moved() < 0.95 * a.moved()


def other_gradient(a: Result, b: Result) -> bool:
    return not torch.allclose(a.gradient(), b.gradient(), rtol=1e-2)


def decayed(a: Result, b: Result) -> bool:
    """Loshchilov & Hutter 2019: w (1 - lr decay). Down has no gradient while up is zero, so nothing else moves it."""
    downs, rates = [n for n in a.before if n.endswith(".down")], {"unet": 1e-3, "text_encoder": 5e-4}
    same = all(torch.equal(a.after[n], a.before[n]) for n in downs)
    return same and all(
        torch.allclose(b.after[n], b.before[n] * (1 - rates[n.split(".")[0]] * 0.5), rtol=1e-6) for n in downs
    )


def clipped(a: Result, b: Result) -> bool:
    """Pascanu et al. 2013: the gradient of all parameters together has the norm that is asked for, in its direction."""
    state = b.job.optimizer.state
    norm = torch.stack([10 * entry["exp_avg"].norm() for entry in state.values()]).norm().item()
    return near(norm, 1e-4, 1e-3) and near(torch.cosine_similarity(a.gradient(), b.gradient(), dim=0).item(), 1)


def weighted(a: Result, b: Result) -> bool:
    """Hang et al. 2023, eq. 4: with one image in the step, its gradient times min(SNR, gamma) / SNR."""
    snr = snr_of(b.job.trainee.alphas_cumprod[b.batches[0].timesteps]).item()
    return near(b.gradient().norm().item() / a.gradient().norm().item(), min(snr, 1e-4) / snr)


def weighted_by(weight: Callable) -> Callable:
    """With one image in the step, its gradient is the other one's times a function of the SNR."""

    def holds(a: Result, b: Result) -> bool:
        snr = snr_of(b.job.trainee.alphas_cumprod[b.batches[0].timesteps]).item()
        return near(b.gradient().norm().item() / a.gradient().norm().item(), weight(snr))

    return holds


def offset(a: Result, b: Result) -> bool:
    """A constant for each channel is added to the noise."""
    added = b.batches[0].noise - a.batches[0].noise
    return bool((added.std((2, 3)) < 1e-5).all() and added.abs().max() > 0.01) and other_gradient(a, b)


def rounded(a: Result, b: Result) -> bool:
    similar = torch.cosine_similarity(a.gradient(), b.gradient(), dim=0).item()
    return 0.9 < similar < 1 - 1e-9 and not torch.equal(a.gradient(), b.gradient())


def shapes_of(result: Result) -> set:
    return {tuple(item.placement.bucket) for item in result.job.items}


def ranks_of(result: Result) -> set:
    return {layer.rank for layer in result.job.trainee.adapter.layers.values()}


def perturbed(a: Result, b: Result) -> bool:
    """Ning et al. 2023, algorithm 1: the input has sqrt(1 + gamma^2) times the noise, the target is the plain one."""
    one, other = a.batches[0], b.batches[0]
    extra = other.perturbed - other.noise
    alike = torch.equal(one.noise, other.noise) and torch.equal(one.timesteps, other.timesteps)
    return alike and near(extra.std().item(), 0.1, 0.2) and one.perturbed is None and other_gradient(a, b)


def other_noise(a: Result, b: Result) -> bool:
    one, other = a.batches[0].noise, b.batches[0].noise
    return not torch.allclose(one, other) and near(other.std().item(), 1, 1e-5) and other_gradient(a, b)


def times_of(result: Result) -> torch.Tensor:
    return torch.cat([batch.timesteps for batch in result.batches])


TAGS = {"data.max_tokens": 75}
MANY = {"train.batch_size": 8, "data.fit": "crop", "data.upscale": True, "data.repeats": 4} | ONE
CASES = [
    Case("model.base", "{place}/other", other_gradient, ONE),
    Case("model.prediction", "v_prediction", other_gradient, ONE),
    Case("model.zero_snr", "on", lambda a, b: a.job.trainee.alphas_cumprod[-1] > b.job.trainee.alphas_cumprod[-1] == 0
         and other_gradient(a, b), ONE),
    Case("model.vae", "{place}/vae", lambda a, b: near((b.batches[0].latents - a.batches[0].latents).mean().item(),
         0.5 * 0.18215) and other_gradient(a, b), ONE),
    # One layer: read before it, its LoRA has nothing to learn from.
    Case("model.clip_skip", 2, lambda a, b: a.moved("text_encoder") > 0 == b.moved("text_encoder")
         and other_gradient(a, b), ONE),
    Case("data.folder", "{place}/images/../images2", lambda a, b: len(b.job.items) == 1 and other_gradient(a, b), ONE),
    Case("data.trigger", "zab", lambda a, b: all(t.startswith("zab") for t in b.texts) and other_gradient(a, b), ONE),
    Case("data.repeats", 3, lambda a, b: near(b.job.plan.epoch_of(2), a.job.plan.epoch_of(2) / 3, 0.4)),
    Case("data.resolution", 48, lambda a, b: max(shapes_of(b)) > max(shapes_of(a))),
    Case("data.fit", "crop", lambda a, b: len(shapes_of(a)) > 1 and all(w == h for w, h in shapes_of(b))),
    Case("data.upscale", True, lambda a, b: min(w * h for w, h in shapes_of(b)) > min(w * h for w, h in shapes_of(a))),
    Case("data.flip", True, lambda a, b: any(not torch.allclose(x.latents, y.latents) for x, y in
         zip(a.batches, b.batches, strict=True)) and b.moved() != a.moved(), {"train.batch_size": 2}),
    Case("data.shuffle_tags", True, lambda a, b: [sorted(split_tags(t)) for t in a.texts]
         == [sorted(split_tags(t)) for t in b.texts] and a.texts != b.texts and other_gradient(a, b), ONE | TAGS),
    Case("data.keep_tags", 5, lambda a, b: all("round" in split_tags(t)[2] for t in b.texts)
         and a.texts != b.texts and other_gradient(a, b), ONE | TAGS | {"data.shuffle_tags": True}),
    Case("data.tag_dropout", 1.0, lambda a, b: set(b.texts) == {"zib"} and other_gradient(a, b), ONE),
    Case("data.caption_dropout", 1.0, lambda a, b: set(b.texts) == {""} and other_gradient(a, b), ONE),
    Case("data.caption_lines", "random", lambda a, b: {"zib, another line"} < set(b.texts)
         and not any("another" in t for t in a.texts)),
    Case("data.wildcards", True, lambda a, b: all("{pale|dark}" in t for t in a.texts)
         and not any("{" in t for t in b.texts) and other_gradient(a, b), ONE),
    Case("data.weighted_captions", True, other_gradient, ONE),
    Case("data.max_tokens", 75, lambda a, b: a.job.trainee.text_input(a.texts).ids[0].shape[1] == 3
         and b.job.trainee.text_input(b.texts).ids[0].shape[1] == 1 and other_gradient(a, b), ONE),
    Case("data.regularization", "{place}/regular", lambda a, b: len(b.job.planned) == 5 and "a dog" in b.texts,
         {"train.steps": 8}),
    Case("data.class_prompts", ("a dog",), lambda a, b: len(b.job.planned) == 8 and "a dog" in b.texts,
         {"train.steps": 4, "sample.steps": 2}),
    Case("train.prior_weight", 0.5, other_gradient, ONE | {"data.regularization": "{place}/regular",
         "data.fit": "crop", "data.upscale": True, "train.batch_size": 8}),
    Case("adapter.rank", 8, lambda a, b: ranks_of(a) == {4} and ranks_of(b) == {8}),
    # The factor is in the gradient of up: alpha / rank (Hu et al. 2022).
    Case("adapter.alpha", 8.0, lambda a, b: near(b.gradient().norm().item(), 2 * a.gradient().norm().item()), ONE),
    Case("adapter.rslora", True, lambda a, b: near(b.gradient().norm().item(), 2 * a.gradient().norm().item()), ONE),
    Case("adapter.targets", "full", lambda a, b: a.after.keys() < b.after.keys()
         and all(b.moved(part=f"{n}.up") for n in {k.removesuffix(".up") for k in b.after.keys() - a.after.keys()
                 if k.endswith(".up")})),
    Case("adapter.text_encoder", False, lambda a, b: a.moved("text_encoder") > 0
         and {n.split(".")[0] for n in b.after} == {"unet"}),
    Case("adapter.kind", "dora", lambda a, b: b.moved(part="magnitude") > 0
         and a.job.trainee.adapter.kind.name == "lora"),
    Case("adapter.factor", 2, lambda a, b: {t.shape[0] for n, t in b.after.items() if n.endswith(".lokr_w1")} == {2}
         and b.moved(part="lokr_w2_b") > 0 and a.after.keys() != b.after.keys(), {"adapter.kind": "lokr"}),
    Case("adapter.start_from", "{place}/lora.safetensors", lambda a, b: ranks_of(b) == {2}
         and all(t.any() for n, t in b.before.items() if n.endswith(".up")) and b.moved() > 0),
    Case("adapter.stack", ("{place}/lora.safetensors=2",), other_gradient, ONE),
    Case("adapter.rank_pattern", (("*.mid_block.*", 2),), lambda a, b: ranks_of(b) == {2, 4}),
    Case("adapter.alpha_pattern", (("*", 8.0),), lambda a, b: near(b.gradient().norm().item(),
         2 * a.gradient().norm().item()), ONE),
    Case("train.steps", 4, farther),
    Case("train.batch_size", 2, lambda a, b: len(b.batches[0].texts) == 2 and other_gradient(a, b), ONE),
    Case("train.accumulate", 2, lambda a, b: (len(a.batches), len(b.batches)) == (1, 2) and other_gradient(a, b), ONE),
    # AdamW's first step is the rate times the gradient's sign.
    Case("train.lr", 2e-3, lambda a, b: near(b.moved(), 2 * a.moved())
         and near(b.moved("text_encoder"), 2 * a.moved("text_encoder")), ONE),
    Case("train.text_encoder_lr", 1e-3, lambda a, b: near(b.moved("text_encoder"), 2 * a.moved("text_encoder"))
         and near(b.moved(), a.moved(), 1e-6), ONE),
    Case("train.text_encoder_lr", 0.0, lambda a, b: {n.split(".")[0] for n in b.after} == {"unet"}),
    Case("train.rank_dropout", 0.5, other_gradient, ONE),
    Case("train.module_dropout", 0.5, other_gradient, ONE),
    Case("train.rank_at_noise", 0.0, other_gradient, ONE),
    Case("train.max_weight_norm", 1e-6, lambda a, b: b.job.capped > 0 and b.moved() < a.moved()),
    Case("train.lora_plus", 4.0, lambda a, b: near(b.moved(), 4 * a.moved()) and near(b.moved(part="down"),
         a.moved(part="down")), ONE | {"adapter.kind": "dora"}),
    Case("adapter.lr_pattern", (("unet.*", 2e-3),), lambda a, b: near(b.moved(), 2 * a.moved())
         and near(b.moved("text_encoder"), a.moved("text_encoder"), 1e-6), ONE),
    *(Case("train.scheduler", name, less_far) for name in ("linear", "cosine", "polynomial", "rex")),
    Case("train.scheduler", "constant_with_warmup", less_far, {"train.warmup": 1}),
    Case("train.scheduler", "cosine_with_restarts", lambda a, b: near(b.moved(), a.moved(), 1e-6), {"train.cycles": 2}),
    Case("train.scheduler", "piecewise_constant", less_far, {"train.step_rules": "1:1,0.1"}),
    Case("train.step_rules", "0.5:1,0.1", less_far, {"train.scheduler": "piecewise_constant"}),
    Case("train.power", 4.0, less_far, {"train.scheduler": "polynomial"}),
    Case("train.lr_floor", 0.5, farther, {"train.scheduler": "linear", "train.steps": 3}),
    Case("train.cycles", 1, less_far, {"train.scheduler": "cosine_with_restarts", "train.cycles": 2}),
    Case("train.warmup", 2, less_far, {"train.scheduler": "constant_with_warmup"}),
    Case("train.weight_decay", 0.5, decayed, ONE),
    Case("train.max_grad_norm", 1e-4, clipped, ONE),
    Case("train.precision", "bf16", rounded, ONE),
    Case("train.gradient_checkpointing", True, lambda a, b: b.job.trainee.unet.is_gradient_checkpointing
         and not a.job.trainee.unet.is_gradient_checkpointing and torch.allclose(a.gradient(), b.gradient(), rtol=1e-4,
                                                                                atol=1e-9), ONE),
    Case("train.min_snr_gamma", 1e-4, weighted, ONE),
    Case("train.weighting", "debiased", weighted_by(lambda snr: min(snr, 1000) ** -0.5), ONE),
    Case("train.weighting", "p2", weighted_by(lambda snr: 1 / (1 + snr)), ONE),
    Case("train.p2_gamma", 0.5, weighted_by(lambda snr: (1 + snr) ** 0.5), ONE | {"train.weighting": "p2"}),
    Case("train.pyramid_noise", 6, other_noise, ONE),
    Case("train.pyramid_discount", 0.8, lambda a, b: b.batches[0].noise.mean((2, 3)).std()
         > a.batches[0].noise.mean((2, 3)).std() and other_gradient(a, b), {"train.pyramid_noise": 6} | ONE),
    Case("train.input_perturbation", 0.1, perturbed, ONE),
    *(Case("train.timesteps", name, lambda a, b: not torch.equal(times_of(a), times_of(b)) and other_gradient(a, b),
           MANY) for name in DISTRIBUTIONS if name != "uniform"),
    Case("train.timestep_bias", 1.0, lambda a, b: bool((times_of(b) > times_of(a)).all()),
         {"train.timesteps": "logit_normal"} | MANY),
    Case("train.timestep_spread", 0.1, lambda a, b: times_of(b).float().std() < 0.2 * times_of(a).float().std(),
         {"train.timesteps": "logit_normal"} | MANY),
    Case("train.min_timestep", 900, lambda a, b: bool((times_of(b) >= 900).all()) and times_of(a).min() < 900, MANY),
    Case("train.max_timestep", 100, lambda a, b: bool((times_of(b) < 100).all()) and times_of(a).max() >= 100, MANY),
    Case("train.noise_offset", 0.5, offset, ONE),
    Case("train.seed", 8, lambda a, b: all(not torch.equal(a.before[n], b.before[n]) for n in a.before
         if n.endswith(".down")) and other_gradient(a, b), ONE),
    Case("validation.held_out", 1, lambda a, b: len(b.job.items) == len(a.job.items) - 1),
]  # fmt: skip

# Settings that are not to change the weights, each with the reason or the place of its test.
ELSEWHERE = {
    "model.revision": "which files of a hub id: tests/families/test_hub.py",
    "data.cache": "where, not what",
    **dict.fromkeys(("data.masks", "train.unmasked_weight"), "tests/train/test_masked_loss.py"),
    **dict.fromkeys(("train.optimizer", "train.loss"), "every entry: tests/train/test_tables.py"),
    "train.epochs": "how many steps: tests/check/test_epochs.py",
    "train.ema_decay": "what is exported: tests/train/test_weights_average.py",
    **dict.fromkeys(("train.memory", "train.device"), "how and where: tests/train/test_ladder.py, docs/gpu.md"),
    "validation.every": "measures, changes nothing: tests/train/test_validate.py",
    **dict.fromkeys(("validation.drift_bound", "validation.patience"), "tests/runs/test_offers.py"),
    **{info.key: "after training" for info in all_settings() if info.key.split(".")[0] in ("sample", "save", "run")},
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.key}-{case.value}")
def test_a_setting_acts(learn, place, case):
    if case.key == "data.folder" and not (place / "images2").exists():
        (place / "images2").mkdir()
        Image.effect_noise((32, 32), 120).convert("RGB").save(place / "images2/q.png")
    common = case.common or {}
    first, second = learn(**common), learn(**common | {case.key: case.value})
    assert case.holds(first, second)
    same = first.after.keys() == second.after.keys()
    changed = not same or any(not torch.equal(t, second.after[n]) for n, t in first.after.items())
    alike = case.key in ("train.gradient_checkpointing",) or case.value == "cosine_with_restarts"
    assert changed or alike


def test_every_setting_is_tried():
    keys = {info.key for info in all_settings()}
    assert {case.key for case in CASES} | ELSEWHERE.keys() == keys
    assert not {case.key for case in CASES} & ELSEWHERE.keys()
    choices = {info.key: set(info.choices) for info in all_settings()}["train.scheduler"]
    assert {case.value for case in CASES if case.key == "train.scheduler"} == choices - {"constant"}
