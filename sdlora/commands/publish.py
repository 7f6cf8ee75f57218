"""`sdlora publish`: the model card of a run, and its upload."""

import argparse
from pathlib import Path

from sdlora.messages import say
from sdlora.runs.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("run_folder", type=Path, metavar="RUN")
    parser.add_argument("--upload", action="store_true", help="put it on the hub; without this nothing leaves the disk")
    parser.add_argument("--repo", default="", metavar="USER/NAME", help="where to; your own, with the file's name")
    parser.add_argument("--public", action="store_true", help="everybody may see it; a new repository is private else")
    parser.add_argument("--file", type=Path, help="another LoRA file of the run, as `sdlora export` writes them")
    parser.add_argument("--base-model", default="", metavar="ID", help="the base model's hub id, if it was a file")
    parser.add_argument("--licence", "--license", default="", help="as the hub calls it; the base's own by default")
    parser.add_argument("--out", type=Path, help="folder to write; RUN/publish by default")
    parser.add_argument("--renew", action="store_true", help="write README.md anew, over what you changed in it")


def run(args: argparse.Namespace) -> int:
    """Write the folder; upload it if that was asked for."""
    from sdlora.publish.facts import gather
    from sdlora.publish.folder import CARD, CIVITAI, published_files, write_folder
    from sdlora.publish.upload import repository, upload

    opened = Run.open(args.run_folder)
    facts = gather(opened, args.file, args.base_model, args.licence)
    folder = args.out or opened.folder / "publish"
    repo = repository(args.repo, facts.file.stem) if args.upload or args.repo else ""
    new = write_folder(folder, facts, repo, args.renew)
    print(say("publishing.wrote" if new else "publishing.card_kept", card=folder / CARD, civitai=folder / CIVITAI))
    for missing, key in ((facts.base, "publishing.base_unknown"), (facts.licence, "publishing.licence_unknown")):
        if not missing and new:
            print(say("terminal.note", what=say(key)))
    if args.upload:
        print(say("publishing.uploaded", address=upload(folder, published_files(facts), repo, not args.public)))
    else:
        print(say("publishing.nothing_uploaded", path=opened.folder))
    return 0
