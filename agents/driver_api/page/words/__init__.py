"""What the pages say beside the sentences about a car, one table per language: same names, same placeholders."""

from collections.abc import Mapping
from typing import Final

from agents.driver_api.page.words import de, en
from streams.contracts.base import Language

WORDS: Final[Mapping[Language, Mapping[str, str]]] = {"en": en.TEXT, "de": de.TEXT}
