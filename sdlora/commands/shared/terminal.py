"""Drive the loop: write its events into the run folder and show them in the terminal."""

import math
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from sdlora import events as ev
from sdlora.errors import Unstable, UserError, explain
from sdlora.runs.run import Run
from sdlora.settings import Settings

WORK = {"latents": "Encoding images", "text": "Encoding captions", "model": "Loading the model"}  # with a line or bar


def follow(run: Run, settings: Settings, plain: bool = False) -> int:
    """Train ``run`` to its end and return the exit status (0 done or stopped, 1 failed).

    plain: no progress bar and no copy into log.txt, for a trainer whose output already goes there.
    Ctrl-C, SIGTERM and a terminal that closes ask the loop to stop at the next step, so that a usable LoRA is kept; a
    second Ctrl-C or SIGTERM ends at once, with the state of the last step saved.
    """
    main = _is_main_process()
    if main:
        run.open_lock()
        run.request("stop", on=False)  # a request from before this start is not for us
        run.sweep()
        run.write(ev.Progress("start", 0, 1))  # PyTorch takes seconds to come in
    own_log = main and not plain
    try:
        with _stopping_on_signals(run), _opened(run.folder / "log.txt" if own_log else None) as log:
            from sdlora.train.loop import train  # torch comes in here, after the lock

            return _follow(run, train(settings, run), log, plain, main)
    finally:
        if main:
            run.close_lock()


def _opened(path: Path | None) -> AbstractContextManager[TextIO | None]:
    return open(path, "a", encoding="utf-8") if path else nullcontext()


def _follow(run: Run, loop: Generator[ev.Event, None, None], log: TextIO | None, plain: bool, main: bool) -> int:
    with _Screen(log, plain, silent=not main) as screen:
        try:
            for event in loop:
                if main:
                    run.write(event)
                screen.show(event)
        except (KeyboardInterrupt, Exception) as error:
            stopped = isinstance(error, KeyboardInterrupt)
            told = "Stopped at once." if stopped else str(explain(error, run.folder / "log.txt"))
            step = screen.step
            details = traceback.format_exc()
            loop.close()  # where it was not the loop that failed: it saves its last step then
            last = run.checkpoints()[-1:]
            if last and not isinstance(error, Unstable):  # resumed, it would end there again
                told += f" The checkpoint of step {last[0][0]} is kept; go on with: sdlora train --resume {run.folder}"
            print(details, file=log) if log else print(details, file=sys.stderr)
            if main:
                with suppress(UserError):  # the folder is gone, and told so already
                    run.write(ev.Finished(step, "stopped" if stopped else "failed", told))
            screen.say(told)
            return 130 if stopped else 1
        if main and screen.file:
            screen.say(f"Your LoRA: {run.folder / screen.file}")
    return 0


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever read the output has gone, which is no reason to end a training; Rich's own would exit here."""
        self.quiet = True
        _silence([sys.stdout])


