"""Where Azure answers, and who we are there: the rehearsal, or one of the real clouds. One setting decides.

The clouds' hosts are those of `az cloud list`; the chain of credentials is azure-identity's DefaultAzureCredential
(environment, workload, managed identity, `az login`, …). No secret of a real cloud passes through flight.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.kit.errors import ConfigError

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential
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

    def container(self, name: str) -> ContainerClient:
        """The SDK's client for a container; it retries nothing by itself. Nothing is asked of the server yet."""
        from azure.storage.blob import ContainerClient

        return ContainerClient(
            self.storage,
            name,
            credential=self._storage_credential(),
            retry_total=0,
            connection_timeout=TRANSFER_S,
            read_timeout=TRANSFER_S,
            **self._verified(),
        )

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
        raise ConfigError(f"there is no cloud '{azure.cloud}'", fix=f"one of {', '.join((REHEARSAL, *_HOSTS))}")
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
