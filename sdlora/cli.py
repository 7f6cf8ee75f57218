"""The command line. Flags derive from sdlora.settings; torch is imported only inside the commands that need it."""

import argparse
import contextlib
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdlora import __version__, inuse
from sdlora.commands.demo import EXAMPLE
from sdlora.errors import UserError, explain
from sdlora.foreign import import_file, tool_of
from sdlora.runs.run import Run, list_runs
from sdlora.settings import SettingInfo, all_settings, make_settings, merge, read_toml, salvage
from sdlora.settings.numbers import plain_number
from sdlora.toolbox.cli import add_commands as add_toolbox

TINY_EXAMPLE = "sdlora train settings.toml --adapter.rank 8"

# The libraries' notices at import are about their own internals (a missing torchvision and the like).
for _library in ("TRANSFORMERS", "DIFFUSERS"):
    os.environ.setdefault(f"{_library}_VERBOSITY", "error")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 good, 1 something to mend, 2 wrong usage, 130 stopped by Ctrl-C."""
    args = build_parser().parse_args(argv)
    inuse.hold()
    try:
        return args.run_command(args) or 0
    except UserError as error:
        _print_problems(error)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except Exception as error:  # the top: whatever it was, people get a sentence
        path = _note_traceback(args)
        told = explain(error, path)
        _print_problems(told)
        if path and str(path) not in str(told):
            print(f"Details: {path}", file=sys.stderr)
    return 1


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sdlora", description="Train Stable Diffusion LoRAs.")
    parser.add_argument("--version", action="version", version=f"sdlora {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = _command(commands, "train", train_command, f"train a LoRA, for example: {TINY_EXAMPLE}")
    train.add_argument("settings", nargs="?", type=Path, help="settings file (TOML)")
    train.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run folder")
    train.add_argument(
        "--from",
        dest="origin",
        metavar="RUN[@STEP]",
        help="begin a new run at a checkpoint of another one (its newest by default), with other settings",
    )
    train.add_argument("--run", dest="run_folder", type=Path, metavar="RUN", help=argparse.SUPPRESS)
    _add_settings(train)

    check = _command(commands, "check", check_command, "say what is wrong with settings and images, without training")
    check.add_argument("settings", nargs="?", type=Path, help="settings file (TOML)")
    _add_settings(check)

    probe = _command(commands, "probe", probe_command, "measure the time and memory of one step, without training")
    probe.add_argument("settings", nargs="?", type=Path, help="settings file (TOML)")
    probe.add_argument("--json", action="store_true", help="print JSON")
    _add_settings(probe)

    download = _command(commands, "download", download_command, "download what is needed of a base model from the hub")
    download.add_argument("base", help='hub id, "organisation/model"')
    download.add_argument("--revision", default="", help="branch, tag or commit; the newest by default")
    download.add_argument("--json", action="store_true", help="print JSON lines")

    sample = _command(commands, "sample", sample_command, "draw test pictures with a LoRA at several strengths")
    sample.add_argument("lora", type=Path, help="LoRA file or run folder")
    sample.add_argument("--prompt", action="append", default=[], help="prompt (can be given several times)")
    sample.add_argument("--base", default="", help="base model; the run's own by default")
    sample.add_argument("--strength", type=float, nargs="+", default=[0.0, 1.0], help="strengths of the LoRA")
    as_trained = "the run's own by default"
    sample.add_argument("--negative", help=f"negative prompt; {as_trained}")
    sample.add_argument("--steps", type=int, help=as_trained)
    sample.add_argument("--guidance", type=float, help=as_trained)
    sample.add_argument("--size", type=int, default=0, help=f"side in pixels; {as_trained}")
    sample.add_argument("--seed", type=int, help=as_trained)
    sample.add_argument("--sampler", choices=["ddim", "euler", "dpm++ 2m"], help=as_trained)
    sample.add_argument("--vae", default="", help="another VAE: a folder or a .safetensors file")
    sample.add_argument(
        "--clip-skip",
        type=int,
        default=0,
        choices=range(1, 13),
        metavar="N",
        help="text encoder layer from the end; the LoRA's own by default",
    )
    sample.add_argument("--out", type=Path, default=Path("samples.png"), help="PNG to write (default: samples.png)")

    cells = _command(commands, "draw", draw_command, "draw the pictures that FOLDER/job.json asks for")
    cells.add_argument("folder", type=Path, metavar="FOLDER")

    runs = _command(commands, "runs", runs_command, "list the runs and how they stand")
    runs.add_argument("folder", nargs="?", type=Path, default=Path("runs"))

    for what, text in {
        "stop": "stop a run at its next step, keeping a usable LoRA",
        "pause": "let a run wait",
        "continue": "end a run's pause",
        "save": "write a checkpoint now",
        "pictures": "draw the test pictures now",
    }.items():
        ask = _command(commands, what, request_command, text)
        ask.set_defaults(what=what)
        ask.add_argument("run_folder", type=Path, metavar="RUN")

    export = _command(commands, "export", export_command, "write a run's LoRA file again, from any checkpoint")
    export.add_argument("run_folder", type=Path, metavar="RUN")
    export.add_argument("--step", type=int, default=0, help="checkpoint to take; the newest by default")
    export.add_argument("--container", choices=["kohya", "diffusers"], default="")
    export.add_argument("--dtype", choices=["fp16", "bf16", "fp32"], default="")
    export.add_argument("--metadata", choices=["full", "minimum"], default="")
    export.add_argument("--plain", action="store_true", help="write a DoRA as the nearest plain LoRA, for all tools")
    export.add_argument("--rank", type=int, default=0, help="rank of the plain LoRA; the DoRA's own by default")
    export.add_argument("--out", type=Path, help="file to write")

    add_toolbox(commands, _command)

    settings = _command(commands, "settings", settings_command, "print every setting with its default and help as TOML")
    settings.add_argument(
        "--import", dest="foreign", type=Path, metavar="FILE", help="settings file of kohya, kohya_ss or OneTrainer"
    )
    _add_settings(settings)

    if EXAMPLE.is_dir():  # it comes with a clone of the project, not with an installed package
        demo = _command(
            commands, "demo", demo_command, "train the example style on the embedded base, show before and after"
        )
        demo.add_argument("--steps", type=int, default=0, help="other number of steps")
        demo.add_argument("--folder", type=Path, default=Path("runs"), help="where the run goes (default: runs)")
    return parser


def _command(commands, name: str, function, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run_command=function, command=name)
    return parser


# ---- settings as flags


def _add_settings(parser: argparse.ArgumentParser) -> None:
    groups = {}
    for info in all_settings():
        section = info.key.split(".")[0]
        group = groups[section] = groups.get(section) or parser.add_argument_group(section)
        value = {
            "dest": info.key,
            "default": argparse.SUPPRESS,
            "help": (info.help if info.optional else f"{info.help} (default: {info.default!r})").replace("%", "%%"),
        }
        if info.choices:
            group.add_argument(f"--{info.key}", choices=info.choices, **value)
        elif info.type is bool:
            group.add_argument(f"--{info.key}", action=argparse.BooleanOptionalAction, **value)
        elif info.type is list:
            group.add_argument(f"--{info.key}", nargs="*", metavar="TEXT", **value)
        elif info.type is dict:
            group.add_argument(f"--{info.key}", nargs="*", type=_pair, metavar="PATTERN=NUMBER", **value)
        else:
            group.add_argument(f"--{info.key}", metavar=info.type.__name__.upper(), **value)


def _pair(text: str) -> tuple[str, str]:
    pattern, sign, number = text.rpartition("=")
    if not sign or not pattern:
        raise argparse.ArgumentTypeError(f"{text!r} is not PATTERN=NUMBER")
    return pattern, plain_number(number)


def overrides_of(args: argparse.Namespace) -> dict[str, Any]:
    """{"adapter.rank": "8"} of the flags that were given; numbers stay text, pydantic reads them."""

    def plain(info: SettingInfo) -> Any:
        value = vars(args)[info.key]
        if info.type in (int, float):
            return plain_number(value, whole=info.type is int)
        return dict(value) if info.type is dict else value

    return {info.key: plain(info) for info in all_settings() if info.key in vars(args)}


def _settings_of(args: argparse.Namespace):
    """(settings, problems): what is wrong in the file or the flags is a problem, its default stands in for it."""
    if args.settings and (tool := tool_of(args.settings)):
        fix = f"Import it first: sdlora settings --import {args.settings} > settings.toml"
        raise UserError(f"{args.settings.name} is a settings file of {tool}.", fix=fix)
    values = read_toml(args.settings) if args.settings else {}
    return salvage(merge(values, overrides_of(args)), args.settings.name if args.settings else "the command line")


# ---- commands


def train_command(args: argparse.Namespace) -> int:
    from sdlora.commands.terminal import follow

    if args.run_folder or args.resume:
        run = Run.open(args.run_folder or args.resume)
        if args.resume and (args.origin or args.settings or overrides_of(args)):
            fix = f"To change them, begin a new run at its last checkpoint: sdlora train --from {run.folder} …"
            raise UserError("A resumed run keeps its settings.", fix=fix)
        return follow(run, run.settings(), plain=bool(args.run_folder))
    if args.origin:
        device = args.__dict__.get("train.device", "auto")
        made = lambda: begin_at_origin(args)  # noqa: E731
    else:
        settings, problems = _settings_of(args)
        device = settings.train.device
        made = lambda: prepare_run(settings, problems)  # noqa: E731
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return follow(*made())
    from sdlora.train.processes import made_by_main

    run = Run(made_by_main(lambda: str(made()[0].folder), device))
    return follow(run, run.settings())


def begin_at_origin(args: argparse.Namespace):
    """(run, settings) of ``--from``: another run's settings, those of the file and the flags over them."""
    from sdlora.runs.origin import begin_from, parse

    values = read_toml(args.settings) if args.settings else {}
    sections = {name: part if isinstance(part, dict) else {"": part} for name, part in values.items()}
    changes = {f"{section}.{name}": value for section, part in sections.items() for name, value in part.items()}
    run, settings, notes = begin_from(*parse(args.origin), changes | overrides_of(args), "the command line")
    for note in notes:
        print(f"Note: {note}")
    return run, settings


