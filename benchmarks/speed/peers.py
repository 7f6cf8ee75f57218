"""kohya's sd-scripts and diffusers' script beside ours: seconds a step, time to the first one, memory.

    python benchmarks/speed/peers.py OUT.json --base FOLDER --file MODEL.safetensors
        --kohya FOLDER --kohya-python PYTHON --diffusers FOLDER --diffusers-python PYTHON
        [--pixels 64 128 256] [--precision fp32 own] [--steps 8] [--rounds 2] [--threads 1]

FOLDER: checkouts of kohya-ss/sd-scripts and huggingface/diffusers; PYTHON: that of an environment with what they need.
FOLDER and MODEL.safetensors of the base: the same weights twice, as ``make_sd15.py`` makes them.

All do the same work on the CPU: same pictures, rank, batch, size, AdamW, the UNet alone. Each is a process of its own
that runs unchanged; an optimizer hook tells when a step was done (``stamped.py``). They take turns, A B C A B C, for a
machine's speed drifts. precision: "fp32" is the same for all; "own" is what users would run: "auto" with ours, bf16
with the others where the processor computes in it natively, else fp32. "best" in the table is the faster of these, for
each trainer by itself.

* step      seconds from one update to the next: the median after the first two, over all rounds
* cpu       the same in the process's seconds of processor: with one thread, other work on the machine hardly tells
* first     seconds from the start of the process to its first update, with all it does before (caching, too)
* resident  the most memory, mapped files included; private: the most that is not of files, sampled
* ratio     how many times longer than the fastest peer's a step takes, in seconds of processor: median over the rounds
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from trainers import Case, Trainer, make_trainers  # noqa: E402

WARM = 2  # intervals after the first update that don't count
EVERY = 0.1  # seconds between looks at the memory


def make_pictures(parent: Path, pixels: int, count: int = 4) -> Path:
    """A folder that all trainers read: kohya's name for ten repeats, captions as files and as ImageFolder's list."""
    from PIL import Image

    folder = parent / "10_noise"
    folder.mkdir(parents=True)
    lines = []
    for number in range(count):
        Image.effect_noise((pixels, pixels), 80).convert("RGB").save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"noise number {number}")
        lines.append(json.dumps({"file_name": f"{number}.png", "text": f"noise number {number}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def anonymous_bytes(root: psutil.Process) -> int:
    """Memory of a process and its children that is no file's."""
    total = 0
    for process in (root, *root.children(recursive=True)):
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))
    return total


def watch(process: subprocess.Popen, most: list[int]) -> None:
    """Keep the highest of ``anonymous_bytes`` in ``most`` until the process has ended."""
    while process.poll() is None:
        with suppress(OSError, psutil.Error):  # it, or a child of it, ended meanwhile
            most[0] = max(most[0], anonymous_bytes(psutil.Process(process.pid)))
        time.sleep(EVERY)


def read_stamps(text: str) -> list[tuple[float, float, int]]:
    """(time, seconds of processor, peak kB) of each step; a line that was cut off does not count."""
    rows = [line.split() for line in text.splitlines()]
    return [(float(row[0]), float(row[1]), int(row[2])) for row in rows if len(row) == 3]


def figures(stamps: list[tuple[float, float, int]], began: float, private: int) -> dict:
    """What a run showed. began: time at the start of the process. private: bytes."""
    pairs = list(zip(stamps, stamps[1:], strict=False))[WARM:]
    return {
        "steps_s": [round(later[0] - one[0], 4) for one, later in pairs],
        "steps_cpu_s": [round(later[1] - one[1], 4) for one, later in pairs],
        "first_s": round(stamps[0][0] - began, 2),
        "first_cpu_s": round(stamps[0][1], 2),
        "resident_gb": stamps[-1][2] / 1e6 * 1.024,
        "private_gb": private / 1e9,
    }


