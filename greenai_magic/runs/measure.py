"""`measure`: from a window on the meter to a run in the ledger, with or without a notebook."""

from __future__ import annotations

import copy
import functools
import hashlib
import inspect
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast, overload

from greenai_magic.errors import GreenAIError
from greenai_magic.footprint.impacts import Footprint, Line
from greenai_magic.footprint.place import Place
from greenai_magic.meter.discover import default_meter
from greenai_magic.meter.measurement import Measurement
from greenai_magic.meter.meter import Meter, Window
from greenai_magic.meter.trace import Trace
from greenai_magic.quantity import Quantity
from greenai_magic.runs import clerk
from greenai_magic.runs.labels import Labels, site_of
from greenai_magic.runs.ledger import Ledger
from greenai_magic.runs.run import Run, Status
from greenai_magic.runs.session import session_id
from greenai_magic.runs.settings import current_settings
from greenai_magic.runs.site import Site

F = TypeVar("F", bound=Callable[..., Any])
FLUSH_S = 1.5
LOST_S = 2.0
"""What a killed process loses at most: the time between two saves and one tick of the thread."""


class Measuring:
    """One run in the making: a context manager, also asynchronous, and a decorator.

    The figures can be read while it runs and afterwards.
    """

    def __init__(self, labels: Labels) -> None:
        settings = current_settings()
        self._labels = labels
        self._site, trouble = site_of(labels, settings)
        self._ledger = clerk.ledger_at(settings.ledger) if labels.save and settings.save else None
        self._keep_source = settings.keep_source
        self._notes = (*settings.problems, *trouble)
        self._window: Window | None = None
        self._status: Status = "running"
        self._scores: dict[str, float] = {}
        self._trouble = ""
        self._assessed: tuple[Measurement, Footprint] | None = None

    def start(self) -> None:
        """Write the ledger's first row and open the window; the caller's code comes next.

        Raises
        ------
        GreenAIError
            If it is open already: its figures would be lost.
        """
        global _last
        if self._window is not None and self._status == "running":
            msg = "This is being measured already: take another measure() for what is inside or beside it."
            raise GreenAIError(msg)
        if self._window is not None:
            # Its last run is kept before it is used for another.
            clerk.catch_up()
            _last = copy.copy(self) if _last is self else _last
        self._window, self._status, self._scores, self._trouble = None, "running", {}, ""
        self._pid = os.getpid()
        self._id = os.urandom(16).hex()
        self._started_at = datetime.now(timezone.utc)
        self._meter = meter = default_meter()
        self._try(lambda ledger: ledger.write(self._as_run(*_nothing_seen(meter, self._site), "running")))
        self._saved_s = time.monotonic()
        self._window = meter.open(self._go_on if self._ledger is not None else None)

    def stop(self) -> None:
        """Close the window; what follows costs the run nothing."""
        self._opened().stop()

    def finish(self, status: Status, *, wait: bool = True) -> None:
        """Close the run as it ended and keep it, now or a moment later."""
        global _last
        # A forked child that unwinds its copy of the block must not close its parent's run.
        if os.getpid() != self._pid:
            return
        self.stop()
        self._status, _last = status, self
        if self._ledger is None:
            return
        if wait:
            self._keep()
        else:
            clerk.later(self._keep, self._meter)

    def discard(self) -> None:
        """Close the window and keep nothing: what was to be measured did not run."""
        self.stop()
        self._status = "interrupted"
        self._try(lambda ledger: ledger.forget(self._id))

    def score(self, name: str, value: float) -> None:
        """Attach the user's own metric to the run."""
        self._scores[name] = float(value)

    @property
    def run(self) -> Run:
        """The run so far, or as it ended."""
        return self._noted(self._trouble)

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
        """Grams of CO2e of the electricity, location-based, and of the making of the hardware named."""
        return self.run.footprint.gwp

    @property
    def footprint(self) -> Footprint:
        """All that was assessed, and the names of what was not."""
        return self.run.footprint

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
        if not callable(function) or isinstance(function, type):
            what = "class" if isinstance(function, type) else type(function).__name__
            msg = f"measure() takes a name or a function, not a {what}; put it below @classmethod."
            raise GreenAIError(msg)
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

    def _go_on(self) -> None:
        """Save how far the run has come, from the meter's thread; it is saved whole when it has ended."""
        window, now_s = self._window, time.monotonic()
        if window is None or now_s - self._saved_s < FLUSH_S:
            return
        self._saved_s = now_s
        duration, machine = window.so_far()
        gwp = self._site.so_far(duration, machine).gwp
        self._try(lambda ledger: ledger.go_on(self._id, duration, machine, gwp))

    def _keep(self) -> None:
        self._try(lambda ledger: ledger.write(self._noted("")))

    def _try(self, save: Callable[[Ledger], None]) -> None:
        if self._ledger is not None:
            self._trouble = clerk.try_to(save, self._ledger)

    def _noted(self, trouble: str) -> Run:
        measurement = self._opened().measure()
        # What has ended is measured once, and so it is assessed once.
        assessed = self._assessed
        if assessed is None or assessed[0] is not measurement:
            assessed = measurement, self._site.footprint(measurement, self._started_at)
            self._assessed = assessed
        notes = (*measurement.notes, *self._notes, *filter(None, [trouble]))
        return self._as_run(replace(measurement, notes=notes), assessed[1], self._status)

    def _as_run(self, measurement: Measurement, footprint: Footprint, status: Status) -> Run:
        labels = self._labels
        return Run(
            id=self._id,
            name=labels.name or "block",
            status=status,
            started_at=self._started_at,
            measurement=measurement,
            footprint=footprint,
            scores=dict(self._scores),
            tags=labels.tags,
            stage=labels.stage,
            source_hash=hashlib.sha256(labels.source.encode()).hexdigest() if labels.source else "",
            source=labels.source if self._keep_source else None,
            session=_session(self._pid),
            hardware=self._site.hardware,
        )


