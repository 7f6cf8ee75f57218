"""Text of unknown encoding: by what is certain (marks, UTF-8, UTF-16), else by a guess that is told. No torch."""

import codecs
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from sdlora.files.kinds import is_lfs_pointer, is_page
from sdlora.messages import say

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What Windows and old editors save in: codec -> (how usual, what people call it). chardet is asked about these alone:
# with all that it knows, "café" may be Icelandic for the Macintosh.
CODECS = {
    "gb18030": (1.0, say("images.encoding_gbk")),
    "big5hkscs": (0.6, say("images.encoding_big5")),
    "cp932": (0.8, say("images.encoding_shift_jis")),
    "euc_jis_2004": (0.15, say("images.encoding_euc_jp")),
    "cp949": (0.8, say("images.encoding_euc_kr")),
    "cp1251": (0.8, say("images.encoding_windows_1251")),
    "koi8-r": (0.05, say("images.encoding_koi8_r")),
    "cp1252": (1.0, say("images.encoding_windows_1252")),
    "cp1250": (0.6, say("images.encoding_windows_1250")),
    "cp1253": (0.7, say("images.encoding_windows_1253")),
    "cp1254": (0.7, say("images.encoding_windows_1254")),
    "cp1255": (0.7, say("images.encoding_windows_1255")),
    "cp1256": (0.7, say("images.encoding_windows_1256")),
    "cp1257": (0.3, say("images.encoding_windows_1257")),
    "cp1258": (0.3, say("images.encoding_windows_1258")),
    "cp874": (0.7, say("images.encoding_windows_874")),
}
# Where the double-byte sets have what is used every day: the last first byte, the least second byte.
EVERYDAY = {
    "gb18030": (0xD7, 0xA1), "big5hkscs": (0xC6, 0x40), "cp932": (0x98, 0x40),
    "euc_jis_2004": (0xCF, 0xA1), "cp949": (0xC8, 0xA1),
}  # fmt: skip
DOUBLE = frozenset(EVERYDAY)
EAST = frozenset({"HAN", "KANA", "HANGUL", "LATIN"})  # written without blanks between them
PUNCTUATION = frozenset("‘’‚“”„«»‹›–—…·•°±×€£¥§©®™¿¡ªº№½¼¾²³\u00a0\u00ad")
CONTROL = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f]")
STRAY = 15  # one such character in so many is a slip, which is cleaned away; in random bytes it is every tenth
ENOUGH = 1 << 16  # bytes that a guess looks at
ASKED = 50  # texts that are asked about alone
STRANGER = 0.1  # how much less odd a text is in an encoding of its own than in that of the texts beside it
ODD = 6.0  # how much worse a text looks (natural logarithm) if every letter of it is odd


def codec_title(codec: str) -> str:
    """What people call an encoding, such as "GBK (simplified Chinese)"."""
    return CODECS[codec][1] if codec in CODECS else codec.upper()


def certain(data: bytes) -> str | None:
    """The text if its encoding is no guess: a byte order mark, UTF-16 by its zero bytes, ASCII or UTF-8; else None.

    Never raises; what a mark promises and the bytes don't keep becomes U+FFFD.
    """
    for mark, codec in MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, errors="replace")
    even, odd = data[0::2].count(0), data[1::2].count(0)  # "a" is 61 00 in little endian; a stray zero byte is nothing
    if not even * odd and (even + odd) * (20 if _beyond_ascii(data) else 4) >= max(len(data), 1):
        return data.decode("utf-16-le" if odd else "utf-16-be", errors="replace")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(data) or all(c < "\u0800" for c in data[: error.start].decode()):
            return None
        return data[: error.start].decode()  # cut within its last character, as programs do that count bytes
    text = text.rstrip("\0\x1a")  # ends of C strings and of DOS files
    return None if _hanzi_in_disguise(data, text) else text


