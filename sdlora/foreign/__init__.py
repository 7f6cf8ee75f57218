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
from sdlora.messages import reason_of, say
from sdlora.settings import Settings, all_settings, merge, salvage

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
            say("foreign.unknown_file", file=path.name, tools=", ".join(TOOLS)),
            fix=say("foreign.choose_settings_file"),
        )
    found = TOOLS[tool].import_values(values)
    settings, problems = salvage(merge({}, found.values), path.name)
    for problem in problems:
        found.refused(problem.where, problem.message)
    return settings, found


def _recognised(values: dict[str, Any]) -> str:
    name = next((name for name, tool in TOOLS.items() if tool.is_ours(values)), "")
    keys = {f"{section}.{key}" for section, part in values.items() if isinstance(part, dict) for key in part}
    ours = keys & {info.key for info in all_settings()}
    # A foreign key strayed into a file of ours is told as an unknown setting.
    return "" if ours and "pretrained_model_name_or_path" not in kohya.flat(values) else name


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(say("foreign.too_large", file=path.name), fix=say("files.check_path"))
        text = read_regular(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:  # no text, or a path that no disk can have
        reason = reason_of(error) if isinstance(error, OSError) else say("files.because_not_text")
        raise UserError(say("files.unreadable", file=path.name, reason=reason), fix=say("files.check_path")) from None
    try:
        values = json.loads(text) if text.lstrip().startswith("{") else tomlkit.parse(text).unwrap()
    except (ValueError, RecursionError, tomlkit.exceptions.TOMLKitError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise UserError(
            say("foreign.not_toml_or_json", file=path.name, reason=reason), fix=say("files.check_path")
        ) from None
    if not isinstance(values, dict):
        raise UserError(say("foreign.no_settings", file=path.name), fix=say("files.check_path"))
    return values
