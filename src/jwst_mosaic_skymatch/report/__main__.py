"""``python -m jwst_mosaic_skymatch.report``."""

import sys

from jwst_mosaic_skymatch.report.command import main

sys.exit(main())
