#!/bin/sh
# The server's own script as PID 1: it hands a stop on, which Debian's wrapper does not.
exec /usr/lib/rabbitmq/bin/rabbitmq-server "$@"
