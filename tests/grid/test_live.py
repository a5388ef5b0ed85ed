import json
import math
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenai_magic.errors import SettingError
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.place import find_place, known_place
from greenai_magic.grid import client
from greenai_magic.grid.live import live_place

TOKEN = "s3cret-t0ken"  # not one of any service
NOW = datetime.now(timezone.utc).replace(microsecond=0)


def _rte(value, when=NOW):
    return {"total_count": 1, "results": [{"date_heure": when.isoformat(), "taux_co2": value}]}


def _uk(forecast, actual, when=NOW):
    shown = when.strftime("%Y-%m-%dT%H:%MZ")
    intensity = {"forecast": forecast, "actual": actual, "index": "moderate"}
    return {"data": [{"from": shown, "to": shown, "intensity": intensity}]}


def _maps(value, zone="FR", *, key="carbonIntensity", estimated=False, kind="lifecycle"):
    when = NOW.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {
        "zone": zone,
        key: value,
        "datetime": when,
        "updatedAt": when,
        "emissionFactorType": kind,
        "isEstimated": estimated,
    }


def _told(place):
    return f"{place!r} {place.hint} {place.grid_intensity.explain()} {json.dumps(place.to_dict())}"


def test_rte_gives_france_its_intensity_of_now(service):
    service.answers = [(200, _rte(23))]
    place = live_place("FRA", provider="rte", base_url=service.url)
    figure = place.grid_intensity
    assert (figure.value, figure.unit, figure.basis) == (23, "g CO2e/kWh", "declared")
    assert figure.spread == {"grid intensity FRA": pytest.approx(gsd("grid yearly").log_sd)}
    assert figure.source == f"RTE éCO2mix (ODRÉ), {NOW:%Y-%m-%d %H:%M} UTC, actual, operational"
    assert (place.code, place.hint, place.life_cycle, place.marginal) == ("FRA", "", False, False)
    assert place.vintage == NOW.year
    path, query, _ = service.requests[0]
    assert path == "/api/explore/v2.1/catalog/datasets/eco2mix-national-tr/records"
    assert query == {
        "select": "date_heure,taux_co2",
        "where": "taux_co2 is not null",
        "order_by": "date_heure desc",
        "limit": "1",
    }


def test_all_else_of_a_place_stays(service):
    service.answers = [(200, _rte(23))]
    region = find_place("aws/eu-west-3", wue_l_per_kwh=0.2)
    live = live_place(region, provider="rte", base_url=service.url)
    assert (live.pue, live.wue, live.adpf, live.data_centre) == (
        region.pue,
        region.wue,
        region.adpf,
        True,
    )
    assert live.grid_intensity.value == 23
    # Its error is that of the grid, shared with every place on it.
    assert set(live.grid_intensity.spread) == {"grid intensity FRA"}


@pytest.mark.parametrize(("actual", "value", "kind"), [(180, 180, "actual"), (None, 190, "forecast")])
def test_the_uk_gives_what_was_and_else_what_is_expected(service, actual, value, kind):
    service.answers = [(200, _uk(190, actual))]
    place = live_place("UK", provider="uk", base_url=service.url)
    assert place.grid_intensity.value == value
    assert f"UTC, {kind}, operational" in place.grid_intensity.source
    assert service.requests[0][0] == "/intensity"


def test_electricity_maps_is_told_the_zone_and_the_token_in_a_header_alone(service):
    service.answers = [(200, _maps(41, estimated=True))]
    place = live_place("FRA", provider="electricitymaps", token=TOKEN, base_url=service.url + "/")
    assert place.grid_intensity.value == 41
    assert "estimated, life-cycle" in place.grid_intensity.source
    assert place.life_cycle
    path, query, headers = service.requests[0]
    assert (path, query) == ("/v3/carbon-intensity/latest", {"zone": "FR"})
    assert headers["auth-token"] == TOKEN
    assert TOKEN not in _told(place)


@pytest.mark.parametrize(
    ("place", "zone", "asked"),
    [
        ("DEU", None, "DE"),
        ("CAN/QC", None, "CA-QC"),
        ("aws/ca-central-1", None, "CA-QC"),
        ("azure/francecentral", None, "FR"),
        ("gcp/europe-west9", None, "FR"),
        ("USA", None, "US"),
        ("USA/CA", "US-CAL-CISO", "US-CAL-CISO"),
        ("", "SE-SE3", "SE-SE3"),
    ],
)
def test_a_place_is_asked_for_by_its_zone(service, place, zone, asked):
    service.answers = [(200, _maps(41, asked))]
    live = live_place(place, provider="electricitymaps", token=TOKEN, zone=zone, base_url=service.url)
    assert service.requests[0][1] == {"zone": asked}
    assert live.grid_intensity.value == 41


