"""Which tools load a LoRA file, and what they would drop, mis-scale or refuse: told from keys and shapes alone.

An independent reimplementation of the tools' loaders (``toolrules``), held against the base model's layers
(``topology``). It judges files of any origin; ``write_lora`` lets no file out that any tool would not load whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from sdlora.errors import Problem
from sdlora.families.table import FAMILIES
from sdlora.lorafiles.readers.extras import extra_findings, without_extras
from sdlora.lorafiles.readers.file import File, read_shapes
from sdlora.lorafiles.readers.rules import RULES, Finding
from sdlora.lorafiles.topology import Topology, topology
from sdlora.messages import say

TOOLS = tuple(RULES)


@dataclass(frozen=True)
class Verdict:
    """What one tool makes of a LoRA file.

    loads: "all" of it, a "part", "none" (refused, or without any effect), or "wrong" (otherwise than it is meant).
    sentences: what happens, naming the first key; empty if all is well.
    """

    loads: Literal["all", "part", "none", "wrong"]
    sentences: tuple[str, ...] = ()


def check_tools(
    file: Path | str | Mapping[str, Tensor],
    family: str,
    configs: Mapping[str, Any] | None = None,
    tools: tuple[str, ...] = TOOLS,
) -> list[Problem]:
    """A Problem, naming tool and key, for everything that one of ``tools`` would not load as it is meant.

    file: a safetensors file, or its tensors by key. family: of the base model; tools that can't run it are left out.
    configs: by root, of a base whose models differ from the published ones.
    Raises UserError if the file can't be read or the family is unknown.
    """
    read, base = read_shapes(file), topology(family, configs)
    fix = say("readers.dont_use_there")
    known = [tool for tool in tools if tool in FAMILIES[family].readers]
    return [Problem(_sentence(tool, finding), fix) for tool in known for finding in _findings(tool, read, base)]


def tool_table(
    file: Path | str | Mapping[str, Tensor], family: str, configs: Mapping[str, Any] | None = None
) -> dict[str, Verdict]:
    """Tool -> Verdict, for every tool that is known here. Arguments as for ``check_tools``."""
    read, base = read_shapes(file), topology(family, configs)
    return {tool: _verdict(tool, read, _findings(tool, read, base)) for tool in FAMILIES[family].readers}


def _findings(tool: str, file: File, base: Topology) -> list[Finding]:
    return [*RULES[tool](without_extras(file), base), *extra_findings(tool, file)]


def _verdict(tool: str, file: File, findings: list[Finding]) -> Verdict:
    sentences = tuple(_sentence(tool, finding) for finding in findings)
    kinds = {finding.kind for finding in findings}
    if "refused" in kinds or sum(f.keys for f in findings if f.kind == "dropped") >= len(file.loras):
        return Verdict("none", sentences)
    if "wrong" in kinds:
        return Verdict("wrong", sentences)
    return Verdict("part" if kinds else "all", sentences)


def _sentence(tool: str, finding: Finding) -> str:
    layers = say("readers.layers_and_more", name=finding.key[:120], count=finding.keys - 1)
    return say(
        "readers.tool_does", tool=tool, does=finding.why, layers=layers if finding.keys > 1 else finding.key[:120]
    )
