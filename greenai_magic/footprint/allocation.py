"""Allocation: the making and end of life of a cloud's hardware, shared out among its clients in seven steps.

The steps are those of Microsoft's scope 3 method for Azure (2021), after which the columns are named:

1. ``component_factors``: what one piece of each component costs to make, carry and dispose of;
2. ``monthly_emissions``: of each data centre, a straight line over the life of what it bought;
3. ``region_emissions``: the sum of a region's data centres;
4. ``client_usage``: direct use and a proportional part of the overhead, in normalised cost;
5. ``region_factors``: a region's emissions over its usage;
6. ``client_emissions``: usage times that factor;
7. ``view``: by service, region, data centre, period or any other column.

Each takes pandas tables and returns a new one; each conserves the total. ``allocate`` does all of them.
Columns in ``_g`` are g CO2e. ``lower_bound`` tells of each sum whether a part of it was not assessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from greenai_magic.errors import SettingError
from greenai_magic.footprint.embodied import LIFE_MONTHS
from greenai_magic.footprint.tables import is_blank, month_of, read, refuse, rows_of, summed

if TYPE_CHECKING:
    import pandas as pd

UNTAGGED = "untagged"
"""What a view calls rows that have no value in a column."""
REGION_MONTH = ["region", "period"]


def allocate(
    components: pd.DataFrame,
    procurement: pd.DataFrame,
    centres: pd.DataFrame,
    usage: pd.DataFrame,
    overhead: pd.DataFrame | None = None,
    *,
    by: str | Sequence[str] = (),
    life_months: int = LIFE_MONTHS,
) -> pd.DataFrame:
    """Return what each client's usage has of the hardware, for the months from the first to the last used.

    Parameters
    ----------
    components, procurement, centres, usage, overhead : pandas.DataFrame
        As the steps take them: see :func:`component_factors`, :func:`monthly_emissions`,
        :func:`region_emissions` and, for the last two, :func:`client_usage`.
    by : str or sequence of str
        Columns to add up by, as :func:`view` does; left out, there is one row a row of the usage.
    life_months : int
        Over which hardware is spread.

    Returns
    -------
    pandas.DataFrame
        The usage with ``usage_cost``, ``embodied_g`` (g CO2e) and ``lower_bound``, or the view of it.

    Raises
    ------
    SettingError
        If a table cannot be used: it says which, and the row.
    """
    used = client_usage(usage, overhead)
    factors = component_factors(components)
    first, last = used["period"].min(), used["period"].max()
    monthly = monthly_emissions(procurement, factors, first=first, last=last, life_months=life_months)
    clients = client_emissions(used, region_factors(region_emissions(monthly, centres), used))
    return view(clients, by) if by else clients


def component_factors(components: pd.DataFrame) -> pd.DataFrame:
    """Return the whole life of one piece of each component: upstream + downstream.

    Parameters
    ----------
    components : pandas.DataFrame
        ``component``, ``upstream_g`` (made, stored and shipped to the dock) and ``downstream_g`` (taken
        away, treated and disposed of; empty where nobody assessed it), in g CO2e a piece.

    Returns
    -------
    pandas.DataFrame
        The same with ``embodied_g`` and ``state``: ``"counted"``, or ``"not assessed"`` where the
        downstream is missing and there is no ``embodied_g``.

    Raises
    ------
    SettingError
        If the table cannot be used.
    """
    import numpy as np

    table = read(
        components,
        "components",
        keys=["component"],
        figures=["upstream_g", "downstream_g"],
        may_lack=["downstream_g"],
        unique=["component"],
    )
    whole = table["upstream_g"] + table["downstream_g"]
    return table.assign(embodied_g=whole, state=np.where(whole.isna(), "not assessed", "counted"))


def monthly_emissions(
    procurement: pd.DataFrame,
    factors: pd.DataFrame,
    *,
    first: Any = None,
    last: Any = None,
    life_months: int = LIFE_MONTHS,
) -> pd.DataFrame:
    """Return the emissions of each data centre month by month: a straight line over each piece's life.

    The month of purchase is the first of the life. After it nothing is left to count; a piece that is
    scrapped before its end counts until then all the same.

    Parameters
    ----------
    procurement : pandas.DataFrame
        ``component``, ``centre``, ``bought`` (a month: ``"2024-05"``, a date or a period), ``pieces`` and,
        if known, ``scrapped`` (a month, or empty).
    factors : pandas.DataFrame
        As :func:`component_factors` gives them.
    first, last : str, date or period, optional
        Months to return; from the first purchase to the end of the last life when left out.
    life_months : int
        Over which hardware is spread.

    Returns
    -------
    pandas.DataFrame
        ``centre``, ``period``, ``embodied_g`` and ``lower_bound``, a row for every month of every centre.
        Where a downstream was not assessed, the sum has the upstream alone, and is a lower bound.

    Raises
    ------
    SettingError
        If a table cannot be used, a component has no factor, or the months are none.
    """
    import numpy as np
    import pandas as pd

    if isinstance(life_months, bool) or not isinstance(life_months, int) or life_months < 1:
        msg = f"Hardware cannot live for {life_months!r} months: give a whole number above 0."
        raise SettingError(msg)
    bought = _bought(procurement, factors)
    month = pd.PeriodIndex(bought["bought"]).asi8
    end = int(month.max()) + life_months - 1 if last is None else month_of(last, "last")
    begin = min(int(month.min()), end) if first is None else month_of(first, "first")
    if begin > end:
        msg = f"There are no months from {first} to {last or 'the end of the last life'}: give other ones."
        raise SettingError(msg)
    # One row a centre, from life_months - 1 before the first month shown to the last.
    start = begin - life_months + 1
    counts = (month >= start) & (month <= end)
    codes, centres = pd.factorize(bought["centre"])
    where = (codes[counts], month[counts] - start)
    columns = {}
    for column in ("life_g", "incomplete"):
        purchases = np.zeros((len(centres), end - start + 1))
        np.add.at(purchases, where, bought[column].to_numpy()[counts])
        # Sums of a window, and not differences of a running sum, which would leave dust after the life.
        columns[column] = np.lib.stride_tricks.sliding_window_view(purchases, life_months, axis=1).sum(-1)
    periods = pd.PeriodIndex.from_ordinals(range(begin, end + 1), freq="M")
    return pd.DataFrame(
        {
            "centre": np.repeat(centres, len(periods)),
            "period": np.tile(periods, len(centres)),
            "embodied_g": columns["life_g"].ravel() / life_months,
            "lower_bound": columns["incomplete"].ravel() > 0,
        }
    )


def region_emissions(monthly: pd.DataFrame, centres: pd.DataFrame) -> pd.DataFrame:
    """Return the emissions of each region month by month: the sum of its data centres.

    Parameters
    ----------
    monthly : pandas.DataFrame
        As :func:`monthly_emissions` gives them.
    centres : pandas.DataFrame
        ``centre`` and ``region``, each centre once.

    Returns
    -------
    pandas.DataFrame
        ``region``, ``period``, ``embodied_g`` and ``lower_bound``.

    Raises
    ------
    SettingError
        If a table cannot be used, or a centre has no region.
    """
    table = _read_emissions(monthly, "monthly emissions", "centre")
    places = read(centres, "centres", keys=["centre", "region"], unique=["centre"])
    rows = rows_of(table, "monthly emissions", places, "centres", ["centre"])
    return summed(table.assign(region=places["region"].to_numpy()[rows]), REGION_MONTH)


def client_usage(usage: pd.DataFrame, overhead: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the usage of each client with its proportional part of the capacity that nobody uses directly.

    ``direct x (1 + overhead / sum of direct)``, within a region and a month.

    Parameters
    ----------
    usage : pandas.DataFrame
        ``region``, ``period`` (a month) and ``direct_cost``, a normalised cost in any one currency or unit.
        All other columns, such as ``client``, ``service`` and ``centre``, are kept to group by.
    overhead : pandas.DataFrame, optional
        ``region``, ``period`` and ``overhead_cost``, for every region and month of the usage and no other.
        It changes the usage and the factors, and no client's share.

    Returns
    -------
    pandas.DataFrame
        The usage with ``usage_cost``.

    Raises
    ------
    SettingError
        If a table cannot be used, or there is overhead and no direct usage to add it to.
    """
    import numpy as np

    table = read(usage, "usage", keys=["region"], months=["period"], figures=["direct_cost"])
    if overhead is None:
        return table.assign(usage_cost=table["direct_cost"])
    extra = read(
        overhead,
        "overhead",
        keys=["region"],
        months=["period"],
        figures=["overhead_cost"],
        unique=REGION_MONTH,
    )
    own = extra["overhead_cost"].to_numpy()[rows_of(table, "usage", extra, "overhead", REGION_MONTH)]
    rows_of(extra, "overhead", table.drop_duplicates(REGION_MONTH), "usage", REGION_MONTH)
    direct = table["direct_cost"].to_numpy()
    everyone = table.groupby(REGION_MONTH, observed=True)["direct_cost"].transform("sum").to_numpy()
    refuse(
        table,
        (everyone == 0) & (own > 0),
        "usage",
        "has overhead in its region and month and nobody's direct_cost: add the usage it serves",
    )
    return table.assign(usage_cost=direct * (1 + own / np.where(everyone > 0, everyone, 1.0)))


