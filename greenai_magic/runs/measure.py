"""`measure`: from a window on the meter to a run in the ledger, with or without a notebook."""

from __future__ import annotations

import atexit
import functools
import hashlib
import inspect
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

from greenai_magic.errors import GreenAIError, LedgerError
from greenai_magic.footprint.impacts import assess
from greenai_magic.footprint.place import Place, find_place
from greenai_magic.meter.discover import default_meter
from greenai_magic.meter.measurement import Measurement
from greenai_magic.meter.meter import Window
from greenai_magic.meter.trace import Trace
from greenai_magic.quantity import Quantity
from greenai_magic.runs import clerk
from greenai_magic.runs.ledger import Ledger, session_id
from greenai_magic.runs.run import Run, Status
from greenai_magic.runs.settings import current_settings

F = TypeVar("F", bound=Callable[..., Any])
FLUSH_S = 1.5
"""A killed process loses at most this and one tick of the thread, 2 s in all."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What the user says of a run beforehand; see :func:`measure`."""

    name: str = ""
    save: bool = True
    place: str | None = None
    pue: float | None = None
    stage: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None


class Measuring:
    """One run in the making: a context manager, also asynchronous, and a decorator.

    The figures can be read while it runs and afterwards.
    """

    def __init__(self, labels: Labels) -> None:
        settings = current_settings()
        self._labels = labels
        pue = settings.pue if labels.pue is None else labels.pue
        self._place = _place(labels.place or settings.country, pue)
        self._ledger = ledger_at(settings.ledger) if labels.save and settings.save else None
        self._keep_source = settings.keep_source
        self._window: Window | None = None
        self._status: Status = "running"
        self._scores: dict[str, float] = {}
        self._trouble = ""

    def start(self) -> None:
        """Open the window; the caller's code comes next. The ledger's first row follows at once.

        Raises
        ------
        GreenAIError
            If it is open already: its figures would be lost.
        """
        if self._window is not None and self._status == "running":
            msg = "This is being measured already: take another measure() for what is inside or beside it."
            raise GreenAIError(msg)
        self._window, self._status, self._scores, self._trouble = None, "running", {}, ""
        self._pid = os.getpid()
        self._id = os.urandom(16).hex()
        self._started_at = datetime.now(timezone.utc)
        self._saved_s = time.monotonic() - FLUSH_S
        meter = default_meter()
        if self._ledger is not None:
            clerk.later(self._flush)
        self._window = meter.open(self._flush)

    def stop(self) -> None:
        """Close the window; what follows costs the run nothing."""
        self._opened().stop()

    def finish(self, status: Status, *, wait: bool = True) -> None:
        """Close the run as it ended and keep it, now or a moment later."""
        # A forked child that unwinds its copy of the block must not close its parent's run.
        if os.getpid() != self._pid:
            return
        self.stop()
        self._status = status
        _remember(self)
        if self._ledger is None:
            return
        if wait:
            self._save(status)
        else:
            clerk.later(lambda: self._save(status))

    def score(self, name: str, value: float) -> None:
        """Attach the user's own metric to the run."""
        self._scores[name] = float(value)

    @property
    def run(self) -> Run:
        """The run so far, or as it ended."""
        measurement = self._opened().measure()
        if self._trouble:
            measurement = replace(measurement, notes=(*measurement.notes, self._trouble))
        return self._as_run(measurement, self._status)

    @property
    def energy_j(self) -> Quantity:
        """Joules of the machine."""
        return self.run.measurement.machine

    @property
    def energy_j_by_component(self) -> Mapping[str, Quantity]:
        """Joules of ``cpu``, ``dram``, ``memory``, ``gpu0``..."""
        return self.run.measurement.by_component

    @property
    def dynamic_j(self) -> Quantity | None:
        """Joules above idle, or None until an idle baseline is known."""
        return self.run.measurement.dynamic

    @property
    def attributed_j(self) -> Quantity | None:
        """Joules of this process and its children."""
        return self.run.measurement.attributed

    @property
    def gwp_g(self) -> Quantity:
        """Grams of CO2e of the electricity, location-based."""
        return self.run.footprint.gwp

    @property
    def duration_s(self) -> Quantity:
        """Seconds."""
        return self.run.measurement.duration

    @property
    def trace(self) -> Trace:
        """Cumulative joules over time."""
        return self._opened().trace

    def __enter__(self) -> Measuring:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.finish(outcome(error))

    async def __aenter__(self) -> Measuring:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, where)

    def __call__(self, function: F) -> F:
        """Return the function with each of its calls measured as a run of its own."""
        name = getattr(function, "__name__", type(function).__name__)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            msg = (
                f"{name} is a generator, whose work is done between that of the loop that asks it: "
                "put `with measure():` around the loop."
            )
            raise GreenAIError(msg)
        labels = replace(self._labels, name=self._labels.name or name)
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def measured_async(*args: Any, **kwargs: Any) -> Any:
                async with Measuring(labels):
                    return await function(*args, **kwargs)

            return cast("F", measured_async)

        @functools.wraps(function)
        def measured(*args: Any, **kwargs: Any) -> Any:
            with Measuring(labels):
                return function(*args, **kwargs)

        return cast("F", measured)

    def _opened(self) -> Window:
        if self._window is None:
            msg = "Nothing is measured yet: use it as `with measure(...) as m:` and read the figures inside."
            raise GreenAIError(msg)
        return self._window

    def _flush(self) -> None:
        """Save a run under way, from a thread; one that ends meanwhile is saved once more as it ended."""
        now_s = time.monotonic()
        if self._window is not None and self._status == "running" and now_s - self._saved_s >= FLUSH_S:
            self._saved_s = now_s
            self._save("running")

    def _save(self, status: Status) -> None:
        global _untold
        if self._ledger is None:
            return
        try:
            measurement = self._opened().measure()
            if status == "running":
                # A curve that goes on is kept once, when it has ended.
                measurement = replace(measurement, trace=Trace(()))
            self._ledger.write(self._as_run(measurement, status))
        except Exception as error:  # noqa: BLE001 - saving runs in threads, and beside the user's own error
            self._trouble = str(error) if isinstance(error, LedgerError) else f"Not saved: {error!r}."
            _untold = self._trouble if _untold is None else _untold
        else:
            _untold = None

    def _as_run(self, measurement: Measurement, status: Status) -> Run:
        labels = self._labels
        return Run(
            id=self._id,
            name=labels.name or "block",
            status=status,
            started_at=self._started_at,
            measurement=measurement,
            footprint=assess(measurement.machine, self._place),
            scores=dict(self._scores),
            tags=labels.tags,
            stage=labels.stage,
            source_hash=hashlib.sha256(labels.source.encode()).hexdigest() if labels.source else "",
            source=labels.source if self._keep_source else None,
            session=_session(self._pid),
        )


