"""The sources that D2EV can ask for prices and carbon, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agents.feeds.source import Source
from agents.feeds.sources import (
    awattar,
    easyenergy,
    electricitymaps,
    energidataservice,
    energyzero,
    entsoe,
    neso,
    nordpool,
    octopus,
    recorded,
    tibber,
    watttime,
)

SOURCES: Final[Mapping[str, Source]] = MappingProxyType(
    {
        source.name: source
        for source in (
            octopus.SOURCE,
            entsoe.SOURCE,
            energidataservice.PRICES,
            awattar.GERMANY,
            awattar.AUSTRIA,
            nordpool.SOURCE,
            tibber.SOURCE,
            energyzero.SOURCE,
            easyenergy.SOURCE,
            neso.NATIONAL,
            neso.REGIONAL,
            watttime.SOURCE,
            electricitymaps.SOURCE,
            energidataservice.CARBON,
            recorded.PRICES,
            recorded.CARBON,
        )
    }
)
