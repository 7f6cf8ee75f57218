"""Which pictures a run has seen: kept in its folder, so that a resume can tell what was added, removed or changed."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sdlora.data.dataset import Item
from sdlora.files.intact import Damaged, digest_of, read_json, write_json

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
        yield f"The record of the run's images, {FILE}, is damaged ({error}): whether they changed can't be told."
        before = None
    if isinstance(before, dict):
        yield from differences(before, now)
    if before != now:
        write_json(path, {"images": now})


def differences(before: Mapping[str, list], now: Mapping[str, list]) -> Iterator[str]:
    """One sentence for each kind of difference, and what follows from them; nothing if there is none."""
    both = [name for name in now if name in before]
    added, removed = [name for name in now if name not in before], [name for name in before if name not in now]
    other = [[name for name in both if now[name][part] != before[name][part]] for part in range(3)]
    if added:
        yield f"Images added since the run's last start: {_some(added)}."
    if removed:
        yield f"Images removed since the run's last start: {_some(removed)}."
    if other[0]:
        yield f"Images changed since the run's last start: {_some(other[0])}."
    if other[1]:
        yield f"Images with another caption since the run's last start: {_some(other[1])}."
    if other[2]:
        yield f"Images with other repeats since the run's last start: {_some(other[2])}."
    if added or removed or any(other):
        yield "So it does not go on exactly as it would have: order and noise are those of the images there are now."


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
