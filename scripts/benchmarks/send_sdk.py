"""Send a VHD by the SDK's own way, with eight connections. usage: send_sdk.py FILE.vhd BLOB_URL_WITH_SAS"""

from __future__ import annotations

import sys
from pathlib import Path

from azure.storage.blob import BlobClient, BlobType

vhd = Path(sys.argv[1])
with BlobClient.from_blob_url(sys.argv[2]) as blob, open(vhd, "rb") as file:
    blob.upload_blob(file, blob_type=BlobType.PAGEBLOB, max_concurrency=8, length=vhd.stat().st_size)
