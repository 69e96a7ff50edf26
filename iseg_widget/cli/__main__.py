"""``python -m iseg_widget.cli`` is the command, too."""

import sys

from iseg_widget.cli import main

sys.exit(main())
