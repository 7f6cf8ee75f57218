"""What is filled in but not started: kept on every change, so that nothing typed is lost; and settings out of files."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomlkit
from safetensors import SafetensorError, safe_open

from sdlora.errors import Problem, UserError
from sdlora.files.intact import write_atomically
from sdlora.files.paths import last_part
from sdlora.files.regular import read_regular
from sdlora.foreign import import_file, tool_of
from sdlora.runs.run import list_runs
from sdlora.settings import Settings, load_settings, merge, parse_toml, read_toml, salvage, without_paths
from ui import text
from ui.tabs.settings import form

FOLDER = ".form"  # below the runs; not in the folder that browsers may read from
LONGEST = 300_000  # characters of settings; all of them with long prompts take a hundredth of that
PAGE = "page"  # the section of what is no setting: the chosen preset


class Draft:
    """The form as it was left, for all pages of one runs folder."""

    def __init__(self, runs: Path):
        self.path = runs / FOLDER / "draft.toml"
        self._lock = threading.Lock()

    def save(self, values: dict[str, Any]) -> bool:
        """Keep these values as they were typed, right or wrong; the others stay. False if the disk refuses.

        For what a person has changed, and nothing else: a page that only shows the form must not write it.
        """
        with self._lock:
            kept = self.load()
            merged = kept | {k: form.sound(v) for k, v in values.items() if isinstance(v, (str, bool, int, float))}
            if merged == kept:
                return True
            nested: dict[str, dict] = {}
            for key, value in merged.items():
                section, _, name = key.partition(".")
                nested.setdefault(section, {})[name] = value
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self.path, tomlkit.dumps(nested))
                return True
            except (OSError, ValueError):
                return False

    def load(self) -> dict[str, Any]:
        """What was kept, as the fields can show it; {} if there is nothing."""
        try:
            nested = read_toml(self.path)
        except (UserError, RecursionError):
            return {}
        sections = {k: v for k, v in nested.items() if isinstance(v, dict)}
        known = form.shown()
        stored = {
            f"{section}.{name}": value for section, pairs in sections.items() for name, value in pairs.items()
        }  # fmt: skip
        kept = {key: form.fitting(known[key], value) for key, value in stored.items() if key in known}
        return kept | {key: value for key, value in stored.items() if key.startswith(f"{PAGE}.")}


# ---- settings out of a file


def read_file(path: Path, runs: Path) -> tuple[Settings, list[Problem], dict[str, Any]]:
    """The settings of a settings file, ours or another tool's, or of a LoRA's metadata.

    Returns (settings, what was wrong and left out, what stands in the file).
    """
    if path.suffix.lower() == ".safetensors":
        toml = settings_in_lora(path)
        settings, problems, given = read_text(toml, path.name)
        return at_home(settings, runs) or settings, problems, given
    if tool_of(path):
        settings, imported = import_file(path)
        return settings, imported.problems(), merge({}, imported.values)
    try:
        if path.stat().st_size > 4 * LONGEST:
            raise UserError(text.TOO_LONG.format(name=path.name))
        toml = read_regular(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise UserError(text.NOT_TEXT.format(name=path.name)) from None
    return read_text(toml, path.name)


def read_text(toml: str, name: str) -> tuple[Settings, list[Problem], dict[str, Any]]:
    """The settings of a settings file's text; returns as ``read_file``."""
    if len(toml) > LONGEST:
        raise UserError(text.TOO_LONG.format(name=name))
    try:
        given = parse_toml(toml)
    except ValueError as error:
        reason = str(error).splitlines()[0][:160]
        raise UserError(text.NO_TOML.format(name=name, reason=reason)) from None
    if not any(section in Settings.model_fields for section in given):
        raise UserError(text.NO_SETTINGS.format(name=name))
    settings, problems = salvage(given, name)
    return settings, problems, given


def settings_in_lora(path: Path) -> str:
    """The settings in a LoRA file's metadata; UserError for any other file. Reads the header alone."""
    try:
        with safe_open(path, framework="np") as file:
            toml = (file.metadata() or {}).get("sdlora_settings", "")
    except (SafetensorError, OSError, ValueError, RecursionError, OverflowError):
        raise UserError(text.NO_LORA_FILE.format(name=path.name)) from None
    if not toml:
        raise UserError(text.LORA_WITHOUT.format(name=path.name))
    return toml


def at_home(settings: Settings, runs: Path) -> Settings | None:
    """The settings of the run here that a LoRA file came from, which still have their folders; None if it is gone."""
    wanted = _by_names(settings)
    for run in list_runs(runs):
        try:
            kept = load_settings(run.folder / "settings.toml")
        except UserError:
            continue
        if _by_names(kept) == wanted:
            return kept
    return None


def _by_names(settings: Settings) -> str:
    """All settings but the runs folder, with names for paths."""
    values = without_paths(settings).model_dump(mode="json", exclude={"run": {"folder"}})
    return json.dumps(values, sort_keys=True)


def into_form(
    settings: Settings,
    given: dict[str, Any],
    values: dict[str, Any],
    allows: Callable[[str, str], bool] = lambda key, value: True,
) -> tuple[dict[str, Any], list[str]]:
    """(the form's values with these settings in them, the settings of which only a path's last part is known).

    given: what stood in the file; a person's own subject stays where that says nothing of it. A mere name where a path
    should be gives way to a path in the form that ends in it. allows: may a setting's path be looked for on this disk?
    """
    made, unknown = form.field_values(settings), []
    for key in form.own():
        section, name = key.split(".")
        section_given = given.get(section)
        if not (isinstance(section_given, dict) and name in section_given) and key in values:
            made[key] = values[key]
    for key in form.path_fields():
        now, name = str(values.get(key) or ""), made[key]
        if name and name == _names(name) and name != "tiny" and not (allows(key, name) and _is_there(name)):
            if _names(now) == name:
                made[key] = now
            else:
                unknown.append(key)
    return made, unknown


def _names(lines: str) -> str:
    return "\n".join(last_part(line) for line in lines.splitlines())


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False
