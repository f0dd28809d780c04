"""Campaigns: many trials, overnight or in CI, of which the failures are kept.

A :class:`~.plan.Plan` (a TOML file) names systems, workloads, nemeses, clusters and seeds; its
trials are numbered. The :class:`~.ledger.Ledger` (SQLite) says what became of each, so that a
campaign that was killed goes on where it was; the run folders are what it goes by in doubt.
:mod:`.engine` runs them through an executor, each trial in a process that can be killed.
"""
