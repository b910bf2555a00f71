"""The offline certificate: one look inside a disk, facts, rules, and what follows.

container, look, compose, choose   from the file to facts (`look` is the only part that runs programs)
facts, tree, saved                 the snapshot; kept and read again
reading/                           parsers: initramfs, packages, signatures
effective/                         what the system in the image would do
rule, rules/                       one rule a function, one file a family
certificate, report/               the verdict; as a table, JSON, JUnit, HTML
"""
