"""A region's power cap kept by prices: adders per slot at which cars, each deciding alone, stay under it together."""

from streams.domain.caps.dither import DITHER, GROUPS, dither, dithered, group_of
from streams.domain.caps.needs import Grid, Needs
from streams.domain.caps.relief import Relief, relieve

__all__ = ["DITHER", "GROUPS", "Grid", "Needs", "Relief", "dither", "dithered", "group_of", "relieve"]
