"""Make the container `images` and print, as JSON, a SAS for it. usage: container.py ACCOUNT_URL"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from flight.workflows.cloud.endpoint import REHEARSAL_ACCOUNT, REHEARSAL_KEY

credential = {"account_name": REHEARSAL_ACCOUNT, "account_key": REHEARSAL_KEY}
with ContainerClient(sys.argv[1], "images", credential=credential) as container:
    try:
        container.create_container()
    except ResourceExistsError:
        pass
until = datetime.now(UTC) + timedelta(hours=12)
may = ContainerSasPermissions(read=True, write=True, create=True, list=True)
sas = generate_container_sas(REHEARSAL_ACCOUNT, "images", account_key=REHEARSAL_KEY, permission=may, expiry=until)
print(json.dumps(sas))
