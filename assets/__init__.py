"""The Dagster code location: thin factories and wiring over what one agency declares.

Modules that define assets do without postponed annotations: Dagster reads the annotation of
``context`` as a class.
"""

import warnings

from dagster import BetaWarning

# A backfill policy on every partitioned asset is what keeps a range of months one run.
warnings.filterwarnings("ignore", category=BetaWarning)
