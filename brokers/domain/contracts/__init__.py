"""Contracts: what the broker lets people order of one."""
