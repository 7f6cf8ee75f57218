"""Every check before a run, a file a subject, each a line of ``table.CHECKS``; the settings resolved. No torch."""

from sdlora.check.adapter import stack_of
from sdlora.check.base import as_wished, base_in_short
from sdlora.check.epochs import Passes, passes
from sdlora.check.images import cache_folder, regular_for, scan_for
from sdlora.check.ready import Ready, prepare
from sdlora.check.resolve import drawn_seed, resolve, usual_gamma
from sdlora.check.table import CHECKS
from sdlora.families.base import BaseInfo, inspect_base

__all__ = [
    "BaseInfo",
    "CHECKS",
    "Passes",
    "Ready",
    "as_wished",
    "base_in_short",
    "cache_folder",
    "drawn_seed",
    "inspect_base",
    "passes",
    "prepare",
    "resolve",
    "regular_for",
    "scan_for",
    "stack_of",
    "usual_gamma",
]
