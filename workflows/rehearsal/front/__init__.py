"""The front of the rehearsal's storage: what Azurite 3.35 lacks, or lets pass, done and refused as the service does.

`python -m flight.workflows.rehearsal.front --port PORT … -- node … main.js …` runs Azurite as its child and passes every
request on, path and headers as they are, so that signatures hold. It adds Put Page From URL (pages), and refuses what
breaks the service's limits, a Content-MD5 that is wrong, and a copy onto a blob whose lease ends (rules).

Azurite is given whole bodies only: when one breaks off it closes a file that it may still write to (FSExtentStore 3.35),
so that the rest could land in another blob's. `amend.js`, which Azurite loads, gives each copy page ranges of its own, and
lets those Put Page From URL who may Put Page.
"""
