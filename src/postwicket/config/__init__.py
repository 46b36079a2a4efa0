"""The configuration: one TOML file, the environment over it, frozen settings out of it.

The names below are what the other rooms use; they are gathered here, against the habit of the
house, because the rooms need the settings and not the way they are read.
"""

from .errors import ConfigError, Problem
from .load import Configuration, find_config, load, read
from .sending import (
    DeliverySettings,
    Destination,
    ReturnSettings,
    SigningSettings,
    TlsReportSettings,
)
from .settings import (
    Host,
    LimitSettings,
    LogSettings,
    QueueSettings,
    SendmailSettings,
    SessionSettings,
    Settings,
)
from .transport import Listener, Route, Tls, Upstream

__all__ = [
    "ConfigError",
    "Configuration",
    "DeliverySettings",
    "Destination",
    "Host",
    "LimitSettings",
    "Listener",
    "LogSettings",
    "Problem",
    "QueueSettings",
    "ReturnSettings",
    "Route",
    "SendmailSettings",
    "SessionSettings",
    "Settings",
    "SigningSettings",
    "Tls",
    "TlsReportSettings",
    "Upstream",
    "find_config",
    "load",
    "read",
]
