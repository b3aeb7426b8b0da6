#!/bin/sh
# Reads this container's secrets from its volume, so that they are in no image, no compose file and no `docker inspect`.
set -eu
if [ -r "${WAGGLE_SECRETS:=/run/waggle}/env" ]; then
  set -a
  . "$WAGGLE_SECRETS/env"
  set +a
fi
exec "$@"
