"""The registration file that a homeserver's administrator adds to its configuration.

Application service API, specification v1.19, "Registration".
"""

import json
import re

from adapters.matrix.settings import MatrixSettings
from bridge.contract import Context


def registration(settings: MatrixSettings, context: Context) -> str:
    """The YAML text. Its regular expressions are wide, so that another network needs no new file."""
    domain = re.escape(settings.domain)
    bot, prefix = re.escape(settings.bot), re.escape(settings.prefix)
    # JSON strings are YAML strings: nothing in a value can end the line it stands on.
    return f"""\
# Registration of Rialto's network {context.network} with the homeserver of {settings.domain}. It holds secrets.
#
# Synapse: save it where the homeserver can read it and nobody else, for example as
# /etc/matrix-synapse/rialto-{context.network}.yaml; add that path to homeserver.yaml and restart Synapse:
#
#   app_service_config_files:
#     - /etc/matrix-synapse/rialto-{context.network}.yaml
#
# Other homeservers: Dendrite takes it under app_service_api.config_files; those of the Conduit family by an
# administrator's command, as their documentation says.
id: {_quoted(settings.registration_id(context))}
url: {_quoted(settings.reached_at(context))}
as_token: {_quoted(settings.as_token.get_secret_value())}
hs_token: {_quoted(settings.hs_token.get_secret_value())}
sender_localpart: {_quoted(settings.bot)}
rate_limited: false
receive_ephemeral: true
de.sorunome.msc2409.push_ephemeral: true # what older homeservers call the line above
namespaces:
  users:
    - exclusive: true
      regex: {_quoted(f"^@{prefix}.*:{domain}$")}
    - exclusive: true
      regex: {_quoted(f"^@{bot}:{domain}$")}
  aliases:
    - exclusive: true
      regex: {_quoted(f"^#{prefix}.*:{domain}$")}
  rooms: []
"""


def _quoted(text: str) -> str:
    return json.dumps(text)
