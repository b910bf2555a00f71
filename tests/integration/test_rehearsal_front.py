"""The front of the rehearsal's storage, as the unmodified SDK and plain HTTP meet it; and when it, or Azurite, is killed."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import signal
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.core import MatchConditions
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContentSettings,
    StorageErrorCode,
    generate_blob_sas,
    generate_container_sas,
)
from home import free_ports

from flight.workflows.cloud.endpoint import REHEARSAL_ACCOUNT, REHEARSAL_KEY
from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.server import Server, is_taken, listener
from flight.workflows.rehearsal import azurite, status
from flight.workflows.rehearsal.front import __main__ as front

MIB = 1 << 20
KEY = {"account_name": REHEARSAL_ACCOUNT, "account_key": REHEARSAL_KEY}
LATER = datetime.now(UTC) + timedelta(hours=6)


@dataclass(frozen=True)
class Storage:
    """A storage of the rehearsal, behind its front."""

    server: Server
    url: str
    work: Path

    def blob(self, name: str, **how: Any) -> BlobClient:
        service = BlobServiceClient(self.url, credential=KEY, retry_total=0, **how)
        with contextlib.suppress(HttpResponseError):  # it is there
            service.create_container("images")
        return service.get_blob_client("images", name)

    def page_blob(self, name: str, *, size: int = 16 * MIB, content: bytes = b"", **how: Any) -> BlobClient:
        """A page blob of this size with this content at its start."""
        blob = self.blob(name)
        blob.create_page_blob(size, **how)
        for start in range(0, len(content), 4 * MIB):
            part = content[start : start + 4 * MIB]
            blob.upload_page(part, start, len(part))
        return blob

    def ask(
        self, method: str, name: str, query: str = "", *, body: Any = None, chunked: bool = False, **headers: str
    ) -> tuple[int, str, bytes]:
        """A plain request with leave for everything: status, error code, body. `a_b` is the header `a-b`."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.server.port)) as connection:
            target = f"{self.path(name)}?{query}{'&' if query else ''}{self.leave()}"
            connection.request(method, target, body, {"x-ms-version": "2021-12-02", **given}, encode_chunked=chunked)
            answer = connection.getresponse()
            return answer.status, answer.getheader("x-ms-error-code") or "", answer.read()

    def path(self, name: str) -> str:
        return f"/{REHEARSAL_ACCOUNT}/images/{name}"

    def leave(self) -> str:
        return generate_container_sas(
            REHEARSAL_ACCOUNT, "images", account_key=REHEARSAL_KEY, permission="racwdl", expiry=LATER
        )


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with running(tmp_path_factory.mktemp("front")) as made:
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Storage]:
    """A storage of its own, to be killed and started."""
    with running(tmp_path) as made:
        yield made


@contextlib.contextmanager
def running(work: Path, *, certificate: azurite.Certificate | None = None) -> Iterator[Storage]:
    (port,) = free_ports(1)
    server = azurite.server(work, port=port, certificate=certificate)
    server.start(wait_s=60)
    try:
        yield Storage(server, f"http{'s' if certificate else ''}://127.0.0.1:{port}/{REHEARSAL_ACCOUNT}", work)
    finally:
        server.stop()


def sas_url(blob: BlobClient, *, may: str = "r") -> str:
    sas = generate_blob_sas(
        REHEARSAL_ACCOUNT,
        "images",
        blob.blob_name,
        account_key=REHEARSAL_KEY,
        permission=BlobSasPermissions.from_string(may),
        expiry=LATER,
    )
    return f"{blob.url}?{sas}"


def refused(doing: Callable[[], Any]) -> tuple[int | None, str]:
    """Status and code with which the storage refuses."""
    with pytest.raises(HttpResponseError) as caught:
        doing()
    code = str(getattr(caught.value, "error_code", ""))  # an enumeration's member where the SDK knows it
    return caught.value.status_code, CODES.get(code, code)


