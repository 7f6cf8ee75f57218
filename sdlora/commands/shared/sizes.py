"""Bytes as a terminal shows them."""


def size_words(size: float) -> str:
    """ "87 kB", "3.1 MB", "12 GB": decimal units, as file managers have them, and two digits at least."""
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.5 or unit == "GB":
            break
    return f"{size:.1f} {unit}" if size < 9.95 else f"{size:.0f} {unit}"
