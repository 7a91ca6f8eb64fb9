"""The report of a bundle: one HTML page that opens from disk, and what it is made of."""

from embedpipe.probes.report.content import ReportContent, figure, training_lines
from embedpipe.probes.report.headline import summary_cards, verdict
from embedpipe.probes.report.page import write_report

__all__ = ["ReportContent", "figure", "summary_cards", "training_lines", "verdict", "write_report"]
