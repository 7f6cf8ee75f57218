"""`sdlora models`: the base models on this computer, and the folders to look in."""

import argparse
import json
from pathlib import Path

from sdlora.commands.shared.sizes import size_words
from sdlora.messages import say
from sdlora.models.found import FoundBases, find_bases
from sdlora.models.places import ModelFolder, add_folder, forget_folder, model_folders


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="look in these alone")
    parser.add_argument("--add", action="append", default=[], metavar="FOLDER", help="look there from now on, too")
    parser.add_argument("--forget", action="append", default=[], metavar="FOLDER", help="look there no more")
    parser.add_argument("--places", action="store_true", help="list the folders that are looked in")
    parser.add_argument("--json", action="store_true", help="print a JSON line for each model")


def run(args: argparse.Namespace) -> int:
    """List the models with what they are, how large, and where."""
    for folder in args.add:
        print(say("terminal.folder_added", path=add_folder(folder)))
    for folder in args.forget:
        forget_folder(folder)
        print(say("terminal.folder_forgotten", path=folder))
    if args.add or args.forget:
        return 0
    folders = [ModelFolder(path, path.name) for path in args.folders] or model_folders()
    if args.places:
        for place in folders:
            print(say("terminal.place_of_models", program=f"{place.program:24}", path=place.path))
        return 0
    _print(find_bases(folders), as_json=args.json)
    return 0


def _print(found: FoundBases, as_json: bool) -> None:
    for one in found.bases:
        info = one.info
        if as_json:
            told = {
                "base": one.base, "family": info.family, "prediction": info.prediction, "zero_snr": info.zero_snr,
                "inpainting": info.inpainting, "resolution": info.resolution, "precision": info.precision,
                "bytes": one.size, "program": one.program,
            }  # fmt: skip
            print(json.dumps(told))
        else:
            size = f"{size_words(one.size):>7}"
            print(say("terminal.model_line", described=f"{info.described!s:52}", size=size, base=one.base))
    if as_json:
        return
    if not found.bases:
        print(say("terminal.no_models", count=len(found.folders)))
    if found.pickled:
        print(say("terminal.models_pickled", count=found.pickled))
    if found.cut:
        print(say("terminal.models_cut"))
