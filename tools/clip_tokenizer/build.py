"""Write CLIP's tokenizer (vocab.json, merges.txt) from the merge list that OpenAI published with CLIP.

    pip download --no-deps open_clip_torch
    python tools/clip_tokenizer/build.py open_clip_torch-*.whl [sdlora/families/clip]

The list, bpe_simple_vocab_16e6.txt.gz, is in the wheel as it is in OpenAI's repository; this writes the same files,
byte for byte, every time. The construction is that of CLIP's simple_tokenizer.py: 256 bytes, the same 256 at the end
of a word, 48,894 merges in order of their rank, and the two special tokens.
"""

import argparse
import gzip
import json
import zipfile
from pathlib import Path

LIST = "open_clip/bpe_simple_vocab_16e6.txt.gz"
SIZE = 49408
SPECIAL = ("<|startoftext|>", "<|endoftext|>")
TARGET = Path(__file__).parents[2] / "sdlora" / "families" / "clip"


def byte_letters() -> list[str]:
    """The visible letter for each byte: itself where it is printable, else the next one from U+0100 on.

    Printable bytes first, as CLIP and GPT-2 order them.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]


def build(packed: bytes) -> tuple[str, str]:
    """(vocab.json, merges.txt) from the gzipped list."""
    letters = byte_letters()
    lines = gzip.decompress(packed).decode("utf-8").split("\n")
    merges = lines[1 : 1 + SIZE - 2 * len(letters) - len(SPECIAL)]  # the first line names the version
    symbols = [*letters, *(letter + "</w>" for letter in letters), *(m.replace(" ", "") for m in merges), *SPECIAL]
    vocabulary = {symbol: number for number, symbol in enumerate(symbols)}
    if len(vocabulary) != SIZE:
        raise ValueError(f"{len(vocabulary)} symbols, not {SIZE}: another merge list")
    return json.dumps(vocabulary, ensure_ascii=False, separators=(",", ":")), "\n".join(["#version: 0.2", *merges, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="open_clip_torch-*.whl, or the .txt.gz itself")
    parser.add_argument("target", type=Path, nargs="?", default=TARGET)
    args = parser.parse_args()
    packed = args.wheel.read_bytes()
    if args.wheel.suffix == ".whl":
        packed = zipfile.ZipFile(args.wheel).read(LIST)
    args.target.mkdir(parents=True, exist_ok=True)
    for name, text in zip(("vocab.json", "merges.txt"), build(packed), strict=True):
        (args.target / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
