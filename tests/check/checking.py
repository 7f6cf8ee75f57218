"""What tests of the checks ask for."""

from sdlora.check import prepare
from sdlora.errors import Problem
from sdlora.settings import Settings

UNET = {  # name -> shape; per rank, a LoRA of all of it has 96 + 64 + 128 = 288 parameters
    "down.to_q.weight": (64, 32),
    "down.conv.weight": (32, 32, 3, 3),
    "mid.ff.weight": (96, 32),
    "mid.norm.bias": (32,),
}


def check(settings: Settings) -> list[Problem]:
    return list(prepare(settings).problems)


def fatal(problems: list[Problem]) -> dict[str, str]:
    return {problem.where: str(problem) for problem in problems if problem.fatal}


def warnings(problems: list[Problem]) -> str:
    return "\n".join(str(problem) for problem in problems if not problem.fatal)
