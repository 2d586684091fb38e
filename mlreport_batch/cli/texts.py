"""What help and the man page say beyond a line an option."""

import sys
from collections.abc import Mapping
from typing import Final

EXIT_CODES: Final[Mapping[int, str]] = {
    0: "all that was owed is accepted, or nothing to do, or another tick is at work",
    2: "the command line asks for something that cannot be done",
    4: "what --fail-on names was met; the reports were made",
    70: "a bug of ours; please report what was printed",
    74: "the state folder cannot be used, or a disk fails",
    75: "something is kept; the next tick tries again, but for a mail refused for good",
    77: "a person must renew a credential",
    78: "the config is wrong, or names what is not there",
}
"""What the program ends with, in the words of sysexits(3)."""

PLACES: Final = (
    ("./mlreport.yaml", "the config of this folder"),
    ("~/.config/mlreport-batch/config.yaml", "your config"),
    ("~/.config/mlreport-batch/smtp-password", "the mail password, mode 0600"),
    ("~/.local/state/mlreport-batch/", "what was seen, and the mails that wait"),
    ("~/mlreport-outbox/", "mails, with via: outbox"),
    ("./mlreport-out/", "all of it, where PATHs are named instead of a config"),
)
"""Where things lie unless the config says otherwise."""

DESCRIPTIONS: Final[Mapping[str, str]] = {
    "": "Looks into the folders of your trainings, finds what is new since it last "
    "looked, and mails a report about every run that has news. The training code knows "
    "nothing of it. Cron starts `run`; `init` sets all up.",
    "run": "One tick: finds what is new in the runs of the config, or below PATHs, "
    "reports every run that has news, and sends what is owed. With PATHs and no -c no "
    "config is read, nothing is sent, and all goes into the folder --out: mails, pages "
    "and state. Where nothing is new, nothing is printed.",
    "baseline": "Marks all that is there now as reported, and sends nothing: for runs "
    "that are old news to you when you start.",
    "preview": "Draws the report of one run as HTML, PDF and mail, as it would be now. "
    "It neither reads nor writes the state, and sends nothing.",
    "inspect": "Says which runs lie below PATHs, which file was taken for what, and "
    "why, and what was read: metrics, hyperparameters, checkpoints, problems. Of many "
    "runs a line each is told; -v and --json tell all of every run.",
    "status": "Says which runs are known, when the last mails were made, and which "
    "mails wait, for what, and until when.",
    "ls": "Lists the runs that are known as a table, out of the state, without looking "
    "at their files. GLOB takes names of runs and of the folders above them.",
    "compare": "Says which hyperparameters differ between runs, and shows their "
    "metrics side by side, out of the state.",
    "pages": "Makes one page over the runs of all shards, out of the pages that `run "
    "--shard K/N` writes below pages.dir, or below --out. Reports are linked, not "
    "copied, where they lie on one file system. Those that have pages are merged; it "
    "says which have none.",
    "init": "Asks where the runs are, who gets mail and through what, writes a "
    "commented config and the password (mode 0600), tries the route, mails a sample "
    "report, shows what the first tick would report, and has ticks started by cron or "
    "systemd. Every answer may be given as an option; what is missing is asked on a "
    "terminal and named elsewhere.\n\n"
    "FILE is ~/.config/mlreport-batch/config.yaml unless it is named. Without a "
    "terminal, or with --no-input, `init [FILE]` without answers writes a config that "
    "explains every key, for you to edit (default ./mlreport.yaml).",
    "check": "Tries the config, the folders of runs, the state folder, fonts, "
    "credentials and servers: a line each, ok or what to do.",
    "schedule": "Prints what makes ticks start by themselves: a crontab line, systemd "
    "units of a user, a launchd agent, a scrontab entry or a Kubernetes CronJob. With "
    "--install it is put where it belongs, between marks in a crontab; a second "
    "--install changes only what differs. --remove takes out what --install put in.",
    "retry": "Sends dead or held mails again with the next tick, all of them if none "
    "is named, and ends the waits after refusals.",
    "drop": "Gives up a mail; what it told counts as reported.",
    "template": "Makes the default Google Docs template and prints its id.",
    "login": "Logs in with a Google user account and stores the token, mode 0600. "
    "With --smtp it logs in with a Microsoft account, through a code that is entered "
    "on any device, for the mail server of the config.",
    "completion": "Prints a script that completes commands, options and files.",
}

