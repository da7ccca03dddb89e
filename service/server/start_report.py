"""What a service says of itself when it starts."""

import os
import tempfile

from service.observability import logs
from service.settings import Settings, injected_names

_log = logs.get_logger()


def report_start(settings: Settings) -> None:
    """Log what an operator has to know: who may do what, and what is not as the settings say."""
    if settings.api_keys_file is None:
        _log.warning("no API keys: open to all", hint="SNN_API_KEYS_FILE asks for keys")
    for name in injected_names(os.environ):
        _log.warning("variable ignored", variable=name, reason="Kubernetes sets it for a service")
    try:
        settings.state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.state):
            pass
    except OSError as error:
        hint = "baselines and the release log are not kept; set SNN_STATE"
        _log.warning("state not writable", reason=str(error), hint=hint)
