"""Send a VHD by flight's own engine, as `flight upload` does. It prints, as JSON, how many bytes its receipt says were sent.

usage: send.py FILE.vhd ACCOUNT_URL NAME LEDGERS [--no-md5] [--base NAME [--no-moves]]
"""

from __future__ import annotations

import argparse
import functools
import json
from pathlib import Path

from flight.workflows import upload
from flight.workflows.cloud.endpoint import REHEARSAL_ACCOUNT, Cloud
from flight.workflows.upload import transfer

parser = argparse.ArgumentParser()
parser.add_argument("vhd", type=Path)
parser.add_argument("account")
parser.add_argument("name")
parser.add_argument("ledgers", type=Path)
parser.add_argument("--no-md5", action="store_true")
parser.add_argument("--base")
parser.add_argument("--no-moves", action="store_true")
args = parser.parse_args()
args.ledgers.mkdir(exist_ok=True)
if args.no_moves:  # the engine has no such setting: nobody wants it but who compares
    transfer.plan_delta = functools.partial(transfer.plan_delta, can_move=False)
nobody = "00000000-0000-0000-0000-000000000000"
cloud = Cloud("rehearsal", nobody, REHEARSAL_ACCOUNT, args.account, "http://127.0.0.1:1")
place = functools.partial(upload.place_in, cloud, container="images")
receipt = upload.send_disk(
    args.vhd,
    cloud=cloud,
    to=place(name=args.name),
    identity=upload.Identity("", 0, "", "bench", ""),
    ledgers=args.ledgers,
    base=place(name=args.base) if args.base else None,
    full=not args.base,
    md5=not args.no_md5,
)
print(json.dumps(receipt.sent_bytes))
