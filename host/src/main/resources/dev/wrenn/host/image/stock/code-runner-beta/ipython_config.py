"""Every kernel loads what makes it this capsule's own."""

c = get_config()  # noqa: F821
c.InteractiveShellApp.extensions = ["wrenn_capsule"]
