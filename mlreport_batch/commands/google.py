"""``template create`` and ``login``, for Google and for other mail servers."""

import argparse

from mlreport_batch.commands.call import config_of
from mlreport_batch.printing import tell


def main(args: argparse.Namespace) -> int:
    """Make a template, or log in; return the exit code."""
    return _template(args) if args.command == "template" else _login(args)


def _template(args: argparse.Namespace) -> int:
    from mlreport_batch.google.setup import create_template

    config = config_of(args)
    links = create_template(
        config.google, config.report.language, folder=args.folder or ""
    )
    if not args.folder:
        tell(links["template"])
        return 0
    for key, link in links.items():
        tell(f"google.{key}: {link}")
    return 0


def _login(args: argparse.Namespace) -> int:
    config = config_of(args)
    if args.smtp:
        from mlreport_batch.deliver.smtp.consent import consent

        lines = consent(config.smtp, args.client, args.tenant)
    else:
        from mlreport_batch.google.api.login import login

        lines = login(args.client, config)
    for line in lines:
        tell(line)
    return 0
