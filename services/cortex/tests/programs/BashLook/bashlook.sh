#!/bin/bash
# Written from the description of the job folder: input/input.json in, output/output.json out.
set -eu
job="${1:-/job}"
value() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$job/input/input.json"; }
type="$(value dataType)"
if [ "$type" = file ]; then
  seen="$(cat "$job/input/$(value file)")"
else
  seen="$(value data)"
fi
cat > "$job/output/output.json" <<END
{"success": true, "full": {"seen": "$seen", "name": "$(value filename)"},
 "summary": {"taxonomies": [{"level": "suspicious", "namespace": "Bash", "predicate": "$(value service)", "value": ${#seen}}]},
 "artifacts": [{"dataType": "url", "data": "https://related.example.org/a", "tags": [], "tlp": 2}], "operations": []}
END
