"""Mask what programs are told on command lines, in netrc and in connection strings.

No name says it there: ``mysql -pX``, ``docker login -p X``, ``curl -u user:X``.
"""

import re
from functools import cache

MASK = "***"

# Between two words: blanks, the quotes and commas of a list, or a line of a list.
_GAP = (
    r"(?:[ \t]{1,9}\\{0,7}[\"']?|\\{0,7}[\"'],\s{0,60}\\{0,7}[\"']"
    r"|\n[ \t]{0,60}- [\"']?)"
)
# Further words of the same command.
_MORE = rf"(?:{_GAP}[^\s\"'|;&]{{1,200}}+(?:\"[^\"\n,]{{0,200}}\"(?=\s))?){{0,12}}?"
_JOINED = r"(?:=|\\{0,7}[\"'])?(?P<value>[^\s\"'\\,]{3,200})"
# Not a port, as in `-p 8080:80`, nor an option.
_NEXT = (
    rf"(?:{_GAP}|=)(?:\\{{0,7}}[\"'])?"
    r"(?P<value>(?![0-9]+:[0-9])[^\s\"'\\,-][^\s\"'\\,]{2,199})"
)


def _told(programs: str, option: str, value: str) -> str:
    """Return a pattern of a command with the secret as the *value* of an *option*."""
    return rf"(?<![\w-])(?:{programs})\b{_MORE}{_GAP}{option}{value}"


# A user with a colon, a comma or a per cent sign, and the password behind it.
_USER = (
    r"(?:-[a-zA-Z]{0,9}[uaU]|--(?:proxy-)?user|--auth)"
    rf"(?:{_GAP}|=)?\\{{0,7}}[\"']?[^\s:/,%\"'\\]{{0,64}}"
)
_HIS = r"[:,%](?!//)[\"']?(?P<value>[^\s\"'\\]{1,200})"
_IS = r"=(?P<value>[^\s\"'\\]{3,999})"
_COOKIE = rf"(?:-b|--cookie)(?:{_GAP}|=)\\{{0,7}}[\"']?"
_ITS = r"(?P<value>[^\s=\"'\\]{1,64}=[^\n\"'\\]{1,999})"
_HTPASSWD = rf"\bhtpasswd{_GAP}-[a-zA-Z]{{0,9}}b[a-zA-Z]{{0,9}}(?:{_GAP}[^\s\"']+){{2}}"
_OPENSSL = (
    r"(?:-pass(?:in|out)?[ \t]{1,9}|(?<=[\"']))pass:(?P<value>[^\s\"'\\,]{1,200})"
)
_READS = (
    r"(?:--password-stdin|--stdin|--with-token|\bsudo[ \t]+-S|\blogin|\bkinit"
    r"|\bsecret[ \t]+create)\b"
)
_ECHO = (
    r"\b(?:echo|printf)[ \t]{1,9}(?:-[a-z]+[ \t]{1,9})?[\"']?"
    r"(?P<value>[^\s\"'|]{3,200})[\"']?[ \t]{0,9}\|"
    rf"[^|\n]{{0,200}}?{_READS}"
)
_HERE = rf"{_READS}[^|\n]{{0,60}}?<<<[ \t]{{0,9}}[\"']?(?P<value>[^\s\"']+)"
_MINIO = rf"\bmc\b{_MORE}{_GAP}alias{_GAP}set(?:{_GAP}[^\s\"']{{1,200}}){{3}}{_NEXT}"
_NETRC = (
    r"(?:\bmachine\s{1,9}\S{1,200}|\bdefault(?=\s{1,60}login)"
    r"|(?:^|\n)[ \t]*login\s{1,9}\S{1,200}(?=[ \t]*\n))"
    r"(?:\s{1,60}(?:login|account)\s{1,9}\S{1,200}){0,2}"
    r"\s{1,60}password\s{1,9}(?P<value>\S{1,200})"
)
# Without a scheme, but with a port: `repo:tag@sha256:…` and `to:kim@lab` are none.
_BARE_URL = (
    r"(?<![\w/@.+-])[\w.+-]{1,64}:(?P<value>[^\s:@/\"']{1,200})"
    r"@(?:tcp|unix)?(?:\(|[\w-]{1,100}(?:\.[\w-]{1,60}){0,9}:[0-9]{2,5}/)"
)
_ORACLE = (
    r"(?::thin:|\bsqlplus[ \t]{1,9}(?:-\w{1,20}[ \t]{1,9})?)[\w.-]{1,64}/"
    r"(?P<value>[^\s@\"']{1,200})@"
)
_SLASHED = (
    r"(?i)(?<![a-z])(?:user(?:name)?|id|login|account|아이디|계정)[ \t]?/[ \t]?"
    r"(?:pw|pwd|pass(?:wd|word)?|비밀번호|비번|암호|패스워드)[ \t]{0,9}[:=][ \t]{0,9}"
    r"[^\s/]{1,64}[ \t]?/[ \t]?(?P<value>\S{1,200})"
)

_WITH_USER = _told("curl|https?|wget|lftp|smbclient", _USER, _HIS)
_RULES = (
    # Joined to the option: with a blank between, it is a database.
    ("my", _told(r"mysql\w*", "-p", _JOINED)),
    ("maria", _told(r"mariadb[\w-]*", "-p", _JOINED)),
    ("7z", _told(r"7z[ar]?", "-p", _JOINED)),
    ("sshpass", _told("sshpass", "-p", _JOINED)),
    ("sshpass", _told("sshpass", "-p", _NEXT)),
    ("login", _told("login", "-p", _NEXT)),
    ("mongo", _told(r"mongo\w*", "-p", _NEXT)),
    ("ncftp", _told(r"ncftp\w*", "-p", _NEXT)),
    ("http-basic", rf"http-basic\.[^\s\"']{{1,60}}{_GAP}[^\s\"']{{1,60}}{_NEXT}"),
    ("twine", _told("twine", "-p", _NEXT)),
    ("zip", _told("unzip|zip|zipcloak", "-P", _NEXT)),
    ("sqlcmd", _told("sqlcmd|bcp", "-P", _NEXT)),
    ("redis", _told("redis-cli", "-a", _NEXT)),
    ("ldap", _told(r"ldap[a-z]+", "-w", _NEXT)),
    ("secret", _told(r"secrets?", "(?:--body|--value|-b)", _NEXT)),
    ("htpasswd", _HTPASSWD + _NEXT),
    *((name, _WITH_USER) for name in ("curl", "http", "wget", "lftp", "smbc")),
    ("curl", _told("curl", _COOKIE, _ITS)),
    ("pass:", _OPENSSL),
    ("|", _ECHO),
    ("<<<", _HERE),
    ("alias", _MINIO),
    ("openssl", _told("openssl", "-[kK]", _NEXT)),
    ("-literal", _told("secrets?", r"--from-literal(?:=|[ \t])[^\s=]{1,100}", _IS)),
    ("password", _NETRC),
    ("@", _BARE_URL),
    ("@", _ORACLE),
    ("/", _SLASHED),
)
"""Patterns, each with what stands in every text that it fits."""

_compiled = cache(re.compile)  # most are never needed


def mask_commands(text: str) -> str:
    """Return *text* with the secrets masked that it tells programs."""
    # Most values are one word.
    if not (" " in text or '"' in text or ":" in text):
        return text
    for mark, pattern in _RULES:
        if mark in text:
            text = _compiled(pattern).sub(_mask, text)
    return text


def _mask(match: re.Match[str]) -> str:
    start, end = (at - match.start() for at in match.span("value"))
    return match[0][:start] + MASK + match[0][end:]
