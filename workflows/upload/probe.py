"""May we upload there? Asked by doing it, with the smallest page blob that there is."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from flight.workflows.cloud.refusal import refused
from flight.workflows.upload.plan import PAGE
from flight.workflows.upload.receipt import place_in
from flight.workflows.upload.service import BlobService

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud


def check_may_upload(cloud: Cloud, *, container: str) -> None:
    """Write a page blob of 512 bytes under a fresh name and delete it again. A container that is missing is made.

    Raises RemoteError: nobody is logged in, the role is missing, no such account, an account without page blobs, ….
    """
    from azure.core.exceptions import AzureError

    upload = str(uuid.uuid4())
    place = place_in(cloud, container=container, name=f"flight-doctor-{upload[:13]}.vhd")
    service = BlobService(cloud, place)
    service.create(PAGE, metadata={"upload": upload}, over=None)
    try:
        cloud.container(container).get_blob_client(place.name).delete_blob()
    except AzureError as error:
        raise refused(error, f"delete {place.url} again", cloud=cloud) from error
