"""Keep what a tick reports in a few words, for the notices at its end."""

from mlreport_batch.config.settings import Config
from mlreport_batch.render.mail import subject
from mlreport_batch.report.model import Digest, Report
from mlreport_batch.report.notice import Notice, of_digest, of_report


class NoticeTaker:
    """Takes reports that are owed from now on.

    Args:
        config: All settings.
        told: Takes the notices.
    """

    def __init__(self, config: Config, told: list[Notice]) -> None:
        self._wants_all = config.notify.about == "reports"
        self._base = page_address(config)
        self._told = told

    def take(self, report: Report, slug: str) -> None:
        """Take the report on a run, whose page lies in the folder *slug*."""
        if self._wants_all or report.alerts:
            link = f"{self._base}/reports/{slug}/report.html" if self._base else ""
            title = subject(report.run, report.subject)
            self._told.append(of_report(report, title=title, link=link))

    def take_digest(self, digest: Digest, title: str) -> None:
        """Take a digest, whose mail's subject is *title*."""
        link = f"{self._base}/index.html" if self._base else ""
        self._told.append(of_digest(digest, title=title, link=link))


def page_address(config: Config) -> str:
    """Return where the pages are served, or empty."""
    return (config.pages.url or "") if config.pages_folder is not None else ""
