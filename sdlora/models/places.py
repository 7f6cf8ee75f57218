"""Where base models lie on this computer: the folders of drawing programs, the hub's cache, folders a person adds.

A program is told by what lies in its folder, not by the folder's name, and its own settings are asked for more:
``extra_model_paths.yaml`` (ComfyUI), ``webui-user`` (A1111, Forge), ``invokeai.yaml``, ``Data/Settings.fds`` (SwarmUI),
``library.json`` (StabilityMatrix). Only folders are looked for here; ``found`` looks into them. No torch.
"""

import os
import re
import string
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from sdlora.errors import UserError, explain
from sdlora.families.shared.header import read_json_object
from sdlora.files.intact import write_atomically
from sdlora.files.paths import tidy_path
from sdlora.files.regular import read_regular
from sdlora.messages import say
from sdlora.settings.toml import parse

# Below a program's own folder: where it keeps base models.
OWN = (
    "models/Stable-diffusion",  # A1111, Forge, SD.Next
    "models/Diffusers",  # SD.Next
    "models/checkpoints",  # ComfyUI
    "models/diffusers",
    "Models/Stable-Diffusion",  # SwarmUI
    "Models/StableDiffusion",  # StabilityMatrix
    "Data/Models/StableDiffusion",  # the same, portable
)
INNER = ("ComfyUI", "webui", "app", "Data")  # folders of programs that are unpacked into another one
LISTS = ("Packages", "Data/Packages", "api")  # folders full of programs: StabilityMatrix, Pinokio
PARENTS = ("", "Documents", "Downloads", "Desktop", "AI", "ai", "apps", "src", "git", "programs")  # below home
SYSTEM = ("/workspace", "/content", "/opt", "/data", "/srv")  # rented machines, and those of several people
MOST_CHILDREN = 400  # entries of one folder that are looked at
LONGEST = 1_000_000  # bytes of a program's settings


@dataclass(frozen=True)
class ModelFolder:
    """A folder with base models in it. program: whose it is, as people call it. hub: is it the hub's cache?"""

    path: Path
    program: str
    hub: bool = False


def model_folders(
    env: Mapping[str, str] | None = None, home: Path | None = None, here: Path | None = None, system: bool = True
) -> list[ModelFolder]:
    """Every folder with base models that is known or usual, each once; those that a person added first.

    env, home, here: the environment, the home and the current folder. system: look outside of them too.
    """
    env = os.environ if env is None else env
    home = Path(os.path.expanduser("~")) if home is None else home
    here = Path.cwd() if here is None else here
    found = [ModelFolder(folder, say("models.folder_added")) for folder in added_folders(env, home)]
    found += [ModelFolder(path, _hub_name(), hub=True) for path in _hub_caches(env, home)]
    for program in _programs(env, home, here, system):
        found += [ModelFolder(path, program.name) for path in _of_program(program)]
    found += [ModelFolder(path, "ComfyUI") for file in _desktop_comfy(env, home) for path in _of_comfy(file)]
    return _each_once(found)


# ---- folders that a person adds


def added_folders(env: Mapping[str, str] | None = None, home: Path | None = None) -> list[Path]:
    """The folders that were added, in the order in which they were."""
    try:
        told = parse(read_regular(_list_file(env, home), LONGEST).decode("utf-8")).get("folders")
    except (OSError, ValueError):
        return []
    return [Path(folder) for folder in told if isinstance(folder, str)] if isinstance(told, list) else []


def add_folder(typed: str, env: Mapping[str, str] | None = None, home: Path | None = None) -> Path:
    """Remember a folder for this and every later look; UserError if there is none, or if it can't be remembered."""
    try:
        folder = Path(os.path.expanduser(tidy_path(typed))).resolve()
        there = bool(tidy_path(typed)) and folder.is_dir()
    except (OSError, ValueError, RuntimeError):
        there = False
    if not there:
        raise UserError(say("models.folder_missing", path=typed[:200]), fix=say("files.check_path"))
    known = added_folders(env, home)
    if folder not in known:
        _keep([*known, folder], env, home)
    return folder


def forget_folder(typed: str, env: Mapping[str, str] | None = None, home: Path | None = None) -> None:
    """Look there no more. UserError if it was not added."""
    folder = Path(os.path.abspath(os.path.expanduser(tidy_path(typed))))
    known = added_folders(env, home)
    left = [path for path in known if path not in (folder, folder.resolve())]
    if left == known:
        raise UserError(say("models.folder_not_added", path=typed[:200]))
    _keep(left, env, home)


def _keep(folders: list[Path], env: Mapping[str, str] | None, home: Path | None) -> None:
    file = _list_file(env, home)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, tomlkit.dumps({"folders": [str(folder) for folder in folders]}))
    except OSError as error:
        raise explain(error) from error


def _list_file(env: Mapping[str, str] | None, home: Path | None) -> Path:
    env = os.environ if env is None else env
    home = Path(os.path.expanduser("~")) if home is None else home
    return _settings_of_programs(env, home)[0] / "sdlora" / "models.toml"


def _settings_of_programs(env: Mapping[str, str], home: Path) -> list[Path]:
    """Where programs keep what is set for one person; the first is where this one does."""
    named = [env[name] for name in ("XDG_CONFIG_HOME", "APPDATA") if env.get(name)]
    return [*map(Path, named), home / ".config", home / "Library" / "Application Support"]


# ---- programs


