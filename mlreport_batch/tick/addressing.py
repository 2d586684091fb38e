"""Who gets a mail, and what its head says of it: the same for every mail there is."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from mlreport_batch.config.settings import Config, RunsRoot
from mlreport_batch.language.dates import local_now
from mlreport_batch.render.mail import (
    MailHeader,
    digest_subject,
    list_id,
    message_id,
    subject,
    thread_root_id,
)
from mlreport_batch.report.model import Digest, Report
from mlreport_batch.safety.address import is_for_all, mail_domain, parse_address


class Addressing:
    """The heads of the mails of one tick.

    Args:
        config: All settings.
        roots: The roots of the config by their real paths.
        instance: Tells this state's threads from those of others; empty without one.
        now: Seconds since the epoch.
    """

    def __init__(
        self, config: Config, roots: Mapping[str, RunsRoot], instance: str, now: float
    ) -> None:
        self.mail = config.mail
        self._config = config
        self._instance = instance
        self._now = now
        self._roots = roots

    @property
    def date(self) -> datetime:
        """When the mails are made, to the second, in the config's zone."""
        here = local_now(self._config.report.zone(), self._now)
        return here.replace(microsecond=0)

    @property
    def sender(self) -> str:
        """The bare address of the sender."""
        return parse_address(self.mail.sender)[1]

    def recipients(self, root: str | None, asked: Sequence[str]) -> tuple[str, ...]:
        """Return who gets a run's report: the config decides.

        A run's own intent may only name whom ``mail.allow_to`` lists, and addresses of
        domains that the config mails to where not everybody can have one: whoever can
        write into a run directory must not choose who reads it.

        Args:
            root: The root that the run was found under, if it is known.
            asked: Who asks for its reports, by the run's own intent.
        """
        base = self._base(root)
        known = {parse_address(text)[1].lower() for text in base}
        refused = self.refused(root, asked)
        return (
            *base,
            *(
                text
                for text in asked
                if text not in refused and parse_address(text)[1].lower() not in known
            ),
        )

    def cc(self, recipients: Sequence[str]) -> tuple[str, ...]:
        """Return who gets a copy of a mail to *recipients*."""
        known = {parse_address(text)[1].lower() for text in recipients}
        return tuple(
            text
            for text in dict.fromkeys(self.mail.cc)
            if parse_address(text)[1].lower() not in known
        )

    def envelope(self, recipients: Sequence[str]) -> tuple[str, ...]:
        """Return the bare addresses of all who get a mail to *recipients*."""
        everybody = (*recipients, *self.cc(recipients))
        return tuple(parse_address(text)[1] for text in everybody)

    def refused(self, root: str | None, asked: Sequence[str]) -> list[str]:
        """Return whom a run's intent *asked* for and the config does not allow."""
        base = self._base(root)
        domains = {mail_domain(text) for text in (*base, self.mail.sender)}
        allowed = {domain for domain in domains if not is_for_all(domain)}
        allowed.update(map(_bare, (*base, *self.mail.allow_to)))
        refused = []
        for text in asked:
            with suppress(ValueError):
                address = parse_address(text)[1].lower()
                if not allowed.isdisjoint([address, mail_domain(address)]):
                    continue
            refused.append(text)
        return refused

    def _base(self, root: str | None) -> Sequence[str]:
        found = self._roots[root] if root else None
        return self._config.recipients_of(found) if found else self.mail.to

    def of_run(
        self, report: Report, path: str, recipients: tuple[str, ...]
    ) -> MailHeader:
        """Return the head of the mail with *report* about the run at *path*."""
        domain = mail_domain(self.mail.sender)
        return MailHeader(
            rid=report.rid,
            message_id=message_id(report.rid, self.mail.sender),
            date=self.date,
            sender=self.mail.sender,
            recipients=recipients,
            cc=self.cc(recipients),
            reply_to=self.mail.reply_to,
            subject=subject(report.run, report.subject),
            thread_root=thread_root_id(self._instance, path, domain),
            list_id=list_id(report.run, domain),
            report_name=report.run,
            language=report.language,
        )

    def of_digest(self, digest: Digest, recipients: tuple[str, ...]) -> MailHeader:
        """Return the head of one mail about several runs."""
        domain = mail_domain(self.mail.sender)
        language = self._config.report.language
        told = [(each.run, each.subject) for each in digest.reports if each.subject]
        count = len(digest.reports)
        if digest.subject and not any(each.alerts for each in digest.reports):
            told, count = [digest.subject], 1
        return MailHeader(
            rid=digest.rid,
            message_id=message_id(digest.rid, self.mail.sender),
            date=self.date,
            sender=self.mail.sender,
            recipients=recipients,
            cc=self.cc(recipients),
            reply_to=self.mail.reply_to,
            subject=digest_subject(count, language, told),
            thread_root=thread_root_id(self._instance, "digest", domain),
            list_id=list_id("digest", domain),
            report_name="digest",
            language=language,
        )

    def of_test(self, rid: str, recipients: tuple[str, ...]) -> MailHeader:
        """Return the head of a mail that only shows that mails arrive."""
        return MailHeader(
            rid=rid,
            message_id=message_id(rid, self.mail.sender),
            date=self.date,
            sender=self.mail.sender,
            recipients=recipients,
            cc=self.cc(recipients),
            reply_to=self.mail.reply_to,
            subject="[mlreport] test",
            language=self._config.report.language,
        )


def _bare(text: str) -> str:
    """Return an address of the config without its name, or a domain, in small."""
    return (parse_address(text)[1] if "@" in text else text).lower()
