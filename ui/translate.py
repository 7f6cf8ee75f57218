"""What the trainer says, in the visitor's language: ``sdlora.messages`` by the language of ``ui.text``.

A text that is no message (an exception's own words, an event of an older version) stays as it is.
"""

from sdlora.errors import Problem, UserError, explain
from sdlora.messages import in_language, reason_of
from ui import text


def message(words: str) -> str:
    """A sentence, or several, of the trainer's."""
    return in_language(words, text.language())


def problem(found: Problem) -> str:
    """What is wrong and what to do."""
    return message(found.message)


def error(raised: BaseException) -> str:
    """All problems of a UserError, a line each; what the system refused; of any other exception its own words."""
    if isinstance(raised, OSError) and raised.errno:
        raised = explain(raised)
    return message(raised.message) if isinstance(raised, UserError) else str(raised)


def reason(refused: OSError) -> str:
    """Why the system refused, for a sentence of the page's own."""
    return message(reason_of(refused))
