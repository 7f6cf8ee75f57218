"""The Runs tab: keeping order among runs."""

REMARKS_TITLE = "Name, rating and note"
SAID_NAME = "Name"
SAID_NAME_HELP = "Shown instead of the folder's name, which stays as it is."
SAID_RATING = "Rating"
NO_RATING = "none"
SAID_NOTE = "Note"
KEEP_SAID = "Keep"
SAID_KEPT = "Kept with the run."
RATING_ALT_ONE, RATING_ALT_MANY = "{count} star", "{count} stars"
RECIPE_PROMPTS = "Test prompts"
DELETE_RUN, DUPLICATE, EDIT_WAITING = "Delete", "Duplicate", "Edit"
BRANCH = "Start from this step"
EXPORT_ALL = "Export all"
ALL_AS_ZIP = "All as one zip"
DELETED = "{name} is in the bin ({size}). It can be put back from there."
NOT_WHILE_LIVE = "{name} trains or waits. Stop it, or take it out of the queue, before you delete it."
NOT_WHILE_EXPORTING = "A LoRA file of {name} is being written. Delete the run when that is done."
BIN_TITLE = "Bin"
BIN_EMPTY = "The bin is empty. Deleted runs lie here until you empty it."
BIN_HOLDS_ONE = "1 run, {size}. It takes its place on the disk until the bin is emptied."
BIN_HOLDS_MANY = "{count} runs, {size}. They take their place on the disk until the bin is emptied."
BIN_CHOOSE = "Runs in the bin"
PUT_BACK, EMPTY_BIN = "Put back", "Empty the bin"
BIN_CHOOSE_FIRST = "Choose what to put back first."
BACK_AGAIN = "{name} is back."
EMPTY_QUESTION = "Delete everything in the bin for good?"
EMPTY_ANSWER = "The runs in it are gone then, their LoRA files and checkpoints too."
YES_EMPTY, KEEP_BIN = "Delete for good", "Keep it"
EMPTIED_ONE = "1 run deleted for good; {size} are free again."
EMPTIED_MANY = "{count} runs deleted for good; {size} are free again."
DISK_LINE_ONE = "1 run, {size}"
DISK_LINE_MANY = "{count} runs, {size}"
DISK_LINE_BIN = "{size} in the bin"
DISK_LINE_FREE = "{size} free on the disk"
UNDO_REMOVAL = "Put “{name}” back into the queue"
GONE_ALREADY = "That is not there any more."
EDITS_WAITING = "These are the settings of {name}, which waits. Start puts the changed ones in its place."
EDIT_AS_NEW = "Leave it as it is and begin another run"
ORIGIN_GONE = "{name} starts from a run that is gone, so its settings can't be changed here."

# ---- what the computer has left

MACHINE_OF = "{used} of {total} in use"
MACHINE_WATTS = "{watts} W"
MACHINE_LOAD = "works {load} % of the time"
MACHINE_MEMORY = "Memory: {free} of {total} free"

# ---- a run that has ended

RING_TITLE = "When a run ends"
RING_NOTE = "Show a notification"
RING_SOUND = "Play a sound"
RING_REFUSED = "This browser does not allow this page to show notifications."
RING_STATES = {
    "done": "has finished",
    "stopped": "has stopped",
    "failed": "has failed",
    "interrupted": "has stopped unexpectedly",
}

# ---- two runs side by side

BESIDE = "Side by side with"
BESIDE_HELP = "Shows where the settings of two runs differ, and both learning curves in one."
BESIDE_NONE = "no other run"
SERIES_OTHER, SERIES_OTHER_CHECK = "the other run, smoothed", "the other run, validation"
SERIES_OF_OTHER = "{line}, {name}"
