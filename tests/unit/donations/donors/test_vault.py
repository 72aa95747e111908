"""Sealing contacts, and the keys that it needs."""

from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donations.donors.donor import Contact, Sealed, WrappedKey
from services.donations.donors.keys import KeyRing, SealBroken
from services.donations.donors.vault import Vault
from services.runtime.errors import Fault, Reason
from tests.unit.donations.donors.contacts import CONTACT, DONOR, LEARNED, NOW, OTHER

OLD, NEW = bytes(32), bytes([1]) * 32
VAULT = Vault(KeyRing({"2026-09": OLD}))
ROTATED = Vault(KeyRing({"2026-09": OLD, "2026-10": NEW}))

texts = st.text(max_size=60)


def sealed(vault: Vault = VAULT, contact: Contact = CONTACT) -> Sealed:
    return vault.seal(contact, DONOR, LEARNED, NOW, None)


@given(st.builds(Contact, texts, texts, texts, texts))
def test_what_is_sealed_opens_again_and_shows_nothing(contact: Contact) -> None:
    kept = sealed(contact=contact)
    assert VAULT.unseal(kept, DONOR) == contact
    for text in filter(lambda text: len(text) > 5, asdict(contact).values()):
        assert text.encode() not in kept.content
        assert text not in repr(contact) + repr(kept)


def test_sealing_twice_makes_other_bytes_under_the_same_key() -> None:
    first = sealed()
    second = VAULT.seal(CONTACT, DONOR, LEARNED, NOW, first)
    assert first.content != second.content
    # One key a donor: with either wrapping, either content opens.
    assert VAULT.unseal(replace(first, key=second.key), DONOR) == CONTACT
    assert VAULT.unseal(replace(second, key=first.key), DONOR) == CONTACT


def test_contacts_of_usual_length_are_equally_long() -> None:
    assert len(sealed().content) == len(sealed(contact=Contact("王")).content)


@given(st.integers(0), st.integers(1, 255))
def test_any_changed_byte_is_found(place: int, change: int) -> None:
    kept = sealed()
    both = bytearray(kept.key.wrapped + kept.content)
    both[place % len(both)] ^= change
    cut = len(kept.key.wrapped)
    changed = replace(kept, key=WrappedKey("2026-09", bytes(both[:cut])), content=bytes(both[cut:]))
    with pytest.raises(SealBroken):
        VAULT.unseal(changed, DONOR)


def test_a_seal_opens_in_its_own_row_and_under_its_own_time_alone() -> None:
    kept = sealed()
    with pytest.raises(SealBroken):
        VAULT.unseal(kept, OTHER)
    with pytest.raises(SealBroken):
        VAULT.unseal(replace(kept, update_time=LEARNED + timedelta(microseconds=1)), DONOR)
    with pytest.raises(SealBroken):
        VAULT.unseal(replace(kept, content=b""), DONOR)


def test_the_newest_key_wraps_and_older_ones_still_open() -> None:
    kept = sealed()
    assert ROTATED.unseal(kept, DONOR) == CONTACT
    anew = replace(kept, key=ROTATED.rewrap(kept.key, DONOR))
    assert anew.key.key_id == "2026-10"
    assert Vault(KeyRing({"2026-10": NEW})).unseal(anew, DONOR) == CONTACT
    assert ROTATED.seal(CONTACT, DONOR, LEARNED, NOW, kept).key.key_id == "2026-10"


def test_without_its_key_nothing_opens_and_a_new_contact_gets_a_new_key() -> None:
    alone = Vault(KeyRing({"2026-10": NEW}))
    with pytest.raises(Fault) as caught:
        alone.unseal(sealed(), DONOR)
    assert caught.value.reason is Reason.DONOR_KEY_MISSING
    anew = alone.seal(CONTACT, DONOR, LEARNED, NOW, sealed())
    assert alone.unseal(anew, DONOR) == CONTACT
    with pytest.raises(SealBroken):
        ROTATED.unseal(replace(sealed(), key=anew.key), DONOR)


def test_without_any_key_nothing_is_sealed() -> None:
    with pytest.raises(Fault) as caught:
        sealed(Vault(KeyRing.load(None)))
    assert caught.value.reason is Reason.DONOR_KEY_MISSING


def test_keys_come_from_files_and_are_never_shown(tmp_path: Path) -> None:
    for key_id, key in (("2026-10", NEW), ("2026-09", OLD)):
        (tmp_path / f"{key_id}.key").write_bytes(key)
    (tmp_path / "README").write_text("not a key")
    keys = KeyRing.load(tmp_path)
    assert keys.newest == "2026-10"
    assert repr(keys) == "KeyRing(['2026-09', '2026-10'])"
    assert Vault(keys).unseal(sealed(), DONOR) == CONTACT


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("short.key", b"x" * 31, "short must have 32 bytes"),
        ("long.key", b"x" * 33, "long must have 32 bytes"),
        ("A B.key", b"x" * 32, "1 to 32 characters"),
        ("other.txt", b"x" * 32, "holds no donor key"),
    ],
)
def test_a_file_that_is_no_key_is_refused(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=says):
        KeyRing.load(tmp_path)
