"""Every check before a run, one file a subject. No torch."""

from sdlora.check.checks import (
    as_wished,
    base_in_short,
    cache_folder,
    check,
    drawn_seed,
    resolve,
    scan_for,
    stack_of,
    usual_gamma,
)
from sdlora.families.base import BaseInfo, inspect_base

__all__ = [
    "BaseInfo",
    "as_wished",
    "base_in_short",
    "cache_folder",
    "check",
    "drawn_seed",
    "inspect_base",
    "resolve",
    "scan_for",
    "stack_of",
    "usual_gamma",
]
