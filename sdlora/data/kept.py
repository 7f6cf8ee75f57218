"""Which pictures a run has seen: kept in its folder, so that a resume can tell what was added, removed or changed."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sdlora.data.dataset import Item
from sdlora.files.intact import Damaged, digest_of, read_json, write_json
from sdlora.messages import listed, say

FILE = "images.json"
SHOWN = 3  # names in a sentence


def record_of(items: Sequence[Item]) -> dict[str, list]:
    """Name -> [digest of the file, digest of the caption, repeats], in the order of training."""
    return {
        item.name: [item.content_hash, digest_of(item.caption.encode("utf-8", "surrogatepass"))[:16], item.repeats]
        for item in items
    }


def compare_with_kept(run_folder: Path, items: Sequence[Item]) -> Iterator[str]:
    """Sentences on what differs from the last start of the run, which is then replaced by what is there now.

    Nothing is said at a run's first start, nor where an older version kept no record. OSError if it can't be written.
    """
    path, now = Path(run_folder) / FILE, record_of(items)
    try:
        before = read_json(path).get("images")
    except FileNotFoundError:
        before = None
    except (OSError, Damaged) as error:
        yield say("runs.record_damaged", file=FILE, fault=error)
        before = None
    if isinstance(before, dict):
        yield from changes_since(before, now)
    if before != now:
        write_json(path, {"images": now})


def changes_since(before: Mapping[str, list], now: Mapping[str, list]) -> Iterator[str]:
    """One sentence for each kind of difference, and what follows from them; nothing if there is none."""
    both = [name for name in now if name in before]
    added, removed = [name for name in now if name not in before], [name for name in before if name not in now]
    other = [[name for name in both if now[name][part] != before[name][part]] for part in range(3)]
    if added:
        yield say("runs.images_added", captions=listed(added, SHOWN))
    if removed:
        yield say("runs.images_removed", captions=listed(removed, SHOWN))
    if other[0]:
        yield say("runs.images_changed", captions=listed(other[0], SHOWN))
    if other[1]:
        yield say("runs.captions_changed", captions=listed(other[1], SHOWN))
    if other[2]:
        yield say("runs.repeats_changed", captions=listed(other[2], SHOWN))
    if added or removed or any(other):
        yield say("runs.not_exactly")
