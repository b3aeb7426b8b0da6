"""The version of the service, and the ones its APIs report to clients that ask which TheHive they talk to."""

VERSION = "0.1.0"
CLASSIC_VERSION = "4.1.24-waggle"
