"""`sdlora doctor`: what is wrong with a folder of pictures, without training."""

import argparse
import json
import sys
from typing import Any

from sdlora.errors import UserError
from sdlora.messages import packed, say
from sdlora.settings import all_settings, load_settings, make_settings

LEAST = 64  # pixels: one step of an SD model
SHOWN = 10  # findings of one kind that are printed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("folder", help="the pictures, with their captions")
    parser.add_argument(
        "--resolution", type=int, default=512, metavar="PIXELS", help="side of a training picture (default: 512)"
    )
    parser.add_argument(
        "--step", type=int, default=LEAST, metavar="PIXELS", help="what its sides are multiples of (default: 64)"
    )
    parser.add_argument("--settings", metavar="FILE", help="settings that it is going to be trained with")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")
    parser.add_argument(
        "--json-lines", action="store_true", help="print how far it is, then everything, a JSON object a line"
    )


def run(args: argparse.Namespace) -> int:
    """Print what was found, kind by kind; 1 if there is anything."""
    from sdlora.doctor.examine import Examination, examine

    def to_person(done: int, count: int) -> None:
        end = "\n" if done == count else ""
        print(f"\r{done}/{count}", end=end, file=sys.stderr, flush=True)

    def to_program(done: int, count: int) -> None:
        print(json.dumps({"done": done, "of": count}), flush=True)

    _refuse_sides(args.resolution)
    settings = load_settings(args.settings) if args.settings else make_settings({})
    watched = sys.stderr.isatty() and not args.json
    progress = to_program if args.json_lines else to_person if watched else None
    report: Examination = examine(
        args.folder, args.resolution, progress, settings=settings, step=min(max(8, args.step), args.resolution)
    )
    if args.json_lines:
        print(json.dumps({"report": as_json(report, keyed=True)}, ensure_ascii=False))
        return 0
    if args.json:
        print(json.dumps(as_json(report), ensure_ascii=False, indent=1))
    else:
        _tell(report)
    return 1 if report.count else 0


def _tell(report: Any) -> None:
    from sdlora.doctor import CAPTION_CHECKS, CHECKS, CaptionCheck, PictureCheck

    if report.problems:
        print(say("doctor.files_and_captions"))
        _print([problem.message for problem in report.problems])
    every: list[PictureCheck | CaptionCheck] = [*CHECKS.values(), *CAPTION_CHECKS.values()]
    for check in every:
        found = [finding.what for finding in report.findings if finding.check == check.name]
        if found:
            print(check.why, check.fix)
            _print(found)
    count = len(report.dataset.items)
    if report.buckets:
        print(say("doctor.buckets"))
        _print([
            say("doctor.bucket", width=b.size[0], height=b.size[1], count=b.pictures, percent=round(100 * b.lost))
            for b in report.buckets
        ])  # fmt: skip
    print(say("doctor.looked_at", count=count, found=report.count) if report.count else (
        say("doctor.nothing_found", count=count)
    ))  # fmt: skip


def _refuse_sides(side: int) -> None:
    """UserError for what no training picture has as its side."""
    most = next(int(info.maximum or 0) for info in all_settings() if info.key == "data.resolution")
    if not LEAST <= side <= most:
        raise UserError(say("doctor.no_such_side", given=side, least=LEAST, most=most))


def as_json(report: Any, keyed: bool = False) -> dict[str, Any]:
    """What `--json` prints: how many pictures, what is wrong with files and captions, what the checks found, sizes.

    keyed: sentences as ``messages.packed`` makes them, to be said in another language.
    """
    from sdlora.doctor import CAPTION_CHECKS, CHECKS

    words = packed if keyed else str

    def entry(finding: Any) -> dict[str, Any]:
        check = CHECKS.get(finding.check) or CAPTION_CHECKS[finding.check]
        told = {"check": check.name, "pictures": finding.names, "what": words(finding.what)}
        mended = {"leave_out": finding.out, "captions": dict(finding.captions)}
        return told | {"why": words(check.why), "fix": words(check.fix)} | mended

    return {
        "pictures": len(report.dataset.items),
        "files": [{"where": p.where, "what": words(p.what), "fix": words(p.fix)} for p in report.problems],
        "findings": [entry(finding) for finding in report.findings],
        "buckets": [{"size": b.size, "pictures": b.pictures, "cut_off": round(b.lost, 4)} for b in report.buckets],
    }


def _print(found: list[str]) -> None:
    for what in found[:SHOWN]:
        print(say("doctor.finding", what=what))
    if len(found) > SHOWN:
        print(say("doctor.and_so_more", count=len(found) - SHOWN))
