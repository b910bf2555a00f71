"""The front's rules, without a socket: what it takes for which operation, refuses, and asks of Azurite."""

from __future__ import annotations

import base64
import hashlib
import io
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.cloud.endpoint import REHEARSAL_KEY
from flight.workflows.rehearsal import azurite
from flight.workflows.rehearsal.front import __main__ as front
from flight.workflows.rehearsal.front import body, refusal, rules
from flight.workflows.rehearsal.front.asked import Asked, read_range
from flight.workflows.rehearsal.front.body import BadFraming, Body, CutOff, Full, read_chunked, read_sized
from flight.workflows.rehearsal.front.pages import plan_put, plan_read
from flight.workflows.rehearsal.front.refusal import Refusal
from flight.workflows.rehearsal.front.rules import Target, check, check_md5
from flight.workflows.rehearsal.front.storage import own_target

MIB = 1 << 20
PATH = "/devstoreaccount1/images/disk.vhd"
TARGET = Target(True, MIB)
SOURCE = "http://127.0.0.1:10000/devstoreaccount1/images/base.vhd"


def put(query: str = "comp=page", **headers: str) -> Asked:
    """A PUT; `a_b` is the header `a-b`."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Asked("PUT", f"{PATH}?{query}", {"host": "127.0.0.1:10000", **given})


def put_page(pages: str, **headers: str) -> Asked:
    return put(x_ms_page_write="update", x_ms_range=pages, **headers)


def put_from(pages: str = "bytes=0-511", source: str = "bytes=512-1023", **headers: str) -> Asked:
    return put_page(pages, **{"x_ms_copy_source": SOURCE, "x_ms_source_range": source, **headers})


def code_of(asked: Asked, *, body_bytes: int = 512, target: Target | None = TARGET) -> str:
    """The code with which it is refused; empty where it is not."""
    try:
        check(asked, body_bytes=body_bytes, look=lambda: target)
    except Refusal as refused:
        return refused.code
    return ""


@pytest.mark.parametrize(
    ("asked", "is_what"),
    [
        pytest.param(put_page("bytes=0-511"), {"is_page_write"}, id="Put Page"),
        pytest.param(put(x_ms_page_write="Clear"), {"is_page_write", "is_clear"}, id="clear"),
        pytest.param(put_from(), {"is_page_write", "is_put_from"}, id="Put Page From URL"),
        pytest.param(put("sv=1", x_ms_copy_source=SOURCE), {"is_copy"}, id="Copy Blob"),
        pytest.param(put("", x_ms_copy_source=SOURCE, x_ms_blob_type="BlockBlob"), set(), id="Put Blob From URL"),
        pytest.param(put("comp=block", x_ms_copy_source=SOURCE), set(), id="Put Block From URL"),
        pytest.param(put("comp=pages"), set(), id="no such operation"),
        pytest.param(Asked("GET", f"{PATH}?comp=page", {"x-ms-copy-source": SOURCE}), set(), id="a GET"),
    ],
)
def test_an_operation_is_known_by_its_query_and_headers(asked: Asked, is_what: set[str]) -> None:
    found = {name for name in ("is_page_write", "is_clear", "is_put_from", "is_copy") if getattr(asked, name)}
    assert found == is_what


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes=0-511", (0, 512)),
        (" bytes=512-512", (512, 513)),
        ("bytes=0-", None),
        ("bytes=-5", None),
        ("0-511", None),
        ("bytes=0-511,600-700", None),
        (None, None),
    ],
)
def test_a_range_is_two_numbers(text: str | None, found: tuple[int, int] | None) -> None:
    assert read_range(text) == found


def test_the_services_own_header_for_a_range_goes_first() -> None:
    assert put(range="bytes=0-511").pages == (0, 512)
    assert put(range="bytes=0-511", x_ms_range="bytes=512-1023").pages == (512, 1024)


@pytest.mark.parametrize(
    ("asked", "body_bytes", "code"),
    [
        pytest.param(put_page("bytes=0-511"), 512, "", id="a page"),
        pytest.param(put_page(f"bytes=0-{MIB - 1}"), MIB, "", id="to the end"),
        pytest.param(put_page(f"bytes={MIB - 512}-{MIB + 511}"), 1024, "InvalidPageRange", id="across the end"),
        pytest.param(put_page("bytes=1-512"), 512, "InvalidPageRange", id="an unaligned start"),
        pytest.param(put_page("bytes=0-510"), 511, "InvalidPageRange", id="an unaligned end"),
        pytest.param(put_page("bytes=512-511"), 0, "InvalidPageRange", id="nothing"),
        pytest.param(put_page("bytes=0-1023"), 512, "InvalidHeaderValue", id="less than its range"),
        pytest.param(put_page("pages=0-1"), 512, "InvalidHeaderValue", id="no range"),
        pytest.param(put_page(f"bytes=0-{8 * MIB - 1}"), 8 * MIB, "RequestBodyTooLarge", id="over 4 MiB"),
        pytest.param(put(x_ms_page_write="clear", x_ms_range=f"bytes=0-{MIB - 1}"), 0, "", id="clear all"),
        pytest.param(
            put(x_ms_page_write="clear", x_ms_range=f"bytes=0-{8 * MIB - 1}"), 0, "InvalidPageRange", id="clear more"
        ),
        pytest.param(put_from(), 0, "", id="from a URL"),
        pytest.param(put_from(source="bytes=512-2047"), 0, "InvalidHeaderValue", id="two lengths"),
        pytest.param(put_from(source=""), 0, "InvalidHeaderValue", id="no source range"),
        pytest.param(put_from(source="bytes=100-611"), 0, "InvalidPageRange", id="an unaligned source"),
        pytest.param(
            put_from(f"bytes=0-{8 * MIB - 1}", f"bytes=0-{8 * MIB - 1}"),
            0,
            "RequestBodyTooLarge",
            id="8 MiB from a URL",
        ),
        pytest.param(put("", x_ms_blob_content_length="512"), 0, "", id="a whole blob"),
        pytest.param(put("", x_ms_blob_content_length="1000"), 0, "InvalidHeaderValue", id="a blob of half pages"),
        pytest.param(
            put("comp=properties", x_ms_blob_content_length="-1"), 0, "InvalidHeaderValue", id="a negative size"
        ),
        pytest.param(put("comp=metadata"), 0, "", id="metadata"),
    ],
)
def test_what_breaks_the_services_rules_is_refused(asked: Asked, body_bytes: int, code: str) -> None:
    assert code_of(asked, body_bytes=body_bytes) == code


@pytest.mark.parametrize("target", [None, Target(False, 100)], ids=["no blob", "a block blob"])
def test_what_is_no_page_blob_is_left_to_azurite(target: Target | None) -> None:
    assert code_of(put_page("bytes=0-511"), target=target) == ""


@pytest.mark.parametrize(
    ("target", "headers", "code"),
    [
        (None, {}, ""),
        (Target(True, MIB), {}, ""),
        (Target(True, MIB, "infinite"), {}, ""),
        (Target(True, MIB, "fixed"), {}, "LeaseIdMissing"),
        (Target(True, MIB, "fixed"), {"x_ms_lease_id": "1"}, "InfiniteLeaseDurationRequired"),
    ],
)
def test_a_lease_that_ends_bars_copies(target: Target | None, headers: dict[str, str], code: str) -> None:
    assert code_of(put("", x_ms_copy_source=SOURCE, **headers), target=target) == code


def test_the_blob_is_looked_at_only_where_a_rule_asks() -> None:
    def look() -> Target | None:
        raise AssertionError("looked")

    check(Asked("GET", PATH, {}), body_bytes=0, look=look)
    check(put("comp=metadata"), body_bytes=0, look=look)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (None, ""),
        (base64.b64encode(hashlib.md5(b"abc").digest()).decode(), ""),
        (base64.b64encode(bytes(16)).decode(), "Md5Mismatch"),
        (base64.b64encode(bytes(15)).decode(), "InvalidMd5"),
        ("äöü", "InvalidMd5"),
        ("", "InvalidMd5"),
    ],
)
def test_an_md5_is_that_of_the_content_or_refused(told: str | None, code: str) -> None:
    found = ""
    try:
        check_md5(told, Body(3, b"abc").md5)
    except Refusal as refused:
        found = refused.code
    assert found == code


@pytest.mark.parametrize(
    "made",
    [
        refusal.too_large(5),
        refusal.bad_header("x-ms-range"),
        refusal.unreadable_source(404, "there is <none> & never was"),
    ],
    ids=lambda made: made.code,
)
def test_a_refusal_is_xml_as_the_service_writes_it(made: Refusal) -> None:
    told = ET.fromstring(made.render(request_id="7", at="now"))
    assert [part.tag for part in told] == ["Code", "Message"]
    assert told[0].text == made.code
    assert told[1].text == f"{made.message}\nRequestId:7\nTime:now"


def headers_of(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found = {name.lower(): value for name, value in pairs}
    assert len(found) == len(pairs)
    return found


def test_conditions_and_lease_go_with_the_page_and_those_of_the_source_with_its_reading() -> None:
    asked = put_from(
        if_match='"0x1"',
        x_ms_if_sequence_number_eq="7",
        x_ms_lease_id="mine",
        x_ms_source_if_match='"0x2"',
        authorization="SharedKey a:b",
    )
    written = headers_of(plan_put(asked, Body(512, bytes(512))))
    assert written == {
        "host": "127.0.0.1:10000",
        "if-match": '"0x1"',
        "x-ms-if-sequence-number-eq": "7",
        "x-ms-lease-id": "mine",
        "x-ms-page-write": "update",
        "x-ms-range": "bytes=0-511",
        "content-length": "512",
    }
    found = headers_of(plan_read(asked, port=10000)[1])
    assert found.pop("x-ms-version")
    assert found == {"host": "127.0.0.1:10000", "if-match": '"0x2"', "x-ms-range": "bytes=512-1023"}


SIGNED = "SharedKey devstoreaccount1:abc"


@pytest.mark.parametrize(
    ("headers", "target", "authorization"),
    [
        pytest.param({"authorization": SIGNED}, own_target("/devstoreaccount1/images/base.vhd"), None, id="the key"),
        pytest.param(
            {"authorization": SIGNED, "x_ms_copy_source": f"{SOURCE}?sv=1&sig=abc"},
            "/devstoreaccount1/images/base.vhd?sv=1&sig=abc",
            None,
            id="a signature in the URL",
        ),
        pytest.param(
            {"authorization": SIGNED, "x_ms_copy_source_authorization": "Bearer t"},
            "/devstoreaccount1/images/base.vhd",
            "Bearer t",
            id="a token",
        ),
        pytest.param(
            {"authorization": "Bearer t"}, "/devstoreaccount1/images/base.vhd", None, id="nothing for the source"
        ),
        pytest.param(
            {"authorization": SIGNED, "x_ms_copy_source": f"{SOURCE}?snapshot=1"},
            own_target("/devstoreaccount1/images/base.vhd", "snapshot=1"),
            None,
            id="a snapshot",
        ),
    ],
)
def test_a_source_is_read_with_the_leave_that_the_request_brings(
    headers: dict[str, str], target: str, authorization: str | None
) -> None:
    found, given = plan_read(put_from(**headers), port=10000)
    assert found == target
    assert headers_of(given).get("authorization") == authorization


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        (SOURCE, True),
        (SOURCE.replace("127.0.0.1", "localhost"), True),
        (SOURCE.replace("10000", "10001"), False),
        (SOURCE.replace("127.0.0.1", "10.0.0.1"), False),
        (SOURCE.replace("10000", "port"), False),
        ("base.vhd", False),
    ],
)
def test_a_source_lies_in_the_rehearsal(url: str, is_ours: bool) -> None:
    asked = put_from(x_ms_copy_source=url)
    if is_ours:
        assert plan_read(asked, port=10000)
    else:
        with pytest.raises(Refusal, match="own storage only"):
            plan_read(asked, port=10000)


def chunked(parts: list[bytes], *, end: bytes = b"0\r\n\r\n") -> io.BytesIO:
    return io.BytesIO(b"".join(b"%X;name=value\r\n%b\r\n" % (len(part), part) for part in parts) + end)


def whole(found: Body) -> bytes:
    return b"".join(found.pieces())


@given(st.lists(st.binary(min_size=1, max_size=600), max_size=8))
def test_chunks_are_put_together_and_the_next_request_is_left(parts: list[bytes]) -> None:
    source = chunked(parts, end=b"0\r\nTrailer: x\r\n\r\nGET /")
    found = read_chunked(source, folder=Path("/nowhere"))
    assert (whole(found), found.size_bytes) == (b"".join(parts), sum(map(len, parts)))
    assert whole(found) == b"".join(parts)
    assert source.read() == b"GET /"
    found.close()


@given(st.lists(st.binary(min_size=1, max_size=600), max_size=4), st.data())
def test_a_body_that_breaks_off_is_none(parts: list[bytes], data: Any) -> None:
    raw = chunked(parts).getvalue()
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises((CutOff, BadFraming)):
        read_chunked(io.BytesIO(raw[:cut]), folder=Path("/nowhere"))
    with pytest.raises(CutOff):
        read_sized(io.BytesIO(raw[:cut]), len(raw), folder=Path("/nowhere"))


@pytest.mark.parametrize("raw", [b"zz\r\n", b"-1\r\n", b"\r\n", b"2\r\nabc\r\n0\r\n\r\n", b"1" * 5000])
def test_what_is_no_chunk_is_refused(raw: bytes) -> None:
    with pytest.raises(BadFraming):
        read_chunked(io.BytesIO(raw), folder=Path("/nowhere"))


@pytest.mark.parametrize("size", [0, 1, body.IN_MEMORY_BYTES, body.IN_MEMORY_BYTES + 1])
def test_a_body_is_what_came_wherever_it_is_kept(size: int, tmp_path: Path) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    found = read_sized(io.BytesIO(content), size, folder=tmp_path)
    assert whole(found) == content[:size]
    assert found.md5() == hashlib.md5(content[:size]).digest()
    assert (found.file is not None) == (size > body.IN_MEMORY_BYTES)
    found.close()


def test_a_large_body_without_room_for_it_is_told(tmp_path: Path) -> None:
    size = body.IN_MEMORY_BYTES + 1
    with pytest.raises(Full, match="No such file"):
        read_sized(io.BytesIO(bytes(size)), size, folder=tmp_path / "gone")


def test_the_fronts_own_leave_is_signed_and_the_key_stays_here() -> None:
    target = own_target(PATH, "comp=page")
    assert target.startswith(f"{PATH}?comp=page&sp=rw&")
    assert REHEARSAL_KEY not in target


def test_a_front_is_told_where_it_listens_and_what_runs_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path / "venv"))
    azurite.program().parent.mkdir(parents=True)
    azurite.program().touch()
    secure = azurite.Certificate(Path("/c"), Path("/k"))
    server = azurite.server(tmp_path, port=7, node="/usr/bin/node", certificate=secure)
    words = [str(word) for word in server.argv]
    assert words[1:3] == ["-m", "flight.workflows.rehearsal.front"]
    asked = front.parser().parse_args(words[3:])
    assert (asked.port, asked.folder, asked.cert, asked.key) == (7, tmp_path / "azurite", Path("/c"), Path("/k"))
    assert asked.azurite[0] == "/usr/bin/node"
    assert asked.azurite[asked.azurite.index("--blobPort") + 1] == "0"
    assert azurite.AMEND.is_file()
    other = azurite.server(tmp_path, port=7, node="/usr/bin/node")
    assert [str(word) for word in other.argv] != words


@pytest.mark.parametrize(
    ("line", "port"),
    [
        ("Azurite Blob service successfully listens on http://127.0.0.1:45487", "45487"),
        ("Azurite Blob service successfully listens on https://127.0.0.1:1", "1"),
        ("Azurite Blob service is starting on 127.0.0.1:0", None),
    ],
)
def test_azurite_says_itself_where_it_listens(line: str, port: str | None) -> None:
    found = front.LISTENS.search(line)
    assert (found and found[1]) == port


def test_the_limits_are_the_services() -> None:
    assert (rules.PAGE, rules.MOST_PUT_BYTES) == (512, 4 * MIB)
    assert body.IN_MEMORY_BYTES >= rules.MOST_PUT_BYTES
