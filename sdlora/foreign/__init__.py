"""Settings files of other trainers: recognised, and turned into settings with a list of what was taken. No torch.

One file for each tool. The keys and their meanings are the tools' own: kohya-ss/sd-scripts (docs/train_network_README),
bmaltais/kohya_ss (presets/lora), KohakuBlueleaf/LyCORIS (example_configs), Akegarasu/lora-scripts (config), and
Nerogar/OneTrainer (modules/util/config/TrainConfig.py).
"""

import json
from pathlib import Path
from typing import Any

import tomlkit

from sdlora.errors import UserError
from sdlora.files.regular import read_regular
from sdlora.foreign import kohya, kohya_ss, onetrainer
from sdlora.foreign.reader import Imported
from sdlora.settings import Settings, merge, salvage

__all__ = ["Imported", "import_file", "tool_of"]

TOOLS = {tool.NAME: tool for tool in (onetrainer, kohya_ss, kohya)}
LARGEST = 4 << 20  # bytes; settings have some thousand


def tool_of(path: Path) -> str:
    """The name of the tool whose settings these are; "" for our own, for no settings at all, for what can't be read."""
    try:
        values = _read(path)
    except UserError:
        return ""
    return _recognised(values)


def import_file(path: Path) -> tuple[Settings, Imported]:
    """Settings out of another tool's file, and what was taken and what was not.

    Raises UserError for a file that can't be read, is of no tool known here, or trains something else than a LoRA of
    Stable Diffusion.
    """
    values = _read(path)
    tool = _recognised(values)
    if not tool:
        raise UserError(
            f"{path.name} is no settings file of {', '.join(TOOLS)}.",
            fix="Choose the file that the other trainer saved its settings in (TOML or JSON).",
        )
    found = TOOLS[tool].read(values)
    settings, problems = salvage(merge({}, found.values), path.name)
    for problem in problems:
        found.refused(problem.where, str(problem))
    return settings, found


def _recognised(values: dict[str, Any]) -> str:
    name = next((name for name, tool in TOOLS.items() if tool.is_ours(values)), "")
    own = {section: set(field.annotation.model_fields) for section, field in Settings.model_fields.items()}
    ours = any(isinstance(part, dict) and own.get(section, set()) & set(part) for section, part in values.items())
    # A foreign key strayed into a file of ours is told as an unknown setting.
    return "" if ours and "pretrained_model_name_or_path" not in kohya.flat(values) else name


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path.name} is too large for a settings file.", fix="Check the path.")
        text = read_regular(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UserError(f"{path.name} can't be read ({reason}).", fix="Check the path.") from None
    try:
        values = json.loads(text) if text.lstrip().startswith("{") else tomlkit.parse(text).unwrap()
    except (ValueError, RecursionError, tomlkit.exceptions.TOMLKitError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise UserError(f"{path.name} is neither TOML nor JSON ({reason}).", fix="Check the path.") from None
    if not isinstance(values, dict):
        raise UserError(f"{path.name} holds no settings.", fix="Check the path.")
    return values
