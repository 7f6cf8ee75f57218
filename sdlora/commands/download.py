"""`sdlora download`: what training reads of a base model on the hub."""

import argparse
import json

from sdlora.errors import UserError
from sdlora.messages import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("base", help='hub id, "organisation/model"')
    parser.add_argument("--revision", default="", help="branch, tag or commit; the newest by default")
    parser.add_argument("--json", action="store_true", help="print JSON lines")


def run(args: argparse.Namespace) -> int:
    """Download, with a bar or a JSON line for each look."""
    print(download_base(args.base, args.revision, as_json=args.json))
    return 0


def download_base(base: str, revision: str = "", as_json: bool = False) -> str:
    """Download a hub id with a bar, or with a JSON line for each look; returns what to say at the end."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from sdlora.families.base import inspect_base
    from sdlora.families.shared.hub import download_in_steps

    if base.count("/") != 1:
        raise UserError(say("pictures.not_a_hub_id", name=repr(base)), fix=say("pictures.write_as_hub_id"))
    with Progress(BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), disable=as_json) as bar:
        task = bar.add_task("")
        for done, of in download_in_steps(base, revision):
            bar.update(task, completed=done, total=of)
            if as_json:
                print(json.dumps({"done": done, "of": of}), flush=True)
    info = inspect_base(base, revision)
    if as_json:
        return json.dumps({"described": info.described})
    return say("terminal.base_ready", base=base, described=info.described)
