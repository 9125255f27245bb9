"""Worked examples of the guideline, run against a policy: one handler per kind of example.

A handler reads the example's input and computes everything it can; the comparison then looks at
what the example expects. A field that no handler knows is an error, never ignored: handlers raise a
DeclarationFault where an example cannot be understood.
"""

from deid_platform.core.examples.fields import Fields, Got, Handler
from deid_platform.core.examples.masking import MASKING_KINDS
from deid_platform.core.examples.scoring import SCORING_KINDS
from deid_platform.core.examples.steps import STEP_KINDS

KINDS: dict[str, Handler] = {**STEP_KINDS, **SCORING_KINDS, **MASKING_KINDS}

__all__ = ["KINDS", "Fields", "Got", "Handler"]
