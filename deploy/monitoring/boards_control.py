"""The dashboards for who looks after control: makers' clouds and the guardian."""

from __future__ import annotations

from typing import Final

from deploy.monitoring.panels import Board, Panel, Query, Variable, one, quantiles, share

_BAD: Final = ((1, "red"),)
_FINAL: Final = "confirmed|failed|unknown"
_OEM: Final = '{oem=~"$oem"}'


OEM: Final = Board(
    "d2ev-oem",
    "D2EV makers",
    "What each maker's cloud gives us: readings, commands, tokens, and what it tells unasked.",
    (
        (
            "Cars",
            (
                Panel("Cars", "Enrolled, by maker.", "short", one(f"sum by (oem) (d2ev_cars{_OEM})", "{{oem}}")),
                Panel(
                    "Unreachable", "Cars that could not be read when last tried, by reason.", "short",
                    one(f"sum by (oem, reason) (d2ev_cars_unreachable{_OEM})", "{{oem}} {{reason}}"), stacked=True,
                ),
                Panel(
                    "Readings not made", "Per hour, by reason: quota, consent, Retry-After, or better left alone.",
                    "short", one(f"sum by (reason) (increase(d2ev_polls_skipped_total{_OEM}[1h]))", "{{reason}}"),
                ),
            ),
        ),
        (
            "Their clouds",
            (
                Panel(
                    "Requests", "Per second, by outcome.", "reqps",
                    one(
                        f"sum by (oem, outcome) (rate(d2ev_oem_request_seconds_count{_OEM}[$__rate_interval]))",
                        "{{oem}} {{outcome}}",
                    ),
                ),
                Panel(
                    "Answers", "How long answers take, over all endpoints.", "s",
                    quantiles("d2ev_oem_request_seconds", "oem", _OEM),
                ),
                Panel(
                    "Suspended", "1 while calls are suspended because they fail.", "short",
                    one(f"max by (oem) (d2ev_oem_breaker_open{_OEM})", "{{oem}}"), steps=_BAD,
                ),
                Panel(
                    "Failing by endpoint", "Share of requests that did not end well.", "percentunit",
                    one(
                        share(
                            'd2ev_oem_request_seconds_count{oem=~"$oem",outcome!="ok"}',
                            f"d2ev_oem_request_seconds_count{_OEM}", "oem, endpoint",
                        ), "{{oem}} {{endpoint}}",
                    ),
                ),
                Panel(
                    "Refreshes lost", "Token refreshes without an answer, per hour: each may cost a consent.", "short",
                    one(f"sum by (oem) (increase(d2ev_oem_refreshes_lost_total{_OEM}[1h]))", "{{oem}}"),
                    steps=((10, "orange"),),
                ),
            ),
        ),
        (
            "Commands",
            (
                Panel(
                    "Phases", "Commands per hour by the phase reached.", "short",
                    one(f"sum by (action, phase) (increase(d2ev_commands_total{_OEM}[1h]))", "{{action}} {{phase}}"),
                ),
                Panel(
                    "Confirmed", "Share of starts and stops that a reading proved.", "percentunit",
                    one(
                        share(
                            'd2ev_commands_total{oem=~"$oem",action=~"start|stop",phase="confirmed"}',
                            f'd2ev_commands_total{{oem=~"$oem",action=~"start|stop",phase=~"{_FINAL}"}}', "oem",
                        ), "{{oem}}",
                    ),
                ),
                Panel(
                    "What became of stops", "Per hour: obeyed, ignored, contradicted or unobservable.", "short",
                    one(
                        f"sum by (oem, verdict) (increase(d2ev_stop_verdicts_total{_OEM}[1h]))", "{{oem}} {{verdict}}"
                    ),
                ),
                Panel(
                    "Commands waiting", "For a rate budget of the maker.", "short",
                    one(f"sum by (oem) (d2ev_commands_waiting{_OEM})", "{{oem}}"),
                ),
                Panel(
                    "Power step", "Largest change of fleet power that commands made in any second.", "kwatt",
                    one("max(d2ev_power_step_kw_per_second)", "in a second"),
                ),
            ),
        ),
        (
            "What makers tell unasked",
            (
                Panel(
                    "Deliveries", "Requests and stream records per second, by how they ended.", "cps",
                    one(
                        f"sum by (oem, outcome) (rate(d2ev_ingress_deliveries_total{_OEM}[$__rate_interval]))",
                        "{{oem}} {{outcome}}",
                    ), width=6,
                ),
                Panel(
                    "News", "News per second, by what became of them.", "cps",
                    one(
                        f"sum by (oem, outcome) (rate(d2ev_ingress_events_total{_OEM}[$__rate_interval]))",
                        "{{oem}} {{outcome}}",
                    ), width=6,
                ),
                Panel(
                    "Since the last delivery", "By maker; polling goes on without.", "s",
                    one(f"time() - max by (oem) (d2ev_ingress_last_delivery_timestamp_seconds{_OEM})", "{{oem}}"),
                    width=6,
                ),
                Panel(
                    "Ingress", "Ready instances, cars, writes that Kafka has not confirmed, and bad registrations.",
                    "short",
                    (
                        Query("sum(d2ev_ingress_ready)", "ready"),
                        Query("max(d2ev_ingress_cars)", "cars"),
                        Query("sum(d2ev_ingress_writes_open)", "writes open"),
                        Query("max(d2ev_ingress_registrations_unreadable)", "unreadable"),
                    ), width=6,
                ),
            ),
        ),
    ),
    (Variable("oem", "Maker", "d2ev_cars"),),
)  # fmt: skip