_EXAMPLES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "": (
        ("run ~/experiments", "try it: reports as files, nothing is sent"),
        ("init", "set all up, with a test mail"),
        ("COMMAND --help", "what a command does, with examples"),
    ),
    "run": (
        ("run", "what cron calls"),
        ("run ~/experiments --out report", "without a config, into a folder"),
        ("run --dry-run --all", "what would be reported of every run"),
        ("run --only 'vit-*' --all", "reports on some runs, whether or not new"),
        ("run runs --summary - --junit report.xml --fail-on alert", "in a CI job"),
        ("run --shard 2/4", "the second of four that share the runs"),
    ),
    "preview": (("preview ~/experiments/gan", ""),),
    "inspect": (
        ("inspect ~/experiments", "all runs, a line each"),
        ("inspect ~/experiments/gan", "one run in full"),
    ),
    "status": (("status", ""), ("status --out report", "of a run with --out")),
    "ls": (("ls 'sweep*' --sort best", "who leads"),),
    "compare": (("compare lr-0.1 lr-0.01", ""),),
    "pages": (
        ("pages --merge", "below pages.dir"),
        ("pages --merge job-1/pages job-2/pages --out all", "from anywhere"),
    ),
    "init": (
        ("init", "asks"),
        ("init --runs ~/experiments --to me@gmail.com --password-file ~/.app-password",
         "asks only what is left"),
        ("init --runs ~/experiments --through outbox --schedule cron --no-input",
         "asks nothing: for scripts"),
        ("init mlreport.yaml --no-input", "only a commented config"),
    ),
    "check": (("check --send-test", "also mails a sample report to mail.to"),),
    "schedule": (
        ("schedule cron --install", "every 15 minutes"),
        ("schedule cron --every 90", "print the lines for every 90 minutes"),
        ('schedule systemd --every "daily 07:00" --install', ""),
        ("schedule kubernetes | kubectl apply -f -", ""),
        ("schedule cron --remove", ""),
    ),
    "retry": (("retry", "all"),),
    "login": (
        ("login --client client.json", "Google"),
        ("login --smtp --client 0a1b2c3d-0000-0000-0000-000000000000", "Microsoft"),
    ),
    "completion": (
        ("completion bash > ~/.local/share/bash-completion/completions/mlreport-batch",
         ""),
        ("completion zsh > ~/.zfunc/_mlreport-batch", "with ~/.zfunc in $fpath"),
        ("completion fish > ~/.config/fish/completions/mlreport-batch.fish", ""),
    ),
}  # fmt: skip
_WIDTH = 78
_ENDING = ("run", "baseline", "check")
_LIBRARIES = ("numpy", "plutoprint", "jinja2", "msgspec", "google-api-python-client")


def description_of(command: str) -> str:
    """Return what *command* does, in full; the empty one is the program."""
    return DESCRIPTIONS.get(command, "")


def examples_of(command: str) -> list[tuple[str, str]]:
    """Return calls that show *command*, each with what it is for."""
    found = _EXAMPLES.get(command, ())
    return [(f"mlreport-batch {call}", why) for call, why in found]


def epilog_of(command: str) -> str | None:
    """Return what the help of *command* ends with: examples, exit codes, places."""
    parts = []
    if examples := examples_of(command):
        parts.append(_listed("examples:", [_example(*each) for each in examples]))
    if command in ("", *_ENDING):
        codes = [f"{code:<4}{text}" for code, text in EXIT_CODES.items()]
        parts.append(_listed("exit codes:", codes))
    if not command:
        width = max(len(place) for place, _ in PLACES)
        places = [f"{place:<{width}}  {text}" for place, text in PLACES]
        parts.append(_listed("where things lie:", places))
    return "\n\n".join(parts) or None


def _listed(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _example(call: str, why: str) -> str:
    beside = f"{call}  # {why}"
    if not why:
        return call
    return beside if len(beside) <= _WIDTH else f"# {why}:\n  {call}"


def versions() -> str:
    """Return the versions of the program, Python and the libraries that matter."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from mlreport_batch import __version__

    lines = [
        f"mlreport-batch {__version__}",
        f"Python {platform.python_version()} ({sys.executable})",
        platform.platform(),
    ]
    for name in _LIBRARIES:
        try:
            lines.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"{name} is not installed")
    return "\n".join(lines) + "\n"