class _Screen:
    """One line that moves for steps, one line each for what is worth remembering."""

    def __init__(self, log: TextIO | None, plain: bool, silent: bool = False):
        self.log, self.silent, self.step, self.file = log, silent, 0, ""
        self.console = _Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self.moves = not plain and not silent and self.console.is_terminal
        self.plain = plain
        self.losses: deque[float] = deque(maxlen=50)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.moves,
        )
        self.task: TaskID | None = None
        self.last_work = ""

    def __enter__(self) -> "_Screen":
        self.bar.start()
        return self

    def __exit__(self, *_) -> None:
        self.bar.stop()

    def say(self, text: str) -> None:
        if self.silent:
            return
        try:
            self.console.print(text, markup=False)
        except OSError:  # a terminal that has gone
            self.console.quiet = True
        if self.log:
            print(text, file=self.log, flush=True)

    def show(self, event: ev.Event) -> None:
        match event:
            case ev.Started():
                self.step = event.step
                self._begin("Training", event.steps, event.step)
                if event.base:
                    self.say(f"Base model: {event.base}.")
                self.say(
                    f"{event.images} images on {event.device}; {event.trainable / 1e6:.2f} M of "
                    f"{event.total / 1e6:.1f} M parameters learn; the file will have {event.file_size / 1e6:.1f} MB."
                )
            case ev.StepDone():
                self._step(event)
            case ev.Validated():
                images = f"{event.held_out} held-out images" if event.held_out else "training images"
                self.say(f"Validation loss of step {event.step}: {event.loss:.4f} ({images})")
            case ev.Progress():
                self._work(event)
            case ev.Sampled():
                self.say(f"Test pictures of step {event.step}: {', '.join(event.files)}")
            case ev.Saved():
                self.say(f"Saved {event.path} (step {event.step})")
            case ev.Warned():
                self.say(f"Note: {event.text}")
            case ev.Stopping():
                self.say("Stopping: the LoRA so far is written.")
            case ev.Paused():
                self.say("Paused." if event.on else "Going on.")
            case ev.Finished():
                self.file = event.file
                words = {"done": f"Done after {event.step} steps.", "stopped": f"Stopped after {event.step} steps."}
                self.say(event.text or words[event.why])

    def _work(self, event: ev.Progress) -> None:
        if event.what not in WORK:
            return
        if event.of > 1:
            self._begin(WORK[event.what], event.of, event.done)
        elif event.done == 0 and self.last_work != event.what:
            self.say(f"{WORK[event.what]} …")
        self.last_work = event.what

    def _begin(self, what: str, of: int, done: int) -> None:
        if self.task is None:
            self.task = self.bar.add_task(what, total=of, completed=done, note="")
        elif self.bar.tasks[0].description != what:
            self.bar.reset(self.task, description=what, total=of, completed=done, note="")
        else:
            self.bar.update(self.task, completed=done)

    def _step(self, event: ev.StepDone) -> None:
        self.step = event.step
        if math.isfinite(event.loss):
            self.losses.append(event.loss)
        loss = sum(self.losses) / max(1, len(self.losses))
        speed = f"{1 / event.seconds:.1f} steps/s" if event.seconds < 1 else f"{event.seconds:.1f} s/step"
        note = f"loss {loss:.4f}  {speed}"
        if self.task is not None:
            self.bar.update(self.task, description="Training", completed=event.step, note=note)
        total = self.bar.tasks[0].total or 0
        if not self.moves and (event.step % 10 == 0 or event.step <= 3):
            left = (total - event.step) * event.seconds
            self.say(f"step {event.step}/{int(total)}  {note}  lr {event.lr:.2e}  about {left / 60:.1f} min left")


def _is_main_process() -> bool:
    return os.environ.get("RANK", "0") == "0"  # set by accelerate launch and torchrun


@contextmanager
def _stopping_on_signals(run: Run):
    terminals = [stream for stream in (sys.stdout, sys.stderr) if stream and stream.isatty()]

    def stop(_number, _frame):
        if run.requested("stop"):
            raise KeyboardInterrupt
        run.request("stop")
        print("\nStopping after this step; press Ctrl-C again to end at once.", file=sys.stderr, flush=True)

    def hang_up(_number, _frame):  # comes twice: from the kernel and from the shell
        _silence(terminals)
        run.request("stop")

    wanted = {
        "SIGINT": stop,
        "SIGTERM": stop,
        "SIGHUP": hang_up,
        "SIGBREAK": hang_up,
    }  # SIGBREAK: Windows' closed window
    there = {getattr(signal, name): handler for name, handler in wanted.items() if hasattr(signal, name)}
    # What was started to ignore it (nohup) goes on ignoring it.
    there = {number: handler for number, handler in there.items() if signal.getsignal(number) != signal.SIG_IGN}
    before = {number: signal.signal(number, handler) for number, handler in there.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _silence(streams: list[TextIO]) -> None:
    """Send what is written to them nowhere: writing to a terminal that is gone would end the training."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
