# Wiring only: which class does what, who may what, and where things lie. The reasons live with the classes.
import os
import sys

from faelleslab_hub import accounts, handlers, secret_files
from faelleslab_hub.accounts import role_group
from faelleslab_hub.login import AccountAuthenticator
from faelleslab_hub.pages import Workbench
from faelleslab_hub.settings import CHECKOUT, Settings
from faelleslab_hub.tenants import Tenants

settings = Settings.from_environment()
tenants = Tenants.load(settings.config)
c = get_config()

# --- where it listens, and the proxy, which is a unit of its own ---
c.JupyterHub.bind_url = f"http://{settings.bind}:{settings.port}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{settings.hub_port}"
c.JupyterHub.public_url = settings.public_url.rstrip("/") + "/"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings.proxy_api_port}"
c.ConfigurableHTTPProxy.auth_token = secret_files.read(settings, "hub", "proxy-token")
c.ConfigurableHTTPProxy.check_running_interval = 10

# --- what outlives the hub ---
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False
c.JupyterHub.db_url = f"sqlite:///{settings.hub_state / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret = bytes.fromhex(secret_files.read(settings, "hub", "cookie-secret"))
c.JupyterHub.pid_file = str(settings.hub_state / "hub.pid")

# --- login ---
c.JupyterHub.authenticator_class = AccountAuthenticator
c.AccountAuthenticator.settings = settings
c.AccountAuthenticator.tenants = tenants
c.AccountAuthenticator.password = secret_files.read(settings, "hub", "account-password")
c.JupyterHub.cookie_max_age_days = 0.5
c.JupyterHub.oauth_require_pkce = True
c.JupyterHub.oauth_token_expires_in = 12 * 3600
c.JupyterHub.redirect_to_server = False
c.JupyterHub.default_url = handlers.default_url
# Logging out leaves a long calculation running; the idle culler ends what nobody uses.
c.JupyterHub.shutdown_on_logout = False

# --- servers ---
if settings.mode == "embedded":
    c.JupyterHub.spawner_class = "faelleslab_hub.spawner.embedded.EmbeddedServer"
else:
    c.JupyterHub.spawner_class = "faelleslab_hub.spawner.container.ContainerServer"
c.AuditedServer.settings = settings
c.AuditedServer.tenants = tenants
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 90
c.JupyterHub.allow_named_servers = False
c.JupyterHub.concurrent_spawn_limit = 10
c.JupyterHub.last_activity_interval = 300

# --- services ---
c.JupyterHub.services = [
    {
        "name": "web",
        "display": False,
        "url": f"http://127.0.0.1:{settings.web_port}",
        "api_token": secret_files.read(settings, "hub", "web-client-secret"),
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": ["read:users:name!user", "read:users:groups!user"],
        # The hub answers before the web service does; it must not wait for it.
        "timeout": 3,
    },
    {
        "name": "idle",
        "command": [sys.executable, "-m", "faelleslab_hub.idle", str(os.getpid())],
        "api_token": secret_files.read(settings, "hub", "culler-token"),
    },
]

# --- who may what: nobody is admin; the operator may see and stop servers, never enter one ---
c.JupyterHub.load_roles = [
    {
        "name": "user",
        "scopes": ["read:users:name!user", "read:users:groups!user", "access:services!service=web"],
    },
    {
        "name": "workbench",
        "description": "Start, use and stop one's own server",
        "scopes": ["servers!user", "access:servers!user", "users:activity!user"],
        "groups": sorted(role_group(role) for role in accounts.MAY_START_SERVER),
    },
    {
        "name": "operation",
        "description": "See and stop servers",
        "scopes": ["admin-ui", "list:users", "read:users:name", "read:servers", "delete:servers"],
        "groups": [role_group("operator")],
    },
    {
        "name": "idle",
        "description": "Stop servers nobody uses",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle"],
    },
]

# --- pages ---
c.JupyterHub.template_paths = [str(CHECKOUT / "hub" / "faelleslab_hub" / "templates")]
c.JupyterHub.template_vars = {"workbench": Workbench(settings, tenants)}
c.JupyterHub.tornado_settings = {
    "headers": {
        "Content-Security-Policy": handlers.CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    },
    "cookie_options": {"samesite": "Lax", "secure": settings.public_url.startswith("https:")},
}
