"""`sdlora runs`: every run and how it stands; what is said of a run, what it offers; the bin."""

import argparse
from collections.abc import Callable
from pathlib import Path

from sdlora.commands.shared.sizes import size_words
from sdlora.errors import UserError, explain
from sdlora.events import Finished, StepDone
from sdlora.messages import say
from sdlora.runs import bin as runs_bin
from sdlora.runs.offers import in_short, what_it_offers
from sdlora.runs.origin import origin_of
from sdlora.runs.pack import write_zip
from sdlora.runs.remarks import BEST, remark, remarks_of
from sdlora.runs.run import Run, list_runs

FOLDER = Path("runs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="a folder of runs, or run folders")
    parser.add_argument("--name", help="call the run so; its folder keeps its name")
    parser.add_argument("--note", help="note this of the run")
    parser.add_argument("--rating", type=int, help=f"1 to {BEST}; 0 for none")
    parser.add_argument("--zip", type=Path, metavar="FILE", help="write the run's LoRA files and settings as one zip")
    parser.add_argument("--delete", action="store_true", help="move the runs into the bin")
    parser.add_argument("--bin", action="store_true", help="list what is in the bin")
    parser.add_argument("--put-back", metavar="RUN", help="take a run out of the bin, by its name there")
    parser.add_argument("--empty-bin", action="store_true", help="delete for good what is in the bin")


def run(args: argparse.Namespace) -> int:
    """Do what the options say with the runs that are named; without any, list those of the folder."""
    said = {key: getattr(args, key) for key in ("name", "note", "rating") if getattr(args, key) is not None}
    if said or args.zip or args.delete:
        return _change(args, said)
    root = args.folders[0] if args.folders else FOLDER
    if args.put_back is not None:
        print(say("terminal.put_back", path=runs_bin.take_out(root, args.put_back).folder))
        return 0
    if args.empty_bin:
        count, freed = runs_bin.empty(root)
        print(say("terminal.bin_emptied", count=count, size=size_words(freed)))
        return 0
    if args.bin:
        _list(runs_bin.binned(root), say("terminal.bin_empty", folder=root))
        return 0
    for folder in args.folders or [FOLDER]:
        single = (folder / "settings.toml").is_file()
        _list([Run(folder)] if single else list_runs(folder), say("terminal.no_runs", folder=folder))
        if single:
            for sentence in what_it_offers(Run(folder)) or [say("runs.no_offer", name=Run(folder).name)]:
                print(sentence)
        else:
            _sum(folder)
    return 0


def _change(args: argparse.Namespace, said: dict) -> int:
    """What is said of runs, their zip, the bin: each run that is named must be one, before anything is done."""
    if not args.folders:
        raise UserError(say("terminal.name_a_run"), fix=say("runs.list_runs"))
    runs = [Run.open(folder) for folder in args.folders]
    if len(runs) > 1 and (args.zip or "name" in said):
        raise UserError(say("terminal.one_run_only"))
    for each in runs:
        if said:
            remark(each.folder, **said)
            print(say("terminal.remarked", name=each.name))
        if args.zip:
            print(say("terminal.wrote_bytes", path=args.zip, size=size_words(write_zip(each, args.zip))))
        if args.delete:
            size = size_words(runs_bin.bytes_in(each.folder))
            print(say("terminal.in_the_bin", path=runs_bin.delete(each), size=size))
    return 0


def _list(runs: list[Run], nothing: str) -> None:
    """A line for each run, newest first; one that can't be read says why."""
    for each in runs:
        try:
            print(_line(each))
        except (OSError, UserError) as error:  # the others are listed all the same
            print(say("terminal.run_unreadable", name=f"{each.name:40}", why=explain(error).message))
    if not runs:
        print(nothing)


def _line(run: Run) -> str:
    step, file = 0, ""
    state, origin, said = run.state(), origin_of(run.folder), remarks_of(run.folder)
    for _, event in run.events():
        step = event.step if isinstance(event, StepDone) else step
        file = event.file if isinstance(event, Finished) else file
    offers = in_short(run) if file else ""
    first: Callable[[str], str] = lambda text: next(iter(text.splitlines()), "")  # noqa: E731
    parts = ("★" * said.rating, said.name, first(said.note))
    return say(
        "terminal.run_line",
        name=f"{run.name:40}",
        state=f"{state:12}",
        step=f"{step:<7}",
        size=f"{size_words(runs_bin.bytes_in(run.folder)):>7}",
        file=file,
        origin=say("terminal.run_from", origin=origin) if origin else "",
        offers=say("terminal.run_offers", offers=offers) if offers else "",
        remarks="".join(f"  {part}" for part in parts if part),
    )


def _sum(root: Path) -> None:
    runs, gone = list_runs(root), runs_bin.binned(root)
    if runs or gone:
        sizes = [size_words(sum(runs_bin.bytes_in(each.folder) for each in some)) for some in (runs, gone)]
        print(say("terminal.runs_sum", count=len(runs), size=sizes[0], binned=len(gone), binned_size=sizes[1]))
