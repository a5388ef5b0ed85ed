"""Errors a user can act on.

::

    GreenAIError
    ├── UnitError          figures of different units were mixed
    ├── SettingError       a setting or an option has a value that cannot be used
    ├── PlaceError         a place name that no table knows
    ├── BoundaryError      a footprint does not say, or misstates, what it covers
    ├── CounterError       an energy counter cannot be opened
    │   └── CounterLost    a counter that worked has stopped answering
    ├── FlopError          a model's operations cannot be counted as asked
    ├── LedgerError        the ledger cannot be opened, read or written
    └── MissingExtra       a feature needs a package that is not installed

Each message says in one sentence what was wrong and what to do.
"""

from __future__ import annotations


class GreenAIError(Exception):
    """Base of every error this package raises on purpose."""


class UnitError(GreenAIError, ValueError):
    """Figures of different units were added or compared."""


class SettingError(GreenAIError, ValueError):
    """A setting or an option has a value that cannot be used."""


class PlaceError(SettingError):
    """A place name that no shipped table knows."""


class BoundaryError(GreenAIError, ValueError):
    """A footprint does not say what it covers, or names a part that there is not."""


class CounterError(GreenAIError):
    """An energy counter cannot be opened on this machine."""


class CounterLost(CounterError):
    """A counter that worked has stopped answering, as when a GPU falls off the bus."""


class FlopError(GreenAIError):
    """The operations of a model cannot be counted as asked."""


class LedgerError(GreenAIError):
    """The ledger file cannot be opened, read or written."""


class MissingExtra(GreenAIError, ImportError):
    """A feature needs a package that is not installed."""
