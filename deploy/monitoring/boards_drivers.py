"""The dashboard for who looks after those who ask: drivers by the API, messages and the bridge; analysts by queries."""

from __future__ import annotations

from typing import Final

from deploy.monitoring.panels import Board, Panel, Query, Variable, one, quantiles, share

DRIVERS: Final = Board(
    "d2ev-drivers",
    "D2EV drivers' API and messages",
    "What drivers meet: the API and page, messages to their phones, the bridge to Firestore. And analysts' questions.",
    (
        (
            "API",
            (
                Panel(
                    "Requests", "Per second, by class of status.", "reqps",
                    one(
                        'sum by (status) (rate(d2ev_api_requests_total{route=~"$route"}[$__rate_interval]))',
                        "{{status}}",
                    ), stacked=True,
                ),
                Panel(
                    "Errors", "Share of requests that failed by our fault.", "percentunit",
                    one(
                        share(
                            'd2ev_api_requests_total{status="5xx",route=~"$route"}',
                            'd2ev_api_requests_total{route=~"$route"}', "job",
                        ), "5xx",
                    ), steps=((0.01, "red"),),
                ),
                Panel(
                    "Answers", "How long answers take, event streams apart.", "s",
                    quantiles("d2ev_api_request_seconds", where='{route=~"$route"}'), steps=((1, "orange"),),
                ),
                Panel(
                    "Slowest routes", "99 % of answers are quicker.", "s",
                    one(
                        "histogram_quantile(0.99, sum by (le, route) "
                        '(rate(d2ev_api_request_seconds_bucket{route=~"$route"}[$__rate_interval])))', "{{route}}",
                    ),
                ),
                Panel(
                    "Behind the log", "Since each instance last read the log to its end.", "s",
                    one("time() - d2ev_api_read_up_timestamp_seconds", "{{instance}}"), steps=((60, "red"),),
                ),
                Panel(
                    "Refused", "Requests per hour that came too often, and tokens not believed.", "short",
                    (
                        Query("sum by (by) (increase(d2ev_api_limited_total[1h]))", "too often: {{by}}"),
                        Query("sum by (rule) (increase(d2ev_api_tokens_refused_total[1h]))", "token: {{rule}}"),
                    ),
                ),
                Panel(
                    "Instances", "Ready ones, open event streams, and writes that Kafka has not confirmed.", "short",
                    (
                        Query("sum(d2ev_api_ready)", "ready"),
                        Query("sum(d2ev_api_streams)", "streams"),
                        Query("sum(d2ev_api_writes_open)", "writes open"),
                    ),
                ),
                Panel(
                    "Read model", "Cars that each instance knows, and records that made no sense to it.", "short",
                    (
                        Query("d2ev_api_cars", "{{instance}} cars"),
                        Query("d2ev_api_records_unreadable", "{{instance}} unreadable"),
                    ),
                ),
            ),
        ),
        (
            "Messages",
            (
                Panel(
                    "Notifications", "Per hour, by kind and phase.", "short",
                    one("sum by (kind, phase) (increase(d2ev_notifications_total[1h]))", "{{kind}} {{phase}}"),
                    width=12,
                ),
                Panel(
                    "Devices", "Messages to single devices per hour, by way and outcome.", "short",
                    one("sum by (service, outcome) (increase(d2ev_pushes_total[1h]))", "{{service}} {{outcome}}"),
                    width=12,
                ),
            ),
        ),
        (
            "Bridge to Firestore",
            (
                Panel(
                    "Behind", "Since no status waited last.", "s",
                    one("time() - max(d2ev_bridge_caught_up_timestamp_seconds)", "behind"), steps=((600, "orange"),),
                    width=6,
                ),
                Panel(
                    "Waiting", "Statuses on the log that are not written yet, and records that made no sense.", "short",
                    (
                        Query("sum(d2ev_bridge_records_behind)", "waiting"),
                        Query("max(d2ev_bridge_records_unreadable)", "unreadable"),
                        Query("sum(d2ev_bridge_ready)", "bridges ready"),
                    ), width=6,
                ),
                Panel(
                    "Writes", "Statuses and commits per second, by outcome.", "cps",
                    (
                        Query("sum by (outcome) (rate(d2ev_bridge_statuses_total[$__rate_interval]))", "{{outcome}}"),
                        Query(
                            "sum by (outcome) (rate(d2ev_bridge_commits_total[$__rate_interval]))", "commit {{outcome}}"
                        ),
                    ), width=6,
                ),
                Panel(
                    "What apps write", "Changes of documents per second, by what became of them.", "cps",
                    one(
                        "sum by (kind, outcome) (rate(d2ev_bridge_events_total[$__rate_interval]))",
                        "{{kind}} {{outcome}}",
                    ), width=6,
                ),
            ),
        ),
        (
            "Analysts' questions",
            (
                Panel(
                    "Questions", "Per second, by class of status.", "reqps",
                    one("sum by (status) (rate(d2ev_queries_requests_total[$__rate_interval]))", "{{status}}"), width=6,
                ),
                Panel(
                    "Answers to analysts", "How long they take; ten seconds is the usual limit.", "s",
                    quantiles("d2ev_queries_request_seconds"), width=6,
                ),
                Panel(
                    "Kept waiting", "Requests per hour that came too often.", "short",
                    one("sum by (by) (increase(d2ev_queries_limited_total[1h]))", "{{by}}"), width=6,
                ),
                Panel(
                    "Processes", "Ready ones, and questions that wait or are being answered.", "short",
                    (Query("sum(d2ev_queries_ready)", "ready"), Query("sum(d2ev_queries_open)", "open")), width=6,
                ),
            ),
        ),
    ),
    (Variable("route", "Route", "d2ev_api_requests_total"),),
)  # fmt: skip
