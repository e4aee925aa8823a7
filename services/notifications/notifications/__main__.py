"""Runs the service: `python -m notifications`; with a command, does what an operator asks: `python -m notifications --help`."""

import sys

from chassis.process import main  # patches the standard library first

if len(sys.argv) > 1:
    from notifications import operate

    print(operate.main())
else:
    main("notifications.service:Notifications")
