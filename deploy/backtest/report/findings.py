"""The findings in words: the headline, the tiles, what each plot tells, and what to know before believing it."""

from __future__ import annotations

from typing import Any, Final

from deploy.pages.words import interval, number, per_kwh, percent

#: By plot: its title and what it tells.
TELLS: Final = {
    "cost-by-way": (
        "What a kWh cost",
        (
            "The same energy in the same stays, eight ways. Managed charging is what the live rule did with what could "
            "be known then, leak and delays included; all others have a car that is noticed and obeys at once. The two "
            "with foresight and the oracle knew every price and all carbon."
        ),
    ),
    "saving-by-day": (
        "Day after day",
        (
            "Pale: what foresight would have saved against charging at once. Green: what managed charging did save. "
            "More than 60 days are shown week by week."
        ),
    ),
    "energy-by-hour": (
        "When the cars charged",
        "Above, the mean price by hour of the day at home. Below, the energy: grey at once, green managed.",
    ),
    "stability": (
        "How calm it was",
        "A driver is told a start once; every later move by more than 15 minutes counts as a change.",
    ),
    "regret": (
        "Where the rest went",
        (
            "From the oracle to what was really paid. Each step is a run of the same rule with one more piece of "
            "reality, so the parts add up. Missed departures are not in here; they earn no saving above."
        ),
    ),
}


def lead(summary: dict[str, Any]) -> str:
    """The finding in one sentence, its denominators in it."""
    saving = summary["more"]["saving"]["cost"]["managed"]
    capture = summary["more"]["capture"]["objective"]["managed"]
    verb = "saved" if saving["part"] >= 0 else "lost"
    return (
        f"Managed charging {verb} {number(abs(saving['part']), 2)} {summary['currency']} of "
        f"{number(saving['whole'], 2)} {summary['currency']}: {percent(saving['value'])} (95 % interval over days: "
        f"{interval(saving)}). That is {percent(capture['value'])} of what perfect foresight saves, carbon priced in."
    )


def extent(summary: dict[str, Any]) -> str:
    """How much was driven, where and when."""
    return (
        f"{number(summary['sessions'])} sessions of {number(summary['vehicles'])} cars on {summary['days']} days from "
        f"{summary['first_day']} to {summary['last_day']}, {number(summary['energy_kwh']['managed'])} kWh, prices "
        f"{summary['tariff']}, {summary['zone']}."
    )


def tiles(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Label, figure, and what stands behind it."""
    more, kept = summary["more"], summary["ready_by"]
    saving = more["saving"]["cost"]["managed"]
    energy = summary["energy_kwh"]["managed"] or 1
    unit = per_kwh(summary["currency"])
    two = more["capture"]["objective"]["two_blocks"]
    feasible = kept["met"] + kept["missed"]
    carbon = more["saving"].get("carbon_g")
    grams = ("Carbon saved", "–", "no carbon recording given")
    if carbon:
        part = carbon["managed"]
        grams = ("Carbon saved", percent(part["value"]), f"{number(part['part'] / 1000, 1)} kg; {interval(part)}")
    return [
        (
            "Cost saved",
            percent(saving["value"]),
            f"{100 * saving['part'] / energy:.2f} {unit}; {interval(saving)}",
        ),
        grams,
        (
            "Ready when promised",
            percent(kept["met"] / feasible if feasible else None, 2),
            f"{number(kept['met'])} of {number(feasible)} that could be; {number(more['short_kwh'])} kWh short in all",
        ),
        (
            "Start changes told",
            number(summary["announced_start_changes_per_session"], 3),
            f"per session with one announced; {number(more['commands_per_session'], 2)} commands each",
        ),
        (
            "Blocks per session",
            number(summary["blocks_per_session"], 2),
            f"at most two planned; the oracle uses {number(more['blocks_of_the_oracle'], 2)}",
        ),
        ("Two blocks keep", percent(two["value"], 2), "of the saving that any number of blocks allows"),
    ]


def caveats(summary: dict[str, Any]) -> list[str]:
    """What a reader must know before believing a figure."""
    more = summary["more"]
    moved = (
        "Sessions and prices are of different years: sessions were moved by whole weeks, weekday and local time kept, "
        "whole years where that fits."
    )
    return [
        *([moved] if more["moved_by_whole_weeks"] else []),
        f"Prices: {more['price_remark']}. They are passed through as recorded, without fees, taxes and margins on top.",
        f"Carbon: {more['carbon_remark'] or 'no recording was given, so nothing is said about it'}.",
        "Carbon is average intensity, not marginal: what shifting a load really avoids may be more or less.",
        _cars(more),
        _assumed(more["wishes"], summary["currency"]),
        "Unmanaged means everything from plug-in on. Whoever has a timer gains less by being managed: see the timer.",
        (
            "Intervals come from drawing days, not sessions: cars of one night share its prices. They say nothing "
            "about other years."
        ),
        "Drivers plug in differently once they are managed; only a trial with a random group left alone would show.",
    ]


def _cars(more: dict[str, Any]) -> str:
    rough = f"draw up to {more['wishes']['power_error']:.0%} less than registered and tell whole percents"
    cars = rough if more["rough_cars"] else "draw what they say and tell their exact state of charge"
    return (
        f"Cars {cars}. They charge for {more['detection_minutes']:g} min before they are noticed and obey "
        f"{more['command_seconds']:g} s late. Commands never fail here, and no notification is sent."
    )


def _assumed(wishes: dict[str, Any], currency: str) -> str:
    asked = f"to be ready by {wishes['ready_at']}" if wishes["ready_at"] else "for the true departure"
    return (
        f"Where a recording does not say: {wishes['power_kw']:g} kW, {wishes['usable_kwh']:g} kWh, "
        f"{wishes['efficiency']:.0%} into the battery, full at {wishes['target_soc_pct']:g} %, at once up to "
        f"{wishes['min_soc_pct']:g} %, carbon at {wishes['carbon_price_per_tonne']:g} {currency}/t, finished "
        f"{wishes['margin_minutes']} min early. Drivers ask {asked}."
    )
