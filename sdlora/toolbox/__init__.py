"""Tools for LoRA files: merge, extract, resize, convert, inspect, rename, quantize. Functions of plain arguments.

Each has a module of its own name here, and a command of that name in ``sdlora.commands``.
"""
