"""The page's sentences: a package per language, in it a module per part of the page (see ``ui.text``).

Each language has the same names with the same {places}. A sentence that depends on a number is two:
NAME_ONE and NAME_MANY (``text.count("NAME", n)``).
"""
