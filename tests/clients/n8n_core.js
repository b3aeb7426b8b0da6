// Plays n8n's core for its Cortex node: node n8n_core.js <folder of the node> <host> <key>, a list of steps on standard input.
// Each step is {call: "execute", parameters, binary?} or {call: <name of a loadOptions method>, parameters}; prints a list of answers.
"use strict";
const Module = require("module");
const path = require("path");

const [folder, host, cortexApiKey] = process.argv.slice(2);
const workflow = { NodeConnectionTypes: { Main: "main" } }; // all that the node takes of n8n-workflow
const load = Module._load;
Module._load = (name, ...rest) => (name === "n8n-workflow" ? workflow : load(name, ...rest));
const { Cortex } = require(path.join(folder, "package/dist/nodes/Cortex/Cortex.node.js"));
const { CortexApi } = require(path.join(folder, "package/dist/credentials/CortexApi.credentials.js"));

const credentials = { host, cortexApiKey };
const header = new CortexApi().authenticate.properties.headers.Authorization.slice(1).replace("{{$credentials.cortexApiKey}}", cortexApiKey);

// n8n's requestWithAuthentication, as far as the node uses the old `request` options: uri, method, qs, body, json, formData.
async function requestWithAuthentication(_type, options) {
  const url = new URL(options.uri);
  for (const [name, value] of Object.entries(options.qs || {})) url.searchParams.append(name, String(value));
  const headers = { ...options.headers, Authorization: header, accept: "application/json" };
  let body;
  if (options.formData) {
    body = new FormData();
    for (const [name, part] of Object.entries(options.formData)) {
      if (typeof part === "string") body.append(name, part);
      else body.append(name, new Blob([part.value], { type: part.options.contentType }), part.options.filename);
    }
  } else if (options.body !== undefined) {
    body = JSON.stringify(options.body);
    headers["content-type"] = "application/json";
  }
  const answer = await fetch(url, { method: options.method, headers, body });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status} - ${text}`);
  return JSON.parse(text);
}

function context(step) {
  const file = step.binary && Buffer.from(step.binary.data, "base64");
  return {
    getInputData: () => [{ json: {} }],
    getNodeParameter: (name) => {
      if (!(name in step.parameters)) throw new Error(`no parameter ${name}`);
      return step.parameters[name];
    },
    getCredentials: async () => credentials,
    continueOnFail: () => step.continueOnFail === true,
    helpers: {
      requestWithAuthentication,
      assertBinaryData: () => step.binary,
      getBinaryDataBuffer: async () => file,
      returnJsonArray: (values) => values.map((json) => ({ json })),
    },
  };
}

async function main() {
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  const node = new Cortex();
  const answers = [];
  let last;
  for (const step of JSON.parse(text)) {
    for (const [name, value] of Object.entries(step.parameters)) if (value === "$last") step.parameters[name] = last;
    const method = step.call === "execute" ? node.execute : node.methods.loadOptions[step.call];
    const found = await method.call(context(step));
    answers.push(step.call === "execute" ? found[0].map((item) => item.json) : found);
    if (step.call === "execute") last = found[0][0].json.id;
  }
  const test = new CortexApi().test.request;
  const tested = await fetch(host + test.url, { headers: { Authorization: header } });
  console.log(JSON.stringify({ answers, tested: tested.status }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
