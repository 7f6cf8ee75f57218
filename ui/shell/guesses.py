"""Passwords that were wrong: each is said in the terminal, and the next ones of that address have to wait."""

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ui import text

FREE = 5  # wrong ones that cost nothing: people mistype
LONGEST = 30.0  # seconds
AT_ONCE = 2  # passwords of one address that may wait
FORGET = 3600.0  # seconds after which an address begins anew
ADDRESSES = 1000  # that are remembered


@dataclass
class _Address:
    wrong: int = 0  # in a row
    waiting: int = 0
    last: float = 0.0


class Guesses:
    """Per address: after five wrong passwords in a row each further one waits 1, 2, 4 … 30 s, one after the other.

    sleep, clock, say: for tests.
    """

    def __init__(
        self,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = lambda line: print(line, flush=True),
    ):
        self._sleep, self._clock, self._say = sleep, clock, say
        self._known: dict[str, _Address] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def wait(self, address: str) -> float:
        """Seconds that the next password of this address has to wait."""
        wrong = self._of(address).wrong
        return 0.0 if wrong < FREE else min(LONGEST, 2.0 ** (wrong - FREE))

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[bool]:
        """Within it the address's password may be tried; False at once where too many of that address wait."""
        known = self._of(address)
        if known.waiting >= AT_ONCE:
            yield False
            return
        known.waiting += 1
        try:
            async with self._locks.setdefault(_network(address), asyncio.Lock()):
                await self._sleep(self.wait(address))
                yield True
        finally:
            known.waiting -= 1
            self._forget()

    def note(self, address: str, right: bool) -> None:
        """What became of a password."""
        known = self._of(address)
        known.wrong, known.last = (0 if right else known.wrong + 1), self._clock()
        if not right:
            self._say(text.WRONG_PASSWORD.format(time=time.strftime("%H:%M:%S"), address=address, count=known.wrong))

    def _of(self, address: str) -> _Address:
        return self._known.setdefault(_network(address), _Address())

    def _forget(self) -> None:
        """The oldest go when there are too many; those that wait stay."""
        idle = sorted((a.last, name) for name, a in self._known.items() if not a.waiting)
        old = [name for last, name in idle if self._clock() - last > FORGET]
        too_many = [name for _, name in idle[: max(0, len(self._known) - ADDRESSES)]]
        for name in {*old, *too_many}:
            self._known.pop(name, None)
            self._locks.pop(name, None)


def _network(address: str) -> str:
    """An IPv6 address stands for its network of 64 bits, all of which one computer may have."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
