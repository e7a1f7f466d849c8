"""Finds every connector: the folders beside this file, then plug-ins. A broken one stops the start."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points

import oem_connectors
from oem_connectors.base import Connector

ENTRY_POINTS = "d2ev.connectors"


class RegistryError(RuntimeError):
    """A connector that cannot be used. The message says which and how to mend it."""


def load() -> dict[str, Connector]:
    """Every connector by name, sorted. Raises `RegistryError` for a broken one or a name taken twice."""
    found: dict[str, tuple[Connector, str]] = {}
    for where, connector in (*_folders(), *_plugins()):
        if connector.name in found:
            rivals = f"{found[connector.name][1]} and {where}"
            raise RegistryError(f"two connectors are named {connector.name!r}: {rivals}; rename or remove one")
        found[connector.name] = connector, where
    return {name: found[name][0] for name in sorted(found)}


def _folders() -> Iterator[tuple[str, Connector]]:
    for module in pkgutil.iter_modules(oem_connectors.__path__):
        if module.ispkg:
            where = f"oem_connectors.{module.name}"
            try:
                found = getattr(import_module(where), "CONNECTOR", None)
            except Exception as error:
                raise _broken(where, repr(error)) from error
            yield where, _checked(where, found)


def _plugins() -> Iterator[tuple[str, Connector]]:
    for point in entry_points(group=ENTRY_POINTS):
        where = f"plug-in {point.value}"
        try:
            found = point.load()
        except Exception as error:
            raise _broken(where, repr(error)) from error
        yield where, _checked(where, found)


def _checked(where: str, found: object) -> Connector:
    if not isinstance(found, Connector):
        raise _broken(where, "it exposes no Connector named CONNECTOR")
    return found


def _broken(where: str, why: str) -> RegistryError:
    return RegistryError(f"connector {where} cannot be used: {why}; mend or remove it")
