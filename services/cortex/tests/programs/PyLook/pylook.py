#!/usr/bin/env python3
"""Written from cortexutils' documentation: an analyzer with a summary, artifacts and a file."""

from cortexutils.analyzer import Analyzer


class PyLook(Analyzer):
    def __init__(self):
        Analyzer.__init__(self)
        self.service = self.get_param("config.service", None, "Service parameter is missing")

    def summary(self, raw):
        taxonomy = self.build_taxonomy("suspicious", "Py", self.service, len(raw["seen"]))
        return {"taxonomies": [taxonomy]}

    def run(self):
        if self.data_type == "file":
            with open(self.get_param("file", None, "File is missing"), "rb") as content:  # noqa: PTH123 (as published programs do)
                self.report({"seen": content.read().decode("utf-8"), "name": self.get_param("filename")})
        elif self.data_type == "ip":
            self.report({"seen": self.get_data(), "related": "https://related.example.org/a"})
        else:
            self.notSupported()


if __name__ == "__main__":
    PyLook().run()
