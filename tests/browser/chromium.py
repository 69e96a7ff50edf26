"""Find a Chromium, or install Debian's. Needs the standard library only.

``python tests/browser/chromium.py`` prints the path; it installs the browser where ``apt-get``
and the rights for it are there, and else ends with the command that a person has to run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-dejavu-core")
VARIABLE = "ISEG_CHROMIUM"


def find() -> str | None:
    """Path of the browser: ``$ISEG_CHROMIUM`` or the first known name on ``PATH``."""
    given = os.environ.get(VARIABLE)
    if given:
        found = shutil.which(given)
        if found is None:
            raise FileNotFoundError(f"${VARIABLE} is {given!r}, which is no program")
        return found
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install() -> str:
    """Install Debian's Chromium.

    Raises
    ------
    RuntimeError
        It cannot be installed from here; the message says what to run.
    """
    prefix: list[str] = []
    if shutil.which("apt-get") is None:
        raise RuntimeError(
            f"no Chromium found: install Chromium or Chrome, or set {VARIABLE} to its path"
        )
    if os.geteuid() != 0:
        prefix = ["sudo", "-n"]
        if shutil.which("sudo") is None or subprocess.call([*prefix, "true"]) != 0:
            command = "apt-get install -y --no-install-recommends " + " ".join(PACKAGES)
            raise RuntimeError(f"no Chromium found. Run as root:\n    {command}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    print("installing", *PACKAGES, "with apt-get", file=sys.stderr)
    for arguments in (
        ["update", "-qq"],
        ["install", "-qq", "-y", "--no-install-recommends", *PACKAGES],
    ):
        subprocess.run(
            [*prefix, "apt-get", *arguments], check=True, env=environment, stdout=sys.stderr
        )
    path = find()
    if path is None:
        raise RuntimeError("apt-get installed Chromium, but it is not on PATH")
    return path


if __name__ == "__main__":
    try:
        print(find() or install())
    except (FileNotFoundError, RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(f"{error}")
