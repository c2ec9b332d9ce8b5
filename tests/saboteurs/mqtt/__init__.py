"""Wrong MQTT clients: the control client with one lie each, a module a kind of lie."""
