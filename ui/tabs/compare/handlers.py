"""What the Compare tab shows and answers: grids are asked for here, drawn by a process, and read from its folder."""

import math
from pathlib import Path
from typing import Any

import gradio as gr

from sdlora.check import drawn_seed
from sdlora.runs.run import Run
from sdlora.settings.numbers import plain_number
from ui import text, translate
from ui.shell import render
from ui.shell.drawings import LIMIT, Drawing, Drawings, checkpoint_title, checkpoints_of, run_of, step_of
from ui.shell.fragments import Fragment
from ui.shell.place import Place
from ui.shell.watch import Watch
from ui.tabs.runs import html as render_runs
from ui.tabs.runs.handlers import REFUSED

PROMPT_LENGTH = 10_000


class CompareDesk:
    """The handlers of one page."""

    def __init__(self, watch: Watch, place: Place, drawings: Drawings, slots: int):
        self.watch, self.place, self.drawings, self.slots = watch, place, drawings, slots

    # ---- what a tick sends

    def fragments(self, shown: Any, chosen: Any, wanted: Any) -> dict[str, Fragment]:
        """Every fragment of the tab. shown: the grid that is looked at; chosen: the checkpoints."""
        there = self._checkpoints()
        keys = tuple(there)
        grids = self.drawings.listed("compare")
        looked_at = self.drawings.read(shown if shown in grids else next(iter(grids), None))
        played = self.drawings.read(next(iter(self.drawings.listed("play")), None))
        before = self._before()
        mark = looked_at and looked_at.mark
        slots = {
            f"slot{n}": (keys, lambda: gr.update(choices=[(text.NO_LORA, ""), *self._choices(keys)]))
            for n in range(self.slots)
        }
        runs = self._runs_of(looked_at, chosen)
        return slots | {
            "checkpoints": (keys, lambda: gr.update(choices=self._choices(keys))),
            "shown": ((tuple(grids), mark and mark[0]), lambda: self._grids(grids, looked_at)),
            "grid": ((mark, before), lambda: self._grid(looked_at, before, text.GRID_EMPTY)),
            "best": (mark and mark[0], lambda: self._best(looked_at)),
            "use": (bool(mark), lambda: gr.update(visible=bool(mark))),
            "used": self._used(wanted),
            "differences": (runs, lambda: render_runs.settings_table([self.watch.get(name)[0] for name in runs])),
            "played": ((played and played.mark, before), lambda: self._grid(played, before, text.PLAY_EMPTY)),
        }

    def _checkpoints(self) -> dict[str, str]:
        """key -> path of everything that can be drawn with; looked up once a round for all pages."""
        if "checkpoints" not in self.watch.shared:
            views = [self.watch.get(name)[0] for name in self.watch.names()]
            self.watch.shared["checkpoints"] = {
                key: path for view in views if view.version for key, path in view.remember(checkpoints_of)
            }
        return self.watch.shared["checkpoints"]

    def _choices(self, keys: tuple[str, ...]) -> list[tuple[str, str]]:
        titles = [(f"{checkpoint_title(key)} · {self.watch.get(run_of(key))[0].when}", key) for key in keys]
        return [(title.rstrip(" ·"), key) for title, key in titles]

    def _before(self) -> str:
        live = self.watch.get(self.watch.live())
        return live[0].name if live else ""

    def _grids(self, names: list[str], looked_at: Drawing | None) -> dict:
        choices = [(f"{self.drawings.title(name)} · {name[5:16].replace('_', ' ')}", name) for name in names]
        return gr.update(choices=choices, value=looked_at and looked_at.name, visible=len(names) > 1)

    def _grid(self, drawn: Drawing | None, before: str, empty: str) -> str:
        if drawn is None:
            return render.note(empty)
        return f'<section class="card">{render_runs.drawing(drawn, self.place, before)}</section>'

    def _best(self, drawn: Drawing | None) -> dict:
        titles = [(title, number) for number, title in enumerate(drawn.titles())] if drawn else []
        keys = drawn.keys if drawn else []
        usable = [(title, number) for title, number in titles if any(strength for _, strength in keys[number])]
        return gr.update(choices=usable, value=usable[-1][1] if usable else None, visible=bool(usable))

    def _runs_of(self, drawn: Drawing | None, chosen: Any) -> tuple[str, ...]:
        """The runs that are compared: those of the checkpoints chosen, else those of the grid."""
        keys = [key for key in chosen if isinstance(key, str)] if isinstance(chosen, list) else []
        keys = keys or [key for variant in (drawn.keys if drawn else []) for key, _ in variant]
        return tuple(run for run in dict.fromkeys(map(run_of, keys)) if self.watch.get(run))

    # ---- drawing a grid

    def draw(self, chosen: Any, strengths: Any, prompts: Any, seed: Any) -> tuple[str, Any]:
        """(a sentence, the grid to look at): has it drawn, or says what is missing."""
        there = self._fresh()
        keys = [key for key in chosen if isinstance(key, str) and key in there] if isinstance(chosen, list) else []
        if not keys:
            return render.note(text.CHOOSE_FIRST if there else text.NO_CHECKPOINTS_YET), gr.skip()
        numbers = parse_strengths(strengths)
        if not numbers:
            return render.note(text.BAD_STRENGTHS), gr.skip()
        lines = [line.strip()[:PROMPT_LENGTH] for line in str(prompts or "").splitlines() if line.strip()]
        lines = lines or list(self.watch.get(run_of(keys[0]))[0].settings.sample.prompts)
        if not lines:
            return render.note(text.NO_PROMPT), gr.skip()
        chosen_seed = read_seed(seed)
        if chosen_seed is None:
            return render.note(text.BAD_SEED), gr.skip()
        pairs = [(key, number) for key in keys for number in numbers if number]
        pairs = [(keys[0], 0.0)] * (0 in numbers) + pairs  # the base model alone: once, and the first one's
        variants = [[{"key": key, "path": there[key], "strength": number}] for key, number in pairs]
        count = len(variants) * len(lines)
        if count > LIMIT:
            return render.note(text.TOO_MANY.format(count=text.number(count), limit=LIMIT)), gr.skip()
        runs = ", ".join(dict.fromkeys(self.watch.get(run_of(key))[0].name for key in keys))
        return self._ask("compare", runs, {"variants": variants, "prompts": lines, "seed": chosen_seed}, count)

    def play(self, prompt: Any, negative: Any, seed: Any, *loras: Any) -> tuple[str, Any]:
        """Have one picture of several LoRAs drawn; returns as ``draw``. loras: the slots' keys, then strengths."""
        there, keys, strengths = self._fresh(), loras[: self.slots], loras[self.slots :]
        if not str(prompt or "").strip():
            return render.note(text.NO_PROMPT), gr.skip()
        chosen_seed = read_seed(seed)
        if chosen_seed is None:
            return render.note(text.BAD_SEED), gr.skip()
        pairs = [(key, strength) for key, strength in zip(keys, strengths, strict=True) if key in there]
        if not pairs and not there:
            return render.note(text.NO_CHECKPOINTS_YET), gr.skip()
        if any(isinstance(s, bool) or not isinstance(s, (int, float)) or not abs(s) <= 10 for _, s in pairs):
            return render.note(text.BAD_STRENGTHS), gr.skip()
        variant = [{"key": key, "path": there[key], "strength": strength} for key, strength in pairs]
        job = {
            "variants": [variant], "prompts": [str(prompt).strip()[:PROMPT_LENGTH]], "seed": chosen_seed,
            "negative": str(negative or "")[:PROMPT_LENGTH],
        }  # fmt: skip
        return self._ask("play", str(prompt)[:40], job, 1)

    def _ask(self, kind: str, title: str, job: dict[str, Any], count: int) -> tuple[str, Any]:
        try:
            name = self.drawings.ask(kind, title, job)
        except REFUSED as error:
            return render.note(translate.error(error)), gr.skip()
        self.watch.refresh(force=True)
        return render.note(text.count("DRAWS", count)), name

    def _fresh(self) -> dict[str, str]:
        self.watch.refresh(force=True)
        return self._checkpoints()

    # ---- "Use this one"

    def use(self, shown: Any, number: Any) -> Any:
        """What is wanted: (run, step, strength), kept for the visitor; its file is written if there is none yet."""
        grids = self.drawings.listed("compare")
        drawn = self.drawings.read(shown if shown in grids else next(iter(grids), None))
        keys = drawn.keys if drawn else []
        acting = [pair for pair in keys[number] if pair[1]] if number in range(len(keys)) else []
        if not acting:
            gr.Warning(text.USE_NO_LORA if drawn else text.DRAWING_GONE)
            return None
        key, strength = acting[0]
        if key not in self._fresh():
            gr.Warning(text.UNKNOWN_CHECKPOINT)
            return None
        step = step_of(key)
        if step.isdecimal():
            try:
                self.watch.trainers.export(Run(self.watch.get(run_of(key))[0].folder), int(step))
            except OSError as error:
                gr.Warning(render.plain(translate.error(error)))
                return None
        return key, strength

    def _used(self, wanted: Any) -> Fragment:
        """Where the file that was wanted lies, with a link; that it is being written; why it was not."""
        if not (isinstance(wanted, (tuple, list)) and len(wanted) == 2 and self.watch.get(run_of(str(wanted[0])))):
            return ("none", lambda: "")
        key, strength = wanted
        run = run_of(key)
        view, _ = self.watch.get(run)
        if self.watch.trainers.exporting(run):
            return ((key, "writing"), lambda: render.note(text.USING))
        step = step_of(key)
        file = next(
            (path for at, path, final in view.lora_files() if (final if step == "final" else str(at) == step)), None
        )
        if file is None:
            return ((key, "failed"), lambda: render.note(text.EXPORT_FAILED.format(text="")))
        return ((key, strength, str(file)), lambda: self._told(file, run, strength))

    def _told(self, file: Path, run: str, strength: float) -> str:
        link = self.place.download(file, run)
        words = text.USED.format(file=file.name, folder=file.parent)
        if strength != 1:
            words += f" {text.USED_STRENGTH.format(strength=text.compact(strength))}"
        return render_runs.download_link(words, file.name, self.place.url(link)) if link else render.note(words)


def parse_strengths(typed: Any) -> list[float]:
    """The numbers in it, in order, each once; empty if something else is there or one is beyond ±10."""
    words = [plain_number(word) for word in str(typed or "").replace(";", " ").split()]
    try:
        numbers = [float(part) for word in words for part in word.replace(",", " ").split()]
    except ValueError:
        return []
    if not all(math.isfinite(number) and abs(number) <= 10 for number in numbers) or len(numbers) > 20:
        return []
    return list(dict.fromkeys(numbers))


def read_seed(typed: Any) -> int | None:
    """A whole number from 0; of -1 one that is drawn; None for anything else."""
    if isinstance(typed, bool) or not isinstance(typed, (int, float)) or not -1 <= typed < 2**53 or typed != int(typed):
        return None
    return drawn_seed() if typed == -1 else int(typed)
