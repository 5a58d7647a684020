"""Settings as a command at the terminal reads them: one that is wrong ends the command, and is named."""

from __future__ import annotations

import click

from bff import settings
from bff.settings import Settings, SettingsError


def read_settings() -> Settings:
    """Raises ClickException with a line for each variable that is wrong."""
    try:
        return settings.load()
    except SettingsError as error:
        raise click.ClickException("\n".join(error.problems)) from error
