"""Machine, above idle, this kernel's share: who used the joules.

    E_dynamic    = E_machine - P_idle * T
    E_attributed = E_dynamic * s + w * P_idle * T

with s the kernel's share of the CPU-seconds (children included) and w its share of the idle power:
1 where the machine is its own, its quota where it has one, s where others work beside it. Package
power grows with the number of busy threads u as u^x with x < 1, so no split is the only right one:
the fair share s is given with the interval from what would have been saved without the kernel,
1 - (1-s)^x, to what it would have used alone, s^x.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from greenai_magic.arithmetic import excess, product, total
from greenai_magic.meter.counter import DeviceUsers, EnergyCounter, is_device
from greenai_magic.quantity import DUST, Quantity

IDLE_SAMPLES = 64
_LOWEST = 0.1
_LEAST_IDLE_LOG_SD = 0.015
_JIFFY_S = 0.01
_SHARED_CPUS = 0.5
"""Others who keep more processors busy than this make a machine shared; a desktop's own chores do not."""


class Shares(NamedTuple):
    """A share of 0 to 1 with its interval."""

    value: float
    low: float
    high: float

    def quantity(self, name: str) -> Quantity:
        """Return the share as a figure."""
        return Quantity(
            self.value,
            "1",
            "modelled",
            "fair share; interval from saved without it to used alone",
            below=self.value - self.low,
            above=self.high - self.value,
            name=name,
        )


