"""`python -m postwicket.sendmail` is postwicket-sendmail."""

import sys

from . import main

sys.exit(main())