def read(blob: BlobClient, start: int = 0, size: int | None = None) -> bytes:
    return bytes(blob.download_blob(offset=start, length=size).readall())


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def child_of(server: Server) -> int:
    """Azurite's pid."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == server.pid():
                return int(stat.parent.name)
    raise AssertionError("the front has no child")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        threads = len(os.listdir(f"/proc/{pid}/task"))  # until the last one ends, a killed process listens
    except OSError:
        return False
    return state != "Z" or threads > 1


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))


CODES = {str(code): str(code.value) for code in StorageErrorCode}
CONTENT = os.urandom(8 * MIB)


def test_a_range_is_written_from_another_blob(storage: Storage) -> None:
    base = storage.page_blob("from-base", content=CONTENT)
    blob = storage.page_blob("from-new")
    moved = CONTENT[512 : 512 + 4 * MIB]
    answer = blob.upload_pages_from_url(
        sas_url(base),
        offset=MIB,
        length=4 * MIB,
        source_offset=512,
        source_content_md5=bytearray(hashlib.md5(moved).digest()),
        source_etag=base.get_blob_properties().etag,
        source_match_condition=MatchConditions.IfNotModified,
    )
    assert answer["etag"] == blob.get_blob_properties().etag
    assert read(blob) == bytes(MIB) + moved + bytes(11 * MIB)
    assert next(iter(blob.list_page_ranges())).start == MIB


def test_the_accounts_key_reads_the_source_as_well(storage: Storage) -> None:
    base, blob = storage.page_blob("key-base", content=CONTENT), storage.page_blob("key-new")
    blob.upload_pages_from_url(base.url, offset=0, length=MIB, source_offset=MIB)
    assert read(blob, 0, MIB) == CONTENT[MIB : 2 * MIB]


def test_holes_of_the_source_are_written_as_zeros(storage: Storage) -> None:
    base, blob = storage.page_blob("hole-base"), storage.page_blob("hole-new", content=CONTENT)
    blob.upload_pages_from_url(sas_url(base), offset=0, length=MIB, source_offset=0)
    assert read(blob, 0, 2 * MIB) == bytes(MIB) + CONTENT[MIB : 2 * MIB]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        pytest.param({"source_content_md5": bytearray(16)}, (400, "Md5Mismatch"), id="another MD5"),
        pytest.param({"length": 4 * MIB + 512}, (413, "RequestBodyTooLarge"), id="over 4 MiB"),
        pytest.param({"offset": 16 * MIB}, (416, "InvalidPageRange"), id="past the end"),
        pytest.param({"source_offset": 16 * MIB - 512}, (416, "InvalidPageRange"), id="past the source's end"),
        pytest.param(
            {"source_etag": "0x1", "source_match_condition": MatchConditions.IfNotModified},
            (412, "SourceConditionNotMet"),
            id="another source",
        ),
        pytest.param(
            {"etag": "0x1", "match_condition": MatchConditions.IfNotModified},
            (412, "ConditionNotMet"),
            id="another blob",
        ),
        pytest.param(
            {"lease": "00000000-0000-0000-0000-000000000001"},
            (412, "LeaseNotPresentWithBlobOperation"),
            id="no lease",
        ),
    ],
)
def test_a_range_from_another_blob_is_refused(storage: Storage, how: dict[str, Any], said: tuple[int, str]) -> None:
    base, blob = storage.page_blob("no-base", content=CONTENT[:MIB]), storage.page_blob("no-new")
    asked = {"offset": 0, "length": MIB, "source_offset": 0, **how}
    assert refused(lambda: blob.upload_pages_from_url(sas_url(base), **asked)) == said
    assert list(blob.list_page_ranges()) == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        pytest.param(lambda base: sas_url(base, may="w"), (403, "CannotVerifyCopySource"), id="no leave to read"),
        pytest.param(
            lambda base: sas_url(base).replace("sig=", "sig=x"),
            (403, "CannotVerifyCopySource"),
            id="a broken signature",
        ),
        pytest.param(lambda base: f"{base.url}-gone", (404, "CannotVerifyCopySource"), id="no such blob"),
        pytest.param(lambda base: "http://192.0.2.1/a/b/c", (400, "CannotVerifyCopySource"), id="elsewhere"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused(
    storage: Storage, source: Callable[[BlobClient], str], said: tuple[int, str]
) -> None:
    base, blob = storage.page_blob("closed-base", content=CONTENT[:MIB]), storage.page_blob("closed-new")
    assert refused(lambda: blob.upload_pages_from_url(source(base), offset=0, length=MIB, source_offset=0)) == said


def test_a_signature_has_to_allow_writing_from_a_url_and_reading_the_source(storage: Storage) -> None:
    base, blob = storage.page_blob("sas-base", content=CONTENT[:MIB]), storage.page_blob("sas-new")
    reader = BlobClient.from_blob_url(sas_url(blob, may="r"), retry_total=0)
    assert refused(lambda: reader.upload_pages_from_url(sas_url(base), 0, MIB, source_offset=0))[0] == 403
    writer = BlobClient.from_blob_url(sas_url(blob, may="rw"), retry_total=0)
    assert refused(lambda: writer.upload_pages_from_url(base.url, 0, MIB, source_offset=0))[0] in (401, 403, 404)
    assert list(blob.list_page_ranges()) == []
    writer.upload_pages_from_url(sas_url(base), 0, MIB, source_offset=0)
    assert read(blob, 0, MIB) == CONTENT[:MIB]


def test_a_leased_blob_takes_ranges_of_its_holder_only(storage: Storage) -> None:
    base, blob = storage.page_blob("lease-base", content=CONTENT[:MIB]), storage.page_blob("lease-new")
    lease = blob.acquire_lease(60)
    assert refused(lambda: blob.upload_pages_from_url(sas_url(base), 0, MIB, source_offset=0)) == (
        412,
        "LeaseIdMissing",
    )
    blob.upload_pages_from_url(sas_url(base), 0, MIB, source_offset=0, lease=lease)
    assert read(blob, 0, MIB) == CONTENT[:MIB]


def test_a_copy_and_its_source_are_written_apart(storage: Storage) -> None:
    base = storage.page_blob("apart-base", content=CONTENT, metadata={"sealed": "yes"})
    copy = storage.blob("apart-copy")
    began = copy.start_copy_from_url(base.url, metadata={"upload": "one"})
    assert began["copy_status"] == "success"
    copy.upload_page(bytes(512), 0, 512)
    copy.clear_page(4 * MIB, 512)
    base.upload_page(b"x" * 512, MIB, 512)
    changed = bytearray(CONTENT)
    changed[MIB : MIB + 512] = b"x" * 512
    assert read(base, 0, 8 * MIB) == changed
    expected = bytes(512) + CONTENT[512 : 4 * MIB] + bytes(512) + CONTENT[4 * MIB + 512 :]
    assert read(copy, 0, 8 * MIB) == expected
    found = copy.get_blob_properties()
    assert (found.copy.id, found.copy.status, found.metadata) == (began["copy_id"], "success", {"upload": "one"})
    assert found.copy.source == base.url
    assert found.size == 16 * MIB


def test_a_copy_inherits_metadata_unless_it_is_given_some(storage: Storage) -> None:
    base = storage.page_blob("heir-base", metadata={"sealed": "yes"})
    copy = storage.blob("heir-copy")
    copy.start_copy_from_url(sas_url(base))
    assert copy.get_blob_properties().metadata == {"sealed": "yes"}


def test_a_copy_asks_for_the_etags_of_both(storage: Storage) -> None:
    base, copy = storage.page_blob("etag-base"), storage.blob("etag-copy")
    stale: dict[str, Any] = {"source_etag": "0x1", "source_match_condition": MatchConditions.IfNotModified}
    assert refused(lambda: copy.start_copy_from_url(base.url, **stale))[0] == 412
    assert not copy.exists()
    copy.start_copy_from_url(base.url)
    there: dict[str, Any] = {"match_condition": MatchConditions.IfMissing}
    assert refused(lambda: copy.start_copy_from_url(base.url, **there))[0] in (409, 412)


def test_a_blob_of_holes_is_copied_by_what_it_holds(storage: Storage) -> None:
    base = storage.page_blob("wide-base", size=1 << 40, content=CONTENT[:MIB])
    base.upload_page(b"y" * 512, (1 << 40) - 512, 512)
    copy = storage.blob("wide-copy")
    copy.start_copy_from_url(base.url)
    copy.upload_page(b"z" * 512, 1 << 39, 512)
    assert [(one.start, one.end + 1) for one in base.list_page_ranges()] == [(0, MIB), ((1 << 40) - 512, 1 << 40)]
    assert len(list(copy.list_page_ranges())) == 3
    assert read(copy, (1 << 40) - 512) == b"y" * 512


def test_nobody_copies_onto_a_blob_with_a_lease_that_ends(storage: Storage) -> None:
    base, blob = storage.page_blob("copied"), storage.page_blob("leased")
    lease = blob.acquire_lease(60)
    assert refused(lambda: blob.start_copy_from_url(base.url)) == (412, "LeaseIdMissing")
    with_id = refused(lambda: blob.start_copy_from_url(base.url, destination_lease=lease))
    assert with_id == (412, "InfiniteLeaseDurationRequired")
    lease.release()
    endless = blob.acquire_lease(-1)
    blob.start_copy_from_url(base.url, destination_lease=endless)
    assert blob.get_blob_properties().lease.duration == "infinite"


def page(first: int, last: int, **more: str) -> dict[str, str]:
    return {"x_ms_page_write": "update", "x_ms_range": f"bytes={first}-{last}", **more}


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        pytest.param(page(0, 4 * MIB + 511), bytes(4 * MIB + 512), (413, "RequestBodyTooLarge"), id="over 4 MiB"),
        pytest.param(page(MIB, MIB + 511), bytes(512), (416, "InvalidPageRange"), id="past the end"),
        pytest.param(page(MIB - 512, MIB + 511), bytes(1024), (416, "InvalidPageRange"), id="across the end"),
        pytest.param(page(100, 611), bytes(512), (416, "InvalidPageRange"), id="an unaligned start"),
        pytest.param(page(0, 99), bytes(100), (416, "InvalidPageRange"), id="an unaligned end"),
        pytest.param(page(0, 511), bytes(1024), (400, "InvalidHeaderValue"), id="another length"),
        pytest.param({"x_ms_page_write": "update"}, bytes(512), (400, "InvalidHeaderValue"), id="no range"),
        pytest.param(
            {"x_ms_page_write": "clear", "x_ms_range": f"bytes=0-{2 * MIB - 1}"},
            None,
            (416, "InvalidPageRange"),
            id="clearing past the end",
        ),
        pytest.param(
            page(0, 511, Content_MD5=base64.b64encode(bytes(16)).decode()),
            bytes(512),
            (400, "Md5Mismatch"),
            id="another MD5",
        ),
        pytest.param(page(0, 511, Content_MD5="no"), bytes(512), (400, "InvalidMd5"), id="no MD5"),
    ],
)
def test_a_put_page_that_the_service_refuses_is_refused(
    storage: Storage, headers: dict[str, str], body: bytes | None, said: tuple[int, str]
) -> None:
    blob = storage.page_blob("limits", size=MIB)
    status_code, code, told = storage.ask("PUT", "limits", "comp=page", body=body, **headers)
    assert (status_code, code) == said
    assert f"<Code>{code}</Code>".encode() in told
    assert list(blob.list_page_ranges()) == []


def test_a_page_blob_has_whole_pages(storage: Storage) -> None:
    storage.page_blob("whole", size=MIB)
    kind = {"x_ms_blob_type": "PageBlob", "x_ms_blob_content_length": "1000", "Content_Length": "0"}
    assert storage.ask("PUT", "odd", **kind)[:2] == (400, "InvalidHeaderValue")
    size = {"x_ms_blob_content_length": "1000", "Content_Length": "0"}
    assert storage.ask("PUT", "whole", "comp=properties", **size)[:2] == (400, "InvalidHeaderValue")


def test_the_sdk_raises_what_the_service_refuses(storage: Storage) -> None:
    blob = storage.page_blob("sdk", size=16 * MIB)
    assert refused(lambda: blob.upload_page(bytes(8 * MIB), 0, 8 * MIB)) == (413, "RequestBodyTooLarge")
    assert refused(lambda: blob.upload_page(bytes(512), 16 * MIB, 512)) == (416, "InvalidPageRange")
    blob.resize_blob(16 * MIB + 512)
    blob.upload_page(b"x" * 512, 16 * MIB, 512, validate_content=True)
    assert read(blob, 16 * MIB) == b"x" * 512


@pytest.mark.parametrize("size", [1000, 5 * MIB], ids=["small", "large"])
def test_content_of_another_md5_is_stored_nowhere(storage: Storage, size: int) -> None:
    wrong = base64.b64encode(bytes(16)).decode()
    block = {"x_ms_blob_type": "BlockBlob", "Content_MD5": wrong}
    assert storage.ask("PUT", "never", body=bytes(size), **block)[:2] == (400, "Md5Mismatch")
    block_id = urllib.parse.quote(base64.b64encode(b"1").decode())
    staged = storage.ask("PUT", "never", f"comp=block&blockid={block_id}", body=bytes(size), Content_MD5=wrong)
    assert staged[:2] == (400, "Md5Mismatch")
    assert not storage.blob("never").exists()


def test_block_blobs_of_any_size_pass(storage: Storage) -> None:
    blob = storage.blob("block.map")
    blob.upload_blob(
        CONTENT, overwrite=True, validate_content=True, content_settings=ContentSettings(content_type="text/x-map")
    )
    blob.set_blob_metadata({"etag": "0x1"})
    assert read(blob) == CONTENT
    assert [one.name for one in storage.blob("x")._get_container_client().list_blobs("block")] == ["block.map"]


def test_a_body_in_chunks_arrives(storage: Storage) -> None:
    blob = storage.blob("chunks")
    blob.stage_block("one", CONTENT[:MIB])
    listed = f"<BlockList><Latest>{base64.b64encode(b'one').decode()}</Latest></BlockList>".encode()
    parts = iter([listed[:7], listed[7:30], listed[30:]])
    sent = storage.ask("PUT", "chunks", "comp=blocklist", body=parts, chunked=True, Transfer_Encoding="chunked")
    assert sent[0] == 201
    assert read(blob) == CONTENT[:MIB]


def test_a_client_that_waits_for_leave_to_send_gets_it(storage: Storage) -> None:
    storage.page_blob("expect", size=MIB)
    head = (
        f"PUT {storage.path('expect')}?comp=page&{storage.leave()} HTTP/1.1\r\nHost: 127.0.0.1:{storage.server.port}\r\n"
        "x-ms-version: 2021-12-02\r\nx-ms-page-write: update\r\nx-ms-range: bytes=0-511\r\n"
        "Content-Length: 512\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", storage.server.port)) as line:
        for _ in range(2):  # the connection is kept
            line.sendall(head.encode())
            assert line.recv(4096).startswith(b"HTTP/1.1 100 ")
            line.sendall(b"e" * 512)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += line.recv(4096)
            assert answer.startswith(b"HTTP/1.1 201 ")
    assert read(storage.blob("expect"), 0, 512) == b"e" * 512


def test_an_old_client_is_answered_and_hung_up_on(storage: Storage) -> None:
    storage.blob("old").upload_blob(b"old", overwrite=True)
    with socket.create_connection(("127.0.0.1", storage.server.port)) as line:
        head = f"GET {storage.path('old')}?{storage.leave()} HTTP/1.0\r\nHost: 127.0.0.1\r\nx-ms-version: 2021-12-02\r\n\r\n"
        line.sendall(head.encode())
        answer = b""
        while piece := line.recv(4096):
            answer += piece
    assert answer.endswith(b"\r\n\r\nold")


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: -1",
        b"Content-Length: 1e3",
        b"Transfer-Encoding: gzip",
        b"Transfer-Encoding: chunked\r\n\r\nzz",
    ],
)
def test_what_is_no_request_is_refused(storage: Storage, line: bytes) -> None:
    with socket.create_connection(("127.0.0.1", storage.server.port)) as sent:
        sent.sendall(b"PUT /devstoreaccount1/images/x HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n\r\n")
        assert sent.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_an_answer_without_a_body_keeps_its_length(storage: Storage) -> None:
    storage.page_blob("head", size=MIB)
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", storage.server.port)) as connection:
        for _ in range(3):
            connection.request(
                "HEAD", f"{storage.path('head')}?{storage.leave()}", headers={"x-ms-version": "2021-12-02"}
            )
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("Content-Length"), answer.read()) == (200, str(MIB), b"")


def test_it_is_known_as_azurite(storage: Storage) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", storage.server.port)) as connection:
        connection.request("GET", "/devstoreaccount1?comp=list")
        answer = connection.getresponse()
        assert (answer.getheader("Server") or "").startswith("Azurite-Blob/")
        answer.read()
    assert azurite.answers(storage.server.port)
    assert storage.server.answers()


def test_sixty_four_connections_at_once_lose_nothing(storage: Storage) -> None:
    blob = storage.page_blob("many", size=64 * MIB)
    gate = threading.Barrier(64)

    def put(number: int) -> None:
        gate.wait(60)
        part = bytes([number + 1]) * 65536
        said = storage.ask(
            "PUT",
            "many",
            "comp=page",
            body=part,
            **page(
                number * MIB, number * MIB + 65535, Content_MD5=base64.b64encode(hashlib.md5(part).digest()).decode()
            ),
        )
        assert said[0] == 201

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(put, range(64)))
    assert [(one.start, one.end + 1) for one in blob.list_page_ranges()] == [
        (number * MIB, number * MIB + 65536) for number in range(64)
    ]
    assert all(read(blob, number * MIB, 65536) == bytes([number + 1]) * 65536 for number in range(64))


def test_a_large_blob_is_never_in_memory(own: Storage) -> None:
    def most_mib() -> int:
        text = Path(f"/proc/{own.server.pid()}/status").read_text()
        return int(text.partition("VmHWM:")[2].split()[0]) // 1024

    own.blob("small").upload_blob(b"x")
    before = most_mib()
    content = bytes(range(256)) * 4096 * 96
    own.blob("large", max_single_put_size=len(content)).upload_blob(content)
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", own.server.port)) as connection:
        target = f"{own.path('large')}?{own.leave()}"
        connection.request("GET", target, headers={"x-ms-version": "2021-12-02", "x-ms-range": "bytes=256-"})
        digest = hashlib.sha256(content[:256])
        answer = connection.getresponse()
        while piece := answer.read(MIB):
            digest.update(piece)
    assert digest.digest() == hashlib.sha256(content).digest()
    assert most_mib() - before < 40


def test_bodies_that_break_off_change_nothing(storage: Storage) -> None:
    blob = storage.page_blob("broken", content=CONTENT)
    head = (
        f"PUT {storage.path('broken')}?comp=page&{storage.leave()} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-ms-version: 2021-12-02\r\n"
        f"x-ms-page-write: update\r\nx-ms-range: bytes=0-{4 * MIB - 1}\r\nContent-Length: {4 * MIB}\r\n\r\n"
    )
    for number in range(40):
        with socket.create_connection(("127.0.0.1", storage.server.port)) as line:
            line.sendall(head.encode() + b"b" * (number * 100_000))
    other = storage.page_blob("whole-beside", content=CONTENT)
    assert read(blob, 0, 8 * MIB) == read(other, 0, 8 * MIB) == CONTENT


def test_a_kill_of_the_front_takes_azurite_along_and_the_blobs_stay(own: Storage) -> None:
    base = own.page_blob("kept", content=CONTENT)
    copy = own.blob("copied")
    began = copy.start_copy_from_url(base.url)
    index = own.work / "azurite" / "__azurite_db_blob__.json"
    wait_until(lambda: index.exists() and '"copied"' in index.read_text())  # written every five seconds
    pid, behind = own.server.pid(), child_of(own.server)
    assert pid
    kill(pid)
    wait_until(lambda: not is_alive(behind))
    assert [one.state for one in status([own.server])] == ["died"]
    assert own.server.start(wait_s=60)
    copy.upload_page(bytes(512), 0, 512)
    assert read(base, 0, 8 * MIB) == CONTENT
    assert copy.get_blob_properties().copy.id == began["copy_id"]


def test_where_azurite_dies_the_front_ends_and_says_so(own: Storage) -> None:
    pid = own.server.pid()
    assert pid
    kill(child_of(own.server))
    wait_until(lambda: not is_alive(pid))
    assert [one.state for one in status([own.server])] == ["died"]
    assert "was killed by SIGKILL" in own.server.log.read_text()
    assert not is_taken(own.server.port)
    assert own.server.start(wait_s=60)


def test_stopping_ends_both_and_what_was_just_written_is_kept(own: Storage) -> None:
    own.page_blob("just-now", content=CONTENT)
    pid, behind = own.server.pid(), child_of(own.server)
    assert pid == listener(own.server.port)
    assert own.server.stop()
    assert not is_alive(pid or 0)
    assert not is_alive(behind)
    assert "Traceback" not in own.server.log.read_text()
    assert own.server.start(wait_s=60)
    assert read(own.blob("just-now"), 0, 8 * MIB) == CONTENT


def test_an_azurite_without_its_front_is_replaced(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    behind = azurite.server(tmp_path, port=port)
    argv = azurite.command(tmp_path / "azurite", port=port, node=azurite.bundled_node())
    bare = Server("azurite", tmp_path, argv, port, lambda: azurite.answers(port), keeps="--location")
    bare.start(wait_s=60)
    try:
        first = bare.pid()
        assert azurite.answers(port)
        assert not behind.answers()
        assert behind.start(wait_s=60)
        assert behind.pid() != first
    finally:
        behind.stop()
    assert not is_taken(port)


def test_a_storage_that_ends_by_itself_is_told(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    asked = front.parser().parse_args(
        ["--port", str(port), "--role", "x", "--folder", str(tmp_path / "new"), "--", "true"]
    )
    with pytest.raises(ProgramError, match="it ended by itself"):
        front.serve(asked)


class Token:
    """A token that Azurite takes: it looks at issuer, audience and times, not at the signature."""

    def get_token(self, *scopes: str, **how: Any) -> AccessToken:
        import jwt

        now = int(time.time())
        times = {"iat": now, "nbf": now - 5, "exp": now + 600}
        claims = {"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/x/", **times}
        return AccessToken(jwt.encode(claims, "k" * 32, algorithm="HS256"), now + 600)


def test_tokens_go_over_tls_to_the_blob_and_to_its_source(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    chain, key, trust = (tmp_path / name for name in ("chain.pem", "key.pem", "ca.pem"))
    chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems) + authority.cert_pem.bytes())
    key.write_bytes(issued.private_key_pem.bytes())
    authority.cert_pem.write_to_path(str(trust))
    with running(tmp_path / "rehearsal", certificate=azurite.Certificate(chain, key)) as secure:
        service = BlobServiceClient(secure.url, credential=Token(), connection_verify=str(trust), retry_total=0)
        service.create_container("images")
        base, blob = (service.get_blob_client("images", name) for name in ("base", "blob"))
        base.create_page_blob(8 * MIB)
        base.upload_page(CONTENT[: 4 * MIB], 0, 4 * MIB, validate_content=True)
        blob.start_copy_from_url(sas_url(base), metadata={"upload": "one"})
        bearer = f"Bearer {Token().get_token().token}"
        blob.upload_pages_from_url(base.url, 4 * MIB, MIB, source_offset=MIB, source_authorization=bearer)
        assert read(blob) == CONTENT[: 4 * MIB] + CONTENT[MIB : 2 * MIB] + bytes(3 * MIB)
        nobody = refused(lambda: blob.upload_pages_from_url(base.url, 4 * MIB, MIB, source_offset=0))
        assert nobody[1] == "CannotVerifyCopySource"
        assert "Traceback" not in secure.server.log.read_text()