def region_factors(regions: pd.DataFrame, usage: pd.DataFrame) -> pd.DataFrame:
    """Return the emissions of one unit of usage in each region and month.

    Parameters
    ----------
    regions : pandas.DataFrame
        As :func:`region_emissions` gives them.
    usage : pandas.DataFrame
        As :func:`client_usage` gives it.

    Returns
    -------
    pandas.DataFrame
        The regions with ``usage_cost``, the sum of all clients, and ``factor_g_per_cost``. A month with
        nothing to share has the factor 0, whether or not there is usage.

    Raises
    ------
    SettingError
        If a table cannot be used, emissions have no usage above 0 to share them, or usage no emissions.
    """
    import numpy as np

    table = _read_emissions(regions, "region emissions", "region")
    used = read(usage, "usage", keys=["region"], months=["period"], figures=["usage_cost"])
    rows = rows_of(used, "usage", table, "region emissions", REGION_MONTH)
    whole = np.bincount(rows, weights=used["usage_cost"].to_numpy(), minlength=len(table))
    grams = table["embodied_g"].to_numpy()
    with np.errstate(over="ignore"):
        factors = grams / np.where(whole > 0, whole, 1.0)
    something = (grams > 0) | table["lower_bound"].to_numpy()
    refuse(
        table,
        (something & (whole == 0)) | np.isinf(factors),
        "region emissions",
        "has no usage above 0, or far too little, to share its emissions: add that of its region and month",
    )
    return table.assign(usage_cost=whole, factor_g_per_cost=factors)


