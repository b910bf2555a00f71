"""Throw-away OpenPGP keys, and what is signed with them."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rpm.programs import ran


@dataclass(frozen=True)
class Key:
    """A key without a passphrase in a GnuPG home of its own."""

    home: Path
    who: str

    def public(self) -> str:
        """The public half, in text."""
        return self._gpg("--armor", "--export", self.who)

    def secret(self) -> str:
        """The secret half, in text: it signs packages of a test and nothing else."""
        return self._gpg("--armor", "--export-secret-keys", self.who)

    def sign_packages(self, packages: Sequence[Path]) -> None:
        """Put the signature into each .rpm."""
        macros = {"__gpg": shutil.which("gpg"), "_gpg_path": self.home, "_gpg_name": self.who}
        defines = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
        ran(["rpmsign", *defines, "--addsign", *packages], env=self._env)

    def sign_beside(self, path: Path) -> None:
        """Write PATH.asc."""
        self._gpg("--yes", "--armor", "--output", f"{path}.asc", "--detach-sign", str(path))

    @property
    def _env(self) -> dict[str, str]:
        return {"HOME": str(self.home), "GNUPGHOME": str(self.home)}

    def _gpg(self, *words: str) -> str:
        return ran(["gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "", *words], env=self._env)


@contextlib.contextmanager
def signing(who: str, *, secret: str = "") -> Iterator[Key]:
    """A fresh key, or the one whose `secret` half is given. Its home's path is short, since a socket lies in it."""
    with tempfile.TemporaryDirectory(prefix="gpg", dir="/tmp") as home:
        key = Key(Path(home), who)
        try:
            if secret:
                ran(["gpg", "--batch", "--quiet", "--import"], stdin=secret, env=key._env)
            else:
                key._gpg("--quick-gen-key", who, "rsa2048", "sign", "never")
            yield key
        finally:
            ran(["gpgconf", "--kill", "all"], env=key._env)
