"""A pass-through before a storage that counts every byte this host sends it: heads and bodies, whole requests or torn."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Final

HOST: Final = "127.0.0.1"
STEP: Final = 256 << 10


class Counter:
    """Passes each connection to `port` on to `onward`. `sent_bytes` is what clients have sent so far."""

    def __init__(self, port: int, onward: int) -> None:
        self._onward, self._sent, self._lock = onward, 0, threading.Lock()
        self._listener = socket.create_server((HOST, port), backlog=128)
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def sent_bytes(self) -> int:
        with self._lock:
            return self._sent

    def close(self) -> None:
        """No connection is taken any more, and those that are open end."""
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((HOST, self._onward))
                self._open |= {client, server}
                for source, sink, seen in ((client, server, self._count), (server, client, None)):
                    threading.Thread(target=_pass_on, args=(source, sink, seen), daemon=True).start()

    def _count(self, many: int) -> None:
        with self._lock:
            self._sent += many


def _pass_on(source: socket.socket, sink: socket.socket, seen: Callable[[int], None] | None) -> None:
    """All that comes, until the source ends; then the sink is told so."""
    with contextlib.suppress(OSError):  # one side was killed
        while some := source.recv(STEP):
            if seen:
                seen(len(some))
            sink.sendall(some)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def counting(port: int, onward: int) -> Iterator[Counter]:
    counter = Counter(port, onward)
    try:
        yield counter
    finally:
        counter.close()
