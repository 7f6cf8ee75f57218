"""Does the LoRA learn, and is it whole? Signs of a run that has gone wrong, each told once, with its likely cause.

Nothing here stops a run or changes a number: it looks at the events as they pass and, every few steps, at the sizes of
the factors, which costs one small kernel a factor and one wait for the device.
"""

import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

from sdlora.adapters.adapter import Adapter
from sdlora.adapters.kind import Kind
from sdlora.adapters.layer import Layer
from sdlora.adapters.table import KINDS
from sdlora.errors import Problem
from sdlora.events import Event, Sampled, Saved, StepDone, Validated, Warned
from sdlora.families.table import is_denoiser, kohya_prefixes, parts
from sdlora.lorafiles.keys import split
from sdlora.messages import say

PACE = 10  # steps with a learning rate between two looks at the factors
FADED = 1e-3  # of the highest learning rate so far: below it a step is not expected to move a float32 number
WINDOW = 12  # steps in a row whose losses must all be far above the start
RUINED = 0.6  # of the loss of drawing nothing at all (unit noise, latents scaled to unit variance)
ABOVE = 3.0  # times the lowest loss of the first WINDOW steps
WORSE = 2.0  # times the first validation loss: its images and noise are the same each time
GROWN, BURST = 2.0, 100.0  # times the size of the weight that a layer changes: half of all layers, any one of them
FAINT = 1e-5  # of the size of the weight: half precision rounds away what is 50 times as much
PARTS = {part.root: part.title for part in parts()}
TOO_FAST = say("health.lower_lr")
TOO_SLOW = say("health.train_more")
NO_GRADIENT = say("health.use_fp32")

Sign = tuple[object, Problem]  # (its kind, what to say)


def watched(events: Generator[Event, None, None], health: "Health") -> Iterator[Event]:
    """The events as they come, and a Warned after each that shows something wrong. Closed, it closes ``events``."""
    with closing(events):
        for event in events:
            yield event
            yield from (Warned(problem.message) for problem in health.signs(event))


