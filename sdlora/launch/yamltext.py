"""YAML as people write it: in the order given, texts of several lines as they are."""

from typing import Any

import yaml


class _Lines(yaml.SafeDumper):
    """With shell scripts readable."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if value.count("\n") > 1 else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Lines.add_representer(str, _text)


def as_yaml(content: dict[str, Any]) -> str:
    """The content as YAML that reads back as the same; whatever stands in a text is quoted as it must be."""
    return yaml.dump(content, Dumper=_Lines, sort_keys=False, allow_unicode=True, width=100_000)
