"""Donors' tokens."""

from pathlib import Path

import pytest

from services.donations.gifts.tokens import TOKEN_BYTES, DonorTokens

KEY = bytes(range(32))


def test_a_donor_has_one_token_at_one_partner() -> None:
    tokens = DonorTokens(KEY)
    token = tokens.token("weibo", "user-1")
    assert len(token) == TOKEN_BYTES
    assert token == DonorTokens(KEY).token("weibo", "user-1")
    assert token != tokens.token("weibo", "user-2")


def test_partners_do_not_learn_each_others_donors() -> None:
    tokens = DonorTokens(KEY)
    assert tokens.token("weibo", "user-1") != tokens.token("xiaomi", "user-1")


def test_without_the_key_a_token_says_nothing() -> None:
    assert DonorTokens(KEY).token("weibo", "x") != DonorTokens(KEY[::-1]).token("weibo", "x")


def test_no_reference_has_no_token() -> None:
    assert DonorTokens(KEY).token("weibo", "") == b""


def test_many_are_like_one() -> None:
    tokens = DonorTokens(KEY)
    assert tokens.tokens("weibo", ["a", "", "汇"]) == (
        tokens.token("weibo", "a") + bytes(TOKEN_BYTES) + tokens.token("weibo", "汇")
    )


def test_a_key_must_be_long_enough(tmp_path: Path) -> None:
    file = tmp_path / "donor.key"
    file.write_bytes(KEY[:-1])
    with pytest.raises(ValueError, match="32 bytes"):
        DonorTokens.load(file)
    file.write_bytes(KEY)
    assert DonorTokens.load(file).token("weibo", "a") == DonorTokens(KEY).token("weibo", "a")
