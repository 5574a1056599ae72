"""What an operator adds to their server's configuration, so that it takes us as a component."""

from adapters.xmpp.settings import XmppSettings
from bridge.contract import Context


def _lua(text: str) -> str:
    """A Lua string literal, of printable text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\{ord(char):03d}" for char in escaped) + '"'


def _yaml(text: str) -> str:
    """A YAML double-quoted scalar."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in escaped) + '"'


def registration(settings: XmppSettings, context: Context) -> str:
    """The snippet for Prosody and the one for ejabberd, each with a word on where it goes."""
    domain, secret = settings.domain, settings.secret.get_secret_value()
    host, port = settings.address
    return f"""\
-- Network {context.network}: the XMPP server has to know the component {domain}. It holds a secret: keep it private.

-- PROSODY: at the end of /etc/prosody/prosody.cfg.lua, outside of any other VirtualHost or Component:

Component {_lua(domain)}
    component_secret = {_lua(secret)}

-- and, if not there yet, in the global part of the same file (above the first VirtualHost):

component_ports = {{ {port} }}
component_interfaces = {{ {_lua(host)} }}

-- Then: prosodyctl check config && prosodyctl restart

# EJABBERD: in /etc/ejabberd/ejabberd.yml, as one more entry of the list below "listen:":

  -
    port: {port}
    ip: {_yaml(host)}
    module: ejabberd_service
    access: all
    hosts:
      {_yaml(domain)}:
        password: {_yaml(secret)}

# Then: ejabberdctl reload_config

# If people of other servers shall reach the puppets, {domain} needs a DNS entry (SRV _xmpp-server._tcp, or A/AAAA)
# that leads to the XMPP server, and a certificate there.
"""
