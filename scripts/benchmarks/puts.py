"""The least that an upload can be: the data of a file by bare PUTs, hashed as flight hashes it; no retry, proof or seal.

usage: puts.py FILE.vhd BLOB_URL_WITH_SAS        prints the digest (docs/digest.md)

Eight threads, each with a connection of its own, and nothing imported but what Python brings.
"""

from __future__ import annotations

import collections
import hashlib
import http.client
import os
import sys
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

MOST, BLOCK, GRAIN, CONNECTIONS = 4 << 20, 64 << 10, 4 << 10, 8
ZEROS = bytes(BLOCK)
VERSION = "2021-12-02"


def pieces(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """What holds data, in whole blocks: offset and length."""
    covered = 0
    while covered < size:
        try:
            start = os.lseek(fd, covered, os.SEEK_DATA)
        except OSError:  # a hole to the end
            return
        covered = max(covered, start // BLOCK * BLOCK)
        stop = min(-(-os.lseek(fd, start, os.SEEK_HOLE) // BLOCK) * BLOCK, size)
        for at in range(covered, stop, MOST):
            yield at, min(MOST, stop - at)
        covered = stop


def hashed(content: bytes, offset: int) -> str:
    lines, view = [], memoryview(content)
    for at in range(0, len(content), BLOCK):
        size = min(BLOCK, len(content) - at)
        if not content.startswith(ZEROS[:size], at):
            grains = (grain_hash(content, view, start) for start in range(at, at + size, GRAIN))
            lines.append(f"{offset + at} {size} {hashlib.sha256(b''.join(grains)).hexdigest()}\n")
    return "".join(lines)


def grain_hash(content: bytes, view: memoryview, at: int) -> bytes:
    """In sips of 2,047 bytes, for which hashlib keeps other threads waiting: faster than letting them in so often."""
    if content.startswith(ZEROS[: min(GRAIN, len(content) - at)], at):
        return bytes(32)
    grain = hashlib.sha256(view[at : at + 2047])
    grain.update(view[at + 2047 : at + 4094])
    grain.update(view[at + 4094 : at + GRAIN])
    return grain.digest()


def asked(server: http.client.HTTPConnection, target: str, headers: dict[str, str], content: bytes = b"") -> None:
    server.request("PUT", target, content, {"x-ms-version": VERSION, "Content-Length": str(len(content)), **headers})
    answer = server.getresponse()
    said = answer.read()
    if answer.status != 201:
        raise SystemExit(f"{answer.status} {answer.reason}: {said[:500]!r}")


def main(path: str, url: str) -> None:
    to = urlsplit(url)
    target, fd = f"{to.path}?{to.query}", os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    left = collections.deque(pieces(fd, size))

    def send() -> dict[int, str]:
        """What is left, one piece after the other; the digest's lines by offset."""
        server, lines = http.client.HTTPConnection(to.netloc), {}
        while True:
            try:
                offset, length = left.popleft()
            except IndexError:
                return lines
            content = os.pread(fd, length, offset)
            lines[offset] = hashed(content, offset)
            md5 = b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
            where = {"x-ms-page-write": "update", "x-ms-range": f"bytes={offset}-{offset + length - 1}"}
            asked(server, f"{target}&comp=page", {**where, "Content-MD5": md5}, content)

    create = {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": str(size)}
    asked(http.client.HTTPConnection(to.netloc), target, create)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        running = [pool.submit(send) for _ in range(CONNECTIONS)]
        lines = {offset: text for one in running for offset, text in one.result().items()}
    whole = hashlib.sha256("".join(lines[offset] for offset in sorted(lines)).encode())
    print(f"sha256:{whole.hexdigest()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
