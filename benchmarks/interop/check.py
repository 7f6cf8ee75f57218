"""Load our LoRA files with the other tools' own code, and compare every weight with float64.

    python benchmarks/interop/check.py --tools FOLDER --out benchmarks/results/interop.json
        [--only a1111,comfyui,...] [--families sd1,sd2,sdxl] [--files FOLDER] [--readme benchmarks/interop/README.md]

FOLDER holds checkouts named a1111, forge, comfyui, kohya, invokeai (git repositories, or plain trees with a file COMMIT
that says "HASH DATE"). diffusers is the installed one. Needs what the tools' LoRA code imports:
    pip install einops torchsde omegaconf sentencepiece scipy psutil deprecated blake3 gguf picklescan onnxruntime
        comfy-aimdo comfy-kitchen
Every file is loaded in a process of its own, forked off one that has imported the tool. --files keeps the LoRA files.

The exit status is 1 if a file that must load exactly did not, or if a broken file was not seen to fail.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path = [str(ROOT), *(p for p in sys.path if Path(p or ".").resolve() != Path(__file__).parent)]

TOOLS = ("a1111", "a1111_half", "forge", "comfyui", "kohya", "invokeai", "diffusers_")
FAMILIES = ("sd1", "sd2", "sdxl")
TOLERANCE = {"fp32": 1e-5, "fp16": 2e-3, "bf16": 1.5e-2}  # rounding of two factors, of the layer's largest change


def main() -> int:
    arguments = _arguments()
    only = [t for t in TOOLS if t in arguments.only.split(",")] if arguments.only else list(TOOLS)
    families = arguments.families.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.files or Path(scratch) / "files").resolve()
        if not (folder / "files.json").exists():
            _child("--write", "--files", folder, "--families", ",".join(families))
        rows = []
        for tool in only:
            result = Path(scratch) / f"{tool}.json"
            where = ("--tools", arguments.tools.resolve(), "--files", folder, "--out", result)
            _child("--tool", tool, "--families", ",".join(families), *where)
            rows += json.loads(result.read_text())
    if only != list(TOOLS) and arguments.out.exists():
        others = json.loads(arguments.out.read_text())["results"]
        rows += [row for row in others if row["tool"] not in only]
        rows.sort(key=lambda row: TOOLS.index(row["tool"]))
    problems = [f"{row['title']}: {row['file']}: {row['verdict']}" for row in rows if not row["as_expected"]]
    _save(arguments.out, {"results": rows, "not as expected": problems})
    if arguments.readme:
        from benchmarks.interop.table import tables, update_readme

        update_readme(arguments.readme, tables(rows))
    print(f"{len(rows)} loads, {len(problems)} not as expected")
    print("\n".join(problems))
    return 1 if problems else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", type=Path, default=Path("."), help="folder of the checkouts")
    parser.add_argument("--out", type=Path, default=Path("interop.json"))
    parser.add_argument("--only", default="", help=f"some of {', '.join(TOOLS)}; OUT keeps the others' results")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--files", type=Path, help="where the LoRA files are, or shall be kept")
    parser.add_argument("--readme", type=Path, help="put the tables into this file")
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--tool", choices=TOOLS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _child(*arguments: object) -> None:
    subprocess.run([sys.executable, __file__, *map(str, arguments)], check=True)


def _save(path: Path, data: object) -> None:
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


# ---- in a process of its own


def write(folder: Path, families: list[str]) -> None:
    from benchmarks.interop.files import write_files

    write_files(folder, families)


def check_tool(name: str, tools: Path, folder: Path, families: list[str], out: Path) -> None:
    from benchmarks.interop.bases import make_base
    from benchmarks.interop.files import read_entries

    adapter = importlib.import_module(f"benchmarks.interop.{name}")
    checkout = tools / adapter.FOLDER if adapter.FOLDER else None
    adapter.prepare(checkout)
    commit = _commit(checkout) if checkout else adapter.described()
    rows, fork = [], multiprocessing.get_context("fork")
    base = None
    for entry in read_entries(folder):
        if entry.family not in families:
            continue
        if base is None or base.family != entry.family:
            base = make_base(entry.family)
        ours, theirs = fork.Pipe(duplex=False)
        process = fork.Process(target=_load, args=(adapter, base, entry, folder, theirs))
        started = time.time()
        process.start()
        theirs.close()
        row = ours.recv() if ours.poll(600) else {"verdict": "no answer"}
        process.join()
        verdict = row["verdict"]
        expected = (name in entry.exact, name in entry.caught)
        row |= {"tool": name, "title": adapter.TITLE, "commit": commit, "file": entry.name, "family": entry.family}
        row |= {"container": entry.container, "what": entry.what, "dtype": entry.dtype, "broken": entry.broken}
        row["as_expected"] = not (expected[0] and verdict != "exact") and not (expected[1] and verdict == "exact")
        rows.append(row)
        print(f"{adapter.TITLE:20} {entry.name:50} {verdict} ({time.time() - started:.0f} s)", flush=True)
    _save(out, rows)


def _commit(checkout: Path) -> str:
    if (checkout / ".git").exists():
        command = ["git", "-C", str(checkout), "log", "-1", "--format=%H %cs"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return (checkout / "COMMIT").read_text().strip()


def _load(adapter, base, entry, folder: Path, pipe) -> None:
    """One file in one tool; sends a row."""
    import torch

    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            pipe.send(_judge(adapter, base, entry, folder))
    except BaseException as error:  # whatever a tool raises is its answer
        reason = " ".join(str(error).split())[:150]
        where = traceback.extract_tb(error.__traceback__)[-1]
        pipe.send(
            {
                "verdict": f"raises {type(error).__name__}: {reason}",
                "where": f"{Path(where.filename).name} {where.name}",
            }
        )


def _judge(adapter, base, entry, folder: Path) -> dict:
    from benchmarks.interop.reference import compare, load_changes, read_file

    path = folder / f"{entry.name}.safetensors"
    live, layers = load_changes(path.with_suffix(".changes.safetensors")), base.weights
    in_file, unknown = read_file(path, entry.family, layers)
    keys = _key_count(path)
    result = adapter.apply(base, path)
    tolerance = getattr(adapter, "TOLERANCE", TOLERANCE[entry.dtype])
    report = compare(result.weights, layers, live, tolerance)
    itself = compare(result.weights, layers, in_file, tolerance) if not entry.broken else None
    row = {
        "keys": keys,
        "matched": keys - len(result.unmatched),
        "unmatched": result.unmatched[:3],
        "layers": report.layers,
        "exact": report.exact,
        "error": _rounded(report.error),
        "worst": report.worst,
        "error_of_file": _rounded(itself.error) if itself else None,
        "touched": report.touched[:3],
        "says": result.says,
    }
    faults = []
    if result.unmatched:
        faults.append(f"{len(result.unmatched)} of {keys} keys dropped")
    if report.exact < report.layers:
        faults.append(f"{report.layers - report.exact} of {report.layers} layers wrong, by up to {report.error:.1e}")
    if report.touched:
        faults.append(f"{len(report.touched)} other layers changed")
    if unknown and not entry.broken:
        faults.append(f"{len(unknown)} keys that the reference does not know, such as {unknown[0]}")
    return row | {"verdict": "; ".join(faults) or "exact"}


def _key_count(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(path, "pt") as opened:
        return len(list(opened.keys()))


def _rounded(error: float) -> float | None:
    return float(f"{error:.2e}") if error == error else None  # NaN is no JSON


if __name__ == "__main__":
    options = _arguments()
    if options.write:
        write(options.files, options.families.split(","))
    elif options.tool:
        check_tool(options.tool, options.tools, options.files, options.families.split(","), options.out)
    else:
        sys.exit(main())