def measure(
    name: str | Callable[..., Any] | None = None,
    *,
    save: bool = True,
    place: str | None = None,
    pue: float | None = None,
    stage: str = "",
    tags: Mapping[str, str] | None = None,
) -> Any:
    """Measure a block, an asynchronous block or every call of a function.

    ``with measure("train") as m:``, ``async with measure():``, ``@measure`` and ``@measure("train")``.

    Parameters
    ----------
    name : str, optional
        Of the run; a decorated function's own name by default.
    save : bool
        Whether the ledger keeps the run.
    place : str, optional
        Where the electricity comes from: ``"FRA"``, ``"USA/CA"``, ``"gcp/europe-west9"``.
    pue : float, optional
        Energy of the building over energy of the devices, 1 or more.
    stage : str
        ``"training"``, ``"evaluation"``...
    tags : mapping of str to str, optional
        The user's own.

    Returns
    -------
    Measuring
        With ``energy_j``, ``energy_j_by_component``, ``dynamic_j``, ``attributed_j``, ``gwp_g``,
        ``duration_s``, ``trace`` and ``run``, each physical figure a ``Quantity``.

    Raises
    ------
    SettingError
        If ``pue`` cannot be one.
    GreenAIError
        If what is decorated is a generator.
    """
    text = "" if name is None or callable(name) else str(name)
    words = {str(key): str(value) for key, value in (tags or {}).items()}
    labels = Labels(text, save=save, place=place, pue=pue, stage=str(stage), tags=words)
    measuring = Measuring(labels)
    return measuring(name) if callable(name) else measuring


def outcome(error: BaseException | None) -> Status:
    """Return how a block ended, from the exception that left it."""
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return "ok"
    asyncio = sys.modules.get("asyncio")
    cancelled = asyncio is not None and isinstance(error, asyncio.CancelledError)
    return "interrupted" if cancelled or isinstance(error, KeyboardInterrupt) else "error"


def last_run() -> Run | None:
    """Return the run that ended last in this process, or None before the first."""
    return _last.run if _last is not None else None


def untold_trouble() -> str:
    """Return why runs are not being saved, once; ``""`` while they are, or when it has been said."""
    global _untold
    sentence = _untold or ""
    _untold = _untold and ""
    return sentence


def ledger_at(path: Path) -> Ledger:
    """Return this process's ledger, moved to a path if it was at another.

    What could not be saved there is saved here.
    """
    global _ledger
    if _ledger is None:
        _ledger = Ledger(path)
        atexit.register(_close_ledger)
    elif _ledger.path != path:
        clerk.catch_up()
        _ledger.move(path)
    return _ledger


def _close_ledger() -> None:
    clerk.catch_up()
    try:
        if _ledger is not None:
            _ledger.close()
    except LedgerError as error:
        print(f"greenai: {error}", file=sys.stderr)  # noqa: T201 - the last chance to say it


@functools.lru_cache(maxsize=64)
def _place(name: str | None, pue: float | None) -> Place:
    return find_place(name, pue=pue)


@functools.lru_cache(maxsize=1)
def _session(_pid: int) -> str:
    return session_id()


def _remember(measuring: Measuring) -> None:
    global _last
    _last = measuring


_last: Measuring | None = None
_ledger: Ledger | None = None
_untold: str | None = None
"""Why runs are not being saved: None while they are, empty once it has been said."""
