"""Send a VHD to an Azurite in one of several ways. usage: send.py flight|sdk|azcopy FILE.vhd PORT"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flight.workflows.cloud.endpoint import REHEARSAL_ACCOUNT, REHEARSAL_KEY, Cloud

how, vhd, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
account = f"http://127.0.0.1:{port}/{REHEARSAL_ACCOUNT}"


def flight() -> None:
    """As UploadBlob does, digest included, retry policy and proof too."""
    from flight.workflows import digest, upload

    cloud = Cloud("rehearsal", "00000000-0000-0000-0000-000000000000", REHEARSAL_ACCOUNT, account, "http://127.0.0.1:1")
    found = {"digest": digest.digest(vhd), "file_bytes": vhd.stat().st_size}
    identity = upload.identity(found, key="0" * 12, recipe="bench", version="1")
    upload.send(vhd, cloud=cloud, container="images", identity=identity, connections=8, replace=False)


def sdk() -> None:
    """The SDK's own way."""
    from azure.storage.blob import BlobType, ContainerClient

    credential = {"account_name": REHEARSAL_ACCOUNT, "account_key": REHEARSAL_KEY}
    with ContainerClient(account, "images", credential=credential) as container, open(vhd, "rb") as file:
        container.create_container()
        container.upload_blob(
            "bench.vhd", file, blob_type=BlobType.PAGEBLOB, max_concurrency=8, length=vhd.stat().st_size
        )


def azcopy() -> None:
    """azcopy with a SAS, its own defaults."""
    from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

    credential = {"account_name": REHEARSAL_ACCOUNT, "account_key": REHEARSAL_KEY}
    with ContainerClient(account, "images", credential=credential) as container:
        container.create_container()
    until = datetime.now(UTC) + timedelta(hours=1)
    may = ContainerSasPermissions(read=True, write=True, create=True, list=True)
    sas = generate_container_sas(REHEARSAL_ACCOUNT, "images", account_key=REHEARSAL_KEY, permission=may, expiry=until)
    argv = [
        "azcopy",
        "copy",
        str(vhd),
        f"{account}/images/bench.vhd?{sas}",
        "--blob-type=PageBlob",
        "--from-to=LocalBlob",
    ]
    subprocess.run(argv, check=True)


{"flight": flight, "sdk": sdk, "azcopy": azcopy}[how]()
