"""Simplified Chinese."""

from ui.words.zh.captioner import *  # noqa: F403
from ui.words.zh.compare import *  # noqa: F403
from ui.words.zh.doctor import *  # noqa: F403
from ui.words.zh.images import *  # noqa: F403
from ui.words.zh.keeping import *  # noqa: F403
from ui.words.zh.page import *  # noqa: F403
from ui.words.zh.runs import *  # noqa: F403
from ui.words.zh.settings import *  # noqa: F403