@pytest.mark.parametrize("place", ["USA/CA", "aws/us-east-1", "gcp/us-central1", "world", "nowhere"])
def test_a_place_without_a_zone_asks_for_one(service, place):
    live = live_place(place, provider="electricitymaps", token=TOKEN, base_url=service.url)
    assert "needs the zone of" in live.hint
    assert service.requests == []


@pytest.mark.parametrize("key", ["marginalCarbonIntensity", "carbonIntensity"])
def test_a_marginal_intensity_says_what_it_is_for(service, key):
    service.answers = [(200, _maps(394.6, key=key))]
    place = live_place("FRA", provider="electricitymaps", token=TOKEN, marginal=True, base_url=service.url)
    assert place.marginal
    assert place.grid_intensity.value == 394.6
    for text in (place.grid_intensity.source, place.hint):
        assert 'marginal: only for "what if I shift this job"' in text
    assert service.requests[0][0] == "/v3/marginal-carbon-intensity/latest"
    # Its error is not that of the average.
    assert "grid intensity FRA" not in place.grid_intensity.spread


@pytest.mark.parametrize("provider", ["rte", "uk"])
def test_a_provider_without_marginal_intensities_is_refused(provider):
    with pytest.raises(SettingError, match="has no marginal intensity: ask electricitymaps"):
        live_place("FRA", provider=provider, marginal=True)


def test_an_unknown_provider_is_refused():
    with pytest.raises(SettingError, match=r"'rteee'.*rte, uk, electricitymaps"):
        live_place("FRA", provider="rteee")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((401, {"error": "token"}), "refused the token"),
        ((403, ""), "refused the token"),
        ((429, ""), "was asked too often"),
        ((500, "oops"), "answered with the status 500"),
        ((503, ""), "answered with the status 503"),
        ((404, ""), "answered with the status 404"),
        ((302, ""), "answered with the status 302"),
        ((200, "<html>"), "answered no JSON"),
        ((200, ""), "answered no JSON"),
        ((200, "[" * 100_000), "answered no JSON"),
        ((200, "1" * 5000), "answered no JSON"),
        ((200, _maps(10**400)), "answered JSON of another shape"),
        ((200, _maps(41) | {"datetime": "0001-01-01T00:00:00+23:00"}), "answered JSON of another shape"),
        ((200, _maps(41) | {"datetime": 7}), "answered JSON of another shape"),
        ((200, "[1, 2]"), "answered JSON of another shape"),
        ((200, "null"), "answered JSON of another shape"),
        ((200, {"zone": "FR"}), "answered JSON of another shape"),
        ((200, _maps(0)), "answered no intensity between 0 and 3000"),
        ((200, _maps(-5)), "answered no intensity"),
        ((200, _maps(41_000)), "answered no intensity"),
        ((200, _maps("41")), "answered JSON of another shape"),
        ((200, _maps(None)), "answered JSON of another shape"),
        ((200, _maps(value=True)), "answered JSON of another shape"),
        ((200, json.dumps(_maps(math.nan))), "answered no intensity"),
        ((200, _maps(41) | {"datetime": "soon"}), "answered JSON of another shape"),
        ((200, _maps(41) | {"datetime": "2025-01-31T12:00:00"}), "answered JSON of another shape"),
        ((200, _maps(41) | {"datetime": "2025-01-31T12:00:00Z"}), "has nothing newer than 2025-01-31 12:00"),
        ((200, _maps(41) | {"datetime": "9999-01-31T12:00:00Z"}), "has nothing newer than 9999"),
    ],
)
def test_what_is_no_answer_leaves_the_yearly_factor_and_says_why(service, answer, says):
    service.answers = [answer]
    place = live_place("FRA", provider="electricitymaps", token=TOKEN, base_url=service.url)
    assert place.grid_intensity == known_place("FRA").grid_intensity
    assert place.hint.startswith("The yearly factor is used: Electricity Maps ")
    assert says in place.hint
    assert TOKEN not in _told(place)


