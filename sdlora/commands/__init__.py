"""The command line's commands: one file each with ``add_arguments(parser)`` and ``run(args) -> exit status``.

A new command is a file here, a line in ``table.py`` and a row in docs/commands.md. The file is imported only when its
command is called, so ``sdlora --help`` costs nothing.
"""
