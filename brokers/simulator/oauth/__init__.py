"""Who a request comes from, and who may sign one."""
