"""Tables that a user gives: read with care, or refused in one sentence that names the column and the row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from greenai_magic.errors import SettingError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_MONTH = r"\d{4}-(?:0[1-9]|1[0-2])(?:-\d\d.*)?"


def rows_of(
    wanted: pd.DataFrame, name: str, known: pd.DataFrame, known_name: str, keys: list[str]
) -> NDArray[np.intp]:
    """Return for each row of a table the place of the row with the same keys in another."""
    import pandas as pd

    index = pd.MultiIndex.from_frame(known[keys])
    rows: NDArray[np.intp] = index.get_indexer(pd.MultiIndex.from_frame(wanted[keys]))
    fault = f"has the {' and '.join(keys)} {{}}, of which the {known_name} table has no row: add it there"
    refuse(wanted, rows < 0, name, fault, keys)
    return rows


def summed(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return the emissions added up by columns that have no gaps, in the order in which they first appear."""
    groups = table.groupby(columns, sort=False, observed=True)
    return groups.agg(embodied_g=("embodied_g", "sum"), lower_bound=("lower_bound", "any")).reset_index()


def month_of(given: Any, name: str) -> int:
    """Return the ordinal of a month, as pandas counts them."""
    import pandas as pd

    if re.fullmatch(_MONTH, str(given)) is None:
        msg = f"The {name} month cannot be {given!r}: write it as 2024-05."
        raise SettingError(msg)
    return int(pd.Period(str(given)[:7], freq="M").ordinal)


def read(
    table: pd.DataFrame,
    name: str,
    *,
    keys: Sequence[str] = (),
    months: Sequence[str] = (),
    figures: Sequence[str] = (),
    flags: Sequence[str] = (),
    others: Sequence[str] = (),
    may_lack: Sequence[str] = (),
    unique: Sequence[str] = (),
) -> pd.DataFrame:
    """Return a copy with its months as periods and its figures as floats, or say what is wrong with it."""
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        msg = f"The {name} table cannot be a {type(table).__name__}: give a pandas DataFrame."
        raise SettingError(msg)
    for column in (*keys, *months, *figures, *flags, *others):
        if (times := list(table.columns).count(column)) != 1:
            msg = f"The {name} table has {times or 'no'} columns {column!r}: give one."
            raise SettingError(msg)
    if not len(table):
        msg = f"The {name} table has no rows: give one at least."
        raise SettingError(msg)
    for column in (*keys, *flags):
        refuse(table, table[column].isna(), name, f"has no {column}: fill it in")
    clean = {column: table[column].astype(bool) for column in flags}
    clean |= {column: _figures(table, name, column, lacks=column in may_lack) for column in figures}
    clean |= {column: _periods(table, name, column) for column in months}
    result = table.assign(**clean)
    if unique:
        fault = f"has the {' and '.join(unique)} {{}} of another row: leave one of them"
        refuse(result, result.duplicated(list(unique)), name, fault, unique)
    return result


def _figures(table: pd.DataFrame, name: str, column: str, *, lacks: bool) -> Any:
    import numpy as np
    import pandas as pd

    figures = pd.to_numeric(table[column], errors="coerce").astype(float)
    wrong = ~(np.isfinite(figures) & (figures >= 0)) & ~(table[column].isna() & lacks)
    refuse(table, wrong, name, f"has the {column} {{}}: give a number that is not negative", [column])
    return figures


def _periods(table: pd.DataFrame, name: str, column: str) -> Any:
    import pandas as pd

    if table[column].dtype == pd.PeriodDtype("M") and table[column].notna().all():
        return table[column]
    # Months repeat: each is read once.
    codes, months = pd.factorize(table[column], use_na_sentinel=False)
    text = pd.Series(months, dtype=object).map(str)
    wrong = ~text.str.fullmatch(_MONTH).astype(bool)
    refuse(table, wrong.to_numpy()[codes], name, f"has the {column} {{}}: write a month as 2024-05", [column])
    return pd.Series(pd.PeriodIndex(text.str[:7], freq="M")[codes], index=table.index)


def is_blank(tag: object) -> bool:
    """Return whether a tag is a text that says nothing."""
    return isinstance(tag, str) and not tag.strip()


def refuse(table: pd.DataFrame, wrong: Any, name: str, fault: str, shown: Sequence[str] = ()) -> None:
    """Raise an error that names the first wrong row by its label in the index, and the cells to be shown."""
    import numpy as np

    rows = np.flatnonzero(np.asarray(wrong, dtype=bool))
    if len(rows):
        cells = ", ".join(str(table[column].iloc[rows[0]]) for column in shown)
        msg = f"Row {table.index[rows[0]]} of the {name} table {fault.format(cells or 'nothing')}."
        raise SettingError(msg)
