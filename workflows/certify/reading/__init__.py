"""Parsers: from bytes that lay on a disk to values. Whatever the bytes are, the answer is a value or a ValueError.

initramfs (cpio, compression)   what stands in the image that a kernel starts with
packages, versions              what is installed, whose a path is, which of two versions is newer
signatures                      who signed an EFI program
secrets                         what looks like a secret, or like malware
"""
