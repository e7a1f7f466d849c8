"""What each alert does with made-up series: when it fires and when not, with missing series and restarts too.

Series are in promtool's notation, one value a minute: `0+1x30` grows by one for half an hour, `_x5` is absent.
"""

from typing import Final, NamedTuple


class Case(NamedTuple):
    """At `minutes`, `firing` alerts of this name are expected."""

    alert: str
    says: str
    series: dict[str, str]
    minutes: int
    firing: int


def _hist(name: str, fast: str, slow: str, bounds: tuple[str, str], labels: str = "") -> dict[str, str]:
    """A histogram of two buckets: how many were fast, and how many at all."""
    comma = f"{labels}," if labels else ""
    return {
        f'{name}_bucket{{{comma}le="{bounds[0]}"}}': fast,
        f'{name}_bucket{{{comma}le="{bounds[1]}"}}': slow,
        f'{name}_bucket{{{comma}le="+Inf"}}': slow,
        f"{name}_count{{{labels}}}": slow,
    }


_MISSED, _MET = 'd2ev_promises_total{outcome="missed"}', 'd2ev_promises_total{outcome="met"}'
_NEAR, _DECLARED = "d2ev_cars_held_near_last_safe_start", "d2ev_partitions"
_FAILED = 'd2ev_commands_total{oem="acme",action="start",phase="failed"}'
_CONFIRMED = 'd2ev_commands_total{oem="acme",action="start",phase="confirmed"}'
_BEAT, _DEAD = "d2ev_heartbeat_timestamp_seconds", 'd2ev_stage_records_total{stage="planning",outcome="dead_letters"}'
_SHOWN, _REFUSED = (f'd2ev_pushes_total{{service="fcm",outcome="{word}"}}' for word in ("shown", "refused"))
_OK, _BAD = (f'd2ev_api_requests_total{{route="/v1/cars",method="GET",status="{word}"}}' for word in ("2xx", "5xx"))
_DELAY, _ANSWER = "d2ev_plug_detection_delay_seconds", "d2ev_api_request_seconds"
_LAPSED, _LOCKED = "d2ev_guardian_leases_lapsed", "d2ev_guardian_cars_without_token"
_HELD, _FILE = "d2ev_guardian_cars_held", "d2ev_guardian_file_timestamp_seconds"
_UNREAD = 'd2ev_cars_unreachable{oem="acme",reason="failed",instance="%s"}'
_STALE = 'd2ev_feed_stale{feed="%s"}'

