"""Azure's resource manager, whichever of its resources is meant.

resource   one resource: looked at, made, changed, removed, waited for, every refusal explained
tags       what a resource says of itself
account    the storage account behind the blobs, and its keys
"""