def _programs(env: Mapping[str, str], home: Path, here: Path, system: bool) -> Iterator[Path]:
    """The folders that may be a program's: those that are named, all below the usual ones, a level or two deep."""
    yield from (Path(env[name]) for name in ("INVOKEAI_ROOT", "COMFYUI_PATH") if env.get(name))
    for settings in _settings_of_programs(env, home):
        library = read_json_object(settings / "StabilityMatrix" / "library.json").get("LibraryPath")
        matrix = Path(library) if isinstance(library, str) and library else settings / "StabilityMatrix"
        yield from (matrix, *_children(matrix / "Packages"))
    parents = [*(home / name for name in PARENTS), here, here.parent, *(_system_folders() if system else ())]
    for parent in dict.fromkeys(parents):
        for child in (parent, *_children(parent)):
            yield child
            yield from (child / name for name in INNER)
            for name in LISTS:
                for program in _children(child / name):
                    yield from (program, *(program / inner for inner in INNER))


def _system_folders() -> list[Path]:
    if sys.platform == "win32":
        return [Path(f"{letter}:\\") for letter in string.ascii_uppercase if os.path.isdir(f"{letter}:\\")]
    return [Path(path) for path in SYSTEM]


def _children(folder: Path) -> list[Path]:
    """The folders in a folder, hidden ones left out; [] where it can't be read."""
    try:
        with os.scandir(folder) as entries:
            some = [entry for entry, _ in zip(entries, range(MOST_CHILDREN), strict=False)]
        return sorted(Path(e.path) for e in some if not e.name.startswith(".") and os.path.isdir(e.path))
    except OSError:
        return []


def _of_program(folder: Path) -> Iterator[Path]:
    yield from (folder / own for own in OWN if os.path.isdir(folder / own))
    for name in ("extra_model_paths.yaml", "extra_model_paths.yml"):
        yield from _of_comfy(folder / name)
    yield from _of_invoke(folder)
    yield from _of_swarm(folder)
    for name in ("webui-user.sh", "webui-user.bat"):
        yield from _of_webui(folder / name)


def _of_comfy(file: Path) -> Iterator[Path]:
    """What extra_model_paths.yaml names: sections with a base_path and lines of folders."""
    for section in _yaml(file).values():
        if not isinstance(section, dict):
            continue
        base = section.get("base_path")
        root = _path(base, file.parent) if isinstance(base, str) else file.parent
        for kind in ("checkpoints", "diffusers"):
            lines = section.get(kind)
            yield from (
                (_path(line, root) for line in lines.splitlines() if line.strip()) if isinstance(lines, str) else ()
            )


def _desktop_comfy(env: Mapping[str, str], home: Path) -> list[Path]:
    """ComfyUI's desktop app keeps its list with its own settings."""
    return [folder / "ComfyUI" / "extra_models_config.yaml" for folder in _settings_of_programs(env, home)]


def _of_invoke(folder: Path) -> Iterator[Path]:
    file = folder / "invokeai.yaml"
    if os.path.isfile(file):
        told = _yaml(file).get("models_dir")
        yield _path(told if isinstance(told, str) else "models", folder)


def _of_swarm(folder: Path) -> Iterator[Path]:
    told = _text(folder / "Data" / "Settings.fds")
    roots = re.search(r"^\s*ModelRoot:[ \t]*(\S.*)$", told, re.MULTILINE)
    inside = re.search(r"^\s*SDModelFolder:[ \t]*(\S.*)$", told, re.MULTILINE)
    for root in roots[1].split(";") if roots else ():
        for name in (inside[1] if inside else "Stable-Diffusion").split(";"):
            yield _path(name.strip(), _path(root.strip(), folder))


def _of_webui(file: Path) -> Iterator[Path]:
    for option, quoted, plain in re.findall(
        r"--(ckpt-dirs?|forge-ref-a1111-home)[ =]+(?:\"([^\"\n]+)\"|([^\s\"'#]+))", _text(file)
    ):
        folder = _path(quoted or plain, file.parent)
        yield folder / "models" / "Stable-diffusion" if option.startswith("forge") else folder


def _path(typed: str, root: Path) -> Path:
    return root / os.path.expandvars(os.path.expanduser(tidy_path(typed)))


def _text(file: Path) -> str:
    try:
        return read_regular(file, LONGEST).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def _yaml(file: Path) -> dict[str, Any]:
    told = _text(file)
    if not told:
        return {}
    import yaml

    try:
        content = yaml.safe_load(told)
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


# ---- the hub


def _hub_name() -> str:
    return say("models.folder_hub")


def _hub_caches(env: Mapping[str, str], home: Path) -> list[Path]:
    """As huggingface_hub looks for its cache."""
    named = [Path(env["HF_HUB_CACHE"])] if env.get("HF_HUB_CACHE") else []
    homes = [Path(env["HF_HOME"])] if env.get("HF_HOME") else []
    cache = Path(env["XDG_CACHE_HOME"]) if env.get("XDG_CACHE_HOME") else home / ".cache"
    return [*named, *(path / "hub" for path in homes), cache / "huggingface" / "hub"]


def _each_once(folders: Iterable[ModelFolder]) -> list[ModelFolder]:
    """Those that are there, each disk's folder once, whatever its spelling is."""
    seen, kept = set(), []
    for folder in folders:
        try:
            if not os.path.isdir(folder.path):
                continue
            facts = os.stat(folder.path)
        except (OSError, ValueError):
            continue
        mark = (facts.st_dev, facts.st_ino) if facts.st_ino else os.path.realpath(folder.path)
        if mark not in seen:
            seen.add(mark)
            kept.append(folder)
    return kept
