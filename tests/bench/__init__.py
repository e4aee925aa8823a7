"""The project's own measurements, each beside its limit or a peer in the same run (see README.md)."""

import warnings

# Known and decided (docs/decisions): it would stand between the lines of the table.
warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