class Health:
    """What is known of a run so far.

    adapter: read, never written. optimizer: for the learning rates of its groups. folder: the run's, where test
    pictures and files are. past: the run's events before this start, for what its first losses were.
    patience: steps with a learning rate before a layer that stands still is told; fp16 needs 20, since its loss scale
    skips the first steps until it fits. of_nothing: the loss of predicting 0 for unit noise, as ``Loss`` has it.
    """

    def __init__(
        self,
        adapter: Adapter,
        optimizer: torch.optim.Optimizer,
        folder: Path,
        past: Iterable[Event] = (),
        patience: int = PACE,
        of_nothing: float = 1.0,
    ):
        self.adapter, self.optimizer, self.folder, self.patience = adapter, optimizer, folder, patience
        self.of_nothing = of_nothing
        self.layers = _learning(adapter)
        self.names = list(self.layers)  # those that are to learn
        self.roots = list(dict.fromkeys(name.split(".")[0] for name in self.names))
        self.groups = {root: _groups_of(optimizer, adapter.parameters_of(root)) for root in self.roots}
        self.sizes = self._sizes()  # at the last look, (layers, factors)
        self.weights: Tensor | None = None  # norms of the base's weights under the layers, once they are needed
        self.first: list[float] = []  # the first losses of the run
        self.last: deque[float] = deque(maxlen=WINDOW)
        self.validated: float | None = None  # the first validation loss
        self.before: dict[str, Path] = {}  # test pictures of step 0, by number
        self.peak = dict.fromkeys(self.roots, 0.0)
        self.moving = dict.fromkeys(self.roots, 0)  # steps with a learning rate since the last look
        self.resting = dict.fromkeys(self.roots, 0)  # steps in a row with a learning rate of 0
        self.told: set[object] = set()
        for event in past:
            self._recall(event)

    def signs(self, event: Event) -> Iterator[Problem]:
        """What this event, and the adapter after it, show to be wrong; each kind once in a run."""
        signs: Iterable[tuple[object, Problem]] = ()
        if isinstance(event, StepDone):
            signs = [*self._rate_signs(), *self._loss_signs(event.loss), *self._factor_signs(event.step)]
        elif isinstance(event, Validated):
            signs = self._validation_signs(event)
        elif isinstance(event, Sampled):
            signs = self._picture_signs(event)
        elif isinstance(event, Saved) and event.final:
            signs = self._file_signs(self.folder / event.path)
        self._recall(event)
        for kind, problem in signs:
            if kind not in self.told:
                self.told.add(kind)
                yield problem

    def _recall(self, event: Event) -> None:
        """Keep what later events are compared with."""
        if isinstance(event, StepDone) and len(self.first) < WINDOW and event.step == len(self.first) + 1:
            self.first.append(event.loss)
        elif isinstance(event, Validated) and self.validated is None:
            self.validated = event.loss
        elif isinstance(event, Sampled) and event.step == 0:
            self.before = {Path(file).stem.rpartition("_")[2]: self.folder / file for file in event.files}

    def _part(self, root: str) -> str:
        return PARTS.get(root, root)

    # ---- after a step

    def _rate_signs(self) -> Iterator[Sign]:
        for root, groups in self.groups.items():
            rate = max((float(self.optimizer.param_groups[n]["lr"]) for n in groups), default=0.0)
            self.peak[root] = max(self.peak[root], rate)
            self.moving[root] += rate > FADED * self.peak[root]
            self.resting[root] = 0 if rate > 0 else self.resting[root] + 1
            if self.resting[root] >= PACE:
                what = say("health.lr_zero", learner=self._part(root), count=PACE)
                rate_setting = "train.lr" if is_denoiser(root) else "train.text_encoder_lr"
                fix = say("health.check_schedule", setting=rate_setting)
                yield ("rate", root), Problem(what, fix)

    def _loss_signs(self, loss: float) -> Iterator[Sign]:
        """All of the last losses far above the lowest of the first: at every timestep, then, and not by bad luck."""
        self.last.append(loss)
        if len(self.first) < WINDOW or len(self.last) < WINDOW:
            return
        least, start = min(self.last), min(self.first)
        if least > max(RUINED * self.of_nothing, ABOVE * start):
            mean = sum(self.last) / WINDOW
            what = say("health.loss_high", loss=f"{mean:.2f}", count=WINDOW, start=f"{start:.2f}")
            yield "ruined", Problem(what, TOO_FAST)

    def _factor_signs(self, step: int) -> Iterator[Sign]:
        """Layers that stand still, and layers that outgrow the weight they change."""
        due = [root for root, moved in self.moving.items() if moved >= self.patience]
        if not due:
            return
        now = self._sizes()
        for root in due:
            mine = [n for n, name in enumerate(self.names) if name.split(".")[0] == root]
            still = [n for n in mine if now[n, -1] == self.sizes[n, -1]]
            self.sizes[mine] = now[mine]
            self.moving[root] = 0
            yield from self._still(root, len(still), len(mine), step)
        yield from self._grown(now)

    def _still(self, root: str, still: int, of: int, step: int) -> Iterator[Sign]:
        part, steps = self._part(root), self.patience
        if still == of:
            what = say("health.no_layer_changes", learner=part, count=steps, step=step)
            yield ("still", root), Problem(what, NO_GRADIENT)
        # A text encoder's last layers have no gradient where an earlier one is read; of the UNet's, only those that
        # attend over a single token have none.
        elif is_denoiser(root) and still > of / 2:
            what = say("health.layers_unchanged", still=still, all=of, learner=part, count=steps, step=step)
            yield ("still", root), Problem(what, NO_GRADIENT)

    def _grown(self, sizes: Tensor) -> Iterator[Sign]:
        ratios = self._ratios(sizes)
        half, most = float(ratios.median()), int(ratios.argmax())
        if not _sound(half, float(ratios[most])):
            times = half if half > GROWN else float(ratios[most])
            what = say("health.lora_overgrown", times=f"{times:.0f}", layer=self.names[most])
            yield "ruined", Problem(what, TOO_FAST)

    def _ratios(self, sizes: Tensor) -> Tensor:
        """About ||dW|| / ||W|| of every layer, (layers,): as if its factors were unrelated; magnitudes left out."""
        if self.weights is None:
            self.weights = _norms(self.adapter.base_weight(name) for name in self.names)
        return _ratios(self.adapter, self.layers.values(), sizes, self.weights)

    def _sizes(self) -> Tensor:
        """Frobenius norms of every layer's factors, float32 (layers, factors) on the CPU: one wait for the device."""
        return _factor_norms(self.adapter.kind, self.layers.values())

    # ---- after a measurement, test pictures, the file

    def _validation_signs(self, event: Validated) -> Iterator[Sign]:
        if self.validated and event.loss > WORSE * self.validated:
            times = event.loss / self.validated
            what = say("health.validation_high", step=event.step, times=f"{times:.1f}")
            yield "ruined", Problem(what, TOO_FAST)

    def _picture_signs(self, event: Sampled) -> Iterator[Sign]:
        """The same pictures as without the LoRA, to the last bit."""
        if event.step < PACE or not self.before:
            return
        pairs = [(self.before.get(Path(f).stem.rpartition("_")[2]), self.folder / f) for f in event.files]
        if pairs and all(one and _same_picture(one, other) for one, other in pairs):
            what = say("health.pictures_unchanged", step=event.step)
            yield "pictures", Problem(what, TOO_SLOW)

    def _file_signs(self, path: Path) -> Iterator[Sign]:
        """A written file that changes nothing, part by part, or the whole next to nothing."""
        if not path.is_file():
            return
        parts = {root: _idle_layers(path, root) for root in self.roots}
        for root, (idle, of) in parts.items():
            if of and idle == of:
                what = say("health.file_all_zero", file=path.name, learner=self._part(root), count=of)
                yield ("file", root), Problem(what, TOO_SLOW)
        most = 0.0 if self.adapter.kind.undecayed else float(self._ratios(self._sizes()).max())
        if 0 < most < FAINT:
            what = say("health.file_without_effect", file=path.name, part=f"{most:.0e}")
            yield "faint", Problem(what, TOO_SLOW)


