"""Rules about the file, its partitions and its filesystems (the reference's table 2.1)."""
