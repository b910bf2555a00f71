"""Debian: packages by apt and mmdebstrap.

sources    where packages come from, and which are asked for: a plan's words in apt's
apt        indexes and package files, fetched and checked on the host
bootstrap  mmdebstrap, offline and shut in
family     the family's part of both steps (the contract stands in `install`)
"""
