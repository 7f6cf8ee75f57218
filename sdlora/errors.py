"""What people are told when something is wrong: one sentence each, never a traceback."""

import errno
import re
from dataclasses import dataclass

from sdlora.messages import lines, reason_of, say, sentences

# PyTorch's allocators on GPUs and CPUs (Linux, then Windows), C++'s own, CUDA's libraries, oneDNN.
SHORT = re.compile(
    r"out of memory|can't allocate memory|not enough memory|bad_alloc|ALLOC_FAILED|create a primitive$", re.I
)
NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
LONGEST_NAME, LONGEST_PATH = 60, 300  # characters that are shown


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    what: the sentence, naming the place ("cat.jpg", "adapter.rank", a key, a tool).
    fix: what to do about it, a sentence of its own; empty where ``what`` says it.
    where: the setting's key or the file, for the page to mark; empty if neither. A function that knows no settings
        names its argument ("vae"); ``check.case.as_keys`` makes the key of it.
    fatal: False for a warning that training can live with.
    """

    what: str
    fix: str = ""
    where: str = ""
    fatal: bool = True

    @property
    def message(self) -> str:
        """Both sentences, as one that can be said in any language."""
        return sentences(self.what, self.fix) if self.what and self.fix else self.what or self.fix

    def __str__(self) -> str:
        return str(self.message)


class UserError(Exception):
    """Bad input or bad luck that a person can mend; carries every problem found, not the first."""

    def __init__(self, *problems: Problem | str, fix: str = "", where: str = ""):
        self.problems = [p if isinstance(p, Problem) else Problem(p, fix, where) for p in problems]
        super().__init__("\n".join(str(p) for p in self.problems))

    @property
    def message(self) -> str:
        """All of it, a line a problem, as one that can be said in any language."""
        return lines(*(p.message for p in self.problems)) if len(self.problems) > 1 else self.problems[0].message


class Unstable(UserError):
    """The training's numbers are not finite any more: there is nothing to save, and a resume ends there again."""


class ProcessLost(UserError):
    """Another process of the same run has ended, for a reason that it tells itself if it can."""


def explain(error: BaseException, details: object = "") -> UserError:
    """The sentence for an exception that reached the top: known causes by name, others as they are.

    Never raises. A UserError is returned unchanged. details: the file that has the traceback, if one has.
    """
    if isinstance(error, UserError):
        return error
    text = str(error) or type(error).__name__
    if ran_out_of_memory(error):
        return UserError(
            say("files.out_of_memory"),
            fix=say("files.use_less_memory"),
        )
    if isinstance(error, OSError):
        return _explain_os_error(error)
    return UserError(
        say("files.unexpected_error", kind=type(error).__name__, what=text.splitlines()[0][:300]),
        fix=say("files.report_with_details", path=details) if details else say("files.report"),
    )


def ran_out_of_memory(error: BaseException) -> bool:
    """Does it say that there was no memory left, the computer's or a GPU's?"""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(SHORT.search(str(error))))


def _explain_os_error(error: OSError) -> UserError:
    place = say("files.at_path", path=_short(str(error.filename))) if error.filename else ""
    if error.errno == errno.ENOSPC:
        return UserError(say("files.disk_full", place=place), fix=say("files.free_space"))
    if error.errno in NO_PERMISSION:
        return UserError(say("files.no_permission", place=place), fix=say("images.choose_own_folder"))
    if error.errno == errno.ENAMETOOLONG:
        return UserError(say("files.name_too_long", place=place), fix=say("files.use_shorter_name"))
    if error.errno in (errno.ENOTDIR, errno.EEXIST):  # EEXIST: of making a folder
        return UserError(say("files.file_for_folder", place=place), fix=say("files.choose_another_place"))
    return UserError(
        say("files.system_refused", place=place, reason=reason_of(error)), fix=say("files.check_path_and_retry")
    )


def explains_itself(error: BaseException) -> bool:
    """Is it one that ``explain`` knows by name, so that nobody needs its traceback?"""
    known = (errno.ENOSPC, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EEXIST, *NO_PERMISSION)
    return isinstance(error, UserError) or (isinstance(error, OSError) and error.errno in known)


def _short(path: str) -> str:
    """A path that a sentence can hold: its end, where most of the meaning is; of an endless name the beginning."""
    name = re.split(r"[/\\]", path)[-1]
    if len(name) > LONGEST_NAME:
        return name.lstrip(".")[:LONGEST_NAME] + "…"  # a hidden name is one of ours, for while it is written
    return path if len(path) <= LONGEST_PATH else "…" + path[-LONGEST_PATH:]
