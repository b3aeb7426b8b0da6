#!/usr/bin/env node
// Written from the description of the job folder: input/input.json in, output/output.json out.
const fs = require("fs");
const path = require("path");

const job = process.argv[2] || "/job";
const input = JSON.parse(fs.readFileSync(path.join(job, "input", "input.json"), "utf8"));
const seen = input.dataType === "file" ? fs.readFileSync(path.join(job, "input", input.file), "utf8") : input.data;
const taxonomy = { level: "suspicious", namespace: "Node", predicate: input.config.service, value: [...seen].length };
const report = {
  success: true,
  full: { seen, name: input.filename },
  summary: { taxonomies: [taxonomy] },
  artifacts: [{ dataType: "url", data: "https://related.example.org/a", tags: [], tlp: 2 }],
  operations: [],
};
fs.writeFileSync(path.join(job, "output", "output.json"), JSON.stringify(report));
