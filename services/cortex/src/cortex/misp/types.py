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


def data_type_of(misp_type: str) -> str:
    return DATA_TYPES.get(misp_type, "other")


def inputs_of(data_types: list[str]) -> list[str]:
    """The attribute types a worker of these data types takes, without repeats."""
    found: dict[str, None] = {}
    for data_type in data_types:
        ours = ALIASES.get(data_type, data_type)
        found |= dict.fromkeys(OTHER_INPUTS if ours == "other" else MISP_TYPES.get(ours, ()))
    return list(found)


def output_types(data_type: str, value: str) -> list[str]:
    """The attribute types of a found value, best guess first: MISP takes the first as default."""
    types = list(MISP_TYPES.get(ALIASES.get(data_type, data_type), MISP_TYPES["other"]))
    best = HASH_BY_LENGTH.get(len(value)) if data_type == "hash" else None
    return [best, *(t for t in types if t != best)] if best else types
