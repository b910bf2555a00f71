"""Is this host fit, and what would mend it: programs, guests, space, servers, and the cloud's permissions."""

from flight.workflows.doctor.examination import examine, lines, tell
from flight.workflows.doctor.verdict import Finding

__all__ = ["Finding", "examine", "lines", "tell"]
