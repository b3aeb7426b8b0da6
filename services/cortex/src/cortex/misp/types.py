"""MISP's attribute types and ours, both ways: contracts/cortex.md §7.3."""

from __future__ import annotations

MISP_TYPES: dict[str, tuple[str, ...]] = {
    "ip": ("ip-src", "ip-dst"),
    "domain": ("domain",),
    "fqdn": ("hostname", "target-machine"),
    "url": ("url",),
    "uri_path": ("uri",),
    "hash": (
        "md5", "sha1", "sha256", "sha224", "sha384", "sha512", "sha512/224", "sha512/256",
        "ssdeep", "imphash", "pehash", "impfuzzy",
    ),
    "filename": ("filename",),
    "mail": ("email-src", "email-dst", "target-email", "whois-registrant-email"),
    "mail_subject": ("email-subject",),
    "user-agent": ("user-agent",),
    "registry": ("regkey", "regkey|value"),
    "file": ("attachment", "malware-sample"),
    "other": ("other",),
}  # fmt: skip
ALIASES = {"mail-subject": "mail_subject", "hostname": "fqdn"}
DATA_TYPES = {misp: ours for ours, types in MISP_TYPES.items() for misp in types}
FILE_TYPES = frozenset(MISP_TYPES["file"])
HASH_BY_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}

# What else MISP may ask with: everything that has no data type of its own is `other` to us.
OTHER_INPUTS = (
    "AS", "aba-rtn", "bank-account-nr", "bic", "bin", "boolean", "bro", "btc", "campaign-id", "campaign-name",
    "cc-number", "chrome-extension-id", "comment", "cookie", "counter", "cpe", "dash", "date-of-birth", "datetime",
    "dns-soa-email", "domain|ip", "dom-hash", "email", "email-attachment", "email-body", "email-dst-display-name",
    "email-header", "email-message-id", "email-mime-boundary", "email-reply-to", "email-src-display-name",
    "email-thread-index", "email-x-mailer", "eppn", "favicon-mmh3", "filename|authentihash", "filename|impfuzzy",
    "filename|imphash", "filename|md5", "filename|pehash", "filename|sha1", "filename|sha224", "filename|sha256",
    "filename|sha384", "filename|sha512", "filename|sha512/224", "filename|sha512/256", "filename|ssdeep",
    "filename|tlsh", "filename-pattern", "first-name", "float", "full-name", "gene", "git-commit-id",
    "github-organisation", "github-repository", "github-username", "hassh-md5", "hasshserver-md5", "hex", "hostname|port",
    "http-method", "iban", "identity-card-number", "ip-dst|port", "ip-src|port", "ja3-fingerprint-md5", "jabber-id",
    "jarm-fingerprint", "kusto-query", "last-name", "link", "mac-address", "mac-eui-64", "malware-type", "middle-name",
    "mime-type", "mobile-application-id", "mutex", "named pipe", "nationality", "other", "passport-number",
    "pattern-in-file", "pattern-in-memory", "pattern-in-traffic", "payment-details", "pdb", "pgp-private-key",
    "pgp-public-key", "phone-number", "port", "process-state", "prtn", "sigma", "size-in-bytes", "snort",
    "ssh-fingerprint", "stix2-pattern", "target-external", "target-location", "target-org", "target-user", "telfhash",
    "text", "threat-actor", "tlsh", "twitter-id", "vhash", "visa-number", "vulnerability", "weakness",
    "whois-creation-date", "whois-registrant-name", "whois-registrant-org", "whois-registrant-phone", "whois-registrar",
    "windows-scheduled-task", "windows-service-displayname", "windows-service-name", "x509-fingerprint-md5",
    "x509-fingerprint-sha1", "x509-fingerprint-sha256", "xmr", "yara", "zeek",
)  # fmt: skip


HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512/224", "sha512/256", "ssdeep", "imphash", "pehash",
          "impfuzzy", "tlsh", "authentihash")  # fmt: skip
# Composite types whose halves are indicators by themselves, with the data types of the halves (misp.md §3.3).
COMPOSITES: dict[str, tuple[str, str]] = {
    **{f"filename|{name}": ("filename", "hash") for name in HASHES},
    "domain|ip": ("domain", "ip"),
    "hostname|port": ("fqdn", ""),
    "ip-src|port": ("ip", ""),
    "ip-dst|port": ("ip", ""),
}


def is_misp_type(name: str) -> bool:
    return name in DATA_TYPES or name in OTHER_INPUTS or "|" in name


def halves_of(misp_type: str, value: str) -> list[tuple[str, str]]:
    """Data type and value of what a composite value is made of; nothing for other types.

    The last separator counts: names of files may hold one too, and so may addresses.
    """
    kinds = COMPOSITES.get(misp_type)
    if kinds is None:
        return []
    separator = "|" if "|" in value or not misp_type.endswith("|port") else ":"
    halves = value.rpartition(separator)[::2]
    return [(kind, half.strip("[]")) for kind, half in reversed(list(zip(kinds, halves, strict=True))) if kind and half]


def data_type_of(misp_type: str) -> str:
    return DATA_TYPES.get(misp_type, "other")


def inputs_of(data_types: list[str]) -> list[str]:
    """The attribute types a worker of these data types takes, without repeats."""
    found: dict[str, None] = {}
    for data_type in data_types:
        ours = ALIASES.get(data_type, data_type)
        found |= dict.fromkeys(OTHER_INPUTS if ours == "other" else MISP_TYPES.get(ours, ()))
        found |= dict.fromkeys(name for name, kinds in COMPOSITES.items() if ours in kinds)
    return list(found)


def output_types(data_type: str, value: str) -> list[str]:
    """The attribute types of a found value, best guess first: MISP takes the first as default."""
    types = list(MISP_TYPES.get(ALIASES.get(data_type, data_type), MISP_TYPES["other"]))
    best = HASH_BY_LENGTH.get(len(value)) if data_type == "hash" else None
    return [best, *(t for t in types if t != best)] if best else types
