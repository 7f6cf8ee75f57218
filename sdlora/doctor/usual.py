"""Tags that nearly all captions have: what is in the others' pictures, too, was forgotten there."""

from collections import Counter
from collections.abc import Iterator, Mapping

from sdlora.data.tags import split_tags
from sdlora.doctor.finding import CaptionCheck
from sdlora.messages import listed, say

LEAST = 8  # captions; of fewer, nothing is usual
NEARLY = 0.8  # the share of the captions


def judge(captions: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """One finding for each tag, with the pictures whose caption lacks it."""
    tags = {name: split_tags(caption) for name, caption in captions.items() if caption}
    if len(tags) < LEAST:
        return
    folded = {name: {tag.casefold() for tag in of} for name, of in tags.items()}
    spelled = {tag.casefold(): tag for of in tags.values() for tag in of}
    for tag, count in Counter(tag for of in folded.values() for tag in of).most_common():
        if NEARLY * len(tags) <= count < len(tags):
            lacking = [name for name, of in folded.items() if tag not in of]
            what = say("doctor.usual", tag=spelled[tag], part=count, all=len(tags), names=listed(lacking))
            yield tuple(lacking), what


CHECK = CaptionCheck("usual", judge, say("doctor.why_usual"), say("doctor.fix_usual"))
