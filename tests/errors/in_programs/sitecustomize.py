"""Found by every Python that a test starts: it notes the errors that are made there (see error_recorder)."""

import os

if os.environ.get("FLIGHT_ERRORS_HEARD"):
    import error_recorder

    error_recorder.listen()
