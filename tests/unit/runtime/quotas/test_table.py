"""quotas.toml is read exactly, or not at all."""

from pathlib import Path

import pytest

from services.runtime.quotas.table import Allowance, QuotaFileError, read_quotas


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "quotas.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_a_file_everybody_has_the_defaults() -> None:
    assert read_quotas(None).of("weibo") == Allowance()


def test_a_partner_has_its_own_then_the_default_then_ours(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "[default]\ncalls_per_s = 100\nburst_s = 3\n[partners.weibo]\ncalls_per_s = 0.5\n",
    )
    table = read_quotas(file)
    assert table.of("weibo") == Allowance(calls_per_s=0.5, burst_s=3)
    assert table.of("alipay") == Allowance(calls_per_s=100, burst_s=3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[default]\ncalls_a_second = 1", r"\[default\] calls_a_second: Extra"),
        ("[default]\ncalls_per_s = 0", r"\[default\] calls_per_s: Input should be greater"),
        ("[default]\ncalls_per_s = inf", r"\[default\] calls_per_s: Input should be a finite"),
        ("[default]\ncalls_per_s = '1'", r"\[default\] calls_per_s: Input should be a valid"),
        ("[default]\nstreams_at_once = 1.5", r"\[default\] streams_at_once"),
        ("[partners.weibo]\ngift_per_s = 1", r"\[partners.weibo\] gift_per_s: Extra"),
        ("[weibo]\ngifts_per_s = 1", r"'weibo' is neither"),
        ("default = 1", "default must be a table"),
        ("[partners]\nweibo = 1", r"partners.weibo must be a table"),
        ("[default", "no TOML file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(QuotaFileError, match=said):
        read_quotas(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(QuotaFileError, match=r"quotas\.toml cannot be read"):
        read_quotas(tmp_path / "quotas.toml")
