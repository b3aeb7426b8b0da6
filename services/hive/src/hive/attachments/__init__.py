"""Files of alerts, logs and observables: contents stored once per hash, names as the sender gave them."""
