"""Everything that only a GPU can show, in one command under 9 minutes.

    python benchmarks/speed/gpu.py OUT.json [--bases FOLDER] [--parts NAME …] [--minutes 8.8]
    python benchmarks/speed/gpu.py OUT.json --device cpu --small        a rehearsal, everything on the embedded base,
                                                                       or on FOLDER/sd15 if it is there

* machine     card, driver, versions
* precisions  the same run on the CPU in fp32 and on the card in fp32, fp16 (GradScaler) and bf16: the same losses?
* resume      a run stopped and resumed against one that was not: the same bits?
* graphs      SD 1.5's UNet with the adapter: eager, as a CUDA graph, its blocks compiled: gradients and seconds
* speed       images a second and memory: SD 1.5 at 512 px with batch 1, 8 and 32, SDXL at 1024 px, with and without
              checkpointing, bf16
* prediction  what the probe says against what the run takes, within 3 %
* memory      the presets with 4, 6, 8 and 12 GB of the card: each fits where its name says, or says that it does not

Each part is a process of its own with its own time; what it has found is kept, also when its time is over or the whole
is killed. SD 1.5 and SDXL with random weights lie in FOLDER (9 GB), and are made there meanwhile if they are not yet.
Ends with status 1 where something is wrong; OUT.json has it under "faults".
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# name: (seconds it may take, does it need the full-size bases?)
PARTS = {
    "machine": (30, False),
    "precisions": (70, False),
    "resume": (80, False),
    "graphs": (90, False),
    "speed": (130, True),
    "prediction": (40, True),
    "memory": (120, True),
}


def work(names: Sequence[str], device: str, small: bool, folder: Path, bases: Path, rows: Path) -> None:
    """What the process of some parts does: a line of ``rows`` for each thing that is known."""
    import gpu_parts

    place = gpu_parts.Place(device, small, folder, bases)
    with rows.open("a") as file:
        for name in names:
            began = time.perf_counter()
            for row in getattr(gpu_parts, name)(place):
                row = {"part": name} | row | {"after_s": round(time.perf_counter() - began, 1)}
                file.write(json.dumps(row) + "\n")
                file.flush()
            file.write(json.dumps({"part": name, "done": True}) + "\n")


def started(call: list[str], seconds: float) -> str:
    """Runs a process to its end, or for so many seconds. Says how it ended, with the last that it wrote if badly."""
    with tempfile.TemporaryFile("w+b") as output:
        process = subprocess.Popen(call, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(seconds)
        except BaseException as error:
            end(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return f"not through after {seconds:.0f} s"
        output.seek(0)
        return "done" if status == 0 else f"exit status {status}: {output.read().decode(errors='replace')[-1500:]}"


def end(process: subprocess.Popen) -> None:
    """End a process and its children, wherever it is."""
    if hasattr(signal, "SIGKILL"):
        import os

        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows written so far; one that was cut off does not count."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def gathered(rows: list[dict[str, Any]], ended: dict[str, str]) -> dict[str, Any]:
    """Everything known, by part. ended: how each part's process ended."""
    parts: dict[str, Any] = {}
    for name, how in ended.items():
        own = [row for row in rows if row["part"] == name]
        how = "done" if any(row.get("done") for row in own) else how
        told = [{k: v for k, v in row.items() if k != "part"} for row in own if not row.get("done")]
        parts[name] = {"ended": how, "rows": told}
    faults = [f"{name}: {part['ended']}" for name, part in parts.items() if part["ended"] != "done"]
    faults += [f"{n}: {json.dumps(row)}" for n, part in parts.items() for row in part["rows"] if row.get("ok") is False]
    return {"date": f"{datetime.now(timezone.utc):%Y-%m-%d}", "faults": faults, "parts": parts}


def run_parts(
    groups: Sequence[tuple[str, ...]], command: Callable[[tuple[str, ...], Path], list[str]], rows: Path,
    keep: Callable[[dict[str, Any]], None], until: float, ready: Callable[[tuple[str, ...], float], bool],
) -> dict[str, Any]:  # fmt: skip
    """Each group in a process of its own, for its time but not past ``until``; keep is called after each.

    ready: waits for what a group needs, for so many seconds at most.
    """
    ended: dict[str, str] = {}
    for names in groups:
        left = until - time.monotonic()
        if left < 5:
            how = "no time was left"
        elif not ready(names, left):
            how = "its base models were not made"
        else:
            left = until - time.monotonic()
            how = started(command(names, rows), max(1.0, min(left, sum(PARTS[name][0] for name in names))))
        ended |= dict.fromkeys(names, how)
        found = gathered(read_rows(rows), ended)
        keep(found)
        for name in names:
            print(described(name, found["parts"][name]), flush=True)
    return found


def described(name: str, part: dict[str, Any]) -> str:
    """Some lines for people."""
    lines = [f"{name}: {part['ended']}"]
    for row in part["rows"]:
        shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items() if k != "losses"}
        lines.append("  " + ", ".join(f"{k} {v}" for k, v in shown.items()))
    return "\n".join(lines)


def make_bases(bases: Path) -> list[subprocess.Popen]:
    """Start making the full-size models that are not there; each is moved to its place once it is whole."""
    made = []
    for family in ("sd15", "sdxl"):
        if not (bases / family).exists():
            code = "import os, subprocess, sys; subprocess.run(sys.argv[1:-2], check=True); os.rename(*sys.argv[-2:])"
            draft = bases / f"{family}.part"
            call = [sys.executable, str(HERE / "make_sd15.py"), str(draft), "--family", family, "--dtype", "bf16"]
            made.append(subprocess.Popen([sys.executable, "-c", code, *call, str(draft), str(bases / family)]))
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--bases", type=Path, help="where the full-size models lie or are made; else a temporary folder"
    )
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--minutes", type=float, default=8.8, help="for everything")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--small", action="store_true", help="everything on one small base, in one process")
    parser.add_argument("--work", nargs=2, metavar=("FOLDER", "ROWS"), type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.parts, args.device, args.small, args.work[0], args.bases, args.work[1])
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what it has started ends with it
    until = time.monotonic() + 60 * args.minutes
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bases = args.bases or folder / "bases"
        bases.mkdir(parents=True, exist_ok=True)
        needs = not args.small and any(PARTS[name][1] for name in args.parts)
        making = make_bases(bases) if needs else []

        def ready(names: tuple[str, ...], seconds: float) -> bool:
            if args.small or not any(PARTS[name][1] for name in names):
                return True
            end_at = time.monotonic() + seconds
            try:
                return all(process.wait(max(0.1, end_at - time.monotonic())) == 0 for process in making)
            except subprocess.TimeoutExpired:
                return False

        def command(names: tuple[str, ...], rows: Path) -> list[str]:
            call = [sys.executable, __file__, str(args.out), "--work", str(folder), str(rows), "--bases", str(bases)]
            return [*call, "--device", args.device, *["--small"] * args.small, "--parts", *names]

        def keep(found: dict[str, Any]) -> None:
            args.out.write_text(json.dumps(found, indent=1) + "\n")

        groups = [tuple(args.parts)] if args.small else [(name,) for name in args.parts]
        try:
            found = run_parts(groups, command, folder / "rows", keep, until, ready)
        finally:
            for process in making:
                if process.poll() is None:
                    process.kill()
    print(f"{len(found['faults'])} faults", *found["faults"], sep="\n")
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
