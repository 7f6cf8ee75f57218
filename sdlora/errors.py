"""What people are told when something is wrong: one sentence each, never a traceback."""

import errno
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    what: the sentence, naming the place ("cat.jpg", "adapter.rank", a key, a tool).
    fix: what to do about it, a sentence of its own; empty where ``what`` says it.
    where: the setting's key or the file, for the page to mark; empty if neither.
    fatal: False for a warning that training can live with.
    """

    what: str
    fix: str = ""
    where: str = ""
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.what} {self.fix}".strip()


class UserError(Exception):
    """Bad input or bad luck that a person can mend; carries every problem found, not the first."""

    def __init__(self, *problems: Problem | str, fix: str = "", where: str = ""):
        self.problems = [p if isinstance(p, Problem) else Problem(p, fix, where) for p in problems]
        super().__init__("\n".join(str(p) for p in self.problems))


class Unstable(UserError):
    """The training's numbers are not finite any more: there is nothing to save, and a resume ends there again."""


def explain(error: BaseException, details: object = "") -> UserError:
    """The sentence for an exception that reached the top: known causes by name, others as they are.

    Never raises. A UserError is returned unchanged. details: the file that has the traceback, if one has.
    """
    if isinstance(error, UserError):
        return error
    text = str(error) or type(error).__name__
    if "out of memory" in text.lower() or isinstance(error, MemoryError):
        return UserError(
            "The computer ran out of memory.",
            fix="Use train.gradient_checkpointing, a smaller train.batch_size or a lower data.resolution.",
        )
    if isinstance(error, OSError):
        return _explain_os_error(error)
    return UserError(
        f"Something went wrong inside the trainer: {type(error).__name__}: {text.splitlines()[0][:300]}",
        fix=f"The details are in {details}; please report it with them." if details else "Please report it.",
    )


def _explain_os_error(error: OSError) -> UserError:
    place = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return UserError(f"The disk is full{place}.", fix="Free some space and start again; nothing was half-written.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError(f"No permission to read or write there{place}.", fix="Choose a folder of your own.")
    if error.errno == errno.ENAMETOOLONG:
        return UserError(f"A file name is too long{place}.", fix="Use a shorter run name.")
    reason = error.strerror or str(error)
    return UserError(f"The system refused{place}: {reason}.", fix="Check the path and try again.")
