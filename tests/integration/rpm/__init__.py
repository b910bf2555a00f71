"""A small distribution in Enterprise Linux's manner. A package proper, so that rpm's own Python module is never taken for it."""
