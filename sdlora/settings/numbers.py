"""Numbers as people write them, as text that Python reads."""

import re
import unicodedata

_PLAIN = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)
_GROUPS = {
    separator: re.compile(rf"[+-]?\d{{1,3}}({re.escape(separator)}\d{{3}})+(?P<rest>[{rest}]\d*)?")
    for separator, rest in ((",", "."), (".", ","), (" ", ".,"), ("'", ".,"))
}


def plain_number(typed: str, whole: bool = False) -> str:
    """``typed`` with a point where a decimal comma was, and without signs between thousands.

    "0,003" -> "0.003", "1.234,5" and "1,234.5" -> "1234.5", "12 000" -> "12000"; digits and signs of full width count
    as plain ones. whole: a whole number is wanted, so "1,000" and "1.000" are a thousand; else the one comma or point
    of "1,000" is taken as decimal. What is no number comes back as it was.
    """
    text = unicodedata.normalize("NFKC", typed).strip().replace("\u2212", "-").replace("\u2019", "'")
    for separator, grouped in _GROUPS.items():
        found = grouped.fullmatch(text)
        if found and (whole or separator in " '" or found["rest"] or text.count(separator) > 1):
            return text.replace(separator, "").replace(",", ".")
    return text.replace(",", ".") if _PLAIN.fullmatch(text) else typed
