"""Where Azure answers, and who we are there: the rehearsal, or one of the real clouds. One setting decides.

The clouds' hosts are those of `az cloud list`; the chain of credentials is azure-identity's DefaultAzureCredential
(environment, workload, managed identity, `az login`, …). No secret of a real cloud passes through flight.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.kit.errors import ConfigError

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential
    from azure.core.pipeline.transport import HttpTransport
    from azure.storage.blob import ContainerClient

    from flight.workflows.settings import Azure, Rehearsal

REHEARSAL: Final = "rehearsal"
REHEARSAL_ACCOUNT: Final = "devstoreaccount1"
REHEARSAL_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Public knowledge, not a secret: the fixed key of every Azurite, from its documentation (Default storage account)."""

_HOSTS: Final = {
    # cloud: storage suffix, resource manager, authority
    "public": ("core.windows.net", "management.azure.com", "login.microsoftonline.com"),
    "usgov": ("core.usgovcloudapi.net", "management.usgovcloudapi.net", "login.microsoftonline.us"),
    "china": ("core.chinacloudapi.cn", "management.chinacloudapi.cn", "login.chinacloudapi.cn"),
}

CONNECT_S: Final = 5
"""To reach a server at first contact: an unreachable one is an error within seconds."""
TRANSFER_S: Final = 120
"""To send one page run, or to hear the answer. urllib3 gives the sending of a body no more than the *connection*
timeout, so this is what lets a slow line (4 MiB in two minutes for each connection) through."""

CONNECTIONS: Final = 32
"""How many connections to the storage are kept open: more than there are senders. `requests` would keep ten, and open
all further ones anew for each request."""
STORAGE_SCOPE: Final = "https://storage.azure.com/.default"
"""What a token for Blob Storage is asked for, in every cloud; azure-storage-blob asks for the same."""
READABLE_S: Final = 3600.0
"""How long a read SAS of ours holds: it is used at once, and made anew for each request."""
FRESH_S: Final = 300.0
"""A token that ends sooner is not handed on: the request that carries it may take minutes."""


class AnyToken:
    """A credential for the rehearsal's stand-in for ARM, which looks at no token."""

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        from azure.core.credentials import AccessToken

        return AccessToken("rehearsal", int(time.time()) + 3600)


@dataclass(frozen=True)
class Cloud:
    """One subscription and storage account in one Azure. `storage` and `manager` are URLs without a slash at the end.

    `token` takes the place of what the cloud's own chain would give; `trust` is a file of CA certificates to trust
    instead of the host's.
    """

    name: str
    subscription: str
    account: str
    storage: str
    manager: str
    authority: str = ""
    token: TokenCredential | None = field(default=None, repr=False, compare=False)
    trust: Path | None = None

    @property
    def is_rehearsal(self) -> bool:
        return self.name == REHEARSAL

    def container(self, name: str, *, transport: Any = None) -> ContainerClient:
        """The SDK's client for a container; it retries nothing by itself. Nothing is asked of the server yet.

        `transport` is an HttpTransport of azure-core's that carries the requests instead of the SDK's own.
        """
        from azure.storage.blob import ContainerClient

        return ContainerClient(
            self.storage,
            name,
            credential=self._storage_credential(),
            retry_total=0,
            transport=transport or self._transport(),
        )

    def _transport(self) -> HttpTransport[Any, Any]:
        from azure.core.pipeline.transport import RequestsTransport
        from requests.adapters import HTTPAdapter

        transport = RequestsTransport(connection_timeout=TRANSFER_S, read_timeout=TRANSFER_S, **self._verified())
        transport.open()
        for scheme in ("http://", "https://"):
            transport.session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))
        return transport

    def compute(self) -> Any:
        """The SDK's client for Microsoft.Compute. Pass `per_call` with each of its calls."""
        from azure.mgmt.compute import ComputeManagementClient

        return ComputeManagementClient(
            self.manager_credential(),
            self.subscription,
            base_url=self.manager,
            credential_scopes=[f"{self.manager}/.default"],
            retry_total=3,
            retry_backoff_factor=0.5,
            connection_timeout=CONNECT_S,
            **self._verified(),
        )

    @property
    def per_call(self) -> dict[str, Any]:
        """What each call of the resource manager's client needs: the rehearsal's stand-in speaks plain http."""
        return {"enforce_https": False} if self.manager.startswith("http://") else {}

    def _storage_credential(self) -> Any:
        if self.token is None and self.is_rehearsal:
            return {"account_name": self.account, "account_key": REHEARSAL_KEY}
        return self.token or _chain(self.authority)

    def manager_credential(self) -> TokenCredential:
        """Who we are to the resource manager."""
        if self.token is None and self.is_rehearsal:
            return AnyToken()
        return self.token or _chain(self.authority)

    def _verified(self) -> dict[str, Any]:
        return {} if self.trust is None else {"connection_verify": str(self.trust)}


class ReadAccess:
    """Lets the storage service itself read a blob of the account, in the name of whoever writes another one.

    With the account's key by a SAS in the blob's URL, with a token by the token. Safe for several threads.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._credential = cloud, cloud._storage_credential()
        self._token: AccessToken | None = None
        self._lock = threading.Lock()

    def to(self, url: str, *, container: str, name: str) -> tuple[str, str | None]:
        """The URL to give for that blob, and what is to stand in x-ms-copy-source-authorization, if anything.

        Raises ClientAuthenticationError where no token can be had.
        """
        if isinstance(self._credential, dict):
            return f"{url}?{self._signature(container, name)}", None
        return url, f"Bearer {self._fresh_token()}"

    def _signature(self, container: str, name: str) -> str:
        from azure.storage.blob import generate_blob_sas

        until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=READABLE_S)
        key = self._credential["account_key"]
        return generate_blob_sas(self._cloud.account, container, name, account_key=key, permission="r", expiry=until)

    def _fresh_token(self) -> str:
        """Kept while it lasts: some credentials start a program each time that they are asked."""
        with self._lock:
            if self._token is None or self._token.expires_on - time.time() < FRESH_S:
                self._token = self._credential.get_token(STORAGE_SCOPE)
            return str(self._token.token)


def cloud_of(azure: Azure, rehearsal: Rehearsal) -> Cloud:
    """The cloud that the settings name. In the rehearsal the account is Azurite's, whatever the settings say.

    Raises ConfigError for a cloud that is not known.
    """
    if azure.cloud == REHEARSAL:
        return Cloud(
            name=REHEARSAL,
            subscription=azure.subscription,
            account=REHEARSAL_ACCOUNT,
            storage=f"http://127.0.0.1:{rehearsal.blob_port}/{REHEARSAL_ACCOUNT}",
            manager=f"http://127.0.0.1:{rehearsal.compute_port}",
        )
    if azure.cloud not in _HOSTS:
        raise ConfigError(f"there is no cloud '{azure.cloud}'", fix=f"give one of {', '.join((REHEARSAL, *_HOSTS))}")
    suffix, manager, authority = _HOSTS[azure.cloud]
    return Cloud(
        name=azure.cloud,
        subscription=azure.subscription,
        account=azure.account,
        storage=f"https://{azure.account}.blob.{suffix}",
        manager=f"https://{manager}",
        authority=authority,
    )


def _chain(authority: str) -> TokenCredential:
    from azure.identity import DefaultAzureCredential

    # What it warns of stands in the error that it raises, which a person gets in three lines.
    logging.getLogger("azure.identity").setLevel(logging.ERROR)
    return DefaultAzureCredential(authority=authority or None, process_timeout=10)
