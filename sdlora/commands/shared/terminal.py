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
from sdlora.commands.shared.tracking import Tracking
from sdlora.errors import ProcessLost, Unstable, UserError, explain, explains_itself
from sdlora.messages import say, sentences
from sdlora.runs.heart import heart_words
from sdlora.runs.offers import what_it_offers
from sdlora.runs.run import Run
from sdlora.settings import Settings

WORK = {
    "class": say("terminal.work_class"),
    "latents": say("terminal.work_images"),
    "text": say("terminal.work_captions"),
    "model": say("terminal.work_model"),
}  # with a line or bar


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
            from sdlora.train.loop import training  # torch comes in here, after the lock

            return _follow(run, settings, training(settings, run), log, plain, main)
    finally:
        if main:
            run.close_lock()


def _opened(path: Path | None) -> AbstractContextManager[TextIO | None]:
    return open(path, "a", encoding="utf-8") if path else nullcontext()


def _follow(
    run: Run, settings: Settings, loop: Generator[ev.Event, None, None], log: TextIO | None, plain: bool, main: bool
) -> int:
    with _Screen(log, plain, silent=not main) as screen:

        def tell(event: ev.Event) -> None:
            if main:
                run.write(event)
            screen.show(event)

        tracking = Tracking(run, settings, tell)
        try:
            for event in loop:
                tell(event)
                if main:
                    tracking.show(event)
        except (KeyboardInterrupt, Exception) as error:
            stopped = isinstance(error, KeyboardInterrupt)
            sentence = say("training.stopped_at_once") if stopped else explain(error, run.folder / "log.txt").message
            step = screen.step
            details = traceback.format_exc()
            loop.close()  # where it was not the loop that failed: it saves its last step then
            last = run.checkpoints()[-1:]
            if last and not isinstance(error, Unstable):  # resumed, it would end there again
                sentence = sentences(sentence, say("training.stopped_kept", step=last[0][0], path=run.folder))
            if main or not explains_itself(error):
                print(details, file=log) if log else print(details, file=sys.stderr)
            if not main and not isinstance(error, ProcessLost):  # where that is so, another one tells the cause
                told = say("terminal.of_process", number=os.environ["RANK"], what=sentence)
                print(told, file=sys.stderr, flush=True)
            if main:
                with suppress(UserError):  # the folder is gone, and told so already
                    run.write(ev.Finished(step, "stopped" if stopped else "failed", sentence))
            screen.say(sentence)
            return 130 if stopped else 1
        finally:
            tracking.close()
        if main and screen.file:
            screen.say(say("terminal.your_lora", path=run.folder / screen.file))
            for sentence in what_it_offers(run):
                screen.say(sentence)
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
                    self.say(say("terminal.base_model", base=event.base))
                self.say(
                    say(
                        "terminal.started",
                        images=event.images,
                        device=event.device,
                        trainable=f"{event.trainable / 1e6:.2f}",
                        total=f"{event.total / 1e6:.1f}",
                        size=f"{event.file_size / 1e6:.1f}",
                    )
                )
                if event.arithmetic:
                    self.say(say("terminal.computes", arithmetic=event.arithmetic))
            case ev.StepDone():
                self._step(event)
            case ev.Validated():
                images = (
                    say("terminal.held_out_images", count=event.held_out)
                    if event.held_out
                    else say("terminal.training_images")
                )
                self.say(say("terminal.validated", step=event.step, loss=f"{event.loss:.4f}", images=images))
                if math.isfinite(event.training):
                    self.say(say("terminal.validated_training", loss=f"{event.training:.4f}"))
                if math.isfinite(event.drift):
                    self.say(say("terminal.drift", drift=f"{event.drift:.4f}"))
            case ev.ByHeart():
                for sentence in heart_words(event):
                    self.say(sentence)
            case ev.Progress():
                self._work(event)
            case ev.Sampled():
                self.say(say("terminal.sampled", step=event.step, files=", ".join(event.files)))
            case ev.Saved():
                self.say(say("terminal.saved", path=event.path, step=event.step))
            case ev.Warned():
                self.say(say("terminal.note", what=event.text))
            case ev.Stopping():
                self.say(say("terminal.stopping"))
            case ev.Paused():
                self.say(say("terminal.paused") if event.on else say("terminal.going_on"))
            case ev.Finished():
                self.file = event.file
                key = "terminal.done" if event.why == "done" else "terminal.stopped_after"
                self.say(event.text or say(key, step=event.step))

    def _work(self, event: ev.Progress) -> None:
        if event.what not in WORK:
            return
        if event.of > 1:
            self._begin(WORK[event.what], event.of, event.done)
        elif event.done == 0 and self.last_work != event.what:
            self.say(say("terminal.work_begins", what=WORK[event.what]))
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
        speed = (
            say("terminal.steps_per_second", count=f"{1 / event.seconds:.1f}")
            if event.seconds < 1
            else say("terminal.seconds_per_step", count=f"{event.seconds:.1f}")
        )
        note = say("terminal.loss_and_speed", loss=f"{loss:.4f}", speed=speed)
        if self.task is not None:
            self.bar.update(self.task, description="Training", completed=event.step, note=note)
        total = self.bar.tasks[0].total or 0
        if not self.moves and (event.step % 10 == 0 or event.step <= 3):
            left = (total - event.step) * event.seconds
            self.say(
                say(
                    "terminal.step_line",
                    step=event.step,
                    steps=int(total),
                    note=note,
                    lr=f"{event.lr:.2e}",
                    minutes=f"{left / 60:.1f}",
                )
            )


def _is_main_process() -> bool:
    return os.environ.get("RANK", "0") == "0"  # set by accelerate launch and torchrun


@contextmanager
def _stopping_on_signals(run: Run):
    terminals = [stream for stream in (sys.stdout, sys.stderr) if stream and stream.isatty()]

    asked: list[int] = []  # not the request itself: the page makes one, too, and the loop takes it away

    def stop(number, _frame):
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        run.request("stop")
        print("\n" + say("terminal.stopping_after_step"), file=sys.stderr, flush=True)

    def hang_up(_number, _frame):  # comes twice: from the kernel and from the shell
        _silence(terminals)
        run.request("stop")

    wanted = {
        "SIGINT": stop,
        "SIGTERM": stop,
        "SIGHUP": hang_up,
        "SIGBREAK": hang_up,
    }  # SIGBREAK: Windows' closed window
    handlers = {getattr(signal, name): handler for name, handler in wanted.items() if hasattr(signal, name)}
    # What was started to ignore it (nohup) goes on ignoring it.
    handlers = {number: handler for number, handler in handlers.items() if signal.getsignal(number) != signal.SIG_IGN}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
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