class IdleBaseline:
    """The idle power of one component, learned from moments without a window.

    The lowest tenth of the last samples, because what looks idle may still hold others' work.
    """

    def __init__(self) -> None:
        self._watts: deque[float] = deque(maxlen=IDLE_SAMPLES)

    def __len__(self) -> int:
        return len(self._watts)

    def learn(self, watts: float) -> None:
        """Add the mean power over at least half a second without a window."""
        self._watts.append(watts)

    def power(self, component: str, sensor: Mapping[str, float]) -> Quantity | None:
        """Return the idle power in watts, or None before the first sample.

        ``sensor`` is the spread of the sensor itself, which the energy of a window shares.
        """
        if not self._watts:
            return None
        ordered = sorted(self._watts)
        lowest = ordered[: max(1, round(len(ordered) * _LOWEST))]
        value = sum(lowest) / len(lowest)
        if value <= 0:
            return None
        median = ordered[len(ordered) // 2]
        # A baseline far below what is usual is less sure; at best it is as steady as 3 %.
        own_sd = max(_LEAST_IDLE_LOG_SD, (median / value - 1) / 4)
        name = f"idle power {component}"
        source = f"lowest of {len(ordered)} moments without a cell"
        return Quantity(value, "W", "measured", source, {**sensor, name: min(own_sd, 0.5)}, name=name)


def idle_energies(
    counters: Sequence[EnergyCounter],
    baselines: Sequence[IdleBaseline],
    duration: Quantity,
) -> dict[str, Quantity]:
    """Return the idle joules of each component whose idle power is known or was learned."""
    energies = {}
    for counter, baseline in zip(counters, baselines, strict=True):
        sensor = counter.accuracy.spread()
        if counter.idle_w is None:
            power = baseline.power(counter.component, sensor)
        else:
            name = f"idle power {counter.component}"
            power = Quantity(counter.idle_w, "W", "modelled", counter.label, sensor, name=name)
        if power is not None:
            energies[counter.component] = product((power, duration), "J", name=f"idle {counter.component}")
    return energies


def dynamic_energy(machine: Quantity, idle: Mapping[str, Quantity]) -> Quantity:
    """Return the machine's joules above idle."""
    return excess(machine, total(idle.values(), name="idle energy"), name="energy above idle")


def cpu_share(own_s: float, busy_s: float, *, exponent: float, jiffy_s: float = _JIFFY_S) -> Shares:
    """Return this kernel's share of a processor's dynamic energy.

    Parameters
    ----------
    own_s, busy_s : float
        CPU-seconds of the kernel and its children, and of everybody.
    exponent : float
        How dynamic power grows with the number of busy threads.
    jiffy_s : float
        How coarse ``busy_s`` is; ``own_s`` is exact.
    """
    own_s = max(0.0, own_s)
    if busy_s <= 0 and own_s > jiffy_s:
        # Nobody was busy, and yet we were: the system does not tell.
        return Shares(1.0, 0.0, 1.0)
    share = own_s / max(busy_s, own_s) if own_s else 0.0
    least = own_s / max(busy_s + jiffy_s, own_s) if own_s else 0.0
    most = own_s / max(busy_s - jiffy_s, own_s) if own_s else 0.0
    low = 1 - (1 - least) ** exponent
    return Shares(share, min(low, share), max(most**exponent, share))


def device_share(users: DeviceUsers | None) -> Shares:
    """Return this kernel's share of a device's dynamic energy, from its list of processes."""
    # Who computed may have left before the list was read, as a script does that a cell has started.
    if users is None or not (users.own or users.others):
        return Shares(1.0, 0.0, 1.0)
    if not users.own:
        return Shares(0.0, 0.0, 1.0)
    if not users.others:
        return Shares(1.0, 1.0, 1.0)
    even = users.own / (users.own + users.others)
    return Shares(even if users.own_share is None else users.own_share, 0.0, 1.0)


def idle_weight(share: Shares, quota: float, *, shared: bool) -> Shares:
    """Return this kernel's share w of the idle power.

    Its quota where it has one; all of it on a machine that works for nobody else; the share of the
    work, anywhere between none and all, where others work too.
    """
    if shared and quota == 1.0:
        return Shares(share.value, 0.0, 1.0)
    return Shares(quota, quota, quota)


def attributed_energy(
    components: Mapping[str, Quantity],
    idle: Mapping[str, Quantity],
    *,
    duration_s: float,
    own_s: float,
    busy_s: float,
    exponents: Mapping[str, float],
    users: Mapping[str, DeviceUsers | None],
    idle_share: float,
) -> Quantity:
    """Return the joules of this kernel and its children, never more than the machine's.

    A component without an idle baseline could be all idle or all dynamic: its interval spans both.

    Parameters
    ----------
    components, idle : mapping of str to Quantity
        Joules by component, and the idle part of those whose baseline is known.
    duration_s : float
        Length of the window.
    own_s, busy_s : float
        CPU-seconds of the kernel and of everybody.
    exponents : mapping of str to float
        By component; see :func:`cpu_share`.
    users : mapping of str to DeviceUsers or None
        Of the devices.
    idle_share : float
        The kernel's quota of the processors, and so of the idle power; 1 where it has none.
    """
    terms: list[Quantity] = []
    for component, energy in components.items():
        if is_device(component):
            present = users.get(component)
            share, shared = device_share(present), present is not None and present.others > 0
        else:
            share = cpu_share(own_s, busy_s, exponent=exponents[component])
            shared = busy_s - own_s > _SHARED_CPUS * duration_s
        terms += _own_parts(energy, idle.get(component), share, idle_share, shared=shared)
    machine = total(components.values(), name="machine energy")
    return _at_most(total(terms, name="attributed energy"), machine)


def _own_parts(
    energy: Quantity, idle: Quantity | None, share: Shares, idle_share: float, *, shared: bool
) -> list[Quantity]:
    component = energy.name
    if idle is None:
        share = Shares(share.value, min(share.low, idle_share), max(share.high, idle_share))
        return [product((energy, share.quantity(f"share {component}")), "J", name=f"own {component}")]
    base = min(idle, energy, key=lambda figure: figure.value)
    above = excess(energy, base, name=f"{component} above idle")
    weight = idle_weight(share, idle_share, shared=shared)
    return [
        product((above, share.quantity(f"share {component}")), "J", name=f"own {component}"),
        product((base, weight.quantity(f"idle share {component}")), "J", name=f"own idle {component}"),
    ]


def _at_most(part: Quantity, whole: Quantity) -> Quantity:
    if part.value > whole.value * (1 + DUST):
        return replace(whole, name=part.name)
    low, high = min(part.low, whole.low), min(part.high, whole.high)
    if (low, high) == (part.low, part.high):
        return part
    value = min(part.value, high)
    formula = part.formula if value == part.value else f"min({part.formula}, {value:.9g})"
    return replace(part, value=value, spread={}, below=value - low, above=high - value, formula=formula)
