"""Disks that flight did not build, for the tests of `flight certify`: made by other tools, of other habits, or of ill will.

    build("lvm") -> Path             the VHD, from the cache or made now; it is shared: read it, copy it to change it
    build("lvm").stem, DISKS["lvm"]  its name, and in a sentence what it is

assembling  tables, filesystems, boot loaders and VHDs, by the usual programs
tree        Debian 12's packages in a folder
systems     whole Debian systems: as another tool leaves them, and mended
small       a few files each: swap, two roots, no table, nothing at all
appliance   what only a kernel can make: LVM, LUKS, NTFS, btrfs, XFS (by libguestfs's)
hostile     what is meant to harm its reader

Each of the last four holds `DISKS`, its disks by name, and `make(to)`, which fills a new folder with all of them. A folder
is kept in the work folder's cache under the hash of the sources that decide it, and arrives whole.
"""

from certify.disks.catalogue import DISKS, build

__all__ = ["DISKS", "build"]