def test_a_redirection_never_carries_the_token(service):
    service.answers = [(307, "")]
    live_place("FRA", provider="electricitymaps", token=TOKEN, base_url=service.url)
    assert [path for path, *_ in service.requests] == ["/v3/carbon-intensity/latest"]


def test_a_provider_that_says_nothing_is_left(service, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT_S", 0.1)
    service.answers = [(200, None)]
    place = live_place("FRA", provider="rte", base_url=service.url)
    assert "did not answer within 0.1 s" in place.hint
    assert place.grid_intensity == known_place("FRA").grid_intensity


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:1", "cannot be reached"),
        ("http://[", "cannot be asked"),
        ("nonsense", "cannot be asked"),
    ],
)
def test_an_address_that_is_none_is_told(url, says):
    place = live_place("FRA", provider="rte", base_url=url)
    assert says in place.hint
    assert place.grid_intensity == known_place("FRA").grid_intensity


@pytest.mark.parametrize("token", [f"{TOKEN}\nX-Evil: 1", f"{TOKEN} é€"])
def test_a_token_that_no_header_can_hold_is_told_and_not_shown(service, token):
    service.answers = [(200, _maps(41))]
    place = live_place("FRA", provider="electricitymaps", token=token, base_url=service.url)
    assert "check the address and the token" in place.hint
    assert TOKEN not in _told(place)


@pytest.mark.parametrize("token", [None, ""])
def test_electricity_maps_needs_a_token(token):
    assert "needs a token" in live_place("FRA", provider="electricitymaps", token=token).hint


@pytest.mark.parametrize(("place", "provider"), [("DEU", "rte"), ("FRA", "uk"), (None, "rte")])
def test_a_provider_of_one_country_says_so(service, place, provider):
    live = live_place(place, provider=provider, base_url=service.url)
    assert " only, not " in live.hint
    # What the place itself had to say stays.
    assert live.hint.endswith(find_place(place).hint)
    assert service.requests == []


def test_a_service_that_stumbles_is_asked_again(service):
    service.answers = [(503, ""), (502, ""), (200, _rte(23))]
    assert live_place("FRA", provider="rte", base_url=service.url).grid_intensity.value == 23
    assert len(service.requests) == 3


def test_an_answer_holds_for_an_hour_and_a_useless_one_for_no_time(service):
    service.answers = [(429, ""), (200, "<html>"), (200, _rte(None)), (200, _rte(23)), (200, _rte(99))]
    values = [live_place("FRA", provider="rte", base_url=service.url).grid_intensity.value for _ in range(6)]
    assert values == [*[known_place("FRA").grid_intensity.value] * 3, 23, 23, 23]
    assert len(service.requests) == 4
    client.forget()
    assert live_place("FRA", provider="rte", base_url=service.url).grid_intensity.value == 99


def test_an_answer_of_yesterday_is_still_live_and_an_older_one_not(service):
    service.answers = [(200, _rte(23, NOW - timedelta(hours=23)))]
    assert live_place("FRA", provider="rte", base_url=service.url).grid_intensity.value == 23
    client.forget()
    service.answers = [(200, _rte(23, NOW - timedelta(hours=25)))]
    assert "has nothing newer" in live_place("FRA", provider="rte", base_url=service.url).hint


KEYS = [
    "results",
    "data",
    "intensity",
    "actual",
    "forecast",
    "taux_co2",
    "date_heure",
    "from",
    "carbonIntensity",
    "datetime",
    "isEstimated",
    "emissionFactorType",
]
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_values, st.sampled_from([("FRA", "rte"), ("GBR", "uk"), ("FRA", "electricitymaps")]))
def test_no_json_whatever_raises(service, answer, asked):
    name, provider = asked
    client.forget()
    service.answers = [(200, json.dumps(answer))]
    place = live_place(name, provider=provider, token=TOKEN, base_url=service.url)
    assert 0 < place.grid_intensity.value <= 3000


def test_loading_the_room_asks_nothing_and_imports_nothing_heavy():
    code = (
        "import sys, greenai_magic.grid.live;"
        "print({'requests', 'requests_cache', 'urllib3', 'socket', 'ssl'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_without_its_packages_it_says_what_to_install():
    code = (
        "import sys; sys.modules['requests_cache'] = None\n"
        "from greenai_magic.errors import MissingExtra\n"
        "from greenai_magic.grid.live import live_place\n"
        "try:\n    live_place('FRA', provider='rte')\n"
        "except MissingExtra as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'greenai-magic[live]'" in done.stdout
