"""The code interpreter's server: for whoever reaches the capsule's port 8888."""

c = get_config()  # noqa: F821
c.ServerApp.ip = "0.0.0.0"
c.ServerApp.port = 8888
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.root_dir = "/home/wrenn-user"
# The capsule's id is the right to enter, unless its ports are private: see the gateway.
c.IdentityProvider.token = ""
c.PasswordIdentityProvider.hashed_password = ""
c.ServerApp.disable_check_xsrf = True
c.ServerApp.allow_origin = "*"
c.ServerApp.allow_remote_access = True
c.MultiKernelManager.default_kernel_name = "wrenn"
# What is printed arrives, however much it is.
c.ZMQChannelsWebsocketConnection.limit_rate = False
# Nobody opens a terminal here, and every extension makes the start slower.
c.ServerApp.jpserver_extensions = {"jupyter_server_terminals": False}
c.ServerApp.terminals_enabled = False
