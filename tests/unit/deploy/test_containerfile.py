"""Containerfile: pinned, by hash, without rights, without secrets."""

import importlib.metadata
import re
import subprocess
import tomllib

from packaging.requirements import Requirement

from tests.unit.deploy.files import DEPLOY, ROOT

TEXT = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
IGNORE = (DEPLOY / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) in order, continued lines joined, comments left out."""
    lines = [line for line in TEXT.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (word, rest) for word, _, rest in (ln.partition(" ") for ln in joined.splitlines() if ln)
    ]


INSTRUCTIONS = instructions()


def last_stage() -> list[tuple[str, str]]:
    start = max(i for i, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM")
    return INSTRUCTIONS[start:]


def test_both_stages_are_the_same_pinned_python() -> None:
    bases = [rest.split(" AS ")[0] for word, rest in INSTRUCTIONS if word == "FROM"]
    assert bases == ["${PYTHON}"] * 2
    arguments = [rest for word, rest in INSTRUCTIONS if word == "ARG"]
    assert len(arguments) == 1
    assert re.fullmatch(r"PYTHON=docker\.io/library/python:3\.11\.\d+-slim-\w+", arguments[0])


def test_everything_installed_is_known_by_hash_and_built_by_others() -> None:
    installs = re.findall(r"pip install ([^&]+)", " && ".join(rest for _, rest in INSTRUCTIONS))
    locked = "--require-hashes --only-binary :all: --requirement"
    assert [install.strip() for install in installs] == [
        f"{locked} requirements.lock",
        f"{locked} build.lock",
        "--no-deps --no-index /wheels/*.whl",
    ]


def test_the_build_lock_is_what_builds() -> None:
    command = re.search(r"awk '.*?' +requirements-dev\.lock", " ".join(map(" ".join, INSTRUCTIONS)))
    assert command
    lock = subprocess.run(
        command[0], shell=True, cwd=ROOT, capture_output=True, text=True, timeout=10, check=True
    ).stdout
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {*project["build-system"]["requires"], *project["dependency-groups"]["protos"]}
    # buf checks the contract and generates nothing.
    builders = {Requirement(line).name for line in wanted} - {"buf-bin"}
    assert set(re.findall(r"^([a-z0-9-]+)==", lock, re.M)) == with_what_they_need(builders)
    whole = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    for stanza in re.split(r"(?m)^(?=\S)", lock)[1:]:
        assert "--hash=sha256:" in stanza
        assert stanza in whole, "cut off"


def with_what_they_need(names: set[str]) -> set[str]:
    """Installed packages and all that they depend on here."""
    found: set[str] = set()
    while names:
        found |= names
        requirements = [
            Requirement(line) for name in names for line in importlib.metadata.requires(name) or ()
        ]
        names = {
            requirement.name.lower().replace("_", "-")
            for requirement in requirements
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        } - found
    return found


def test_only_what_runs_is_shipped() -> None:
    copies = [rest for word, rest in last_stage() if word == "COPY"]
    assert copies == [
        "--from=build /opt/watersmeet /opt/watersmeet",
        "deploy/health.py /opt/watersmeet/health.py",
    ]


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    copied = [
        source
        for word, rest in INSTRUCTIONS
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in IGNORE, source
    rules = [line for line in IGNORE if line and not line.startswith("#")]
    assert rules[0] == "*", "nothing, but what is named"
    assert {line[1:] for line in IGNORE if line.startswith("!")} == set(copied)


def test_it_does_not_run_as_root() -> None:
    users = [rest for word, rest in last_stage() if word == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", users[-1]), "by number, so that a platform sees"


def test_the_service_is_the_argument() -> None:
    stage = dict(last_stage())
    assert stage["ENTRYPOINT"] == '["python", "-m"]'
    assert "CMD" not in stage
    assert "/opt/watersmeet/health.py" in stage["HEALTHCHECK"]


def test_no_secret_and_no_setting_is_baked_in() -> None:
    for word, rest in INSTRUCTIONS:
        if word in ("ENV", "ARG", "LABEL"):
            assert not re.search(r"WATERSMEET_|PASSWORD|SECRET|TOKEN|KEY", rest, re.I), rest
        assert word != "ADD"
    for pattern in ("**/*.key", "**/*.pem", "**/.env", "**/.watersmeet"):
        assert pattern in IGNORE
