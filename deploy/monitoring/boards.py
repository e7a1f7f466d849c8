"""The dashboards for whoever is asked "is it well?": the overview, the pipeline behind it, and the feeds."""

from __future__ import annotations

from typing import Final

from deploy.monitoring.panels import Board, Panel, Query, Variable, one, quantiles, share

_LAG: Final = "time() - min by (stage) (d2ev_heartbeat_timestamp_seconds)"
_LATE: Final = ((60, "orange"), (600, "red"))
_BAD: Final = ((1, "red"),)


def _kept(window: str) -> str:
    met = f'sum(increase(d2ev_promises_total{{outcome="met"}}[{window}]))'
    return f'{met} / sum(increase(d2ev_promises_total{{outcome=~"met|missed"}}[{window}]))'


def _saved(metric: str, by: str) -> str:
    """What was saved less what was lost: absent where neither was ever counted."""
    saved, lost = (f'sum{by} (increase({metric}{{outcome="{word}"}}[$__range]))' for word in ("saved", "lost"))
    return f"({saved} - ({lost} or {saved} * 0)) or -{lost}"


OVERVIEW: Final = Board(
    "d2ev-overview",
    "D2EV overview",
    "Do drivers get what they were promised, and what does it save? Below that: what would hurt them next.",
    (
        (
            "Drivers",
            (
                Panel(
                    "Promises kept", "Sessions that were ready by the time promised, of those that could be.",
                    "percentunit", one(_kept("$__range")), "stat", ((0, "red"), (0.98, "green")), 4, decimals=1,
                ),
                Panel(
                    "Promises broken", "Sessions that were not ready in time although they could have been.",
                    "short", one('sum(increase(d2ev_promises_total{outcome="missed"}[$__range]))'), "stat", _BAD, 4,
                    decimals=0,
                ),
                Panel("Cars", "Cars that are enrolled to be read.", "short", one("sum(d2ev_cars)"), "stat", width=4),
                Panel(
                    "Cars held", "Cars that a stop of ours keeps from charging now.", "short",
                    one("sum(d2ev_cars_held)"), "stat", width=4,
                ),
                Panel(
                    "Held at their last safe start", "Each of these drivers will find the car short.", "short",
                    one("sum(d2ev_cars_held_near_last_safe_start)"), "stat", _BAD, 4,
                ),
                Panel(
                    "Cars unreachable", "Share of cars that could not be read when last tried; sleeping ones apart.",
                    "percentunit",
                    one('(sum(d2ev_cars_unreachable{reason!="asleep"}) or vector(0)) / sum(d2ev_cars)'),
                    "stat", ((0.05, "orange"), (0.2, "red")), 4, decimals=1,
                ),
                Panel(
                    "Promises", "Sessions by what became of their promise, per hour, as they are settled.", "short",
                    one("sum by (outcome) (increase(d2ev_promises_total[1h]))", "{{outcome}}"), stacked=True,
                ),
                Panel(
                    "Plug-in to our knowing", "How late plug-ins are seen. Until then a car charges at any price.", "s",
                    quantiles("d2ev_plug_detection_delay_seconds"), steps=((900, "orange"),),
                ),
                Panel(
                    "Plug-in seen to stop sent", "From the reading that shows the plug-in to the stop command.", "s",
                    quantiles("d2ev_plug_in_to_stop_seconds"),
                ),
            ),
        ),
        (
            "Savings in the range shown, against charging at once",
            (
                Panel(
                    "Money saved", "By sessions settled in the range; corrections that came later are not in it.",
                    "short", one(_saved("d2ev_settled_money_total", " by (currency)"), "{{currency}}"), "stat", width=8,
                    decimals=2,
                ),
                Panel(
                    "CO2 saved", "By sessions settled in the range.", "massg",
                    one(_saved("d2ev_settled_carbon_grams_total", "")), "stat", width=8,
                ),
                Panel(
                    "Energy", "At the wall, of sessions settled in the range.", "kwatth",
                    one("sum(increase(d2ev_settled_energy_joules_total[$__range])) / 3.6e6"), "stat", width=8,
                    decimals=1,
                ),
            ),
        ),
        (
            "What would hurt next",
            (
                Panel("Lag", "How old what each stage works on is, as time.", "s", one(_LAG, "{{stage}}"), steps=_LATE),
                Panel(
                    "Cars without a worker", "Partitions that nobody serves. More than 0 for minutes: act.", "short",
                    one("max(d2ev_partitions) - sum(d2ev_partitions_assigned)", "partitions unserved"), steps=_BAD,
                ),
                Panel(
                    "Calls to makers that fail", "Share of requests that did not end well, by maker.", "percentunit",
                    one(
                        share(
                            'd2ev_oem_request_seconds_count{outcome!="ok"}', "d2ev_oem_request_seconds_count", "oem"
                        ), "{{oem}}",
                    ),
                ),
                Panel(
                    "Dead letters", "Records that no stage could take, per hour.", "short",
                    one(
                        'sum by (stage) (increase(d2ev_stage_records_total{outcome="dead_letters"}[1h]))', "{{stage}}"
                    ), steps=_BAD,
                ),
                Panel(
                    "Guardian", "Held cars that it knows of, and those that control no longer vouches for.", "short",
                    (
                        Query("max(d2ev_guardian_cars_held)", "held"),
                        Query("max(d2ev_guardian_leases_lapsed)", "lapsed"),
                    ), steps=(),
                ),
                Panel(
                    "Alerts", "Alerts that fire, by name.", "short",
                    one('count by (alertname) (ALERTS{alertstate="firing",alertname=~"D2ev.+"}) or vector(0)'),
                ),
            ),
        ),
    ),
)  # fmt: skip

