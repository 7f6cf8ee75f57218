"""Tools for LoRA files: merge, extract, resize, convert, inspect, rename, quantize. Functions of plain arguments.

Each has a module of its own name; ``sdlora.toolbox.cli`` makes commands of them.
"""