def prepare_run(settings, problems=()):
    """Check everything, resolve the settings, make the run folder. UserError with all problems at once,
    those found before among them."""
    from sdlora.check import check, resolve
    from sdlora.families.base import inspect_base
    from sdlora.settings import dump_settings

    problems = [*problems, *check(settings)]
    fatal = [p for p in problems if p.fatal]
    if fatal:
        raise UserError(*fatal)
    for problem in problems:
        print(f"Note: {problem}")
    wanted, settings = settings, resolve(settings, inspect_base(settings.model.base, settings.model.revision))
    for key, wish, seed in (
        ("train.seed", wanted.train.seed, settings.train.seed),
        ("sample.seed", wanted.sample.seed, settings.sample.seed),
    ):
        if wish != seed:
            print(f"{key}: {seed} (drawn)")
    return Run.create(settings.run.folder, settings.run.name, dump_settings(settings)), settings


def check_command(args: argparse.Namespace) -> int:
    from sdlora.check import as_wished, base_in_short, check, usual_gamma
    from sdlora.families.base import inspect_base

    settings, wrong = _settings_of(args)
    problems = [*wrong, *check(settings)]
    if not any(problem.fatal and problem.where.startswith("model.") for problem in problems):
        model, gamma = settings.model, settings.train.min_snr_gamma
        base = as_wished(inspect_base(model.base, model.revision, model.vae), model)
        print(f"Base model: {base_in_short(base, usual_gamma(base) if gamma is None else gamma)}.")
    for problem in problems:
        print(("Problem: " if problem.fatal else "Note: ") + str(problem))
    fatal = sum(problem.fatal for problem in problems)
    print(f"{fatal} to mend before training." if fatal else "Ready to train.")
    return 1 if fatal else 0


