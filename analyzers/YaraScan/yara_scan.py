#!/usr/bin/env python3
"""YARA over one file. Licence: AGPL-3.0 (imports cortexutils)."""

import os

import yara
from cortexutils.analyzer import Analyzer

SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rules")
ENDINGS = (".yar", ".yara")
SCAN_SECONDS = 60
MOST_STRINGS = 20
RANK = {"info": 0, "safe": 0, "suspicious": 1, "malicious": 2}


def rule_files(places):
    """The rule files of folders and files, by a name that is unique among them."""
    found = {}
    for place in places:
        if os.path.isfile(place):
            found[place] = place
        for folder, _, names in os.walk(place):
            found.update({os.path.join(folder, n): os.path.join(folder, n) for n in sorted(names) if n.lower().endswith(ENDINGS)})
    return found


def compile_each(files):
    """Rules that compile, and by file the reason of those that do not: one broken file must not stop the others."""
    compiled, broken = [], {}
    for path in files:
        try:
            compiled.append(yara.compile(filepath=path, includes=False))
        except yara.Error as error:
            broken[os.path.basename(path)] = str(error)
    return compiled, broken


def found_strings(match):
    found = []
    for string in match.strings:
        for instance in string.instances[:3]:
            data = bytes(instance.matched_data[:64])
            found.append({"name": string.identifier, "offset": instance.offset, "data": data.decode("latin-1")})
    return found[:MOST_STRINGS]


class YaraScan(Analyzer):
    def run(self):
        path = self.get_param("file", None, "The file is missing from the job folder.")
        if not path:
            self.error("The file is missing from the job folder.")
        places = self.get_param("config.rules") or [SHIPPED]
        compiled, broken = compile_each(rule_files(places))
        if not compiled:
            self.error(f"No usable rules in {', '.join(places)}: {broken or 'no .yar or .yara file there'}")
        matches = []
        for rules in compiled:
            try:
                matches += rules.match(path, timeout=SCAN_SECONDS)
            except yara.TimeoutError:
                self.error(f"The scan took longer than {SCAN_SECONDS} s.")
        results = [
            {"rule": m.rule, "namespace": m.namespace, "tags": list(m.tags), "meta": dict(m.meta), "strings": found_strings(m)}
            for m in matches
        ]
        self.report({"results": results, "rules": sum(1 for rules in compiled for _ in rules), "broken": broken})

    def summary(self, raw):
        level = "info"
        for result in raw["results"]:
            named = result["meta"].get("level", "suspicious")
            level = max(level, named if named in RANK else "suspicious", key=lambda name: RANK[name])
        count = len(raw["results"])
        return {"taxonomies": [self.build_taxonomy(level, "Yara", "Match", f"{count} rule{'' if count == 1 else 's'}")]}

    def artifacts(self, raw):
        return []


if __name__ == "__main__":
    YaraScan().run()
