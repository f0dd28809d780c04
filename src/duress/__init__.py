"""duress: puts a distributed protocol under duress and tells whether it kept its promises.

Importing this package imports nothing heavy; the rooms of the house
(``duress.harness``, ``duress.checkers``, …) are imported when they are used.
"""

__version__ = "0.1.0"
