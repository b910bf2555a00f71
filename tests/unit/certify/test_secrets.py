"""Marks of secrets: each form once, and what looks like it and is none. Secrets are put together from pieces."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.certify.reading.secrets import EICAR_TEXT, marks_in

RANDOM = base64.b64encode(hashlib.sha512(b"flight").digest() * 2).decode()
WORD = RANDOM.replace("+", "a").replace("/", "b").replace("=", "c")
ED25519 = ed25519.Ed25519PrivateKey.generate()
PKCS8 = ED25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
OPENSSH = ED25519.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
EC = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    .decode()
)
ENCRYPTED = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x"))
    .decode()
)
AS_JSON = '{"private_key": "' + PKCS8.replace("\n", "\\n") + '"}'
PFX = pkcs12.serialize_key_and_certificates(b"n", ED25519, None, None, NoEncryption())
PEM = "a private key (PEM)"
SIGNED = f"sv=2026-02-06&ss=b&srt=co&sp=r&se=2027-01-01&sig={RANDOM[:40]}%2B{RANDOM[41:44]}%3D"
FOUND = {
    "PKCS 8": (PKCS8, PEM),
    "OpenSSH's": (OPENSSH, PEM),
    "an elliptic curve's": (EC, PEM),
    "encrypted, with headers": (ENCRYPTED, PEM),
    "in JSON": (AS_JSON, PEM),
    "in YAML, indented": ("key: |\n" + "".join(f"    {line}\n" for line in PKCS8.splitlines()), PEM),
    "with Windows' line ends": (PKCS8.replace("\n", "\r\n"), PEM),
    "PGP's": (
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n{RANDOM[:64]}\n{RANDOM[64:]}\n-----END PGP", "a private key (PGP)",
    ),
    "PuTTY's": ("PuTTY-User-Key-File-3: ssh-ed25519\n", "a private key (PuTTY)"),
    "GnuPG's": ("(21:protected-private-key(3:rsa(1:n", "a private key (GnuPG)"),
    "GnuPG's, extended": ("Created: 20260101T000000\nKey: (private-key (ecc", "a private key (GnuPG)"),
    "age's": ("AGE-SECRET-KEY-1" + "QPZRY9X8GF" * 5 + "QPZRY9X8", "a private key (age)"),
    "WireGuard's": (f"[Interface]\nPrivateKey = {RANDOM[:43]}=\n", "a private key (WireGuard)"),
    "Amazon's": ("id: AKI" + "AJ3K5M7P2Q4R6S2TU\n", "an AWS access key"),
    "GitHub's": ("gh" + f"p_{WORD[:36]}", "a GitHub token"),
    "GitHub's, fine-grained": ("github" + f"_pat_{WORD[:22]}_{WORD[22:81]}", "a GitHub token"),
    "GitLab's": ("glpa" + f"t-{WORD[:20]}", "a GitLab token"),
    "a storage account's": ("AccountName=a;Account" + f"Key={RANDOM[:86]}==;", "an Azure storage key"),
    "a bus's": ("SharedAccess" + f"Key={RANDOM[:43]}=", "an Azure access key"),
    "an application's": (f"secret: {WORD[:3]}8Q" + f"~{WORD[3:37]}\n", "an Azure application's secret"),
    "a shared signature": (f"https://a.blob.example.net/c?{SIGNED}", "a SAS token"),
    "a shared signature, turned": ("?sig=" + SIGNED.partition("sig=")[2] + "&sv=2026-02-06", "a SAS token"),
    "Slack's": ("xox" + f"b-384756102938-{WORD[:24]}", "a Slack token"),
    "npm's": ("//registry/:_authToken=npm" + f"_{WORD[:36]}", "an npm token"),
    "PyPI's": ("password = pypi-" + f"AgEIc{WORD[:60]}", "a PyPI token"),
    "Docker Hub's": ("dckr" + f"_pat_{WORD[:27]}", "a Docker Hub token"),
    "Vault's": (f"hvs{'.'}{WORD[:95]}", "a HashiCorp Vault token"),
    "Stripe's": ("sk_li" + f"ve_{WORD[:24]}", "a Stripe key"),
    "a URL's": ("deb https://me:geheim7@repo.corp/ stable main", "a password in a URL"),
    "a URL's, encoded": ("https://me:gehe%40im@repo.corp/", "a password in a URL"),
    "a hash of yescrypt": ("$y$j9T$" + f"{WORD[:22]}${WORD[:43]}\n", "a password's hash"),
    "a hash of SHA-512": ("--iscrypted $6$rounds=5000$" + f"{WORD[:16]}${WORD[:86]}\n", "a password's hash"),
    "a hash of bcrypt": ("me:$2y$10$" + f"{WORD[:53]}\n", "a password's hash"),
    "a hash of MD5": ("me:$1$" + f"{WORD[:8]}${WORD[:22]}", "a password's hash"),
    "a kickstart's": ("lang en\nrootpw --plaintext geheim\n", "a password in plain text"),
    "a kickstart's, bare": ("rootpw geheim\n", "a password in plain text"),
    "a kickstart's user": ("user --name=me --password=geheim\n", "a password in plain text"),
    "cloud-init's": ("users:\n- name: me\n  plain_text_passwd: geheim\n", "a password in plain text"),
    "EICAR's": (EICAR_TEXT.decode() + "\n", "the EICAR test file"),
}  # fmt: skip
NOTHING = {
    "a certificate": PKCS8.replace("PRIVATE KEY", "CERTIFICATE"),
    "a public key": PKCS8.replace("PRIVATE", "PUBLIC"),
    "a key's place": "-----BEGIN PRIVATE KEY-----\n<your key here>\n-----END PRIVATE KEY-----",
    "a key crossed out": f"-----BEGIN PRIVATE KEY-----\n{'x' * 64}\n-----END PRIVATE KEY-----",
    "a program that looks for keys": 'if line == "-----BEGIN PRIVATE KEY-----":\n    return True\n' * 3,
    "two labels in a row": '"-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN EC PRIVATE KEY-----", ' + RANDOM,
    "Amazon's example": "AKI" + "AIOSFODNN7EXAMPLE",
    "the emulator's well-known key": "Account" + f"Key=Eby8vdM02xNO{RANDOM[:74]}==",
    "a token crossed out": "gh" + f"p_{'x' * 36}",
    "a signature that was struck": "https://a/c?sv=2026-02-06&sig=REDACTED",
    "a signature of something else": f"https://a/c?sig={RANDOM[:44]}",
    "a URL with places": "https://user:password@host/ https://<user>:<pass>@h/ https://$U:$P@h/ https://a:%s@h/ https://a:xxxx@h",
    "a URL of an example": "https://me:geheim@example.com/ https://me:geheim@www.example.org/",
    "a port": "http://localhost:8080/a@b ssh://me@host:22/",
    "a locked kickstart": "rootpw --lock\nuser --name=me --lock\nrootpw --iscrypted *\n",
    "a kickstart's template": "rootpw {{ password }}\n",
    "a shell's variables": "echo $1$2 $6$x $y$z\n",
    "EICAR, told of": "The file holds " + EICAR_TEXT.decode(),
    "nothing": "",
}


@pytest.mark.parametrize(("text", "mark"), FOUND.values(), ids=FOUND)
def test_it_is_found(text: str, mark: str) -> None:
    assert marks_in("/srv/app/settings", text.encode()) == (mark,)


@pytest.mark.parametrize("text", NOTHING.values(), ids=NOTHING)
def test_it_is_no_secret(text: str) -> None:
    assert marks_in("/srv/app/settings", text.encode()) == ()


def test_a_key_store_is_found() -> None:
    assert marks_in("/srv/app/store.p12", PFX) == ("a private key (PKCS #12)",)
    assert marks_in("/etc/ssl/certs/java/cacerts", PFX) == ()


@pytest.mark.parametrize("path", ["/usr/share/doc/x/key.pem", "/srv/x/README", "/opt/x/guide.md", "/usr/lib/x.pyc"])
def test_documents_hold_examples(path: str) -> None:
    assert marks_in(path, PKCS8.encode()) == ()


def test_documents_are_searched_for_malware_all_the_same() -> None:
    assert marks_in("/usr/share/doc/x/README", EICAR_TEXT) == ("the EICAR test file",)


@pytest.mark.parametrize("path", ["/etc/shadow", "/etc/shadow-", "/etc/gshadow"])
def test_a_hash_is_no_mark_where_another_rule_looks(path: str) -> None:
    assert marks_in(path, FOUND["a hash of MD5"][0].encode()) == ()


def test_a_compiled_program_holds_words_and_perhaps_keys() -> None:
    url = FOUND["a URL's"][0].encode()
    assert marks_in("/opt/program", b"\x7fELF\0\0" + url) == ()
    assert marks_in("/opt/program", b"\x7fELF\0\0" + PKCS8.encode()) == (PEM,)


def test_more_than_one_is_told_in_order() -> None:
    text = f"{FOUND['a URL' + chr(39) + 's'][0]}\n{PKCS8}{FOUND['GitHub' + chr(39) + 's'][0]} "
    assert marks_in("/srv/x", text.encode()) == ("a GitHub token", "a password in a URL", PEM)


@given(st.binary(max_size=2000))
def test_no_content_is_an_error(content: bytes) -> None:
    marks_in("/srv/x", content)
    marks_in("/srv/x", b"PK\3\4" + content)
    marks_in("/srv/x", b"-----BEGIN PRIVATE KEY-----" + content)


@pytest.mark.parametrize(
    "piece",
    [
        b"-----BEGIN PRIVATE KEY-----",
        b"sig=" + b"A" * 43 + b" ",
        b"://a:b",
        b"rootpw --a ",
        b"$6$a$",
        b"user --password ",
        b"PK\1\2",
    ],
)
def test_a_file_made_to_cost_time_is_searched_too(piece: bytes) -> None:
    marks_in("/srv/x", piece * ((1 << 20) // len(piece)))
