"""What every MISP attribute type becomes here: facts only, no logic.

Source: the types of MISP 2.5 as PyMISP 2.5.34 packages them (`describeTypes.json`, 194 types); a test holds this table
against that file. A type that is absent here is newer than this table and falls to `UNKNOWN` (see `rule_of`).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class Rule(Enum):
    """How a value of a type turns into observables."""

    HASH = auto()
    MAIL = auto()
    DOMAIN = auto()
    FILENAME = auto()
    MAIL_SUBJECT = auto()
    URL = auto()
    REGISTRY = auto()
    USER_AGENT = auto()
    AUTONOMOUS_SYSTEM = auto()
    ONION = auto()
    OTHER = auto()
    CONTEXT = auto()
    """No indicator by nature: with `to_ids` false the instance's `context_attributes` decides."""
    HOST = auto()
    """`fqdn` with a dot in it, else `hostname`."""
    HOST_PORT = auto()
    ADDRESS = auto()
    """`ip` for one address; a network is `other`, because most IP analyzers reject it."""
    ADDRESS_PORT = auto()
    URI = auto()
    DOMAIN_ADDRESS = auto()
    FILENAME_HASH = auto()
    REGISTRY_VALUE = auto()
    ATTACHMENT = auto()
    MALWARE_SAMPLE = auto()


DATA_TYPE: Final[dict[Rule, str]] = {
    Rule.HASH: "hash",
    Rule.MAIL: "mail",
    Rule.DOMAIN: "domain",
    Rule.FILENAME: "filename",
    Rule.MAIL_SUBJECT: "mail-subject",
    Rule.URL: "url",
    Rule.REGISTRY: "registry",
    Rule.USER_AGENT: "user-agent",
    Rule.AUTONOMOUS_SYSTEM: "autonomous-system",
    Rule.ONION: "fqdn",
    Rule.OTHER: "other",
    Rule.CONTEXT: "other",
}
"""Rules that take the value as it is. All others look at the value first."""


def _names(text: str) -> list[str]:
    return text.split()


_FILE_HASHES: Final = _names(
    "authentihash impfuzzy imphash md5 pehash sha1 sha224 sha256 sha3-224 sha3-256 sha3-384 sha3-512 "
    "sha384 sha512 sha512/224 sha512/256 ssdeep tlsh vhash"
)

_TYPES: Final[dict[Rule, list[str]]] = {
    Rule.HASH: [
        *_FILE_HASHES,
        "cdhash",
        "telfhash",
        "x509-fingerprint-md5",
        "x509-fingerprint-sha1",
        "x509-fingerprint-sha256",
    ],
    Rule.FILENAME_HASH: [f"filename|{name}" for name in _FILE_HASHES],
    Rule.MAIL: [
        "dns-soa-email",
        "email",
        "email-dst",
        "email-reply-to",
        "email-src",
        "target-email",
        "whois-registrant-email",
    ],
    Rule.DOMAIN: ["domain"],
    Rule.DOMAIN_ADDRESS: ["domain|ip"],
    Rule.HOST: ["hostname", "target-machine"],
    Rule.HOST_PORT: ["hostname|port"],
    Rule.ONION: ["onion-address"],
    Rule.ADDRESS: ["ip-dst", "ip-src"],
    Rule.ADDRESS_PORT: ["ip-dst|port", "ip-src|port"],
    Rule.URL: ["link", "url"],
    Rule.URI: ["uri"],
    Rule.FILENAME: ["email-attachment", "filename"],
    Rule.MAIL_SUBJECT: ["email-subject"],
    Rule.REGISTRY: ["regkey"],
    Rule.REGISTRY_VALUE: ["regkey|value"],
    Rule.USER_AGENT: ["user-agent"],
    Rule.AUTONOMOUS_SYSTEM: ["AS"],
    Rule.ATTACHMENT: ["attachment"],
    Rule.MALWARE_SAMPLE: ["malware-sample"],
    Rule.CONTEXT: _names(
        "anonymised boolean comment cortex counter datetime email-body email-header email-mime-boundary "
        "email-thread-index float hex http-method integer mime-type port process-state size-in-bytes text uuid"
    ),
    Rule.OTHER: [
        "named pipe",
        *_names(
            "aba-rtn azure-application-id bank-account-nr bic bin bro btc campaign-id campaign-name cc-number "
            "chrome-extension-id community-id cookie country-of-residence cpe dash date-of-birth dkim dkim-signature "
            "dom-hash edge-extension-id email-dst-display-name email-message-id email-src-display-name "
            "email-x-mailer eppn favicon-mmh3 filename-pattern first-name frequent-flyer-number full-name gender gene "
            "git-commit-id github-organisation github-repository github-username hassh-md5 hasshserver-md5 iban "
            "identity-card-number issue-date-of-the-visa ja3-fingerprint-md5 jabber-id jarm-fingerprint kusto-query "
            "last-name mac-address mac-eui-64 malware-type middle-name mobile-application-id mutex nationality other "
            "passenger-name-record-locator-number passport-country passport-expiration passport-number "
            "pattern-in-file pattern-in-memory pattern-in-traffic payment-details pdb pgp-private-key pgp-public-key "
            "phone-number place-of-birth place-port-of-clearance place-port-of-onward-foreign-destination "
            "place-port-of-original-embarkation primary-residence prtn redress-number sigma snort "
            "special-service-request ssh-fingerprint stix2-pattern suricata target-external target-location "
            "target-org target-user threat-actor travel-details twitter-id visa-number vulnerability weakness "
            "whois-creation-date whois-registrant-name whois-registrant-org whois-registrant-phone whois-registrar "
            "windows-scheduled-task windows-service-displayname windows-service-name xmr yara zeek"
        ),
    ],
}

RULES: Final[dict[str, Rule]] = {name: rule for rule, names in _TYPES.items() for name in names}
