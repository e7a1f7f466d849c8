"""Every language has every text, whatever is so has words, and none of them says what is not so."""

import re
from string import Formatter
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.driver_api.answers import car_view
from deploy.explain import Known, as_object
from deploy.explain_text import text
from streams.contracts.account import AccountState, Link
from streams.contracts.base import Language
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.internal import Standing
from streams.contracts.notification import NotificationKind
from streams.contracts.schedule import Block, PlanReason, Schedule
from streams.contracts.session import Amounts, Promise, SessionSettled
from streams.contracts.telemetry import FLOWING, Charge, Plug
from streams.contracts.vehicle import VehicleState
from streams.domain.status import StatusState, status
from streams.domain.wording import BODY_CHARS, TITLE_CHARS, Audience, notice, plan_sentence
from streams.domain.words import WORDS
from tests.driving import schedule as plan_with
from tests.night import CAR, PLUGGED, after, preference, registration, session, state

LANGUAGES: Final[tuple[Language, ...]] = ("en", "de")
ESTIMATED: Final = {"start", "done", "expected", "short", "kwh", "cost", "money", "carbon"}
ABOUT: Final = re.compile(r"(about|etwa|gegen|Etwa) $")


def fields(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_texts_with_the_same_blanks(language: Language) -> None:
    given_, english = WORDS[language], WORDS["en"]
    assert {name: fields(text) for name, text in given_.items()} == {name: fields(t) for name, t in english.items()}
    assert (len(given_["days"].split()), len(given_["months"].split())) == (7, 12)


@pytest.mark.parametrize("language", LANGUAGES)
def test_about_is_said_of_estimates_and_of_nothing_else(language: Language) -> None:
    for name, words in WORDS[language].items():
        for before, field, _, _ in Formatter().parse(words):
            if field is not None:
                assert bool(ABOUT.search(before)) is (field in ESTIMATED), (name, field)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_voice_tells_plans_that_there_are(language: Language) -> None:
    voiced = [name for name in WORDS[language] if name.startswith(("advice.", "starting.", "stopping.", "boost."))]
    assert all(f"plan.{name.partition('.')[2]}" in WORDS[language] for name in voiced)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(NotificationKind))
def test_a_title_fits_with_the_longest_name(kind: NotificationKind, language: Language) -> None:
    told = DriverStatus(
        car=CAR, driver="driver-1", reason=StatusReason.UNKNOWN, sentence="The plan.", plug=Plug.PLUGGED,
        charge=Charge.IDLE, home_zone="Europe/Berlin", language=language, name="M" * 120, version="v", at=PLUGGED,
    )  # fmt: skip
    assert len(notice(kind, told)[0]) <= TITLE_CHARS


instants = st.integers(-20_000, 20_000).map(after)
percents = st.one_of(st.none(), st.floats(0, 100))
AT_ONCE: Final = {PlanReason.UNREACHABLE, PlanReason.BOOST, PlanReason.NO_FORECAST, PlanReason.UNKNOWN_SOC}
PLANS: Final = tuple(PlanReason)


def block(start: int, end: int) -> Block:
    return Block(start=after(start), end=after(end), energy_kwh=1)


