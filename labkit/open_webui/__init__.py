"""Open WebUI in front of a local model: set up, started, and checked in three levels."""

from labkit.open_webui.api import OpenWebUI
from labkit.open_webui.check import check
from labkit.open_webui.configuration import Configuration
from labkit.open_webui.installation import Installation
from labkit.open_webui.report import Report
from labkit.open_webui.simulated import Simulated
from labkit.open_webui.start import configure, run, start

__all__ = ["Configuration", "Installation", "OpenWebUI", "Report", "Simulated", "check", "configure", "run", "start"]