def client_emissions(usage: pd.DataFrame, factors: pd.DataFrame) -> pd.DataFrame:
    """Return the emissions of each client's usage: usage times the factor of its region and month.

    Parameters
    ----------
    usage : pandas.DataFrame
        As :func:`client_usage` gives it.
    factors : pandas.DataFrame
        As :func:`region_factors` gives them.

    Returns
    -------
    pandas.DataFrame
        The usage with ``embodied_g`` and ``lower_bound``.

    Raises
    ------
    SettingError
        If a table cannot be used, or a region and month of the usage has no factor.
    """
    used = read(usage, "usage", keys=["region"], months=["period"], figures=["usage_cost"])
    known = read(
        factors,
        "region factors",
        keys=["region"],
        months=["period"],
        figures=["factor_g_per_cost"],
        flags=["lower_bound"],
        unique=REGION_MONTH,
    )
    rows = rows_of(used, "usage", known, "region factors", REGION_MONTH)
    grams = used["usage_cost"].to_numpy() * known["factor_g_per_cost"].to_numpy()[rows]
    return used.assign(embodied_g=grams, lower_bound=known["lower_bound"].to_numpy()[rows])


def view(clients: pd.DataFrame, by: str | Sequence[str]) -> pd.DataFrame:
    """Return the emissions added up by columns, such as service, region, centre or period.

    Parameters
    ----------
    clients : pandas.DataFrame
        As :func:`client_emissions` gives them.
    by : str or sequence of str
        One or more of its columns. Rows without a value there are added up as ``"untagged"``.

    Returns
    -------
    pandas.DataFrame
        These columns, ``embodied_g`` and ``lower_bound``; the same total, whatever the columns.

    Raises
    ------
    SettingError
        If the table cannot be used or has no such column.
    """
    columns = [by] if isinstance(by, str) else list(dict.fromkeys(by))
    if not columns or {"embodied_g", "lower_bound"} & set(columns):
        msg = f"A view adds up embodied_g by other columns, not by {', '.join(columns) or 'none'}: name some."
        raise SettingError(msg)
    table = read(clients, "client emissions", others=columns, figures=["embodied_g"], flags=["lower_bound"])
    blank = {column: table[column].isna() | table[column].map(is_blank) for column in columns}
    tags = {
        column: table[column].astype(object).mask(missing, UNTAGGED) if missing.any() else table[column]
        for column, missing in blank.items()
    }
    return summed(table.assign(**tags), columns)


def _bought(procurement: pd.DataFrame, factors: pd.DataFrame) -> pd.DataFrame:
    """Return the purchases with the ``life_g`` to spread, and whether that is ``incomplete``."""
    bought = read(
        procurement, "procurement", keys=["component", "centre"], months=["bought"], figures=["pieces"]
    )
    _check_scrapped(bought)
    known = read(
        factors,
        "component factors",
        keys=["component"],
        figures=["upstream_g", "embodied_g"],
        may_lack=["embodied_g"],
        unique=["component"],
    )
    each = known.iloc[rows_of(bought, "procurement", known, "component factors", ["component"])]
    grams = each["embodied_g"].fillna(each["upstream_g"]).to_numpy()
    incomplete = each["embodied_g"].isna().to_numpy() & (bought["pieces"] > 0)
    return bought.assign(life_g=grams * bought["pieces"], incomplete=incomplete)


def _check_scrapped(bought: pd.DataFrame) -> None:
    if "scrapped" in bought and len(table := bought[bought["scrapped"].notna()]):
        scrapped = read(table, "procurement", months=["scrapped"])["scrapped"]
        refuse(table, scrapped < table["bought"], "procurement", "is scrapped before it is bought")


def _read_emissions(table: pd.DataFrame, name: str, key: str) -> pd.DataFrame:
    return read(
        table,
        name,
        keys=[key],
        months=["period"],
        figures=["embodied_g"],
        flags=["lower_bound"],
        unique=[key, "period"],
    )
