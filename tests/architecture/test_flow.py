"""The dataflow is as declared: one writer per table, one owner per topic, stages in the order in which data walks."""

from typing import Any, cast

import pytest

from agents import bind
from agents.engine.stage import Stage
from agents.settings import load
from deploy.docs import stages
from streams.topics import COMMAND, REPLAN, TICK, TOPICS, Topic
from tables import TABLES
from tables.table import Table

PIPELINE = stages()
STAGES = pytest.mark.parametrize("stage", PIPELINE, ids=[stage.name for stage in PIPELINE])
#: Owners that are no stages: producers outside, the ticker, and the engine on behalf of every stage.
NO_STAGES = {"outside", "clock", "every stage"}
#: The one log that several stages extend in turn: each writes phases of its own.
AUDIT_TRAIL = {"dispatch", "commands", "confirmation"}


@pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
def test_a_table_has_the_one_writer_it_declares(table: Table[object]) -> None:
    assert [stage.name for stage in PIPELINE if table in stage.tables] == [table.written_by]


@pytest.mark.parametrize("topic", TOPICS, ids=[topic.name for topic in TOPICS])
def test_a_topic_is_written_by_its_owner(topic: Topic) -> None:
    writers = {stage.name for stage in PIPELINE if topic in stage.writes}
    if topic is COMMAND:
        assert writers == AUDIT_TRAIL
    else:
        assert writers == ({topic.owner} - NO_STAGES)


@STAGES
def test_a_stage_deals_with_declared_topics_and_tables_only(stage: Stage) -> None:
    assert set(stage.reads) | set(stage.writes) <= set(TOPICS)
    assert set(stage.tables) <= set(TABLES)


@STAGES
def test_a_stage_comes_after_the_owners_of_what_it_reads(stage: Stage) -> None:
    """Except where a loop closes: polling looks at what its telemetry led to, forecasts at the adders for plans,
    dispatch at how long its commands took.
    """
    order = [known.name for known in PIPELINE]
    owners = {topic.owner for topic in stage.reads} - NO_STAGES - {stage.name}
    late = {owner for owner in owners if order.index(owner) > order.index(stage.name)}
    closing = {"polling": {"vehicle_state", "planning", "dispatch"}, "forecasts": {"capacity"}}
    closing["dispatch"] = {"confirmation"}
    assert late == closing.get(stage.name, set())


def test_stage_names_are_unique_and_name_their_modules() -> None:
    names = [stage.name for stage in PIPELINE]
    assert len(set(names)) == len(names)
    assert [f"agents.{name}" for name in names] == [stage.step.__module__ for stage in PIPELINE]


def test_what_stages_tell_only_each_other_is_private() -> None:
    assert {topic.name for topic in TOPICS if not topic.public} == {
        topic.name for topic in TOPICS if ".internal." in topic.name
    }
    assert not TICK.public
    assert not REPLAN.public


def test_every_agent_takes_one_event_at_a_time() -> None:
    app = bind.faust_app(load({}))
    bind.bind_stages(app, PIPELINE, cast(Any, "no runtime: nothing is started"))
    assert len(app.agents) == len(PIPELINE)
    assert {agent.concurrency for agent in app.agents.values()} == {1}


def test_names_on_the_cluster_are_legal() -> None:
    legal = set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    names = [topic.name for topic in TOPICS] + [table.changelog("d2ev") for table in TABLES]
    assert len(set(names)) == len(names)
    assert all(set(name) <= legal and len(name) <= 249 for name in names)
