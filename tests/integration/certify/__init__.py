"""`flight certify` on real disks, most of which flight did not build (`disks`)."""
