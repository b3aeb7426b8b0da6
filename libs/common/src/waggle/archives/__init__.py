"""Zips with a password, the form in which samples of malware travel: written with the old PKWARE cipher, which every tool opens;
read with that cipher or AES, within limits.

Both happen in a child process of their own: compression and cipher would hold the event loop for seconds, and an archive made to
do harm can be stopped there, whatever it does.
"""

from waggle.archives.process import BadArchive, Limits, Unpacked, protected, unpacked

PASSWORD = "malware"  # noqa: S105 (the field's convention, known to everybody; it keeps scanners and fingers off)

__all__ = ["PASSWORD", "BadArchive", "Limits", "Unpacked", "protected", "unpacked"]
