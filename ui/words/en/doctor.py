"""The doctor of the Images tab."""

DOCTOR = "Doctor"
DOCTOR_HELP = "Looks at every picture and caption for what spoils a LoRA. By itself it changes nothing."
DOCTOR_START, DOCTOR_STOP = "Look at everything", "Stop looking"
DOCTOR_BEGINS = "Opening the files."
DOCTOR_FAR = "{done} of {of} pictures looked at"
DOCTOR_BUSY = "The doctor is looking at another folder. Wait for its end, or stop it there."
DOCTOR_STOPPED = "Stopped; what was looked at is not kept."
DOCTOR_FAILED = "The doctor came to no end: {reason}"
DOCTOR_SILENT = "it ended without a word"
DOCTOR_FOUND_ONE = "{count} finding in {images}, looked at on {when}."
DOCTOR_FOUND_MANY = "{count} findings in {images}, looked at on {when}."
DOCTOR_NOTHING = "Nothing found in {images}, looked at on {when}."
DOCTOR_CHECKS = {
    "alike": "Nearly the same",
    "blurred": "Blurred",
    "compressed": "JPEG blocks",
    "bordered": "Bars and frames",
    "transparent": "Transparent",
    "colours": "Unsure colours",
    "garbled": "Broken letters in captions",
    "repeated": "The same caption",
    "usual": "Forgotten tags",
}
DOCTOR_FILES = "Files, captions and sizes"
DOCTOR_SIZES = "Sizes that are trained"
DOCTOR_SIZE_HEADS = {"size": "Pixels", "pictures": "Pictures", "lost": "Cut off"}
DOCTOR_MEND = "Mend"
DOCTOR_MEND_HELP = "Choose what to mend and look at what that does; nothing is deleted, and Undo takes it back."
DOCTOR_OUT_ONE = "{count} picture goes to {folder}, which is not trained on:"
DOCTOR_OUT_MANY = "{count} pictures go to {folder}, which is not trained on:"
DOCTOR_CAPTIONS_ONE, DOCTOR_CAPTIONS_MANY = "{count} caption changes:", "{count} captions change:"
DOCTOR_APPLY = "Mend this"
BROUGHT_BACK_ONE, BROUGHT_BACK_MANY = "{count} image is back in the set.", "{count} images are back in the set."
