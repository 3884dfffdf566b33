"""Gate v4: public REST and sockets of spot and USDT futures."""
