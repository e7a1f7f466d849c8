"""The frontier of a partition never passes an unfinished chunk, in whatever order chunks finish."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from agents.engine.chunk import Chunk, Progress


def chunk(*offsets: int) -> Chunk:
    return Chunk("topic", 0, [SimpleNamespace(offset=offset) for offset in offsets], epoch=1)


def finish(progress: Progress, done: Chunk) -> None:
    done.done = True
    progress.advance()


def test_a_chunk_covers_its_records_and_the_gaps_between_them() -> None:
    gappy = chunk(3, 7, 9)
    assert (gappy.first, gappy.next) == (3, 10)


def test_the_frontier_waits_for_the_oldest_chunk() -> None:
    progress = Progress(0)
    first, second = chunk(0, 1), chunk(5, 6)
    progress.add(first)
    progress.add(second)
    finish(progress, second)
    assert progress.frontier == 0
    finish(progress, first)
    assert progress.frontier == 7
    assert progress.pending == []


@given(st.data())
def test_the_frontier_is_where_the_first_unfinished_chunk_begins_and_never_moves_back(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=12))
    gaps = data.draw(st.lists(st.integers(0, 3), min_size=len(sizes), max_size=len(sizes)))
    progress, chunks, offset = Progress(0), [], 0
    for size, gap in zip(sizes, gaps, strict=True):
        chunks.append(chunk(*range(offset + gap, offset + gap + size)))
        progress.add(chunks[-1])
        offset += gap + size
    for index in data.draw(st.permutations(range(len(chunks)))):
        before = progress.frontier
        finish(progress, chunks[index])
        open_chunks = [c for c in chunks if not c.done]
        assert before <= progress.frontier <= (open_chunks[0].first if open_chunks else offset)
        finished = [c.next for c in chunks[: chunks.index(open_chunks[0])]] if open_chunks else [offset]
        assert progress.frontier == max([0, *finished])
