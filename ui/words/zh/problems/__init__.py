"""What the trainer's checks say, in Chinese: English sentence -> Chinese sentence, with the same places in braces.

``sdlora`` itself speaks English, in terminals and logs; ``ui.translate`` looks a sentence up here when the page shows
it. SENTENCES holds whole sentences, what is wrong and what to do apart. PARTS: what may stand in a place of that name,
where it is not a person's word but one of ours: {place: {English: Chinese}}. An entry that is a place alone lets
anything else through as it is. A place called ``count`` is a number, one called ``key`` a setting's key.
"""

from ui.words.zh.problems import foreign, health, images, lora, models, settings, training

AREAS = (settings, images, models, lora, training, health, foreign)
SENTENCES: dict[str, str] = {english: chinese for area in AREAS for english, chinese in area.SENTENCES.items()}
PARTS: dict[str, dict[str, str]] = {place: words for area in AREAS for place, words in area.PARTS.items()}