def probe_command(args: argparse.Namespace) -> int:
    from sdlora.commands.actions import measure

    settings, problems = _settings_of(args)
    print(measure(settings, problems, as_json=args.json))
    return 0


def download_command(args: argparse.Namespace) -> int:
    from sdlora.commands.actions import download_base

    print(download_base(args.base, args.revision, as_json=args.json))
    return 0


def sample_command(args: argparse.Namespace) -> int:
    from sdlora.commands.actions import sample_lora

    print(f"Wrote {sample_lora(args)}")
    return 0


def draw_command(args: argparse.Namespace) -> int:
    from sdlora.pictures.job import draw_job

    print(f"Drew {draw_job(args.folder)} pictures into {args.folder}")
    return 0


def export_command(args: argparse.Namespace) -> int:
    from sdlora.commands.actions import export_run

    path, error = export_run(Run.open(args.run_folder), args)
    print(f"Wrote {path} (read back through diffusers: relative error {error:.1e})")
    return 0


def runs_command(args: argparse.Namespace) -> int:
    from sdlora.events import Finished, StepDone
    from sdlora.runs.origin import origin_of

    runs = list_runs(args.folder)
    for run in runs:
        step, file = 0, ""
        try:
            state, origin = run.state(), origin_of(run.folder)
            for _, event in run.events():
                step = event.step if isinstance(event, StepDone) else step
                file = event.file if isinstance(event, Finished) else file
        except (OSError, UserError) as error:  # the others are listed all the same
            print(f"{run.name:40} unreadable   {explain(error)}")
            continue
        print(f"{run.name:40} {state:12} step {step:<7} {file}{f'  (from {origin})' if origin else ''}")
    if not runs:
        print(f"No runs in {args.folder}.")
    return 0


