"""The Settings tab."""

# Labels of the fields, by setting; the help line under each is the setting's own, from ``sdlora.config``.
LABELS = {
    "model.base": "Base model",
    "data.folder": "Image folder",
    "data.trigger": "Trigger word",
    "data.resolution": "Resolution",
    "adapter.rank": "Rank",
    "adapter.alpha": "Alpha",
    "train.steps": "Steps",
    "train.lr": "Learning rate",
    "train.seed": "Seed",
    "sample.prompts": "Test prompts",
    "run.name": "Name",
}
# Only for settings whose help is not to be the one of ``sdlora.config``; other languages have them all here.
HELP: dict[str, str] = {}
HINTS = {
    "data.folder": "/home/me/pictures/cat-toy",
    "data.trigger": "for example: ohwx",
    "sample.prompts": "one prompt a line, for example:\na watercolour of a lighthouse",
}
ONE_PER_LINE = "One per line."

GROUP_WHAT = "What"
GROUP_ADAPTER = "Adapter"
GROUP_TRAINING = "Training"
GROUP_TEST = "Test pictures"
STRENGTH = "Strength alpha / rank = "
CHECKS = "Checks"
ALL_GOOD = "Everything is in order."
CHECKED_AT_START = "The checks appear here as you fill in the form."
CHECK_AGAIN = "Check again"
START = "Start training"
BUSY = "{name} is training. Stop it or wait for its end to start another run."
NOT_HERE_YET = "The base model {base} is not on this computer yet."
NOT_HERE_FIX = "Download it once with: hf download {base}"
NOT_STARTED = "Not started: mend what the checks list."
FATAL, WARNING = "Problem", "Note"
AND_MORE = "and {count} more."
