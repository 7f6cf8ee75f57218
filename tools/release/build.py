"""Writes the release archive: ``python tools/release/build.py [FOLDER]`` makes FOLDER/sdlora-VERSION.zip.

All that git knows, in one folder, with start.bat, start.command and start.sh on top. Line ends are those that each
file's system reads; programs can be run. The same sources give the same bytes.
"""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STARTS = {"start.bat": "start.bat", "start.command": "start.sh", "start.sh": "start.sh"}  # on top <- here
WINDOWS = (".bat", ".ps1")
RUNNABLE = (".sh", ".command")
LEFT_OUT = ("tests/", "benchmarks/", ".github/")
DAY = (2026, 1, 1, 0, 0, 0)


def version(root: Path = ROOT) -> str:
    """sdlora's version, read without importing it."""
    text = (root / "sdlora" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)[1]


def sources(root: Path = ROOT) -> list[str]:
    """The files that git knows, but for what only those who develop sdlora need."""
    done = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], stdout=subprocess.PIPE, check=True)
    names = [name for name in done.stdout.decode().split("\0") if name]
    return sorted(name for name in names if not name.startswith(LEFT_OUT) and (root / name).is_file())


def content(path: Path, name: str) -> bytes:
    """A file's bytes with the line ends of the system that reads it."""
    data = path.read_bytes()
    if name.endswith((*WINDOWS, *RUNNABLE)):
        data = data.replace(b"\r\n", b"\n")
        return data.replace(b"\n", b"\r\n") if name.endswith(WINDOWS) else data
    return data


def build(out: Path, root: Path = ROOT) -> Path:
    """Write the archive into the folder; its path."""
    top = f"sdlora-{version(root)}"
    files = {name: root / name for name in sources(root)}
    files |= {name: root / "tools" / "release" / source for name, source in STARTS.items()}
    out.mkdir(parents=True, exist_ok=True)
    archive = out / f"{top}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{top}/{name}", DAY)
            entry.create_system = 3  # Unix: else the rights below are not read
            entry.external_attr = (0o100755 if name.endswith(RUNNABLE) else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(entry, content(path, name))
    return archive


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")))
