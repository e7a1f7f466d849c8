"""The settings as rows for people and for the documentation; secrets never show their value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from agents.settings import PREFIX, Settings

MASK = "***"
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")


class SettingRow(NamedTuple):
    """One setting. `default` and `value` are as they would be written in the environment; secrets are masked."""

    name: str
    kind: str
    default: str
    value: str
    given: bool
    purpose: str


def setting_rows(environ: Mapping[str, str]) -> list[SettingRow]:
    """Every setting with its value in `environ`, whether or not that value is valid."""
    given = {name.upper(): value for name, value in environ.items()}
    return [_row(PREFIX + name.upper(), field, given) for name, field in Settings.model_fields.items()]


def _row(name: str, field: FieldInfo, given: Mapping[str, str]) -> SettingRow:
    default = _written(field.get_default(call_default_factory=True, validated_data={}))
    value = given.get(name, default)
    if _holds_secrets(field.annotation) and value not in {"", "[]", "{}"}:
        value = MASK
    return SettingRow(
        name, _kind(field), default, _CREDENTIALS.sub(MASK, value), name in given, field.description or ""
    )


def _written(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, dict | tuple) else str(value)


def _kind(field: FieldInfo) -> str:
    """The type and its bounds, in words."""
    choices = [argument for argument in get_args(field.annotation) if isinstance(argument, str)]
    if choices:
        return ", ".join(choices)
    if SecretStr in get_args(field.annotation):
        return "JSON list of secrets" if get_origin(field.annotation) is tuple else "secret"
    given = [one for one in get_args(field.annotation) if one is not type(None)]
    kind = given[0] if type(None) in get_args(field.annotation) else get_origin(field.annotation) or field.annotation
    word = _WORDS[kind]
    bounds = [
        f"{sign} {getattr(rule, sign_name)}"
        for rule in field.metadata
        for sign_name, sign in _SIGNS.items()
        if getattr(rule, sign_name, None) is not None
    ]
    return " ".join([word, *bounds])


def _holds_secrets(annotation: Any) -> bool:
    """Whether a secret is anywhere in a value of this type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(_holds_secrets(field.annotation) for field in annotation.model_fields.values())
    return annotation is SecretStr or any(_holds_secrets(one) for one in get_args(annotation))


_WORDS: Mapping[Any, str] = {
    str: "text", int: "whole number", float: "number", dict: "JSON object", tuple: "JSON list", Path: "path",
}  # fmt: skip
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
