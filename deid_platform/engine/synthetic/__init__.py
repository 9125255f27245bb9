"""Seeded emergency-department visits of people who do not exist, for the tutorial and the tests.

Every value is a function of the seed, the name of what is drawn and the number of the person or
visit, so that neither threads, batches nor formats change it. What belongs here: the generator and
its vocabulary. What does not: anything that reads a real patient's file.
"""

from deid_platform.engine.synthetic.scenario import FileFormat, Generated, Scenario
from deid_platform.engine.synthetic.writing import generate

__all__ = ["FileFormat", "Generated", "Scenario", "generate"]
