"""The generated pages of docs/ are those of the declarations. When a change is intended: `d2ev docs`."""

import pytest

from deploy.docs import FOLDER, pages

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name], "run `d2ev docs` and look at the difference"
