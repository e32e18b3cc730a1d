"""gunicorn's thread worker as it is, for the Flask and DRF peers. Forecourt and the raw limit run by the project's own
gunicorn.conf.py."""

worker_class = "gthread"
loglevel = "warning"
control_socket_disable = True
