"""`sdlora caption`: have a model write the captions of a folder."""

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlora.captioners import CAPTIONERS, Options
from sdlora.captioners.server import USUAL
from sdlora.errors import UserError
from sdlora.files.regular import read_regular
from sdlora.messages import listed, packed, say
from sdlora.settings import all_settings

if TYPE_CHECKING:
    from sdlora.captioners.job import Captioned, Step, Wish

MOST_TOKENS = 4096
LONGEST_LIST = 1 << 26  # bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("folder", type=Path, help="the pictures")
    known = "; ".join(f"{name}: {entry.text}" for name, entry in CAPTIONERS.items())
    parser.add_argument("--with", dest="captioner", choices=CAPTIONERS, default="server", help=known)
    parser.add_argument("--model", default="", help="folder, hub id or the server's name of a model")
    parser.add_argument("--revision", default="", help="commit of a hub id")
    parser.add_argument("--server", default=USUAL, metavar="URL", help=f"the server's address (default: {USUAL})")
    parser.add_argument("--prompt", default="", help="what is asked; each captioner has one of its own")
    parser.add_argument(
        "--mode",
        choices=("skip", "append", "replace"),
        default="skip",
        help="of pictures with a caption (default: skip)",
    )
    parser.add_argument("--image", nargs="*", default=[], metavar="NAME", help="only these pictures")
    parser.add_argument("--images-from", metavar="FILE", type=Path, help="their names, as a list in a JSON file")
    parser.add_argument("--trigger", default="", metavar="WORD", help="comes in front of each caption")
    parser.add_argument("--without", default="", metavar="WORDS", help="tags or words to leave out, with commas")
    parser.add_argument("--threshold", type=_share, default=Options.threshold, help="least probability of a tag")
    parser.add_argument(
        "--character-threshold",
        type=_share,
        default=Options.character_threshold,
        help="the same, of a character's name",
    )
    parser.add_argument("--ratings", action="store_true", help="keep the tag that rates the picture")
    parser.add_argument("--underscores", action="store_true", help="keep underscores in tags")
    parser.add_argument("--tokens", type=int, default=Options.tokens, help="longest answer (default: 200)")
    devices = next(info.choices for info in all_settings() if info.key == "train.device")
    parser.add_argument("--device", default="auto", choices=devices, help="where it runs (default: auto)")
    parser.add_argument("--undo", action="store_true", help="take back what the last call has written")
    parser.add_argument("--json", action="store_true", help="print JSON lines")


def run(args: argparse.Namespace) -> int:
    """Caption, with a line for each picture; 1 if some could not be captioned."""
    from sdlora.captioners.job import caption_folder

    if not args.folder.is_dir():
        raise UserError(say("images.folder_missing", path=args.folder), fix=say("images.check_folder"))
    if args.undo:
        return _undo(args)

    def to_person(step: "Step") -> None:
        print(f"{step.done}/{step.of} {step.name}: {step.caption}", flush=True)

    def to_program(step: "Step") -> None:
        print(json.dumps({"done": step.done, "of": step.of, "name": step.name, "caption": step.caption}), flush=True)

    signal.signal(signal.SIGTERM, _end)
    try:
        result = caption_folder(args.folder.absolute(), _wish(args), to_program if args.json else to_person)
    except KeyboardInterrupt:
        print(say("captioning.goes_on"), file=sys.stderr)
        raise
    _tell(result, args.json)
    return 1 if result.problems else 0


def _wish(args: argparse.Namespace) -> "Wish":
    from sdlora.captioners.job import Wish

    given: dict[str, Any] = {name: getattr(args, name) for name in vars(Options()) if name != "tokens"}
    return Wish(
        args.captioner,
        Options(**given, tokens=min(max(1, args.tokens), MOST_TOKENS)),
        args.mode,
        args.trigger,
        tuple(word.strip() for word in args.without.split(",") if word.strip()),
        (*args.image, *(_names(args.images_from) if args.images_from else ())),
    )


def _names(path: Path) -> list[str]:
    try:
        names = json.loads(read_regular(path, LONGEST_LIST))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(say("captioning.no_list", file=path)) from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(say("captioning.no_list", file=path))
    return names


def _tell(result: "Captioned", as_json: bool) -> None:
    said = [say("captioning.written", count=result.written)]
    said += [say("captioning.gone_on", count=result.before)] if result.before else []
    said += [say("captioning.skipped", count=result.skipped)] if result.skipped else []
    said += [say("captioning.silent", names=listed(result.silent))] if result.silent else []
    said += [say("captioning.failed", name=p.where, what=p.message) for p in result.problems]
    if as_json:
        counts = {"written": result.written + result.before, "skipped": result.skipped}
        print(json.dumps({"report": {**counts, "said": [packed(words) for words in said]}}), flush=True)
    else:
        print("\n".join(said))


def _undo(args: argparse.Namespace) -> int:
    from sdlora.data.history import History

    history = History(args.folder.absolute())
    last = history.last()
    if last is None or last.kind != "captioned":
        raise UserError(say("captioning.nothing_to_undo", folder=args.folder), fix=say("captioning.undo_on_page"))
    restored, changed = history.undo()
    print(say("captioning.undone", count=len(restored)))
    if changed:
        print(say("captioning.stays", count=changed))
    return 0


def _end(*_: object) -> None:
    raise KeyboardInterrupt  # what has come is written first


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value