def run_once(trainer: Trainer, case: Case, steps: int, threads: int, limit: float) -> dict:
    """One process from its start to its last step; {"error": …} with the end of its output if it does not get there."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, log = Path(temporary), Path(temporary) / "stamps"
        script, *arguments = trainer.command(case, folder)
        stamped = str(Path(__file__).parent / "stamped.py")
        call = [trainer.python, stamped, str(log), str(steps), script, *arguments]
        environment = os.environ | {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        environment |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", **trainer.environment}
        with open(folder / "output", "w+b") as output:
            began, most = time.time(), [0]
            options = {"cwd": folder, "env": environment, "start_new_session": True}
            process = subprocess.Popen(call, stdout=output, stderr=subprocess.STDOUT, **options)
            watcher = threading.Thread(target=watch, args=(process, most))
            watcher.start()
            ended = wait(process, limit)
            watcher.join()
            stamps = read_stamps(log.read_text()) if log.exists() else []
            if len(stamps) >= steps:
                return figures(stamps, began, most[0])
            output.seek(0)
            tail = output.read().decode(errors="replace")[-2000:]
            return {"error": f"{len(stamps)} of {steps} steps, {ended}", "output": tail}


def wait(process: subprocess.Popen, limit: float) -> str:
    """How it ended; a process that is not through after ``limit`` seconds is ended with its children."""
    try:
        return f"exit status {process.wait(limit)}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"not through after {limit:.0f} s"
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def turns(trainers: list[Trainer], cases: list[Case], rounds: int) -> Iterable[tuple[int, Case, Trainer]]:
    """In which order: every trainer once with each case, then all again, so that a first round is soon whole."""
    for turn in range(rounds):
        for case in cases:
            for trainer in trainers:
                yield turn, case, trainer


def gather(
    trainers: list[Trainer], cases: list[Case], rounds: int, run: Callable[[Trainer, Case], dict],
    keep: Callable[[list[dict]], None],
) -> list[dict]:  # fmt: skip
    """A row for each run; keep: called with all rows after each."""
    rows: list[dict] = []
    for turn, case, trainer in turns(trainers, cases, rounds):
        precision = trainer.own if case.precision == "own" else case.precision
        row = {"trainer": trainer.name, "pixels": case.pixels, "asked": case.precision, "precision": precision}
        rows.append(row | {"round": turn} | run(trainer, case))
        print(told(rows[-1]), file=sys.stderr, flush=True)
        keep(rows)
    return rows


def told(row: dict) -> str:
    start = f"{row['trainer']} {row['pixels']} px {row['precision']}, round {row['round'] + 1}: "
    if "error" in row:
        return f"{start}{row['error']}\n{row['output']}"
    return f"{start}{statistics.median(row['steps_s']):.2f} s a step, first after {row['first_s']:.1f} s"


def summary(rows: list[dict]) -> list[dict]:
    """A line for each size, precision asked for and trainer, with ratios to the fastest peer; see the module."""
    groups: dict[tuple[int, str], dict[str, list[dict]]] = {}
    for row in rows:
        if "error" not in row:
            groups.setdefault((row["pixels"], row["asked"]), {}).setdefault(row["trainer"], []).append(row)
    for pixels in dict.fromkeys(pixels for pixels, _ in groups):
        asked = [group for (size, _), group in groups.items() if size == pixels]
        groups[pixels, "best"] = {
            name: min((g[name] for g in asked if name in g), key=lambda runs: middle(runs, "steps_cpu_s"))
            for name in dict.fromkeys(name for group in asked for name in group)
        }
    lines = []
    for (pixels, asked), by_trainer in groups.items():
        fastest = fastest_peer(by_trainer)
        for name, runs in by_trainer.items():
            line = {"pixels": pixels, "asked": asked, "trainer": name, "precision": runs[0]["precision"]}
            line |= {"step_s": middle(runs, "steps_s"), "step_cpu_s": middle(runs, "steps_cpu_s")}
            line |= {key: statistics.median(r[key] for r in runs) for key in ("first_s", "first_cpu_s")}
            line |= {key: max(r[key] for r in runs) for key in ("resident_gb", "private_gb")}
            if fastest:
                line |= {"fastest_peer": fastest, "ratio": ratio(runs, by_trainer[fastest], "steps_cpu_s")}
                line |= {"ratio_wall": ratio(runs, by_trainer[fastest], "steps_s")}
            lines.append(line)
    return lines


def middle(runs: list[dict], key: str) -> float:
    """The median of all steps of some runs."""
    return statistics.median(value for run in runs for value in run[key])


def fastest_peer(by_trainer: dict[str, list[dict]]) -> str:
    """Who of those that are not ours needs the fewest seconds of processor a step; "" for none."""
    peers = [name for name in by_trainer if name != "ours"]
    return min(peers, key=lambda name: middle(by_trainer[name], "steps_cpu_s"), default="")


def ratio(runs: list[dict], fastest: list[dict], key: str) -> float:
    """How many times as long a step takes as the fastest peer's in the same round: the median over rounds of both."""
    other = {run["round"]: statistics.median(run[key]) for run in fastest}
    pairs = [statistics.median(run[key]) / other[run["round"]] for run in runs if run["round"] in other]
    return statistics.median(pairs) if pairs else middle(runs, key) / middle(fastest, key)


