"""Whom a program contacts, as strace sees it."""

import re
import shutil
from pathlib import Path

ADDRESS = re.compile(r'sin6?_addr\(?=?.*?"([^"]+)"|inet_addr\("([^"]+)"\)|inet_pton\(.*?"([^"]+)"')


def can_be_seen() -> bool:
    return shutil.which("strace") is not None


def seen(command: list, log: Path) -> list:
    """The command that runs another one, and writes its network calls to a log."""
    return ["strace", "-f", "-e", "trace=connect,sendto,sendmsg", "-o", log, *command]


def addresses(calls: list[str]) -> set[str]:
    """What network calls name."""
    return {next(filter(None, match.groups())) for c in calls if (match := ADDRESS.search(c))}


def others(calls: list[str]) -> set[str]:
    """Addresses of other machines."""
    return {a for a in addresses(calls) if not a.startswith("127.") and a != "::1"}