@overload
def measure(
    name: str | None = None,
    *,
    save: bool = True,
    place: str | Place | None = None,
    pue: float | None = None,
    hardware: str | None = None,
    intensity_csv: str | Path | None = None,
    stage: str = "",
    tags: Mapping[str, str] | None = None,
) -> Measuring: ...


@overload
def measure(name: F) -> F: ...


def measure(
    name: Any = None,
    *,
    save: bool = True,
    place: Any = None,
    pue: float | None = None,
    hardware: Any = None,
    intensity_csv: Any = None,
    stage: str = "",
    tags: Any = None,
) -> Any:
    """Measure a block, an asynchronous block or every call of a function.

    ``with measure("train") as m:``, ``async with measure():``, ``@measure`` and ``@measure("train")``.

    Parameters
    ----------
    name : str, optional
        Of the run; a decorated function's own name by default.
    save : bool
        Whether the ledger keeps the run.
    place : str or Place, optional
        Where the electricity comes from: ``"FRA"``, ``"USA/CA"``, ``"gcp/europe-west9"``, or a place with
        factors of its own, such as ``grid.live.live_place`` gives.
    pue : float, optional
        Energy of the building over energy of the devices, 1 to 5.
    hardware : str, optional
        What the run uses, whose making is counted: ``"laptop + monitor"``, ``"8 A100 SXM + gpu server"``.
    intensity_csv : str or Path, optional
        The grid's intensity by hour: a file of two columns, as ``footprint.hourly.read_hourly`` takes it.
        Hours that it lacks have the place's yearly factor.
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
        If ``pue``, ``place``, ``hardware``, ``intensity_csv`` or ``tags`` cannot be one.
    GreenAIError
        If what is decorated is a generator.
    """
    text = name if isinstance(name, str) else ""
    words = {str(k): str(v) for k, v in tags.items()} if isinstance(tags, Mapping) else tags or {}
    labels = Labels(text, save, place, pue, hardware, intensity_csv, str(stage), words)
    measuring = Measuring(labels)
    return measuring if name is None or isinstance(name, str) else measuring(name)


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


@functools.lru_cache(maxsize=1)
def _session(_pid: int) -> str:
    return session_id()


@functools.lru_cache(maxsize=8)
def _nothing_seen(meter: Meter, site: Site) -> tuple[Measurement, Footprint]:
    """Return what is known of a run that was killed before it was saved again."""
    most_j = LOST_S * sum(counter.rated_w for counter in meter.counters)
    source = f"nothing saved yet: at most the rated power for {LOST_S:g} s"
    machine = Quantity(0.0, "J", "modelled", source, above=most_j, name="machine energy")
    duration = Quantity(0.0, "s", name="duration")
    measurement = Measurement(duration, machine, {}, None, None, Trace(()), meter.notes)
    gwp = replace(site.so_far(duration, machine).gwp, formula="", inputs=())
    # It is written while the user waits, and assessed again by who reads it: the total will do.
    return measurement, Footprint((Line("2 location-based", "use", "gwp", gwp),), (), site.place)


_last: Measuring | None = None
