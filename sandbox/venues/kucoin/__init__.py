"""KuCoin: public REST, the classic socket and the Pro socket, spot and futures below one address."""