def request_command(args: argparse.Namespace) -> int:
    run = Run.open(args.run_folder)
    if not run.alive():
        raise UserError(f"{run.name} is not being trained.", fix=f"To go on: sdlora train --resume {run.folder}")
    what = {"continue": "pause", "pictures": "sample"}.get(args.what, args.what)
    run.request(what, on=args.what != "continue")
    print(f"Asked {run.name}: {args.what}.")
    return 0


def settings_command(args: argparse.Namespace) -> int:
    from sdlora.commands.actions import settings_text

    if args.foreign:
        settings, found = import_file(args.foreign)
        settings = make_settings(merge(settings.model_dump(exclude_none=True), overrides_of(args)), "the command line")
        print("\n".join(found.lines()), file=sys.stderr)
        print(settings_text(settings), end="")
        return 0
    print(settings_text(make_settings(merge({}, overrides_of(args)), "the command line")), end="")
    return 0


def demo_command(args: argparse.Namespace) -> int:
    from sdlora.commands.demo import demo

    return demo(args.folder, args.steps)


# ---- helpers


def _print_problems(error: UserError) -> None:
    for problem in error.problems:
        print(str(problem), file=sys.stderr)


def _note_traceback(args: argparse.Namespace) -> str:
    """The details go to a file, not to the screen: its path; "" if the disk takes none.

    In the folder that the command is about, else in the current one, else among the temporary files.
    """
    about = [getattr(args, name, None) for name in ("run_folder", "resume", "folder")]
    for folder in [*(path for path in about if path and os.path.isdir(path)), Path(".")]:
        path = Path(folder).absolute() / "sdlora-error.txt"
        with contextlib.suppress(OSError):
            path.write_text(traceback.format_exc(), encoding="utf-8")
            return str(path)
    with contextlib.suppress(OSError):
        number, name = tempfile.mkstemp(prefix="sdlora-error-", suffix=".txt")
        with open(number, "w", encoding="utf-8") as file:
            file.write(traceback.format_exc())
        return name
    return ""
