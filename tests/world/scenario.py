"""Scenarios: how one fault is made, proved on the wire without our code, judged by `check`, and mended again.

A scenario is a generator function with one `yield`:

    @scenario("dns.nxdomain", owner="connection_path")
    def name_does_not_exist(world: World) -> Steps:
        world.dns.fail("NXDOMAIN", API)                 # break one thing
        yield sdk_raises("Name or service not known")   # what is seen without our code
        world.dns.mend()                                # mend that one thing: the control

After the first half the proof is asked and `check` must name the cause; after the second half `check` must say `ok`.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from tests.world.canary import fail_on
from tests.world.client import Checked
from tests.world.world import World

Proof = Callable[[World], None]
"""Looks at the fault without our code; raises AssertionError if it is not there."""

Steps = Iterator[Proof]

PROGRAMS = ("ip", "nft", "unshare", "mount")
"""What every world needs."""

OPTIONS = ("--timeout", "2")
"""Two seconds a step instead of five: the worlds' slowest healthy answer takes 0.8 s."""

WORKERS = 2 * (os.cpu_count() or 1)
"""Worlds at a time: most of a scenario is waiting."""

SCENARIOS: dict[str, Scenario] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One fault, or one oddity that is none."""

    name: str
    cause: str
    owner: str
    steps: Callable[[World], Steps]
    needs: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    options: tuple[str, ...] = OPTIONS
    intermittent: bool = False
    """Whether it comes and goes, and the verdict must say so."""

    packets: bool = False
    """Whether it is made below TCP's payload: packets are lost, turned away, reset, too long, or their connection is forgotten."""

    @property
    def layer(self) -> str | None:
        """A cause is `layer.name`; `ok` and `unknown` have no layer."""
        layer, dot, _ = self.cause.partition(".")
        return layer if dot else None

    @property
    def expected(self) -> Answer:
        return Answer(cause=self.cause, owner=self.owner, layer=self.layer, intermittent=self.intermittent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The part of a verdict that a scenario declares."""

    cause: str
    owner: str
    layer: str | None
    intermittent: bool

    @classmethod
    def of(cls, checked: Checked) -> Answer:
        verdict = checked.verdict
        intermittent = verdict["pattern"] == "intermittent"
        return cls(cause=verdict["cause"], owner=verdict["owner"], layer=verdict["layer"], intermittent=intermittent)


HEALTHY = Answer(cause="ok", owner="none", layer=None, intermittent=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one scenario went."""

    scenario: Scenario
    checked: Checked | None
    control: Checked | None
    setup_seconds: float
    seconds: float
    problems: tuple[str, ...]
    """Empty if all went as declared."""


def scenario(
    cause: str,
    *,
    owner: str = "connection_path",
    needs: tuple[str, ...] = (),
    modules: tuple[str, ...] = (),
    options: tuple[str, ...] = (),
    intermittent: bool = False,
    packets: bool = False,
) -> Callable[[Callable[[World], Steps]], Callable[[World], Steps]]:
    """Declare a scenario.

    Args:
        cause: What `check` must answer.
        owner: Who must own it.
        needs: Programs beyond `PROGRAMS`.
        modules: Python modules that the client needs.
        options: Of `check`, beyond `OPTIONS`.
        intermittent: Whether the fault comes and goes.
        packets: Whether it is made below TCP's payload.
    """

    def declare(steps: Callable[[World], Steps]) -> Callable[[World], Steps]:
        name = steps.__name__
        if name in SCENARIOS:
            raise ValueError(f"two scenarios are called {name}")
        SCENARIOS[name] = Scenario(
            name=name,
            cause=cause,
            owner=owner,
            steps=steps,
            needs=needs,
            modules=modules,
            options=(*OPTIONS, *options),
            intermittent=intermittent,
            packets=packets,
        )
        return steps

    return declare


def missing_for_any_world(*programs: str) -> str | None:
    """Why no world with these programs can be built on this machine; None if one can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    absent = [program for program in (*PROGRAMS, *programs) if shutil.which(program, path=path) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


def missing(scenario: Scenario) -> str | None:
    """Why this scenario cannot run on this machine; None if it can."""
    modules = [module for module in scenario.modules if importlib.util.find_spec(module) is None]
    if modules:
        return f"not importable: {', '.join(modules)}"
    return missing_for_any_world(*scenario.needs)


def run(scenario: Scenario, *, judge: bool = True, control: bool = True) -> Result:
    """Run one scenario in a world of its own.

    Args:
        scenario: What to run.
        judge: Whether `check` is asked; without it only the wire is proved, before and after mending.
        control: Whether it is asked again once the fault is mended; without, the SDK alone must be answered then.
    """
    begin = time.monotonic()
    problems: list[str] = []
    checked = mended = None
    with World() as world:
        steps = scenario.steps(world)
        proof = next(steps)
        try:
            proof(world)
        except AssertionError as error:
            problems.append(f"the wire does not show the fault: {error}")
        if judge:
            try:
                checked = world.client.check(*scenario.options)
                problems += _compare("check", scenario.expected, checked)
            except AssertionError as error:
                problems.append(str(error))
        if next(steps, None) is not None:
            raise ValueError(f"{scenario.name} yields more than once")
        try:
            if judge and scenario.cause == "ok":
                # `check` has just said it of the path with the oddity.
                mended = checked
            elif judge and control:
                mended = world.client.check(*scenario.options)
                problems += _compare("control", HEALTHY, mended)
            else:
                sdk_answers(world)
        except AssertionError as error:
            problems.append(f"control: {error}")
        try:
            fail_on(world.leaks())
        except AssertionError as error:
            problems.append(str(error))
    return Result(
        scenario=scenario,
        checked=checked,
        control=mended,
        setup_seconds=world.setup_seconds,
        seconds=time.monotonic() - begin,
        problems=tuple(problems),
    )


def _compare(what: str, expected: Answer, checked: Checked) -> list[str]:
    given = Answer.of(checked)
    status = 0 if expected.cause == "ok" else 1
    problems = []
    if given != expected:
        because = "".join(f"\n  {b['observation']}: {b['fact']}" for b in checked.verdict["because"])
        problems.append(f"{what}: expected {expected}, answered {given}{because}")
    if checked.ran.status != status:
        problems.append(f"{what}: exit status {checked.ran.status} instead of {status}: {checked.ran.stderr[-2000:]}")
    return problems


def _outcome(future: Future[Result]) -> Result | Exception:
    try:
        return future.result()
    except Exception as error:
        return error


class SideBySide:
    """Runs scenarios a few at a time; each result is there when it is asked for."""

    def __init__(
        self,
        scenarios: list[Scenario],
        *,
        workers: int,
        judge: bool = True,
        control: Callable[[Scenario], bool] = lambda _: True,
        again: int = 0,
    ) -> None:
        self._again = again
        self._runs = {s.name: functools.partial(run, s, judge=judge, control=control(s)) for s in scenarios}
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="scenario")
        self._futures = {name: self._pool.submit(one) for name, one in self._runs.items()}

    def result(self, name: str) -> Result:
        """Wait for one scenario.

        The first *again* that fail beside others are run once more, each alone, and their failure is told as a warning:
        a machine that is loaded stretches time, and some faults are made of time. What fails alone as well has failed.
        """
        first = _outcome(self._futures[name])
        if isinstance(first, Result) and not first.problems:
            return first
        if self._again:
            self._again -= 1
            wait(self._futures.values())
            told = "; ".join(first.problems) if isinstance(first, Result) else repr(first)
            warnings.warn(f"{name} failed beside others and is run again alone: {told}", stacklevel=2)
            return self._runs[name]()
        if isinstance(first, Result):
            return first
        raise first

    def close(self) -> None:
        """Drop what has not begun, and wait for the end of what has."""
        self._pool.shutdown(wait=True, cancel_futures=True)


# -- proofs ------------------------------------------------------------------------------------------------------------


def sdk_raises(*patterns: str, how: str = "") -> Proof:
    """The real SDK raises, and its exception chain matches these patterns; for *how* see `Client.sdk`."""

    def prove(world: World) -> None:
        chain = world.client.sdk(*filter(None, [how]))
        assert "answered" not in chain, f"the SDK was answered:\n{chain}"
        for pattern in patterns:
            assert re.search(pattern, chain), f"no {pattern!r} in what the SDK raised:\n{chain}"

    return prove


def sdk_answers(world: World) -> None:
    """The real SDK gets its answer."""
    answer = world.client.sdk()
    assert answer.startswith("answered ChatCompletion"), f"the SDK raised:\n{answer}"


def both(*proofs: Proof) -> Proof:
    """All of these."""

    def prove(world: World) -> None:
        for proof in proofs:
            proof(world)

    return prove


def curl_says(url: str, pattern: str, *options: str) -> Proof:
    """curl's trace of a request shows this."""

    def prove(world: World) -> None:
        ran = world.client.curl(url, *options)
        assert re.search(pattern, ran.stderr + ran.stdout), (
            f"no {pattern!r} in curl's output:\n{ran.stderr}{ran.stdout}"
        )

    return prove


def curl_varies(url: str, *, attempts: int = 8, good: str = "HTTP/1.1 (?!50)") -> Proof:
    """Of some requests by curl, one after another, some show *good* in their trace and some do not."""

    def prove(world: World) -> None:
        shown = []
        for _ in range(attempts):
            ran = world.client.curl(url, "--max-time", "1")
            shown.append(bool(re.search(f"< {good}", ran.stderr)))
            if len(set(shown)) == 2:
                return
        raise AssertionError(f"{attempts} requests went alike: {shown}\n{ran.stderr}")

    return prove
