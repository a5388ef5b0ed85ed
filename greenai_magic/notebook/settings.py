"""The one Configurable: `%config GreenAI.country = "FRA"`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from traitlets import Bool, Dict, TraitError, TraitType, Unicode, default, observe, validate
from traitlets.config import Config, Configurable

from greenai_magic.errors import SettingError
from greenai_magic.footprint.gsd import use_gsds
from greenai_magic.footprint.place import PUE_MAX, checked_pue, known_place
from greenai_magic.runs.ledger import default_ledger_path
from greenai_magic.runs.settings import Settings, checked_csv, checked_hardware, use_settings


class Pue(TraitType):
    """Energy of a building over energy of its devices."""

    info_text = f"a number from 1 (a laptop) to {PUE_MAX:g}"

    def validate(self, obj: Any, value: Any) -> float:
        """Return the number that was meant."""
        if isinstance(value, bool):
            self.error(obj, value)
        try:
            return checked_pue(float(value))
        except (TypeError, ValueError):
            self.error(obj, value)


class GreenAI(Configurable):
    """What a user can set once for a notebook, a profile or a machine."""

    country = Unicode(
        None,
        allow_none=True,
        help="Where the electricity comes from: 'FRA', 'France', 'USA/CA', 'CAN/Quebec', 'gcp/europe-west9'.",
    ).tag(config=True)
    pue = Pue(
        None,
        allow_none=True,
        help="Energy of the building over energy of the devices, 1 to 5; None for the place's own.",
    ).tag(config=True)
    ledger = Unicode(help="File that keeps the runs.").tag(config=True)
    save = Bool(default_value=True, help="Whether runs are kept in the ledger.").tag(config=True)
    keep_source = Bool(default_value=False, help="Whether a cell's source is kept beside its hash.").tag(
        config=True
    )
    hardware = Unicode(
        None,
        allow_none=True,
        help="What runs use, so that its making is counted: 'laptop + monitor', '8 A100 SXM + gpu server'.",
    ).tag(config=True)
    intensity_csv = Unicode(
        None,
        allow_none=True,
        help="File of the grid's intensity by hour: the start of the hour with its zone, and g CO2e/kWh.",
    ).tag(config=True)
    gsds = Dict(
        help="Geometric standard deviations of inputs instead of the usual ones, such as {'pue given': 1.1}.",
    ).tag(config=True)
    card = Bool(default_value=True, help="Whether a card is shown under a measured cell.").tag(config=True)

    @default("ledger")
    def _usual_ledger(self) -> str:
        return str(default_ledger_path())

    @validate("country")
    def _known_country(self, proposal: Any) -> str | None:
        name = (proposal["value"] or "").strip() or None
        if name is not None:
            try:
                known_place(name)
            except SettingError as error:
                raise TraitError(str(error)) from None
        return name

    @validate("ledger")
    def _absolute_ledger(self, proposal: Any) -> str:
        # Wherever the notebook goes later, its runs stay together.
        try:
            path = Path(proposal["value"].strip()).expanduser().absolute()
        except (RuntimeError, OSError) as error:
            raise TraitError(str(error)) from None
        return str(path) if proposal["value"].strip() else self._usual_ledger()

    @validate("hardware")
    def _known_hardware(self, proposal: Any) -> str | None:
        try:
            return checked_hardware(proposal["value"] or "")
        except SettingError as error:
            raise TraitError(str(error)) from None

    @validate("intensity_csv")
    def _readable_hours(self, proposal: Any) -> str | None:
        try:
            path = checked_csv(proposal["value"] or "")
        except SettingError as error:
            raise TraitError(str(error)) from None
        return None if path is None else str(path)

    @validate("gsds")
    def _known_gsds(self, proposal: Any) -> dict[str, float]:
        try:
            use_gsds(proposal["value"])
        except SettingError as error:
            raise TraitError(str(error)) from None
        return dict(proposal["value"])

    @observe("country", "pue", "ledger", "save", "keep_source", "hardware", "intensity_csv", "gsds")
    def _put_in_force(self, _change: Any) -> None:
        use_settings(self.plain())

    def update_config(self, config: Config) -> None:
        """Take new values; one that cannot be leaves the old one, in the shell's memory too."""
        try:
            super().update_config(config)
        except TraitError:
            # The shell would keep it, and the next %reload_ext find it there.
            config.pop("GreenAI", None)
            raise

    def plain(self) -> Settings:
        """Return the settings as the rooms below take them."""
        return Settings(
            self.country,
            self.pue,
            Path(self.ledger),
            self.save,
            self.keep_source,
            self.hardware,
            Path(self.intensity_csv) if self.intensity_csv else None,
            dict(self.gsds),
        )


def configured(environment: Mapping[str, Any], profile: Mapping[str, Any]) -> tuple[GreenAI, list[str]]:
    """Return the settings of an environment and a profile, and a sentence for each value that cannot be.

    Parameters
    ----------
    environment : mapping
        Of the settings' names to values.
    profile : mapping
        The same, and stronger.
    """
    settings = GreenAI()
    problems = []
    for owner, values in (("environment", environment), ("profile", profile)):
        for name, value in values.items():
            try:
                settings.update_config(Config({"GreenAI": {name: value}}))
            except TraitError as error:
                problems.append(f"The {owner}'s {name} is left out: {error}")
    use_settings(settings.plain())
    return settings, problems