def guess_codec(texts: Sequence[bytes]) -> str:
    """The codec that texts of one hand are most likely in (a key of ``CODECS``), for texts that are not ``certain``.

    chardet's models of languages weigh the bytes; then whatever an encoding makes of them counts against it as far as
    it does not look written: letters of several scripts in a word, rare ideographs, signs where letters belong. The
    more texts, the surer: short captions of one folder are asked about together, without the few that can't be in what
    most of them seem to be in.
    """
    if len(texts) == 1:
        return _guess(_cut(texts[0]))
    votes = Counter(_guess(_cut(text)) for text in texts[:: max(1, len(texts) // ASKED)])
    leader = votes.most_common(1)[0][0]
    joined, size = [], 0
    for text in filter(lambda text: _decodes(text, leader), texts):
        if size > ENOUGH:
            break
        joined.append(text)
        size += len(text)
    return _guess(_cut(b"\n".join(joined)))


def guess_codec_beside(texts: Iterable[bytes]) -> str:
    """The codec that captions of one folder are in, for ``decode``; "" if each of them is certain.

    "utf-8" where all are and only a few could be something else (è alone is 猫 in GBK): the others show what it is.
    """
    texts = list(texts)
    unsure = [text for text in texts if certain(text) is None]
    if not unsure:
        return ""
    if all(_decodes(text, "utf-8") for text in unsure):
        sure = [text for text in texts if certain(text) is not None and not text.isascii()]
        if any(_decodes(text, "utf-8") for text in sure):
            return "utf-8"
    return guess_codec(unsure)


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _cut(data: bytes) -> bytes:
    """At most about ENOUGH bytes, not cut within a character: no encoding has a blank, comma or line end in one."""
    if len(data) <= ENOUGH:
        return data
    cut = re.match(rb".*[ ,\n]", data[:ENOUGH], flags=re.DOTALL)
    return cut[0] if cut else data


@lru_cache(maxsize=4096)
def _guess(data: bytes) -> str:
    if _decodes(data, "utf-8"):
        return "gb18030"  # is not certain for that reason alone
    import chardet  # 0.3 s for its models: only where something is not UTF-8

    high = bytes(b if b > 127 or b in b"\n" or chr(b).isalnum() or b in b"@[\\]^_`{|}~" else 32 for b in data)
    found = chardet.detect_all(high, include_encodings=list(CODECS), ignore_threshold=True, compat_names=False)
    weights = {match["encoding"]: match["confidence"] for match in found}
    best, best_score = "cp1252", -math.inf
    for codec, (usual, _) in CODECS.items():
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        score = math.log(weights.get(codec, 0) + 0.002) + math.log(usual) - ODD * oddness(text, codec)
        if score > best_score:
            best, best_score = codec, score
    return best


def decode(data: bytes, codec: str = "") -> tuple[str, str]:
    """(text, "" if that is certain, else the codec that was guessed).

    codec: what the texts beside it are in (``guess_codec_beside``); taken if this one makes as much sense in it as in
    an encoding of its own. Never raises.
    """
    text = data.decode("utf-8") if codec == "utf-8" and _decodes(data, codec) else certain(data)
    if text is not None:
        return text, ""
    own = guess_codec([data])
    if codec and _decodes(data, codec):
        text = data.decode(codec)
        odd = oddness(text, codec)
        stranger = own != codec and _decodes(data, own) and odd - oddness(data.decode(own), own) > STRANGER
        if odd < 0.5 and not stranger:
            return text, codec
    return (data.decode(own), own) if _decodes(data, own) else (data.decode("latin-1"), "latin-1")


def oddness(text: str, codec: str) -> float:
    """How little a text looks like something written in its encoding: 0 to about 1 per letter that is not ASCII."""
    odd = letters = 0.0
    before, kana = " ", False
    for c in text:
        script = _script(c)
        if c > "\x7f":
            letters += 1
            odd += _odd(c, script, codec)
            kana = kana or script == "KANA"
        if c > "\x7f" or before > "\x7f":
            odd += _odd_pair(before, c)
        before = c
    if codec in ("cp932", "euc_jis_2004") and not kana:
        odd += 0.15 * letters  # Japanese without any kana
    return odd / max(letters, 1)


def _odd(c: str, script: str, codec: str) -> float:
    if c in PUNCTUATION or "\u3000" <= c <= "\u303f" or "\uff01" <= c <= "\uff5e":
        return 0.0
    if unicodedata.category(c) in ("Cc", "Co", "Cn", "Cs"):
        return 3.0
    if not script:
        return 1.0  # a sign
    if "\uff61" <= c <= "\uff9f":
        return 0.8  # half-width kana, which nobody types
    if codec not in DOUBLE:
        return 0.0
    if script in ("HAN", "HANGUL"):
        first, second = c.encode(codec)[:2]
        return 0.0 if first <= EVERYDAY[codec][0] and second >= EVERYDAY[codec][1] else 0.7
    return 0.0 if script == "KANA" and codec in ("cp932", "euc_jis_2004") else 1.0  # they have Greek and others, too


def _odd_pair(before: str, c: str) -> float:
    """What is odd in two characters side by side, of which one at least is not ASCII."""
    one, other = _script(before), _script(c)
    if one and other:
        if not _together(one, other):
            return 1.0
        if one == other == "LATIN+":
            return 0.3  # two accents: "çã" is seldom
        return 0.5 if before.islower() and c.isupper() else 0.0
    inside = (one and c in "×÷¿¡²³¹¼½¾ªº“„«") or (other and before in "×÷²³¹¼½¾”»")  # a sign where a letter belongs
    return 1.0 if inside else 0.0


def _together(one: str, other: str) -> bool:
    """May letters of these scripts stand side by side in a word?"""
    both = {one, other}
    return len(both) == 1 or both <= {"LATIN", "LATIN+"} or both <= EAST and both != {"HANGUL", "KANA"}


@lru_cache(maxsize=8192)
def _script(c: str) -> str:
    """ "LATIN" for ASCII, "LATIN+" for others of its kind, "HAN", "KANA", "HANGUL", "CYRILLIC" …; "" for no letter."""
    if not c.isalpha() and unicodedata.category(c) not in ("Mn", "Mc"):
        return ""
    if c < "\x80":
        return "LATIN"
    first = unicodedata.name(c, "").split(" ")[0]
    if first in ("HIRAGANA", "KATAKANA", "HALFWIDTH", "KATAKANA-HIRAGANA"):
        return "KANA"
    return {"CJK": "HAN", "LATIN": "LATIN+", "COMBINING": ""}.get(first, first)


def why_no_text(data: bytes) -> str:
    """Why nobody wrote this as a caption, such as "it is no text"; "" if somebody may have.

    Pictures, archives and terminals' codes have characters that nobody types.
    """
    if is_lfs_pointer(data[:64]):
        return say("files.because_git_lfs_pointer")
    if is_page(data[:64]) and re.search(rb"</|<!doctype", data, re.IGNORECASE):  # "<html>, neon sign" is a caption
        return say("files.because_web_page")
    text = certain(data)
    text = data.decode("latin-1") if text is None else text
    return say("files.because_not_text") if len(CONTROL.findall(text)) * STRAY > len(text) else ""


def _beyond_ascii(data: bytes) -> bool:
    """Are there bytes that plain text with a stray zero does not have?"""
    return any(byte > 126 or 0 < byte < 32 and byte not in b"\t\n\r" for byte in data)


def _hanzi_in_disguise(data: bytes, text: str) -> bool:
    """Bytes that happen to be UTF-8 and are more likely everyday Chinese in GBK.

    Letters of several scripts in one word (一只猫, 联通 …), or nothing but Latin letters with accents (猫 is "è").
    """
    if len(data) == len(text) or any(c > "\u07ff" for c in text):
        return False  # ASCII, or longer sequences, which GBK hardly ever gives
    scripts, mixed, before = set(), False, ""
    for c in text:
        script = _script(c) if c > "\x7f" else ""
        mixed = mixed or bool(before and script and before != script)
        scripts.add(script)
        before = script
    several = mixed and len(scripts - {""}) > 1
    accents = scripts - {""} == {"LATIN+"} and not re.search(r"[A-Za-z]", text)
    if not several and not accents:
        return False
    try:
        chinese = data.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return oddness(chinese, "gb18030") == 0
