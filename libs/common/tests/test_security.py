"""Passwords, sealed secrets and the outbound guard."""

from __future__ import annotations

import ipaddress

import httpx
import pytest

from waggle.security.keys import key_hash, new_key
from waggle.security.outbound import OutboundGuard, OutboundRefused, guarded_client
from waggle.security.passwords import Passwords
from waggle.security.secretbox import SealBroken, SecretBox, new_secret_key


class TestPasswords:
    @pytest.mark.parametrize("blank", ["", " ", "\u0000", "\t\n"])
    async def test_a_blank_password_is_refused_even_where_it_would_match(self, blank: str) -> None:
        passwords = Passwords()
        hashed = await passwords.hash(blank)
        assert not await passwords.verify(login="ann", epoch=1, password=blank, hashed=hashed)

    async def test_right_and_wrong_password(self) -> None:
        passwords = Passwords()
        hashed = await passwords.hash("correct horse")
        assert await passwords.verify(login="ann", epoch=1, password="correct horse", hashed=hashed)
        assert await passwords.verify(login="ann", epoch=1, password="correct horse", hashed=hashed)
        assert not await passwords.verify(login="ann", epoch=1, password="wrong horse", hashed=hashed)

    async def test_a_changed_password_makes_the_old_one_stale_at_once(self) -> None:
        passwords = Passwords()
        old = await passwords.hash("first password")
        assert await passwords.verify(login="ann", epoch=1, password="first password", hashed=old)
        new = await passwords.hash("second password")
        assert not await passwords.verify(login="ann", epoch=2, password="first password", hashed=new)

    async def test_an_unknown_user_is_never_right(self) -> None:
        assert not await Passwords().verify(login="nobody", epoch=0, password="whatever1", hashed=None)


class TestKeys:
    def test_keys_are_long_and_never_look_like_json(self) -> None:
        key = new_key()
        assert key.startswith("wk")
        assert len(key) >= 43
        assert key_hash(key) != key_hash(new_key())


class TestSecretBox:
    def test_opens_what_it_sealed(self) -> None:
        box = SecretBox([new_secret_key()])
        assert box.open(box.seal(b"api key", context="instances/1"), context="instances/1") == b"api key"

    def test_a_value_moved_to_another_row_does_not_open(self) -> None:
        box = SecretBox([new_secret_key()])
        with pytest.raises(SealBroken):
            box.open(box.seal(b"api key", context="instances/1"), context="instances/2")

    def test_rotation_keeps_old_values_readable(self) -> None:
        old, new = new_secret_key(), new_secret_key()
        sealed = SecretBox([old]).seal(b"x", context="c")
        assert SecretBox([new, old]).open(sealed, context="c") == b"x"
        with pytest.raises(SealBroken):
            SecretBox([new]).open(sealed, context="c")


class TestOutboundGuard:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.1.1",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "fe80::1",
            "0.0.0.0",
        ],
    )
    def test_inside_addresses_are_refused_with_the_setting_that_would_allow_them(self, address: str) -> None:
        with pytest.raises(OutboundRefused, match="WAGGLE_OUTBOUND_ALLOW"):
            OutboundGuard().check_address("target", ipaddress.ip_address(address))

    @pytest.mark.parametrize("allow", ["127.0.0.0/8", "127.0.0.1", "target", ".target"])
    def test_named_targets_are_allowed(self, allow: str) -> None:
        OutboundGuard([allow]).check_address("target", ipaddress.ip_address("127.0.0.1"))

    @pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"])
    def test_metadata_addresses_are_refused_to_everybody(self, address: str) -> None:
        for guard in (OutboundGuard(["0.0.0.0/0", "::/0"]), OutboundGuard().trusting()):
            with pytest.raises(OutboundRefused, match="metadata"):
                guard.check_address("target", ipaddress.ip_address(address))

    @pytest.mark.parametrize("url", ["http://2130706433/", "http://0x7f.1/", "http://localhost:80/", "http://[::1]/"])
    def test_other_spellings_of_loopback_are_refused(self, url: str) -> None:
        with pytest.raises(OutboundRefused):
            OutboundGuard().check_url(url)

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://example.org/", "nonsense", "http://"])
    def test_only_http_urls_are_accepted(self, url: str) -> None:
        with pytest.raises(OutboundRefused):
            OutboundGuard().check_url(url)

    async def test_a_client_does_not_connect_inside(self) -> None:
        async with guarded_client(OutboundGuard()) as client:
            with pytest.raises(OutboundRefused):
                await client.get("http://127.0.0.1:9/")

    async def test_an_allowed_but_silent_target_is_a_connection_error(self) -> None:
        async with guarded_client(OutboundGuard(["127.0.0.1"])) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("http://127.0.0.1:9/")