def growth_of(adapter: Adapter) -> dict[str, float | bool | None]:
    """{"grown": median of ||dW|| / ||W|| over the layers that learn, "good": is the LoRA in the sizes of a sound one?}.

    As ``Health`` judges, at one moment. "grown" is None for numbers that float32 norms can't hold; those are not good.
    """
    kind, layers = adapter.kind, _learning(adapter)
    if not layers:
        return {"grown": 0.0, "good": True}
    weights = _norms(adapter.base_weight(name) for name in layers)
    ratios = _ratios(adapter, layers.values(), _factor_norms(kind, layers.values()), weights)
    half = float(ratios.median())
    return {"grown": half if math.isfinite(half) else None, "good": _sound(half, float(ratios.max()))}


def _sound(half: float, most: float) -> bool:
    """half, most: the median and the highest of ||dW|| / ||W||. False for NaN."""
    return half <= GROWN and most <= BURST


def _learning(adapter: Adapter) -> dict[str, Layer]:
    found = {}
    for name, layer in adapter.layers.items():
        tensors = layer.tensors()
        if tensors[adapter.kind.last_in(tensors)].requires_grad:
            found[name] = layer
    return found


def _factor_norms(kind: Kind, layers: Iterable[Layer]) -> Tensor:
    """Frobenius norms of every layer's factors, float32 (layers, factors) on the CPU; the last is the one at zero.

    A layer that has fewer factors than others has ones in front.
    """
    tensors = [layer.tensors() for layer in layers]
    own = [list(kind.factors_in(parts)) for parts in tensors]
    norms = _norms(parts[part] for parts, names in zip(tensors, own, strict=True) for part in names)
    most = max(map(len, own), default=0)
    if all(len(names) == most for names in own):
        return norms.view(-1, most)
    rows = norms.split([len(names) for names in own])
    return torch.stack([functional.pad(row, (most - len(row), 0), value=1.0) for row in rows])


def _ratios(adapter: Adapter, layers: Iterable[Layer], sizes: Tensor, weights: Tensor) -> Tensor:
    """sizes: norms of the factors, (layers, factors). weights: norms of W, (layers,).

    Returns about ||dW|| / ||W||, (layers,), as if the factors were unrelated.
    """
    spread, told = adapter.kind.spread, adapter.options
    strength = torch.tensor([layer.scale / spread(layer.shape, layer.rank, **told) for layer in layers])
    return strength * sizes.prod(1) / weights.clamp_min(1e-12)


def _groups_of(optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter]) -> list[int]:
    """The numbers of the optimizer's groups that hold any of these; none where it was never given them.

    Numbers, because whoever restores or wraps an optimizer gives it new groups in the same order.
    """
    mine = {id(p) for p in parameters}
    return [n for n, group in enumerate(optimizer.param_groups) if any(id(p) in mine for p in group["params"])]


@torch.no_grad()
def _norms(tensors: Iterable[Tensor]) -> Tensor:
    """Frobenius norms, float32 (N,) on the CPU."""
    return torch.stack([torch.linalg.vector_norm(t.detach(), dtype=torch.float32) for t in tensors]).cpu()


def _same_picture(one: Path, other: Path) -> bool:
    try:
        with Image.open(one) as a, Image.open(other) as b:
            return a.size == b.size and np.array_equal(np.asarray(a.convert("RGB")), np.asarray(b.convert("RGB")))
    except OSError:  # gone: nothing to compare
        return False


def _idle_layers(path: Path, root: str) -> tuple[int, int]:
    """(layers of which some factor is all zeros, all layers) of one part of a LoRA file, in either layout.

    A layer with more than factors (DoRA's magnitude) acts without them.
    """
    starts = (f"{root}.", *(prefix for prefix, owner in kohya_prefixes().items() if owner == root))
    factors = {part for kind in KINDS.values() for part in kind.factors}
    beside = {part for kind in KINDS.values() for part in kind.undecayed}
    idle, names, acting = set(), set(), set()
    with safe_open(path, framework="pt") as file:
        for key in (key for key in file.keys() if key.startswith(starts)):  # noqa: SIM118 (no dict)
            stem, part = split(key) or (key, "")
            if part in factors:
                names.add(stem)
                idle |= set() if file.get_tensor(key).any() else {stem}
            elif part in beside:
                acting.add(stem)
    return len(idle - acting), len(names)
