"""The chart's values are what their schema says, and a slip in them is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
import yaml

from tests.packaging.golden import CASES, CHART, values


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return found


@pytest.mark.parametrize("case", [None, *CASES])
def test_values_fit_their_schema(case: str | None) -> None:
    given = yaml.safe_load((CHART / "values.yaml" if case is None else values(case)).read_text())
    jsonschema.validate(given, schema())


@pytest.mark.parametrize(
    "given",
    [
        {"wroker": {}},
        {"worker": {"replica": 3}},
        {"worker": {"replicas": 0}},
        {"kafka": {"bootstrap": "kafka"}},
        {"kafka": {"protocol": "plaintext"}},
        {"kafka": {"partitions": "12"}},
        {"settings": {"D2EV_EDGE_SPRED_SECONDS": 1}},
        {"settings": {"D2EV_SEAL_KEY": "in clear"}},
        {"settings": {"D2EV_PARTITIONS": 12}},
        {"image": {"digest": "latest"}},
        {"worker": {"storage": {"size": "much"}}},
        {"env": "prod"},
    ],
    ids=json.dumps,
)
def test_a_slip_is_refused(given: Mapping[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(given, schema())


def test_defaults_in_the_schema_are_those_of_the_values() -> None:
    found = yaml.safe_load((CHART / "values.yaml").read_text())

    def defaults(properties: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: one["default"] if "default" in one else defaults(one["properties"])
            for name, one in properties.items()
            if name != "global"
        }

    assert defaults(schema()["properties"]) == found
