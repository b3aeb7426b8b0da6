"""Alerts as feeders send them: about 4 kB of JSON with 20 observables of mixed types, values partly seen before."""

from __future__ import annotations

import hashlib
import random
from typing import Any

SOURCES = ("siem", "ids", "mail-gateway", "edr", "proxy")
TYPES = ("external", "phishing", "malware", "intrusion")
WORDS = ("beacon", "login", "payload", "macro", "tunnel", "scan", "dropper", "lateral", "exfiltration", "invoice")
TAGS = ("phishing", "apt", "ransomware", "vip", "triage:auto", "ttp:T1566", "site:paris", "site:lyon")
EPOCH = 1_760_000_000_000
DAY = 86_400_000


def observable(random_: random.Random) -> dict[str, Any]:
    number = random_.randrange(1 << 40)
    kind = random_.choice(("ip", "domain", "url", "hash", "mail", "fqdn"))
    known = random_.random() < 0.3
    n = random_.randrange(5_000) if known else number
    value = {
        "ip": f"{n % 223 + 1}.{n // 223 % 256}.{n // 57_088 % 256}.{n // 14_614_528 % 254 + 1}",
        "domain": f"host{n}.example{n % 97}.net",
        "url": f"https://www.example{n % 97}.com/a/{n}/index.php?id={n % 1013}",
        "hash": hashlib.sha256(str(n).encode()).hexdigest(),
        "mail": f"user{n}@example{n % 97}.org",
        "fqdn": f"srv-{n}.corp.example{n % 97}.org",
    }[kind]
    tags = [random_.choice(TAGS)]
    return {"dataType": kind, "data": value, "message": "seen by the sensor", "ioc": n % 3 == 0, "tags": tags, "tlp": 2}


def alert(number: int, *, run: str, observables: int = 20) -> dict[str, Any]:
    """The alert with this number; the same number gives the same alert but for its reference, which carries the run."""
    random_ = random.Random(number)
    words = " ".join(random_.choices(WORDS, k=3))
    return {
        "type": random_.choice(TYPES), "source": random_.choice(SOURCES), "sourceRef": f"{run}-{number}",
        "title": f"{words} on host-{number % 4096}", "severity": random_.randrange(1, 5), "tlp": 2, "pap": 2,
        "date": EPOCH - random_.randrange(90 * DAY), "tags": random_.sample(TAGS, 3),
        "description": f"Sensor {number % 64} reported {words}.\n\n" + " ".join(random_.choices(WORDS, k=60)),
        "observables": [observable(random_) for _ in range(observables)],
    }  # fmt: skip
