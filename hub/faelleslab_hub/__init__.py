"""Fælleslab's hub: tenants, login, servers, the workbench's services, runs and the audit chain."""

__version__ = "0.1.0"
