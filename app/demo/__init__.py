"""The demo upstream: a stand-in for a provider, so that the gateway can be tried without an account."""
