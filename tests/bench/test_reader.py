"""What the load generator makes of the bytes it reads."""

import pytest

from bench import stamp
from bench.reader import Reader

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b'{"finish_reason":"stop"}\n\ndata: [DONE]\n\n\r\n0\r\n\r\n'


def answer(*tokens: bytes, head: bytes = HEAD, end: bytes = END) -> bytes:
    return head + b"".join(b'data: {"content":"%s "}\n\n' % token for token in tokens) + end


def read(data: bytes, step: int) -> Reader:
    reader = Reader()
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    return reader


@pytest.mark.parametrize("step", [1, 7, 19, 20, 10_000])
def test_every_token_counts_once_however_the_bytes_are_cut(step: int) -> None:
    first, second, third = (stamp.write() for _ in range(3))

    reader = read(answer(first, second + b" " + third), step)

    assert (reader.tokens, reader.over, reader.complaint(3)) == (3, True, None)


def test_tokens_come_with_the_times_of_their_writing() -> None:
    tokens = [stamp.write() for _ in range(3)]

    assert list(Reader().feed(answer(*tokens))) == [int(token[3:]) for token in tokens]


def test_what_is_wrong_is_said() -> None:
    first, second = stamp.write(), stamp.write()

    assert read(answer(first), 50).complaint(2) == "not every chunk once"
    assert read(answer(second, first), 50).complaint(2) == "chunks out of order"
    assert read(answer(first, first), 50).complaint(2) == "chunks out of order"
    assert read(answer(first, end=b"data: [DONE]\n\n0\r\n\r\n"), 50).complaint(1) == "no finish"
    assert read(answer(first, end=END.replace(b"[DONE]", b"")), 50).complaint(1) == "no [DONE]"
    assert read(answer(first, end=b""), 50).complaint(1) == "no end of the body"
    assert read(answer(head=b"HTTP/1.1 409 Conflict\r\n\r\n"), 50).complaint(0) == "status not 200"