PIPELINE: Final = Board(
    "d2ev-pipeline",
    "D2EV pipeline and partitions",
    "The stages and the workers they run on: throughput, lag as time, and who has which share.",
    (
        (
            "Partitions",
            (
                Panel(
                    "Partitions by worker", "All together should be the line of those declared.", "short",
                    (
                        Query('d2ev_partitions_assigned{job="d2ev-worker"}', "{{instance}}"),
                        Query("max(d2ev_partitions)", "declared"),
                    ),
                ),
                Panel(
                    "Lag by worker", "The latest stage of each worker.", "s",
                    one("time() - min by (instance) (d2ev_heartbeat_timestamp_seconds)", "{{instance}}"), steps=_LATE,
                ),
                Panel(
                    "Versions", "Processes by version; two during a rolling upgrade.", "short",
                    one("count by (job, version) (d2ev_build_info)", "{{job}} {{version}}"),
                ),
            ),
        ),
        (
            "Stages",
            (
                Panel(
                    "Lag", "How old what each stage works on is, as time.", "s",
                    one('time() - min by (stage) (d2ev_heartbeat_timestamp_seconds{stage=~"$stage"})', "{{stage}}"),
                    steps=_LATE, width=12,
                ),
                Panel(
                    "Since the last chunk", "Beats come every second: a stage that finishes nothing has stopped.", "s",
                    one(
                        'time() - max by (stage) (d2ev_stage_last_record_timestamp_seconds{stage=~"$stage"})',
                        "{{stage}}",
                    ), steps=_LATE, width=12,
                ),
                Panel(
                    "Records in", "Per second.", "cps",
                    one(
                        "sum by (stage) (rate(d2ev_stage_records_total"
                        '{stage=~"$stage",outcome="in"}[$__rate_interval]))', "{{stage}}",
                    ), width=12, stacked=True,
                ),
                Panel(
                    "Records by outcome", "Per second: in = out + filtered + dead letters.", "cps",
                    one(
                        'sum by (outcome) (rate(d2ev_stage_records_total{stage=~"$stage"}[$__rate_interval]))',
                        "{{outcome}}",
                    ), width=12,
                ),
                Panel(
                    "Unaccounted", "in - out - filtered - dead letters, since each worker started. Anything but 0 is a "
                    "defect.", "short",
                    one(
                        'sum by (stage) (d2ev_stage_records_total{outcome="in",stage=~"$stage"})'
                        ' - sum by (stage) (d2ev_stage_records_total{outcome!="in",stage=~"$stage"})', "{{stage}}",
                    ), steps=_BAD,
                ),
                Panel(
                    "Dead letters", "Per hour and stage.", "short",
                    one(
                        "sum by (stage) (increase(d2ev_stage_records_total"
                        '{stage=~"$stage",outcome="dead_letters"}[1h]))', "{{stage}}",
                    ), steps=_BAD,
                ),
                Panel(
                    "Slow calls under way", "Calls to makers and push services, waiting or under way, by worker.",
                    "short", one('d2ev_jobs_in_flight{job="d2ev-worker"}', "{{instance}}"),
                ),
                Panel(
                    "Data keys not current", "Keys that the seal keys given do not open.", "short",
                    one("sum(d2ev_data_keys_not_current)", "keys"), steps=_BAD,
                ),
            ),
        ),
    ),
    (Variable("stage", "Stage", "d2ev_heartbeat_timestamp_seconds"),),
)  # fmt: skip

FEEDS: Final = Board(
    "d2ev-feeds",
    "D2EV prices and carbon",
    "How far ahead each curve is known, and what came of asking for it.",
    (
        (
            "Curves",
            (
                Panel(
                    "Known ahead", "How far each curve reaches without a hole. Prices grow once a day.", "s",
                    one('max by (feed) (d2ev_feed_known_until_timestamp_seconds{feed=~"$feed"}) - time()', "{{feed}}"),
                ),
                Panel(
                    "Stale", "1 while plans do not count with the curve.", "short",
                    one('max by (feed) (d2ev_feed_stale{feed=~"$feed"})', "{{feed}}"), steps=_BAD,
                ),
                Panel(
                    "Slots missing", "Slots that should be known by now and are not.", "short",
                    one('max by (feed) (d2ev_feed_slots_missing{feed=~"$feed"})', "{{feed}}"), steps=((1, "orange"),),
                ),
            ),
        ),
        (
            "Sources",
            (
                Panel(
                    "Since the last good answer", "By feed.", "s",
                    one(
                        'time() - max by (feed) (d2ev_feed_last_success_timestamp_seconds{feed=~"$feed"})', "{{feed}}"
                    ),
                ),
                Panel(
                    "Failures in a row", "By feed; the wait doubles with each.", "short",
                    one('max by (feed) (d2ev_feed_failures_in_a_row{feed=~"$feed"})', "{{feed}}"),
                    steps=((3, "orange"),),
                ),
                Panel(
                    "Rounds", "Times a source was asked in an hour, by how it ended.", "short",
                    one('sum by (outcome) (increase(d2ev_feed_rounds_total{feed=~"$feed"}[1h]))', "{{outcome}}"),
                    stacked=True,
                ),
            ),
        ),
    ),
    (Variable("feed", "Feed", "d2ev_feed_stale"),),
)  # fmt: skip
