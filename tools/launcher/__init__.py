"""What launch.py does: choose the PyTorch build, install into .venv, start. Standard library only."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Stop(Exception):
    """One sentence for the person, with the fix; nothing else is printed."""


class Unreachable(Stop):
    """No network: whatever was installed before is still whole."""
