"""Regularization images: what the base model knows of a class, trained beside the subject so that it stays as it is.

DreamBooth's prior preservation (Ruiz et al. 2023, section 3.3), in the layout of kohya's trainers: they fill batches
together with the images, without the trigger word, and their error has a weight of its own. No torch.
"""

from collections.abc import Sequence
from dataclasses import replace

from sdlora.data.dataset import Item

MARK = "regularization: "  # in front of a name, so that none is taken for an image of the subject


def beside(items: Sequence[Item], regular: Sequence[Item]) -> tuple[Item, ...]:
    """The regularization images that are trained: in an epoch they count as often as the images together.

    items: the images. regular: what there is to choose from; of too many some are left out, evenly, of too few some
    count more often. Their own repeats say nothing.
    """
    wanted = sum(item.repeats for item in items)
    if not regular:
        return ()
    if len(regular) > wanted:
        regular = [regular[turn * len(regular) // wanted] for turn in range(wanted)]
    each, more = divmod(wanted, len(regular))
    return tuple(as_regular(item, each + (number < more)) for number, item in enumerate(regular))


def as_regular(item: Item, repeats: int) -> Item:
    """An image as a regularization image that counts ``repeats`` times in an epoch."""
    name = item.name if item.name.startswith(MARK) else MARK + item.name
    return replace(item, name=name, repeats=repeats, regular=True)
