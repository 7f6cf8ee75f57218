"""What the Runs tab answers to clicks that keep order: remarks, the bin, the way back into the queue."""

import shutil
from typing import Any

import gradio as gr
from filelock import Timeout

from sdlora.errors import UserError
from sdlora.runs import bin as runs_bin
from sdlora.runs.remarks import remark
from sdlora.runs.run import Run
from ui import text, translate
from ui.shell.place import Place
from ui.shell.render import plain
from ui.shell.sizes import Sizes
from ui.shell.view import RunView
from ui.shell.watch import LIVE, Watch

REFUSED = (UserError, OSError, Timeout)


class KeepingDesk:
    """The handlers. Names come from the page: each is looked up among what is there, none is made into a path."""

    def __init__(self, watch: Watch, place: Place, sizes: Sizes):
        self.watch, self.place, self.sizes = watch, place, sizes

    def keep(self, name: Any, called: Any, rating: Any, note: Any) -> None:
        """Keep what is said of the run."""
        found = self._found(name)
        if found is None:
            return
        rating = rating if type(rating) is int else 0
        try:
            remark(found[0].folder, str(called or ""), rating, str(note or ""))
        except REFUSED as error:
            _warn(error)
            return
        gr.Info(text.SAID_KEPT, duration=3)
        self.watch.refresh(force=True)

    def delete(self, name: Any) -> None:
        """Move the run into the bin."""
        found = self._found(name)
        if found is None:
            return
        view, state = found
        called = plain(view.name)
        if state in LIVE or state == "waiting":
            gr.Warning(text.NOT_WHILE_LIVE.format(name=called))
            return
        if self.watch.trainers.exporting(view.folder.name):
            gr.Warning(text.NOT_WHILE_EXPORTING.format(name=called))
            return
        size = text.size(runs_bin.bytes_in(view.folder))
        try:
            runs_bin.delete(Run(view.folder))
        except REFUSED as error:
            _warn(error)
        else:
            gr.Info(text.DELETED.format(name=called, size=size), duration=5)
        self._look_again()

    def put_back(self, names: Any) -> None:
        """Take the chosen runs out of the bin."""
        names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
        if not names:
            gr.Warning(text.BIN_CHOOSE_FIRST)
            return
        for name in names:
            try:
                back = runs_bin.take_out(self.watch.root, name)
            except REFUSED as error:
                _warn(error)
            else:
                gr.Info(text.BACK_AGAIN.format(name=plain(RunView(back.folder).name)), duration=4)
        self._look_again()

    def empty(self) -> None:
        """Delete for good what is in the bin, and the links to it that browsers may fetch."""
        names = [run.name for run in runs_bin.binned(self.watch.root)]
        try:
            count, freed = runs_bin.empty(self.watch.root)
        except REFUSED as error:
            _warn(error)
        else:
            gr.Info(text.count("EMPTIED", count, size=text.size(freed)), duration=5)
        for name in names:
            if not (self.watch.root / runs_bin.BIN / name).exists():
                shutil.rmtree(self.place.links_of(name), ignore_errors=True)
        self._look_again()

    def undo_removal(self) -> None:
        """What was taken out of the queue last waits again."""
        try:
            run = self.watch.queue.put_back()
        except REFUSED as error:
            _warn(error)
        else:
            if run is None:
                gr.Warning(text.GONE_ALREADY)
        self._look_again()

    def export_all(self, name: Any, container: Any, dtype: Any) -> None:
        """Have a LoRA file of each checkpoint written."""
        found = self._found(name)
        if found is None:
            return
        container = container if container in ("kohya", "diffusers") else ""
        dtype = dtype if dtype in ("fp16", "bf16", "fp32") else ""
        try:
            self.watch.trainers.export(Run(found[0].folder), None, container, dtype)
        except OSError as error:
            _warn(error)

    def _found(self, name: Any) -> tuple[RunView, str] | None:
        self.watch.refresh(force=True)
        found = self.watch.get(name if isinstance(name, str) else None)
        if found is None:
            gr.Warning(text.UNKNOWN_RUN)
        return found

    def _look_again(self) -> None:
        self.sizes.forget()
        self.watch.refresh(force=True)


def _warn(error: BaseException) -> None:
    gr.Warning(plain(translate.error(error)))