CASES: Final = (
    Case("D2evPromisesBroken", "four in a hundred", {_MISSED: "0+0x60 0+1x3 4x40", _MET: "0+1x110"}, 75, 1),
    Case("D2evPromisesBroken", "one odd car of ten", {_MISSED: "0x60 1x60", _MET: "0x60 9x60"}, 75, 0),
    Case("D2evPromisesBroken", "three in a thousand", {_MISSED: "0x10 3x90", _MET: "0+20x100"}, 75, 0),
    Case("D2evPromisesBroken", "a restart is no new promise", {_MISSED: "9x30 0x60", _MET: "100x30 0x60"}, 75, 0),
    Case("D2evPromisesBroken", "broken on both sides of a restart", {_MISSED: "0 2 4 0 2 4x90", _MET: "0x96"}, 75, 1),
    Case("D2evPromisesBroken", "nothing is counted", {}, 75, 0),
    Case("D2evHeldCarsNearLastSafeStart", "held for three minutes", {_NEAR: "0x10 2x10"}, 14, 1),
    Case("D2evHeldCarsNearLastSafeStart", "started in time", {_NEAR: "0x10 2 2 0x10"}, 14, 0),
    Case("D2evHeldCarsNearLastSafeStart", "nobody is held", {_NEAR: "0x30"}, 20, 0),
    Case(
        "D2evHeldCarsNearLastSafeStart", "on one of two workers",
        {_NEAR + '{instance="a"}': "0x30", _NEAR + '{instance="b"}': "1x30"}, 20, 1,
    ),
    Case("D2evPlugInsSeenLate", "a third is late", _hist(_DELAY, "0+2x90", "0+3x90", ("900", "1800")), 80, 1),
    Case("D2evPlugInsSeenLate", "one in thirty is late", _hist(_DELAY, "0+29x90", "0+30x90", ("900", "1800")), 80, 0),
    Case("D2evPlugInsSeenLate", "one sleepy car", _hist(_DELAY, "0x90", "0x40 1x50", ("900", "1800")), 80, 0),
    Case("D2evPlugInsSeenLate", "nobody plugs in", _hist(_DELAY, "7x90", "9x90", ("900", "1800")), 80, 0),
    Case("D2evCarsUnreachable", "a third", {_UNREAD % "a": "10x60", 'd2ev_cars{oem="acme"}': "30x60"}, 40, 1),
    Case(
        "D2evCarsUnreachable", "over two workers, one maker of two",
        {
            _UNREAD % "a": "4x60", _UNREAD % "b": "4x60", 'd2ev_cars{oem="acme",instance="a"}': "15x60",
            'd2ev_cars{oem="acme",instance="b"}': "15x60", 'd2ev_cars{oem="other",instance="b"}': "9x60",
        }, 40, 1,
    ),
    Case("D2evCarsUnreachable", "four of six", {_UNREAD % "a": "4x60", 'd2ev_cars{oem="acme"}': "6x60"}, 40, 0),
    Case(
        "D2evCarsUnreachable", "asleep",
        {'d2ev_cars_unreachable{oem="acme",reason="asleep"}': "30x60", 'd2ev_cars{oem="acme"}': "30x60"}, 40, 0,
    ),
    Case("D2evCarsUnreachable", "read again", {_UNREAD % "a": "9x20 0x40", 'd2ev_cars{oem="acme"}': "30x60"}, 40, 0),
    Case("D2evCarsUnreachable", "no maker failed yet", {'d2ev_cars{oem="acme"}': "30x60"}, 40, 0),
    Case("D2evCommandsFailing", "two in three", {_FAILED: "0+2x60", _CONFIRMED: "0+1x60"}, 30, 1),
    Case("D2evCommandsFailing", "none succeeds", {_FAILED: "0+2x60"}, 30, 1),
    Case("D2evCommandsFailing", "a usual night", {_FAILED: "0+2x60", _CONFIRMED: "0+9x60"}, 30, 0),
    Case("D2evCommandsFailing", "five in a quiet hour", {_FAILED: "0x5 5x60", _CONFIRMED: "0x60"}, 30, 0),
    Case(
        "D2evCommandsFailing", "wakes are another matter",
        {'d2ev_commands_total{oem="acme",action="wake",phase="failed"}': "0+9x60"}, 30, 0,
    ),
    Case("D2evOemSuspended", "twenty minutes", {'d2ev_oem_breaker_open{oem="acme"}': "0x5 1x30"}, 25, 1),
    Case("D2evOemSuspended", "tried and open again", {'d2ev_oem_breaker_open{oem="acme"}': "1x10 0 1x9"}, 18, 0),
    Case("D2evOemSuspended", "closed", {'d2ev_oem_breaker_open{oem="acme"}': "0x40"}, 30, 0),
    Case("D2evRefreshesLost", "one a minute", {'d2ev_oem_refreshes_lost_total{oem="acme"}': "0+1x60"}, 40, 1),
    Case("D2evRefreshesLost", "three", {'d2ev_oem_refreshes_lost_total{oem="acme"}': "0x5 3x60"}, 40, 0),
    Case("D2evRefreshesLost", "a restart", {'d2ev_oem_refreshes_lost_total{oem="acme"}': "90x20 0x60"}, 85, 0),
    Case("D2evPushesFailing", "one way of two", {_SHOWN: "0+1x60", _REFUSED: "0+1x60"}, 30, 1),
    Case("D2evPushesFailing", "one in fifty", {_SHOWN: "0+49x60", _REFUSED: "0+1x60"}, 30, 0),
    Case("D2evPushesFailing", "two in a night", {_SHOWN: "0x60", _REFUSED: "0x5 2x60"}, 30, 0),
    Case("D2evPartitionsUnserved", "two of six", {"d2ev_partitions_assigned": "6x10 4x10", _DECLARED: "6x20"}, 18, 1),
    Case(
        "D2evPartitionsUnserved", "two workers share them",
        {'d2ev_partitions_assigned{instance="a"}': "3x20", 'd2ev_partitions_assigned{instance="b"}': "3x20",
         _DECLARED + '{instance="a"}': "6x20", _DECLARED + '{instance="b"}': "6x20"}, 18, 0,
    ),
    Case("D2evPartitionsUnserved", "rebalance", {"d2ev_partitions_assigned": "6x9 0 0 6x9", _DECLARED: "6x20"}, 18, 0),
    Case("D2evPartitionsUnserved", "no worker was ever seen", {}, 10, 1),
    Case(
        "D2evPartitionsUnserved", "only a guardian is left",
        {"d2ev_partitions_assigned": "0x20", _DECLARED: "0x20"}, 18, 1,
    ),
    Case("D2evStageLate", "two minutes: a warning", {_BEAT + '{stage="planning"}': "0x5 180+60x60"}, 20, 1),
    Case("D2evStageLate", "half an hour: both", {_BEAT + '{stage="planning"}': "0x60"}, 40, 2),
    Case("D2evStageLate", "in time", {_BEAT + '{stage="planning"}': "0+60x60"}, 40, 0),
    Case("D2evStageLate", "no worker: another alert", {}, 40, 0),
    Case(
        "D2evStageLate", "the latest of two workers counts",
        {_BEAT + '{stage="planning",instance="a"}': "0+60x60", _BEAT + '{stage="planning",instance="b"}': "0x60"},
        40, 2,
    ),
    Case("D2evDeadLetters", "one", {_DEAD: "0x10 1x30"}, 15, 1),
    Case("D2evDeadLetters", "an hour ago", {_DEAD: "0x10 1x90"}, 80, 0),
    Case("D2evDeadLetters", "after a restart", {_DEAD: "5x10 0x20"}, 15, 0),
    Case("D2evDataKeysNotCurrent", "for long", {"d2ev_data_keys_not_current": "3x60"}, 40, 1),
    Case("D2evDataKeysNotCurrent", "while they are put right", {"d2ev_data_keys_not_current": "3x10 0x60"}, 40, 0),
    Case("D2evGuardianSilent", "there is none", {}, 10, 1),
    Case("D2evGuardianSilent", "it goes by its copy", {"d2ev_guardian_kafka_up": "0x20"}, 10, 1),
    Case(
        "D2evGuardianSilent", "one of two reads",
        {'d2ev_guardian_kafka_up{instance="a"}': "0x20", 'd2ev_guardian_kafka_up{instance="b"}': "1x20"}, 10, 0,
    ),
    Case("D2evGuardianSilent", "it went away", {"d2ev_guardian_kafka_up": "1x10 stale"}, 20, 1),
    Case("D2evGuardianReleases", "leases lapse", {_LAPSED: "0x5 40x20"}, 15, 1),
    Case("D2evGuardianReleases", "one car for a moment", {_LAPSED: "0x5 1 1 0x20"}, 15, 0),
    Case("D2evGuardianCannotStart", "it does not start", {"d2ev_guardian_cars_failing": "1x30"}, 20, 1),
    Case("D2evGuardianCannotStart", "no token, and nobody needs one", {_LOCKED: "9x30", _LAPSED: "0x30"}, 20, 0),
    Case("D2evGuardianCannotStart", "no token for those who need it", {_LOCKED: "9x30", _LAPSED: "4x30"}, 20, 1),
    Case("D2evGuardianCopyOld", "cars are held", {_HELD: "5x90", _FILE: "0x90"}, 80, 1),
    Case("D2evGuardianCopyOld", "nobody is held", {_HELD: "0x90", _FILE: "0x90"}, 80, 0),
    Case("D2evGuardianCopyOld", "written", {_HELD: "5x90", _FILE: "0+60x90"}, 80, 0),
    Case("D2evFeedStale", "one of two", {_STALE % "a": "1x30", _STALE % "b": "0x30"}, 20, 1),
    Case("D2evFeedStale", "renewed", {_STALE % "a": "1x10 0x20"}, 20, 0),
    Case("D2evApiErrors", "one in ten", {_OK: "0+9x30", _BAD: "0+1x30"}, 20, 1),
    Case("D2evApiErrors", "one in a thousand", {_OK: "0+999x30", _BAD: "0+1x30"}, 20, 0),
    Case("D2evApiErrors", "one in a quiet hour", {_OK: "0x30", _BAD: "0x10 1x20"}, 20, 0),
    Case("D2evApiErrors", "nothing fails", {_OK: "0+9x30"}, 20, 0),
    Case("D2evApiSlow", "one in ten", _hist(_ANSWER, "0+9x60", "0+10x60", ("1", "5"), 'route="/v1/cars"'), 30, 1),
    Case("D2evApiSlow", "all are quick", _hist(_ANSWER, "0+10x60", "0+10x60", ("1", "5"), 'route="/v1/cars"'), 30, 0),
    Case("D2evApiBehindLog", "one of two", {
        'd2ev_api_read_up_timestamp_seconds{instance="a"}': "0x30",
        'd2ev_api_read_up_timestamp_seconds{instance="b"}': "0+60x30",
    }, 20, 1),
    Case("D2evApiBehindLog", "read to the end", {"d2ev_api_read_up_timestamp_seconds": "0+60x30"}, 20, 0),
    Case("D2evApiBehindLog", "nobody runs one", {}, 20, 0),
    Case("D2evBridgeBehind", "Firestore is away", {"d2ev_bridge_caught_up_timestamp_seconds": "0x60"}, 30, 1),
    Case("D2evBridgeBehind", "written", {"d2ev_bridge_caught_up_timestamp_seconds": "0+60x60"}, 30, 0),
    Case("D2evBridgeBehind", "nobody runs one", {}, 30, 0),
    Case("D2evIngressNotReady", "the only one", {"d2ev_ingress_ready": "0x20"}, 10, 1),
    Case(
        "D2evIngressNotReady", "one of two",
        {'d2ev_ingress_ready{instance="a"}': "0x20", 'd2ev_ingress_ready{instance="b"}': "1x20"}, 10, 0,
    ),
    Case("D2evQueriesNotReady", "the only one", {"d2ev_queries_ready": "0x30"}, 20, 1),
    Case("D2evQueriesNotReady", "a broker restarts", {"d2ev_queries_ready": "1x5 0x6 1x30"}, 20, 0),
    Case("D2evQueriesNotReady", "nobody runs one", {}, 20, 0),
    Case("D2evProcessDown", "a worker", {'up{job="d2ev-worker",instance="a"}': "1x5 0x20"}, 15, 1),
    Case("D2evProcessDown", "restarted", {'up{job="d2ev-worker",instance="a"}': "1x5 0 0 1x20"}, 15, 0),
    Case("D2evProcessDown", "somebody else's", {'up{job="node",instance="a"}': "0x30"}, 15, 0),
)  # fmt: skip