@st.composite
def blocks_for(draw: st.DrawFn, reason: PlanReason) -> tuple[Block, ...]:
    if reason in AT_ONCE:
        return (block(0, draw(st.integers(1, 4000))),)
    if reason is not PlanReason.CHEAPEST:
        return ()
    edges = sorted(draw(st.lists(st.integers(0, 900), min_size=2, max_size=6, unique=True)))
    return tuple(block(start, end) for start, end in zip(edges[::2], edges[1::2], strict=False))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Plans as planning makes them at plug-in."""
    reason, target = draw(st.sampled_from(PLANS)), draw(st.floats(1, 100))
    planned = draw(blocks_for(reason))
    facts = {
        "reason": reason, "blocks": planned, "ready_at": planned[-1].end if planned else None,
        "target_soc_pct": target, "expected_soc_pct": draw(st.floats(0, target)), "ready_by": draw(instants),
        "shortfall_kwh": draw(st.floats(0, 300)), "known_until": draw(instants), "provisional": draw(st.booleans()),
    }  # fmt: skip
    return plan_with().model_copy(update=facts)


@st.composite
def readings(draw: st.DrawFn, at: float) -> VehicleState:
    """A reading and its session, as the fold of readings leaves them."""
    plug = draw(st.sampled_from(list(Plug)))
    held = draw(st.sampled_from([None, session(), session(ended_at=after(at))]))
    live = held is not None and held.ended_at is None
    return state(
        at, plug=Plug.PLUGGED if live else plug, session=held, charge=draw(st.sampled_from(list(Charge))),
        soc_pct=draw(percents), soc_time=after(draw(st.integers(-20_000, int(at)))), limit_pct=draw(percents),
        at_home=draw(st.sampled_from([True, False, None])),
    )  # fmt: skip


settled = st.builds(
    lambda kwh, cost, carbon: SessionSettled(
        id="x", car=CAR, session_id="s0", revision=1, plugged_at=PLUGGED, ended_at=PLUGGED, settled_at=PLUGGED,
        energy_kwh=kwh, currency="GBP", cost=cost, carbon_g=carbon, promise=Promise.MET, reason="target_reached",
    ),
    st.floats(0, 300), *[
        st.one_of(st.none(), st.builds(
            lambda a, b: Amounts(managed=a, unmanaged=b, timer=b, oracle=a), st.floats(-top, top), st.floats(-top, top)
        ))
        for top in (200, 200_000)
    ],
)  # fmt: skip
SESSIONS = ["gave_up_session", "driver_session", "own_schedule_session", "at_risk_session"]
standings = st.dictionaries(st.sampled_from(SESSIONS), st.sampled_from(["s0", "s1"])).map(
    lambda held: Standing(car=CAR, reason="test", at=PLUGGED, **held)
)
links = st.sampled_from(list(Link)).map(
    lambda link: AccountState(account="acct", oem="simulator", link=link, reason="test", since=PLUGGED)
)


@st.composite
def statuses(draw: st.DrawFn) -> DriverStatus:
    at = draw(st.integers(0, 900))
    known = StatusState(
        car=CAR,
        registration=registration(model="Compact 58"),
        preference=draw(st.one_of(st.none(), st.sampled_from(LANGUAGES).map(lambda to: preference(language=to)))),
        state=draw(st.one_of(st.none(), readings(at))),
        schedule=draw(st.one_of(st.none(), schedules())),
        standing=draw(st.one_of(st.none(), standings)),
        settled=draw(st.one_of(st.none(), settled)),
        account=draw(st.one_of(st.none(), links)),
    )
    made = status(known, after(at), controllable=draw(st.booleans()))
    assert made is not None
    return made


NOT_FOR_PEOPLE = re.compile(
    r"[{}]|\? %|None|nan|_|" + re.escape(CAR) + r"|driver-1|\bs[01]\b|[A-Z]{3,}(?<!GBP)(?<!CO2)"
)


@given(statuses(), st.sampled_from(list(NotificationKind)))
def test_whatever_is_so_has_words_that_fit_a_push(told: DriverStatus, kind: NotificationKind) -> None:
    title, body = notice(kind, told)
    assert 0 < len(told.sentence) <= BODY_CHARS
    assert 0 < len(body) <= BODY_CHARS
    assert 0 < len(title) <= TITLE_CHARS
    for said in (told.sentence, title, body):
        assert said == said.strip()
        assert not NOT_FOR_PEOPLE.search(said), said


CHARGES = re.compile(
    r"Charging (now|on|for|because)|charges now|Lädt (gerade|über|im Moment)|Lädt, weil|lädt (es|das Auto) sofort"
)
CHARGES_NOT = re.compile(
    r"Asking|is asked|soll (jetzt|sofort|über)|Not charging|Lädt nicht|nothing shows|nichts zeigt"
    r"|no power|kein Strom|finished|fertig geladen"
)
PLUGGED_IN = re.compile(r"Plugged in|Eingesteckt")
PLUGGED_OUT = re.compile(r"Not plugged in|Nicht eingesteckt")


@given(statuses())
def test_no_sentence_says_what_is_not_so(told: DriverStatus) -> None:
    said, flowing = told.sentence, told.charge in FLOWING
    assert not (CHARGES.search(said) and not flowing), said
    assert not (CHARGES_NOT.search(said) and flowing), said
    assert not (PLUGGED_IN.search(said) and told.plug is not Plug.PLUGGED), said
    assert bool(PLUGGED_OUT.search(said)) is (told.reason is StatusReason.UNPLUGGED)
    assert told.reason is not StatusReason.UNPLUGGED or told.plug is Plug.UNPLUGGED
    assert not (told.soc_pct is None and re.search(r"Charged to|geladen\.", said)), said


@given(schedules(), st.sampled_from(LANGUAGES), st.integers(0, 20_000))
def test_every_plan_has_words_that_fit_a_push(plan: Schedule, language: Language, at: float) -> None:
    said = plan_sentence(plan, Audience(language, "Europe/Berlin", after(at)))
    assert 0 < len(said) <= BODY_CHARS
    assert not NOT_FOR_PEOPLE.search(said)


@given(statuses())
def test_explain_and_the_page_say_the_same_words(told: DriverStatus) -> None:
    shown = car_view(registration(), told, None, None, None, told.at)
    assert (shown.reason, shown.sentence) == (told.reason, told.sentence)
    known = Known(CAR, None, told.at, status=told)
    assert f"  status   {told.reason.value}: {told.sentence}" in text(known).splitlines()
    assert as_object(known)["status"]["sentence"] == told.sentence
