"""What drivers read, one table of texts per language: same names, same placeholders, in every one."""

from collections.abc import Mapping
from typing import Final

from streams.contracts.base import Language
from streams.domain.words import de, en

WORDS: Final[Mapping[Language, Mapping[str, str]]] = {"en": en.TEXT, "de": de.TEXT}
