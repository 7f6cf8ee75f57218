"""The Images tab, and folders that a person types."""

SHOW = "Show images"
FOLDER_HELP = "A folder of images, each with its caption in a .txt file of the same name."
NO_FOLDER = "Drop pictures above, or type the folder that holds them and press Show images."
NO_IMAGES = "There is no image in this folder yet."
RECENT = "Recent folders"
FORGET = "Clear this list"
TRIGGER_HELP = "A word that stands for what is learned. It comes in front of every caption that lacks it."
GALLERY = "Images"
THUMBNAIL = "{name}, {at} of {count}"
PREVIOUS, NEXT = "Previous", "Next"
PAGE_OF = "{first} to {last} of {count}"
REGULAR_ONE, REGULAR_MANY = "{count} regularization image", "{count} regularization images"
IMAGES_ONE, IMAGES_MANY = "{count} image", "{count} images"
WITH_CAPTION = "{count} with a caption"
LOOKING = "Looking at the files: {done} of {of}"
UNREADABLE = "{name} can't be read and is left out."
UNREADABLES = "{count} images can't be read and are left out: {names}."
AND_OTHERS = "{names} and {count} more"
NO_CAPTION = "no caption"
FROM_NAME = "from the file name"
NOT_LOADED = "Press Show images first."
GONE = "This image is not there any more. Press Show images again."

# ---- dropping files

DROP = "Drop pictures, a folder or a zip here"
DROP_FOLDER = "Choose a folder"
NEW_SET = "Start a new set"
NEW_SET_READY = "The next files that you drop go into a folder of their own."
ADDED_ONE, ADDED_MANY = "Added {count} image.", "Added {count} images."
CAPTIONS_ADDED_ONE = "Wrote {count} caption for an image that was there."
CAPTIONS_ADDED_MANY = "Wrote {count} captions for images that were there."
SAME_ONE, SAME_MANY = "{count} was there already.", "{count} were there already."
RENAMED = "Renamed: {names}."
ADDED_WHERE = "They are in {folder}."
NOT_ADDED = "{name} could not be stored ({reason})."
NO_PICTURE = "{name} is not a picture that can be read."
NOT_READABLE_FILE = "{name} is damaged in the zip."
TOO_LARGE = "{name} is larger than {size}."
NAME_TAKEN = "{name} is there already and was left as it is."
CAPTION_ALONE = "The caption {name}.txt has no picture of that name."
ZIP_DAMAGED = "{name} is not a zip that can be read."
ZIP_TOO_LARGE = "{name} holds too much: at most {count} files are taken from one zip."
ZIP_BOMB = "{name} would unpack to {size}, far more than pictures do, and was not opened."
ZIP_NO_ROOM = "{name} needs {size}, more than the disk has free."
ZIP_LEADS_OUT = "{name} leads out of its zip and was left out."
ZIP_LINK = "{name} is a link in the zip and was left out."
ZIP_LOCKED = "{name} is locked with a password."
NO_NEW_FOLDER = "No folder could be made in {path} ({reason})."

# ---- finding

FILTER = "Show"
FILTERS = {"all": "All", "bare": "No caption", "named": "From file names", "problem": "Problems"}
SEARCH = "Search"
SEARCH_HINT = "in captions and names"
NOTHING_FOUND = "No image fits. Clear the search or choose All."
TAGS = "Tags"
TAGS_HELP = "Choose tags to see the images that have them."
NO_TAGS = "Tags that several captions share appear here."

# ---- one image

PICK = "Choose an image to read and change its caption."
CAPTION = "Caption"
CAPTION_HELP = "Saved to the .txt file as you type."
SAVED = "Saved."
CHANGED_MEANWHILE = (
    "The caption of {name} was changed meanwhile, in another window or on the disk. Nothing is written yet."
)
TYPED_HERE, STANDS_THERE = "Typed here", "There now"
KEEP_MINE, TAKE_THEIRS = "Keep what I typed", "Take what is there"
TOKENS = "{tokens} of {limit} tokens"
PREVIOUS_IMAGE, NEXT_IMAGE = "Previous image", "Next image"
ASIDE_ONE = "Move out of the set"
ASIDE_BROKEN_ONE, ASIDE_BROKEN_MANY = "Move {count} unreadable file aside", "Move {count} unreadable files aside"
MOVED_ONE, MOVED_MANY = "Moved {count} file to {folder}.", "Moved {count} files to {folder}."
PROBLEM_SHORT = {
    "unreadable": "can't be read",
    "small": "too small",
    "shared": "same name as another",
    "long": "long caption",
}
PROBLEM_COUNTS = {
    "named": "{count} from file names",
    "bare": "{count} without",
    "small": "{count} very small for {resolution} px",
    "shared": "{count} share a name",
    "long": "{count} over {limit} tokens",
    "unreadable": "{count} can't be read",
}
PROBLEM_SENTENCES = {
    "small": "Very small for training at {resolution} pixels. A larger picture gives a sharper LoRA.",
    "named": "Nobody has written a caption: this one is made from the file name.",
    "shared": "Another image has the same name but for its ending, so both have the same caption file.",
    "long": "The caption has {tokens} tokens with the trigger word; at most {limit} are read.",
}
SEES = "What the model sees"
SEES_SIZE = "Trains at {width} × {height} pixels."
SEES_CUT = "{percent} % of the picture is cut off."
SEES_WHOLE = "Nothing is cut off."
SEES_NOT = "The model does not see this image: it is left out."
SEES_NO_CAPTION = "No words: this image trains without a caption."
SEES_TOKENS = "{tokens} of {limit} tokens"
SEES_LONG = "{tokens} tokens; at most {limit} are read, so the end is not."

# ---- many captions

BULK = "Change many captions"
BULK_HELP = "Changes the captions of all images that the filter shows. Can be undone, also later."
BULK_KIND = "What to do"
BULK_KINDS = {"front": "Add in front", "end": "Add at the end", "replace": "Find and replace", "remove": "Remove tag"}
BULK_WHAT, BULK_BY = "Text", "Replace with"
APPLY = "Change"
APPLY_COUNT_ONE, APPLY_COUNT_MANY = "Change {count} caption", "Change {count} captions"
CHANGES_NOTHING = "This changes no caption."
PREVIEW_ANEW = "The captions or the filter have changed since: look at what it does now, then press again."
CHANGES_COUNT = "Changes {count} of {of} captions:"
CHANGED_ONE, CHANGED_MANY = "Changed {count} caption.", "Changed {count} captions."
UNDO = "Undo: {what}"
CHANGES = {
    "one": "caption of {words}",
    "front": "“{words}” in front",
    "end": "“{words}” at the end",
    "replace": "replace {words}",
    "remove": "remove “{words}”",
    "dropped": "captions that were dropped",
    "mended": "letters in {words}",
    "captioned": "captions by {words}",
    "aside": "{words} out of the set",
}
UNDONE_ONE, UNDONE_MANY = "{count} caption is as it was.", "{count} captions are as they were."
UNDONE_CHANGED = "{count} changed again since and stay."

# ---- folders that a person types

FOLDER_MISSING = "There is no folder {path}. Check the spelling."
FOLDER_IS_FILE = "{path} is a file. Type the folder that holds it."
FOLDER_ODD = "This is not a folder's path. Type a path such as /home/me/pictures."
FOLDER_OUTSIDE = "This page may only read folders inside {root}. Put the images there."
