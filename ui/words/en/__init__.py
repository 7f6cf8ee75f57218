"""English."""

from ui.words.en.captioner import *  # noqa: F403
from ui.words.en.compare import *  # noqa: F403
from ui.words.en.doctor import *  # noqa: F403
from ui.words.en.images import *  # noqa: F403
from ui.words.en.keeping import *  # noqa: F403
from ui.words.en.page import *  # noqa: F403
from ui.words.en.runs import *  # noqa: F403
from ui.words.en.settings import *  # noqa: F403