def table(lines: list[dict]) -> str:
    """The summary as Markdown."""
    head = (
        "size",
        "trainer",
        "precision",
        "s a step",
        "cpu s",
        "× fastest peer",
        "first step after",
        "memory",
        "private",
    )
    shown = [head, ("---",) * len(head)]
    for line in lines:
        ratio = f"{line['ratio']:.2f}" if "ratio" in line else "-"
        same = {"own": "", "best": " (its best)"}.get(line["asked"], " (the same for all)")
        shown.append((
            f"{line['pixels']} px", line["trainer"], line["precision"] + same, f"{line['step_s']:.2f}",
            f"{line['step_cpu_s']:.2f}", ratio, f"{line['first_s']:.0f} s",
            f"{line['resident_gb']:.1f} GB", f"{line['private_gb']:.1f} GB",
        ))  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in shown)


def native_bf16() -> bool:
    """Has the processor bf16 units?"""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def machine(threads: int) -> dict:
    """Where and when this was measured."""
    from sdlora.train.fastest import processor

    about = {"processor": processor(), "cores": os.cpu_count(), "threads": threads, "bf16_units": native_bf16()}
    about |= {"memory_gb": round(psutil.virtual_memory().total / 1e9, 1), "system": platform.platform(terse=True)}
    return about | {"date": f"{datetime.now(timezone.utc):%Y-%m-%d}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--base", required=True, type=os.path.abspath, help="diffusers folder")
    parser.add_argument("--file", required=True, type=os.path.abspath, help="the same as a single file, for kohya")
    for name in ("kohya", "diffusers"):
        parser.add_argument(f"--{name}", metavar="FOLDER", help="its checkout")
        parser.add_argument(f"--{name}-python", metavar="PYTHON", default=sys.executable, help="its Python")
    parser.add_argument("--pixels", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--precision", nargs="+", choices=["fp32", "bf16", "own"], default=["fp32", "own"])
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, default=900, help="seconds for one process")
    parser.add_argument("--note", default="", help="a sentence on the machine, kept with the results")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what it has started ends with it
    if args.steps < WARM + 2:
        parser.error(f"--steps must be at least {WARM + 2}")
    given = {"kohya": (args.kohya, args.kohya_python), "diffusers": (args.diffusers, args.diffusers_python)}
    trainers = make_trainers({name: pair for name, pair in given.items() if pair[0]}, native_bf16())
    about = {"machine": machine(args.threads), "note": args.note, "rank": args.rank, "batch": args.batch}
    about |= {"trainers": {t.name: {"adapts": t.adapts, "own": t.own, **t.versions()} for t in trainers}}

    def keep(rows: list[dict]) -> None:
        args.out.write_text(json.dumps(about | {"summary": summary(rows), "runs": rows}, indent=1) + "\n")

    with tempfile.TemporaryDirectory() as temporary:
        cases = []
        for pixels in args.pixels:
            images = str(make_pictures(Path(temporary) / str(pixels), pixels))
            parts = (args.base, args.file, images, pixels)
            cases += [Case(*parts, precision, args.rank, args.batch) for precision in args.precision]
        run = lambda trainer, case: run_once(trainer, case, args.steps, args.threads, args.limit)  # noqa: E731
        rows = gather(trainers, cases, args.rounds, run, keep)
    print(table(summary(rows)))


if __name__ == "__main__":
    main()
