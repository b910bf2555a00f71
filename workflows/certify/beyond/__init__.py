"""What goes with a certificate, for other programs: the list of packages, the statement of what it was made of.

sbom         every package, as CycloneDX
provenance   how the image came about (or, of a stranger's, what was found), as an in-toto statement
"""
