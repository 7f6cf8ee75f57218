"""What the numbers of a run suggest: sentences, each with the numbers that it comes from."""

from sdlora.messages import say
from sdlora.report.facts import RunFacts

EARLY = 1 / 3  # of the steps: a minimum before that came soon
SPARE, FULL = 0.5, 0.8  # of the rank: the part that holds 90 % of the change


def advice(facts: RunFacts) -> list[str]:
    """On steps and rank; what was found of learning by heart stands with the offers."""
    return [*_on_steps(facts), *_on_rank(facts)]


def _on_steps(facts: RunFacts) -> list[str]:
    offers = facts.offers
    if offers is None or offers.curve.measured < 2:
        return []
    lowest, last = offers.curve.lowest(), offers.last
    if lowest is None:
        return []
    if lowest >= last:
        return [say("report.still_falling", step=last)]
    if lowest <= EARLY * last:
        return [say("report.early_lowest", step=lowest, last=last)]
    return []


def _on_rank(facts: RunFacts) -> list[str]:
    """A sentence for each part; where all have rank to spare, or one has none, what follows from it."""
    parts = {root: part for root, part in facts.parts.items() if _asked(part) > 1}
    said: list[str] = []
    for root, part in parts.items():
        held, effective = f"{part['rank_90']:g}", f"{part['effective_rank']:.1f}"
        said.append(say("report.rank_used", root=root, rank=_asked(part), held=held, effective=effective))
        if part["rank_90"] >= FULL * _asked(part):
            said.append(say("report.rank_full"))
    if parts and all(part["rank_90"] <= SPARE * _asked(part) for part in parts.values()):
        enough = max(round(part["rank_90"]) for part in parts.values())
        said.append(say("report.rank_spare", rank=max(2, enough)))
    return said


def _asked(part: dict) -> int:
    return max(map(int, part["ranks"]), default=0)
