"""The report of a backtest: one self-contained page and its pictures."""

from deploy.backtest.report.page import write

__all__ = ["write"]