GUARDIAN: Final = Board(
    "d2ev-guardian",
    "D2EV guardian",
    "Who starts held cars when control has died: whom it knows of, whether it could, and what it did.",
    (
        (
            "Whom it guards",
            (
                Panel(
                    "Held", "By the workers' count and by the guardian's. They differ for seconds only.", "short",
                    (Query("sum(d2ev_cars_held)", "workers"), Query("max(d2ev_guardian_cars_held)", "guardian")),
                ),
                Panel(
                    "Leases lapsed", "Held cars that control no longer vouches for.", "short",
                    one("max(d2ev_guardian_leases_lapsed)", "lapsed"), steps=_BAD,
                ),
                Panel(
                    "Newest lease ends in", "While cars are held and control lives, never far below ten minutes.", "s",
                    one(
                        "(max(d2ev_guardian_newest_lease_timestamp_seconds) > 0) - time()", "newest lease"
                    ),
                ),
                Panel(
                    "Held at their last safe start", "Each of these drivers will find the car short.", "short",
                    one("sum(d2ev_cars_held_near_last_safe_start)", "cars"), steps=_BAD,
                ),
            ),
        ),
        (
            "Whether it could",
            (
                Panel(
                    "Reads the log", "Guardians that read the log to its end; the others go by their copy.", "short",
                    one("sum(d2ev_guardian_kafka_up)", "guardians"),
                ),
                Panel(
                    "Without token", "Held cars whose account has no access token that is good now.", "short",
                    one("max(d2ev_guardian_cars_without_token)", "cars"), steps=((1, "orange"),),
                ),
                Panel(
                    "Age of its copy", "Since the file of held cars was last written.", "s",
                    one("time() - max(d2ev_guardian_file_timestamp_seconds)", "file"), steps=((3600, "orange"),),
                ),
                Panel(
                    "Records unreadable", "Not 0: worker and guardian are of different versions.", "short",
                    one("max(d2ev_guardian_records_unreadable)", "records"), steps=_BAD,
                ),
            ),
        ),
        (
            "What it does",
            (
                Panel(
                    "Calls", "Per hour, by what came of them.", "short",
                    one("sum by (oem, outcome) (increase(d2ev_guardian_answers_total[1h]))", "{{oem}} {{outcome}}"),
                    width=12,
                ),
                Panel(
                    "Failing", "Cars that did not start in many tries.", "short",
                    one("max(d2ev_guardian_cars_failing)", "cars"), steps=_BAD, width=12,
                ),
            ),
        ),
    ),
)  # fmt: skip
